//! Made-up payment cards and bank accounts, with check digits that hold.

use super::Random;

/// A number of the issuer range that payment services use for tests, with its Luhn digit, grouped as the value is.
pub(super) fn card(value: &str, random: &mut Random) -> String {
    let body = format!("40000000{}", random.digits(7));
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte & 0x0f);
            match (place % 2, digit) {
                (0, 0..=4) => digit.saturating_mul(2),
                (0, _) => digit.saturating_mul(2).saturating_sub(9),
                _ => digit,
            }
        })
        .sum();
    let number = format!("{body}{}", 10_u32.saturating_sub(sum % 10) % 10);
    // Spaces would let a part of the number stand for the whole.
    if value.contains([' ', '-']) {
        grouped(&number)
    } else {
        number
    }
}

fn grouped(number: &str) -> String {
    let mut out = String::new();
    for (place, digit) in number.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// An account of the value's country and length at a bank that does not exist: its code is zeros or `X`.
pub(super) fn iban(value: &str, random: &mut Random) -> Option<String> {
    let compact: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    let country = compact.get(..2)?.to_ascii_uppercase();
    if country == "BE" {
        // There, zeros are a bank.
        return None;
    }
    let body: String = compact
        .get(4..)?
        .chars()
        .enumerate()
        .map(|(place, c)| match (place < BANK_CODE, c.is_ascii_digit()) {
            (true, true) => '0',
            (true, false) => 'X',
            (false, true) => char::from_digit(random.below(10), 10).unwrap_or('0'),
            (false, false) => {
                char::from_digit(random.below(26).saturating_add(10), 36).map_or('A', |c| c.to_ascii_uppercase())
            }
        })
        .collect();
    let rest = remainder_97(&format!("{body}{country}00"))?;
    let check = 98_u32.saturating_sub(rest);
    Some(format!("{country}{check:02}{body}"))
}

/// Characters that no country's bank code is longer than where one is known.
const BANK_CODE: usize = 4;

fn remainder_97(text: &str) -> Option<u32> {
    text.chars().try_fold(0_u32, |rest, c| {
        let value = c.to_digit(36)?;
        let shift = if value < 10 { 10 } else { 100 };
        Some(rest.saturating_mul(shift).saturating_add(value) % 97)
    })
}
