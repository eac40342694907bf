//! What check digits are for: of ten numbers that differ in one digit, at most one is taken.
#![expect(clippy::arithmetic_side_effects, reason = "digits and places below twenty")]

use proptest::prelude::*;

use super::*;

/// Schemes with how a number that may pass begins, and how many digits it has.
const SCHEMES: &[(&str, &str, usize)] = &[
    ("ar-cuit", "20", 11),
    ("at-svnr", "", 10),
    ("baltic-code", "3820714", 11),
    ("bg-egn", "820714", 10),
    ("ch-ahv", "756", 13),
    ("cz-birth-number", "805612", 10),
    ("de-vat", "", 9),
    ("gr-afm", "", 9),
    ("gr-amka", "140782", 11),
    ("hr-oib", "", 11),
    ("hu-taj", "", 9),
    ("imei", "35", 15),
    ("it-vat", "0", 11),
    ("jmbg", "140798", 13),
    ("jp-my-number", "", 12),
    ("kr-business", "", 10),
    ("kz-iin", "820714", 12),
    ("lv-code", "140782", 11),
    ("no-fodselsnummer", "140782", 11),
    ("nz-ird", "", 9),
    ("ro-cnp", "1820714", 13),
    ("ru-inn", "", 12),
    ("ru-snils", "", 11),
    ("th-id", "1", 13),
    ("ua-rnokpp", "", 10),
    ("us-npi", "1", 10),
    ("za-id", "820714", 13),
];

/// Schemes in which a remainder of ten is written as another digit or starts a second round.
const TWO_PASS: &[&str] = &[
    "ar-cuit",
    "baltic-code",
    "bg-egn",
    "cz-birth-number",
    "gr-afm",
    "jmbg",
    "jp-my-number",
    "kr-business",
    "kz-iin",
    "lv-code",
    "nz-ird",
    "ro-cnp",
    "ru-inn",
    "ru-snils",
    "th-id",
    "ua-rnokpp",
];

#[test]
fn issued_forms_of_each_scheme() {
    check(
        "at-svnr",
        &["1237 010180", "1526140782"],
        &["1238 010180", "0237010180", "1237 990180"],
    );
    check(
        "ch-ahv",
        &["756.9217.0769.85"],
        &["756.9217.0769.84", "757.9217.0769.85"],
    );
    check("cz-birth-number", &["710319/2745"], &["710319/2746", "719919/2745"]);
    check(
        "de-document",
        &["T220001293"],
        &["T220001294", "T22000129", "ABCDEFGHIJ"],
    );
    check(
        "de-pension",
        &["15 070649 C 103"],
        &["15 070649 C 104", "15 079949 C 103", "15070649103"],
    );
    check("de-health", &["A123456780"], &["A123456781", "123456780", "A12345678"]);
    check("de-vat", &["136695976"], &["136695977", "000000000"]);
    check("hk-id", &["K008599(5)", "K0085995"], &["K008599(6)", "K00859(5)", ""]);
    check(
        "tw-id",
        &["F108062320", "A123456789"],
        &["F108062321", "A323456789", "1108062320"],
    );
    check("in-gstin", &["29AAGCB7383J1Z4"], &["29AAGCB7383J1Z5", "29AAGCB7383J1Z"]);
    check("ie-pps", &["3549306N"], &["3549306M", "354930N", "3333333N"]);
    check(
        "mx-curp",
        &["GODE820714HDFRRN00"],
        &["GODE820714HDFRRN01", "GODE820714HDFRRN0"],
    );
    check(
        "cl-rut",
        &["12.653.817-0", "126538170"],
        &["12.653.817-1", "11111111-1", "-"],
    );
    check("us-dea", &["BM4505612"], &["BM4505613", "BM450561"]);
    check("us-npi", &["1921916411"], &["1921916412", "3921916411"]);
    check(
        "vin",
        &["1HGCM82633A004352", "1M8GDM9AXKP042788"],
        &["1HGCM82643A004352", "1HGCM82633A00435", "11111111111111112"],
    );
    check(
        "is-kennitala",
        &["140782-8159"],
        &["140782-8149", "149982-8159", "140782-8155"],
    );
    check("no-fodselsnummer", &["14078241374"], &["14078241384", "14998241374"]);
    check(
        "ro-cnp",
        &["1820714200182"],
        &["1820714200183", "0820714200182", "1829914200182"],
    );
    check("ru-inn", &["503986001703"], &["503986001704", "000000000000"]);
    check("it-vat", &["01741433377"], &["01741433378", "00000000000"]);
    check("za-id", &["8207149528088"], &["8207149528089", "8299149528088"]);
}

#[test]
fn what_a_label_is_followed_by() {
    check(
        "not-a-blank",
        &["German", "Roman Catholic", "AB+"],
        &["unknown", "None", "string", "not given"],
    );
    check("has-three-digits", &["B-MW 123"], &["B-MW 12", ""]);
    check("not-all-same", &["12345678", "00000001"], &["00000000", ""]);
}

proptest! {
    #[test]
    fn one_wrong_digit_is_noticed(
        scheme in prop::sample::select(SCHEMES),
        tail in prop::collection::vec(0_u8..10, 15),
        place in any::<prop::sample::Index>(),
    ) {
        let (name, head, len) = scheme;
        let mut number: Vec<u8> = head.bytes().map(|byte| byte - b'0').chain(tail).take(len).collect();
        let place = head.len() + place.index(len - head.len());
        // Its weight there is eleven, the modulus: no digit is noticed.
        prop_assume!(![("th-id", 2), ("kz-iin", 10)].contains(&(name, place)));
        let taken = (0..10).filter(|digit| {
            number[place] = *digit;
            let text: String = number.iter().map(|digit| char::from(b'0' + digit)).collect();
            validator(name).unwrap().accepts(&text)
        });
        let most = if TWO_PASS.contains(&name) { 2 } else { 1 };
        prop_assert!(taken.count() <= most, "{name} at {place}");
    }

    #[test]
    fn no_text_is_too_odd(name in prop::sample::select(VALIDATORS), text in "\\PC{0,40}|[0-9A-Za-z() ./-]{0,40}") {
        name.1.accepts(&text);
    }
}
