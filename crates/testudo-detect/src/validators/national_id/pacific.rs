//! National ids of Australia.

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
