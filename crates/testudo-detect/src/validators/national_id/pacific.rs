//! National ids of Australia and New Zealand.

use crate::validators::check_digits::{all_same, digit_count, digits, exactly, weighted};

/// An Australian tax file number: nine digits, weighted sum divisible by 11.
pub(in crate::validators) fn au_tfn(text: &str) -> bool {
    let Some(all) = exactly::<9>(text) else { return false };
    !all_same(text) && weighted(all, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

/// An Australian Medicare number: ten or eleven digits, the ninth is the check digit.
pub(in crate::validators) fn au_medicare(text: &str) -> bool {
    let mut source = digits(text);
    let in_range = source.clone().next().is_some_and(|first| (2..=6).contains(&first));
    let check = weighted(digits(text), &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    in_range && matches!(digit_count(text), 10 | 11) && source.nth(8) == Some(check)
}

/// An Australian business number: one off the first digit, weighted sum divisible by 89.
pub(in crate::validators) fn au_abn(text: &str) -> bool {
    let Some([first, rest @ ..]) = exactly::<11>(text) else {
        return false;
    };
    let tail = weighted(rest, &[1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    let sum = first.saturating_sub(1).saturating_mul(10).saturating_add(tail);
    first != 0 && sum.is_multiple_of(89)
}

/// An Australian company number: weights 8 to 1, mod 10.
pub(in crate::validators) fn au_acn(text: &str) -> bool {
    let Some(all) = exactly::<9>(text) else { return false };
    let [.., check] = all;
    let rest = weighted(all, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10;
    !all_same(text) && 10_u32.saturating_sub(rest) % 10 == check
}

/// A New Zealand tax number: eight or nine digits, mod 11 with a second set of weights.
pub(in crate::validators) fn nz_ird(text: &str) -> bool {
    let count = digit_count(text);
    let lead = if count == 8 { Some(0) } else { None };
    let padded: Vec<u32> = lead.into_iter().chain(digits(text)).collect();
    let check = |weights: &[u32]| 11_u32.saturating_sub(weighted(padded.iter().copied(), weights) % 11) % 11;
    let expected = match check(&[3, 2, 7, 6, 5, 4, 3, 2]) {
        10 => check(&[7, 4, 3, 2, 5, 2, 7, 6]),
        first => first,
    };
    matches!(count, 8 | 9) && !all_same(text) && padded.last() == Some(&expected)
}
