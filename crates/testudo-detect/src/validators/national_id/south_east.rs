//! National ids of south-eastern and eastern Europe, and of Kazakhstan.

use super::{is_day, pair, three_pairs};
use crate::validators::check_digits::{all_same, digits, exactly, iso7064_mod_11_10, luhn, remainder, weighted};

/// A Romanian personal number: sex and century, date, county, serial, check digit.
pub(in crate::validators) fn ro_cnp(text: &str) -> bool {
    let Some(all) = exactly::<13>(text) else { return false };
    let [first, _, _, m1, m2, d1, d2, .., check] = all;
    let expected = match weighted(all, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11 {
        10 => 1,
        rest => rest,
    };
    first != 0 && is_day(pair(m1, m2), pair(d1, d2)) && check == expected
}

/// A Bulgarian civil number: date with the century in the month, check digit.
pub(in crate::validators) fn bg_egn(text: &str) -> bool {
    let Some(all) = exactly::<10>(text) else { return false };
    let Some((_, month, day)) = three_pairs(text) else {
        return false;
    };
    let [.., check] = all;
    is_day(month % 20, day) && weighted(all, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == check
}

/// A Croatian personal number: eleven digits, mod 11,10.
pub(in crate::validators) fn hr_oib(text: &str) -> bool {
    exactly::<11>(text).is_some() && !all_same(text) && iso7064_mod_11_10(text)
}

/// A citizen number of the former Yugoslavia: date, region, serial, check digit.
pub(in crate::validators) fn jmbg(text: &str) -> bool {
    let Some(all) = exactly::<13>(text) else { return false };
    let [d1, d2, m1, m2, .., check] = all;
    let expected = match 11_u32.saturating_sub(weighted(all, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) {
        10 | 11 => 0,
        rest => rest,
    };
    is_day(pair(m1, m2), pair(d1, d2)) && check == expected
}

/// A Greek social security number: date and Luhn.
pub(in crate::validators) fn gr_amka(text: &str) -> bool {
    exactly::<11>(text).is_some() && three_pairs(text).is_some_and(|(day, month, _)| is_day(month, day)) && luhn(text)
}

/// A Greek tax number: powers of two, mod 11.
pub(in crate::validators) fn gr_afm(text: &str) -> bool {
    let Some(all) = exactly::<9>(text) else { return false };
    let [.., check] = all;
    !all_same(text) && weighted(all, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == check
}

/// A Russian pension number: weights 9 to 1, mod 101, two check digits.
pub(in crate::validators) fn ru_snils(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let [.., tens, ones] = all;
    let sum = weighted(all, &[9, 8, 7, 6, 5, 4, 3, 2, 1]);
    !all_same(text) && sum % 101 % 100 == pair(tens, ones)
}

/// A Russian tax number of a person: two check digits mod 11.
pub(in crate::validators) fn ru_inn(text: &str) -> bool {
    let Some(all) = exactly::<12>(text) else { return false };
    let [.., first, second] = all;
    !all_same(text)
        && weighted(all, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == first
        && weighted(all, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == second
}

/// A Ukrainian tax number: weights -1, 5, 7, 9, 4, 6, 10, 5, 7, mod 11.
pub(in crate::validators) fn ua_rnokpp(text: &str) -> bool {
    let Some(all) = exactly::<10>(text) else { return false };
    let [.., check] = all;
    // Minus one is ten in mod 11.
    let rest = weighted(all, &[10, 5, 7, 9, 4, 6, 10, 5, 7]) % 11;
    !all_same(text) && rest % 10 == check
}

/// A Kazakh individual number: date, century and sex, check digit in two rounds.
pub(in crate::validators) fn kz_iin(text: &str) -> bool {
    let Some(all) = exactly::<12>(text) else { return false };
    let Some((_, month, day)) = three_pairs(text) else {
        return false;
    };
    let [.., check] = all;
    let rest = match weighted(all, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11 {
        10 => weighted(all, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11,
        rest => rest,
    };
    is_day(month, day) && rest == check
}

/// An Italian turnover tax number: eleven digits, Luhn.
pub(in crate::validators) fn it_vat(text: &str) -> bool {
    exactly::<11>(text).is_some() && !all_same(text) && remainder(digits(text).take(7), 1000) != 0 && luhn(text)
}
