//! Payment cards and bank accounts.

use super::check_digits::{all_same, digit_count, digits, luhn, mod97_is_one};

/// A payment card number: an issuer's range with its length, and the Luhn digit.
pub(super) fn payment_card(text: &str) -> bool {
    let count = digit_count(text);
    let prefix = digits(text)
        .take(4)
        .fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(digit));
    issued(prefix, count) && !all_same(text) && luhn(text)
}

/// Whether an issuer uses numbers of this length that start with these four digits.
fn issued(prefix: u32, count: usize) -> bool {
    match prefix {
        // Visa.
        4000..=4999 => matches!(count, 13 | 16 | 19),
        // Mastercard (both ranges), Mir, RuPay.
        2221..=2720 | 5100..=5599 | 2200..=2204 | 8100..=8299 | 5080..=5089 => count == 16,
        // American Express.
        3400..=3499 | 3700..=3799 => count == 15,
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => matches!(count, 14 | 16 | 19),
        // JCB, Discover, UnionPay.
        3528..=3589 | 6011 | 6440..=6599 | 6200..=6299 => (16..=19).contains(&count),
        // Maestro.
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => (12..=19).contains(&count),
        _ => false,
    }
}

/// An international bank account number: the country's length and mod 97.
pub(super) fn iban(text: &str) -> bool {
    let compact: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let (Some(head), Some(body)) = (compact.get(..4), compact.get(4..)) else {
        return false;
    };
    let country: String = head.iter().take(2).map(char::to_ascii_uppercase).collect();
    let known = IBAN_LENGTHS
        .iter()
        .any(|(code, len)| *code == country && *len == compact.len());
    known && mod97_is_one(body.iter().chain(head).copied())
}

/// Countries of the IBAN registry with the length of their account numbers.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];
