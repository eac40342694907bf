//! National ids of Asia.

use super::{is_day, pair, three_pairs};
use crate::validators::check_digits::{all_same, digits, exactly, verhoeff, weighted};

/// An Indian Aadhaar number: twelve digits, the first from 2, Verhoeff.
pub(in crate::validators) fn aadhaar(text: &str) -> bool {
    let Some([first, ..]) = exactly::<12>(text) else {
        return false;
    };
    // Three years in a row are not a number of a person.
    let years = text
        .split([' ', '-'])
        .all(|group| group.starts_with("19") || group.starts_with("20"));
    first >= 2 && !years && !all_same(text) && verhoeff(text)
}

/// A Chinese resident id: birth date and ISO 7064 mod 11-2, where ten is `X`.
pub(in crate::validators) fn cn_resident_id(text: &str) -> bool {
    let mut digits: Vec<u32> = digits(text).collect();
    if text.ends_with(['X', 'x']) {
        digits.push(10);
    }
    let [_, _, _, _, _, _, century, decade, .., check] = digits.as_slice() else {
        return false;
    };
    let month_day = digits.get(10..14).and_then(|part| match part {
        [a, b, c, d] => Some((pair(*a, *b), pair(*c, *d))),
        _ => None,
    });
    let sum = weighted(
        digits.iter().copied(),
        &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2],
    );
    let expected = 12_u32.saturating_sub(sum % 11) % 11;
    digits.len() == 18
        && matches!(pair(*century, *decade), 18..=20)
        && month_day.is_some_and(|(month, day)| is_day(month, day))
        && *check == expected
}

/// A South Korean resident number: birth date, and the check digit unless issued after October 2020.
pub(in crate::validators) fn kr_rrn(text: &str) -> bool {
    let Some(all) = exactly::<13>(text) else { return false };
    let Some((year, month, day)) = three_pairs(text) else {
        return false;
    };
    let [_, _, _, _, _, _, century, .., check] = all;
    let sum = weighted(all, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let expected = 11_u32.saturating_sub(sum % 11) % 10;
    let issued_without_check = matches!(century, 3 | 4 | 7 | 8) && (year, month) >= (20, 10);
    is_day(month, day) && (1..=8).contains(&century) && (check == expected || issued_without_check)
}

/// A Turkish identity number: two check digits.
pub(in crate::validators) fn tr_kimlik(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let [first, .., tenth, eleventh] = all;
    let odd = weighted(all, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(all, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let sum = weighted(all, &[1; 10]);
    // Ten times nine keeps the difference positive; it does not change the remainder.
    let difference = odd.saturating_mul(7).saturating_add(90).saturating_sub(even);
    first != 0 && difference % 10 == tenth && sum % 10 == eleventh
}

/// A Singaporean NRIC or FIN: weighted digits select the letter.
pub(in crate::validators) fn sg_nric(text: &str) -> bool {
    let Some(all) = exactly::<7>(text) else { return false };
    let (Some(series), Some(letter)) = (text.chars().next(), text.chars().next_back()) else {
        return false;
    };
    let (offset, letters) = match series.to_ascii_uppercase() {
        'S' => (0, "JZIHGFEDCBA"),
        'T' => (4, "JZIHGFEDCBA"),
        'F' => (0, "XWUTRQPNMLK"),
        'G' => (4, "XWUTRQPNMLK"),
        'M' => (3, "XWUTRQPNJLK"),
        _ => return false,
    };
    let rest = weighted(all, &[2, 7, 6, 5, 4, 3, 2]).saturating_add(offset) % 11;
    let expected = usize::try_from(rest).ok().and_then(|place| letters.chars().nth(place));
    expected == Some(letter.to_ascii_uppercase())
}
