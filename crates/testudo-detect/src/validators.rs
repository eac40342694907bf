//! Checks that a pattern cannot express: check digits, checksums, entropy, plausibility.

mod address;
mod check_digits;
mod device;
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
    ("ar-cuit", Validator(national_id::americas::ar_cuit)),
    ("at-svnr", Validator(national_id::central::at_svnr)),
    ("au-abn", Validator(national_id::pacific::au_abn)),
    ("au-acn", Validator(national_id::pacific::au_acn)),
    ("au-medicare", Validator(national_id::pacific::au_medicare)),
    ("au-tfn", Validator(national_id::pacific::au_tfn)),
    ("baltic-code", Validator(national_id::northern::baltic_code)),
    ("base58check", Validator(wallet::base58check)),
    ("be-rrn", Validator(national_id::europe::be_rrn)),
    ("bech32", Validator(wallet::bech32)),
    ("bg-egn", Validator(national_id::south_east::bg_egn)),
    ("br-cnpj", Validator(national_id::americas::br_cnpj)),
    ("br-cpf", Validator(national_id::americas::br_cpf)),
    ("ca-sin", Validator(national_id::americas::ca_sin)),
    ("ch-ahv", Validator(national_id::central::ch_ahv)),
    ("cl-rut", Validator(national_id::americas::cl_rut)),
    ("cn-resident-id", Validator(national_id::asia::cn_resident_id)),
    ("cz-birth-number", Validator(national_id::central::cz_birth_number)),
    ("date", Validator(national_id::date)),
    ("de-document", Validator(national_id::central::de_document)),
    ("de-health", Validator(national_id::central::de_health)),
    ("de-pension", Validator(national_id::central::de_pension)),
    ("de-steuer-id", Validator(national_id::europe::de_steuer_id)),
    ("de-vat", Validator(national_id::central::de_vat)),
    ("discord-token", Validator(token::discord_token)),
    ("dk-cpr", Validator(national_id::europe::dk_cpr)),
    ("drawing", Validator(hidden::drawing)),
    ("eip55", Validator(wallet::eip55)),
    ("email", Validator(address::email)),
    ("es-dni", Validator(national_id::europe::es_dni)),
    ("fi-hetu", Validator(national_id::europe::fi_hetu)),
    ("fr-nir", Validator(national_id::europe::fr_nir)),
    ("github-crc32", Validator(token::github_crc32)),
    ("gr-afm", Validator(national_id::south_east::gr_afm)),
    ("gr-amka", Validator(national_id::south_east::gr_amka)),
    ("has-digits", Validator(check_digits::has_digits)),
    ("has-three-digits", Validator(check_digits::has_three_digits)),
    ("hk-id", Validator(national_id::far_east::hk_id)),
    ("hr-oib", Validator(national_id::south_east::hr_oib)),
    ("hu-taj", Validator(national_id::central::hu_taj)),
    ("iban", Validator(payment::iban)),
    ("ie-pps", Validator(national_id::northern::ie_pps)),
    ("imei", Validator(device::imei)),
    ("in-gstin", Validator(national_id::far_east::in_gstin)),
    ("ip-public", Validator(address::ip_public)),
    ("is-kennitala", Validator(national_id::northern::is_kennitala)),
    ("it-codice-fiscale", Validator(national_id::europe::it_codice_fiscale)),
    ("it-vat", Validator(national_id::south_east::it_vat)),
    ("jmbg", Validator(national_id::south_east::jmbg)),
    ("jp-my-number", Validator(national_id::far_east::jp_my_number)),
    ("jwt", Validator(token::jwt)),
    ("kr-business", Validator(national_id::far_east::kr_business)),
    ("kr-rrn", Validator(national_id::asia::kr_rrn)),
    ("kz-iin", Validator(national_id::south_east::kz_iin)),
    ("luhn", Validator(check_digits::luhn)),
    ("lv-code", Validator(national_id::northern::lv_code)),
    ("mac", Validator(address::mac)),
    ("mx-curp", Validator(national_id::americas::mx_curp)),
    ("nl-bsn", Validator(national_id::europe::nl_bsn)),
    ("no-fodselsnummer", Validator(national_id::northern::no_fodselsnummer)),
    ("not-a-blank", Validator(token::not_a_blank)),
    ("not-a-flag", Validator(hidden::not_a_flag)),
    ("not-a-placeholder", Validator(token::not_a_placeholder)),
    ("not-all-same", Validator(check_digits::not_all_same)),
    ("not-repeated", Validator(token::not_repeated)),
    ("nz-ird", Validator(national_id::pacific::nz_ird)),
    ("password", Validator(token::password)),
    ("payment-card", Validator(payment::payment_card)),
    ("phone-e164", Validator(address::phone_e164)),
    ("phone-nanp", Validator(address::phone_nanp)),
    ("phone-national", Validator(address::phone_national)),
    ("pl-pesel", Validator(national_id::europe::pl_pesel)),
    ("pt-nif", Validator(national_id::europe::pt_nif)),
    ("random-token", Validator(token::random_token)),
    ("ro-cnp", Validator(national_id::south_east::ro_cnp)),
    ("ru-inn", Validator(national_id::south_east::ru_inn)),
    ("ru-snils", Validator(national_id::south_east::ru_snils)),
    ("se-personnummer", Validator(national_id::europe::se_personnummer)),
    ("sg-nric", Validator(national_id::asia::sg_nric)),
    ("sql-without-where", Validator(sql::without_where)),
    ("th-id", Validator(national_id::far_east::th_id)),
    ("tr-kimlik", Validator(national_id::asia::tr_kimlik)),
    ("tw-id", Validator(national_id::far_east::tw_id)),
    ("ua-rnokpp", Validator(national_id::south_east::ua_rnokpp)),
    ("uk-nhs", Validator(national_id::europe::uk_nhs)),
    ("uk-nino", Validator(national_id::europe::uk_nino)),
    ("url-carries-data", Validator(address::url_carries_data)),
    ("url-carries-much-data", Validator(address::url_carries_much_data)),
    ("url-password", Validator(token::url_password)),
    ("us-dea", Validator(device::us_dea)),
    ("us-itin", Validator(national_id::americas::us_itin)),
    ("us-npi", Validator(device::us_npi)),
    ("us-ssn", Validator(national_id::americas::us_ssn)),
    ("vin", Validator(device::vin)),
    ("za-id", Validator(national_id::africa::za_id)),
];
