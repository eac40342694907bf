//! Checks that a pattern cannot express: check digits, checksums, entropy, plausibility.

mod address;
mod check_digits;
mod hidden;
mod national_id;
mod payment;
mod sql;
mod token;
mod wallet;

#[cfg(test)]
mod tests;

use std::fmt;

/// A named yes-or-no check of the text that a pattern matched.
#[derive(Clone, Copy)]
pub(crate) struct Validator(pub(crate) fn(&str) -> bool);

impl Validator {
    /// Whether the text is what the pattern took it for.
    pub(crate) fn accepts(self, text: &str) -> bool {
        (self.0)(text)
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validator")
    }
}

/// The validator that a rule names; `None` when there is none of that name.
pub(crate) fn validator(name: &str) -> Option<Validator> {
    VALIDATORS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, check)| *check)
}

/// Every validator by name, sorted.
const VALIDATORS: &[(&str, Validator)] = &[
    ("aadhaar", Validator(national_id::asia::aadhaar)),
    ("au-abn", Validator(national_id::pacific::au_abn)),
    ("au-medicare", Validator(national_id::pacific::au_medicare)),
    ("au-tfn", Validator(national_id::pacific::au_tfn)),
    ("base58check", Validator(wallet::base58check)),
    ("be-rrn", Validator(national_id::europe::be_rrn)),
    ("bech32", Validator(wallet::bech32)),
    ("br-cnpj", Validator(national_id::americas::br_cnpj)),
    ("br-cpf", Validator(national_id::americas::br_cpf)),
    ("ca-sin", Validator(national_id::americas::ca_sin)),
    ("cn-resident-id", Validator(national_id::asia::cn_resident_id)),
    ("date", Validator(national_id::date)),
    ("de-steuer-id", Validator(national_id::europe::de_steuer_id)),
    ("dk-cpr", Validator(national_id::europe::dk_cpr)),
    ("drawing", Validator(hidden::drawing)),
    ("eip55", Validator(wallet::eip55)),
    ("email", Validator(address::email)),
    ("es-dni", Validator(national_id::europe::es_dni)),
    ("fi-hetu", Validator(national_id::europe::fi_hetu)),
    ("fr-nir", Validator(national_id::europe::fr_nir)),
    ("github-crc32", Validator(token::github_crc32)),
    ("has-digits", Validator(check_digits::has_digits)),
    ("iban", Validator(payment::iban)),
    ("ip-public", Validator(address::ip_public)),
    ("it-codice-fiscale", Validator(national_id::europe::it_codice_fiscale)),
    ("jwt", Validator(token::jwt)),
    ("kr-rrn", Validator(national_id::asia::kr_rrn)),
    ("luhn", Validator(check_digits::luhn)),
    ("mac", Validator(address::mac)),
    ("nl-bsn", Validator(national_id::europe::nl_bsn)),
    ("not-a-flag", Validator(hidden::not_a_flag)),
    ("not-repeated", Validator(token::not_repeated)),
    ("password", Validator(token::password)),
    ("payment-card", Validator(payment::payment_card)),
    ("phone-e164", Validator(address::phone_e164)),
    ("phone-nanp", Validator(address::phone_nanp)),
    ("phone-national", Validator(address::phone_national)),
    ("pl-pesel", Validator(national_id::europe::pl_pesel)),
    ("pt-nif", Validator(national_id::europe::pt_nif)),
    ("random-token", Validator(token::random_token)),
    ("se-personnummer", Validator(national_id::europe::se_personnummer)),
    ("sg-nric", Validator(national_id::asia::sg_nric)),
    ("sql-without-where", Validator(sql::without_where)),
    ("tr-kimlik", Validator(national_id::asia::tr_kimlik)),
    ("uk-nhs", Validator(national_id::europe::uk_nhs)),
    ("uk-nino", Validator(national_id::europe::uk_nino)),
    ("url-carries-data", Validator(address::url_carries_data)),
    ("url-carries-much-data", Validator(address::url_carries_much_data)),
    ("url-password", Validator(token::url_password)),
    ("us-itin", Validator(national_id::americas::us_itin)),
    ("us-ssn", Validator(national_id::americas::us_ssn)),
];
