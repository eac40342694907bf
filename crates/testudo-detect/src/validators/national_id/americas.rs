//! National ids of the Americas.

use crate::validators::check_digits::{all_same, digits, exactly, luhn, weighted};

/// A United States social security number: area, group and serial in issued ranges.
pub(in crate::validators) fn us_ssn(text: &str) -> bool {
    let Some([a, b, c, d, e, f, g, h, i]) = exactly::<9>(text) else {
        return false;
    };
    let area_issued = a != 9 && [a, b, c] != [0, 0, 0] && [a, b, c] != [6, 6, 6];
    area_issued && [d, e] != [0, 0] && [f, g, h, i] != [0, 0, 0, 0] && !all_same(text)
}

/// A United States individual taxpayer number: 9xx with the issued middle groups.
pub(in crate::validators) fn us_itin(text: &str) -> bool {
    let Some([a, _, _, d, e, _, _, _, _]) = exactly::<9>(text) else {
        return false;
    };
    let group = super::pair(d, e);
    a == 9 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99) && !all_same(text)
}

/// A Canadian social insurance number: Luhn; 0 and 8 are not issued to people.
pub(in crate::validators) fn ca_sin(text: &str) -> bool {
    let Some([first, ..]) = exactly::<9>(text) else {
        return false;
    };
    !matches!(first, 0 | 8) && !all_same(text) && luhn(text)
}

/// A Brazilian taxpayer number of a person: two check digits mod 11.
pub(in crate::validators) fn br_cpf(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let [.., first, second] = all;
    let check = |weights: &[u32]| mod_11_check(weighted(all, weights));
    !all_same(text)
        && check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]) == first
        && check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == second
}

/// A Brazilian company number, in digits or with letters as issued since 2026.
pub(in crate::validators) fn br_cnpj(text: &str) -> bool {
    let values: Vec<u32> = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| u32::from(byte.to_ascii_uppercase()).saturating_sub(48))
        .collect();
    let [body @ .., first, second] = values.as_slice() else {
        return false;
    };
    let check = |len: usize, weights: &[u32]| mod_11_check(weighted(values.iter().copied().take(len), weights));
    body.len() == 12
        && values.iter().any(|value| values.first() != Some(value))
        && check(12, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == *first
        && check(13, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == *second
}

/// A Mexican population key: eighteen characters, the last checks the others.
pub(in crate::validators) fn mx_curp(text: &str) -> bool {
    // The alphabet has an Ñ between N and O.
    let value = |c: char| c.to_digit(36).map(|v| if v > 23 { v.saturating_add(1) } else { v });
    let values: Vec<u32> = text.chars().filter_map(value).collect();
    let [body @ .., check] = values.as_slice() else {
        return false;
    };
    let weights: Vec<u32> = (2..=18).rev().collect();
    let sum = weighted(body.iter().copied(), &weights);
    body.len() == 17 && 10_u32.saturating_sub(sum % 10) % 10 == *check
}

/// A Chilean identity number: weights 2 to 7 from the right, mod 11, ten is `K`.
pub(in crate::validators) fn cl_rut(text: &str) -> bool {
    let Some(check) = text.chars().next_back().map(|c| c.to_ascii_uppercase()) else {
        return false;
    };
    let body = text
        .get(..text.len().saturating_sub(check.len_utf8()))
        .unwrap_or_default();
    let sum: u32 = digits(body)
        .rev()
        .zip([2, 3, 4, 5, 6, 7].into_iter().cycle())
        .map(|(digit, weight): (u32, u32)| digit.saturating_mul(weight))
        .sum();
    let expected = match 11_u32.saturating_sub(sum % 11) {
        11 => Some('0'),
        10 => Some('K'),
        rest => char::from_digit(rest, 10),
    };
    matches!(digits(body).count(), 7 | 8) && !all_same(body) && expected == Some(check)
}

/// An Argentine tax number: a kind, the document number, a check digit mod 11.
pub(in crate::validators) fn ar_cuit(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let [kind, second, .., check] = all;
    let expected = match 11_u32.saturating_sub(weighted(all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) {
        11 => 0,
        10 => 9,
        rest => rest,
    };
    matches!(super::pair(kind, second), 20 | 23..=27 | 30 | 33 | 34) && check == expected
}

/// Eleven less the remainder; ten and eleven count as zero.
fn mod_11_check(sum: u32) -> u32 {
    match sum % 11 {
        0 | 1 => 0,
        rest => 11_u32.saturating_sub(rest),
    }
}
