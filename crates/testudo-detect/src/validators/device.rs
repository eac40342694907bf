//! Vehicles, telephones and their cards; licences and ids of health care.

use super::check_digits::{all_same, digits, exactly, luhn, weighted};

/// A vehicle identification number with its check character in the ninth place.
pub(super) fn vin(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter_map(vin_value).collect();
    let sum = weighted(
        values.iter().copied(),
        &[8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2],
    );
    let expected = char::from_digit(sum % 11, 11).map(|digit| if digit == 'a' { 'X' } else { digit });
    let check = text.chars().nth(8).map(|c| c.to_ascii_uppercase());
    values.len() == 17 && !all_same(text) && check == expected
}

/// What a character counts in a vehicle number; I, O and Q do not occur.
fn vin_value(c: char) -> Option<u32> {
    match c.to_ascii_uppercase() {
        c @ '0'..='9' => c.to_digit(10),
        c @ 'A'..='H' => u32::from(c).checked_sub(64),
        c @ 'J'..='N' => u32::from(c).checked_sub(73),
        'P' => Some(7),
        'R' => Some(9),
        c @ 'S'..='Z' => u32::from(c).checked_sub(81),
        _ => None,
    }
}

/// The number of a mobile device: fifteen digits and Luhn.
pub(super) fn imei(text: &str) -> bool {
    exactly::<15>(text).is_some() && !all_same(text) && luhn(text)
}

/// The registration of a prescriber with the US drug enforcement agency.
pub(super) fn us_dea(text: &str) -> bool {
    let Some(all) = exactly::<7>(text) else { return false };
    let [.., check] = all;
    weighted(all, &[1, 2, 1, 2, 1, 2]) % 10 == check
}

/// A US provider number: Luhn with the prefix 80840 of health care.
pub(super) fn us_npi(text: &str) -> bool {
    let ten: String = text.chars().filter(char::is_ascii_digit).collect();
    matches!(digits(text).next(), Some(1 | 2)) && ten.len() == 10 && luhn(&format!("80840{ten}"))
}
