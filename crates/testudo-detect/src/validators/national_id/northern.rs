//! National ids of the North and the Baltics: Norway, Iceland, Estonia, Latvia, Lithuania, Ireland.

use super::{is_day, pair, three_pairs};
use crate::validators::check_digits::{all_same, digits, exactly, weighted};

/// A Norwegian birth number: date and two check digits mod 11.
pub(in crate::validators) fn no_fodselsnummer(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let Some((day, month, _)) = three_pairs(text) else {
        return false;
    };
    // A temporary number adds 40 to the day.
    is_day(month, day % 40)
        && weighted(all, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// An Icelandic identity number: date, two random digits, check digit, century.
pub(in crate::validators) fn is_kennitala(text: &str) -> bool {
    let Some(all) = exactly::<10>(text) else { return false };
    let [d1, d2, m1, m2, _, _, _, _, check, century] = all;
    let rest = weighted(all, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    is_day(pair(m1, m2), pair(d1, d2) % 40) && matches!(century, 0 | 8 | 9) && 11_u32.saturating_sub(rest) % 11 == check
}

/// An Estonian or Lithuanian personal code: century and sex, date, check digit in two rounds.
pub(in crate::validators) fn baltic_code(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let [century, _, _, m1, m2, d1, d2, .., check] = all;
    let rest = match weighted(all, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11 {
        10 => weighted(all, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10,
        rest => rest,
    };
    (1..=8).contains(&century) && is_day(pair(m1, m2), pair(d1, d2)) && rest == check
}

/// A Latvian personal code: by date with a check digit, or of the kind without a date.
pub(in crate::validators) fn lv_code(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let [d1, d2, m1, m2, _, _, century, .., check] = all;
    if (d1, d2) == (3, 2) {
        return !all_same(text);
    }
    let sum = weighted(all, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    is_day(pair(m1, m2), pair(d1, d2)) && century <= 2 && 1101_u32.saturating_sub(sum) % 11 % 10 == check
}

/// An Irish personal public service number: seven digits, check letter, perhaps one more letter.
pub(in crate::validators) fn ie_pps(text: &str) -> bool {
    let letters: Vec<u32> = text
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|c| u32::from(c.to_ascii_uppercase()).saturating_sub(64))
        .collect();
    let Some((check, second)) = letters.split_first() else {
        return false;
    };
    // W stands for no second letter and counts nothing.
    let extra = second.first().map_or(0, |value| if *value == 23 { 0 } else { *value });
    let sum = weighted(digits(text), &[8, 7, 6, 5, 4, 3, 2]).saturating_add(extra.saturating_mul(9));
    let expected = match sum % 23 {
        0 => 23,
        rest => rest,
    };
    exactly::<7>(text).is_some() && !all_same(text) && *check == expected
}
