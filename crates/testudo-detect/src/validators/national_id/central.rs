//! National ids of central Europe: Germany, Austria, Switzerland, Czechia, Slovakia, Hungary.

use super::{is_day, three_pairs};
use crate::validators::check_digits::{all_same, digit_sum, digits, exactly, iso7064_mod_11_10, remainder, weighted};

/// A German identity card or passport: serial number and check digit, weights 7, 3, 1.
pub(in crate::validators) fn de_document(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let [body @ .., check] = values.as_slice() else {
        return false;
    };
    let sum = weighted(body.iter().copied(), &[7, 3, 1, 7, 3, 1, 7, 3, 1]);
    body.len() == 9 && values.iter().any(|value| *value < 10) && *check == sum % 10
}

/// A German pension insurance number: area, birth date, letter, serial, check digit.
pub(in crate::validators) fn de_pension(text: &str) -> bool {
    let expanded = expand_letter(text);
    let Some(all) = exactly::<13>(&expanded) else {
        return false;
    };
    let [_, _, d1, d2, m1, m2, .., check] = all;
    let products = all
        .iter()
        .zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(digit, weight)| digit_sum(digit.saturating_mul(weight)));
    // A day may be raised by fifty when serials run out.
    is_day(super::pair(m1, m2), super::pair(d1, d2) % 50) && products.sum::<u32>() % 10 == check
}

/// A German health insurance number: a letter, eight digits, a check digit.
pub(in crate::validators) fn de_health(text: &str) -> bool {
    let expanded = expand_letter(text);
    let Some(all) = exactly::<11>(&expanded) else {
        return false;
    };
    let [.., check] = all;
    let products = all
        .iter()
        .take(10)
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, weight)| digit_sum(digit.saturating_mul(weight)));
    products.sum::<u32>() % 10 == check
}

/// The one capital letter of a number as its two-digit place in the alphabet.
fn expand_letter(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'A'..='Z' => format!("{:02}", u32::from(c).saturating_sub(64)),
            _ => c.to_string(),
        })
        .collect()
}

/// A German turnover tax id: nine digits, mod 11,10.
pub(in crate::validators) fn de_vat(text: &str) -> bool {
    exactly::<9>(text).is_some() && !all_same(text) && iso7064_mod_11_10(text)
}

/// An Austrian social insurance number: serial, check digit, birth date.
pub(in crate::validators) fn at_svnr(text: &str) -> bool {
    let Some(all) = exactly::<10>(text) else { return false };
    let [first, _, _, check, d1, d2, m1, m2, ..] = all;
    let sum = weighted(all, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    // Months above twelve stand for people whose birth date is full.
    let dated = (1..=15).contains(&super::pair(m1, m2)) && (1..=31).contains(&super::pair(d1, d2));
    first != 0 && dated && sum % 11 == check
}

/// A Swiss social security number: thirteen digits from 756, check digit as in EAN-13.
pub(in crate::validators) fn ch_ahv(text: &str) -> bool {
    let Some(all) = exactly::<13>(text) else { return false };
    let [7, 5, 6, .., check] = all else { return false };
    let sum = weighted(all, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
    10_u32.saturating_sub(sum % 10) % 10 == check
}

/// A Czech or Slovak birth number: divisible by eleven, months raised for women and full days.
pub(in crate::validators) fn cz_birth_number(text: &str) -> bool {
    let Some(all) = exactly::<10>(text) else { return false };
    let Some((_, month, day)) = three_pairs(text) else {
        return false;
    };
    let [.., last] = all;
    let month = month % 50;
    let month = if month > 20 { month.saturating_sub(20) } else { month };
    let divisible = remainder(digits(text), 11) == 0;
    let older = remainder(digits(text).take(9), 11) == 10 && last == 0;
    is_day(month, day) && (divisible || older)
}

/// A Hungarian social security number: weights 3 and 7.
pub(in crate::validators) fn hu_taj(text: &str) -> bool {
    let Some(all) = exactly::<9>(text) else { return false };
    let [.., check] = all;
    !all_same(text) && weighted(all, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == check
}
