//! National ids of Japan, Thailand, Hong Kong and Taiwan; numbers of companies in India and South Korea.

use crate::validators::check_digits::{all_same, digits, exactly, weighted};

/// A Japanese individual number: eleven digits and a check digit.
pub(in crate::validators) fn jp_my_number(text: &str) -> bool {
    let Some(all) = exactly::<12>(text) else { return false };
    let [.., check] = all;
    let expected = match weighted(all, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        rest => 11_u32.saturating_sub(rest),
    };
    !all_same(text) && check == expected
}

/// A Thai identity number: weights 13 to 2, mod 11.
pub(in crate::validators) fn th_id(text: &str) -> bool {
    let Some(all) = exactly::<13>(text) else { return false };
    let [first, .., check] = all;
    let rest = weighted(all, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    first != 0 && !all_same(text) && 11_u32.saturating_sub(rest) % 10 == check
}

/// A Hong Kong identity card: one or two letters, six digits, check character in brackets.
pub(in crate::validators) fn hk_id(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let (check, body) = match values.split_last() {
        Some((check, body)) if matches!(body.len(), 7 | 8) && *check <= 10 => (*check, body),
        _ => return false,
    };
    // One letter alone counts as if a space stood before it.
    let lead = if body.len() == 7 { Some(36) } else { None };
    let sum = weighted(lead.into_iter().chain(body.iter().copied()), &[9, 8, 7, 6, 5, 4, 3, 2]);
    11_u32.saturating_sub(sum % 11) % 11 == check
}

/// A Taiwanese identity number: a letter for the place, sex, eight digits.
pub(in crate::validators) fn tw_id(text: &str) -> bool {
    const PLACES: &str = "ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let place = text
        .chars()
        .next()
        .and_then(|letter| PLACES.find(letter.to_ascii_uppercase()))
        .and_then(|place| u32::try_from(place).ok());
    let (Some(place), Some(all)) = (place, exactly::<9>(text)) else {
        return false;
    };
    let code = place.saturating_add(10);
    let [sex, ..] = all;
    let sum = weighted(
        [code / 10, code % 10].into_iter().chain(all),
        &[1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1],
    );
    matches!(sex, 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// An Indian goods and services tax number: fifteen characters in base 36, the last checks the others.
pub(in crate::validators) fn in_gstin(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let [body @ .., check] = values.as_slice() else {
        return false;
    };
    let sum: u32 = body
        .iter()
        .zip([1, 2].into_iter().cycle())
        .map(|(value, weight): (&u32, u32)| {
            let product = value.saturating_mul(weight);
            (product / 36).saturating_add(product % 36)
        })
        .sum();
    body.len() == 14 && 36_u32.saturating_sub(sum % 36) % 36 == *check
}

/// A South Korean business number: ten digits, the ninth counts with its carry.
pub(in crate::validators) fn kr_business(text: &str) -> bool {
    let Some(all) = exactly::<10>(text) else { return false };
    let [.., ninth, check] = all;
    let sum = weighted(digits(text), &[1, 3, 7, 1, 3, 7, 1, 3, 5]).saturating_add(ninth.saturating_mul(5) / 10);
    !all_same(text) && 10_u32.saturating_sub(sum % 10) % 10 == check
}
