//! The check-digit schemes that ids and card numbers share.

/// The decimal digits of a text as numbers, separators skipped.
pub(super) fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> + Clone + '_ {
    text.bytes()
        .filter(u8::is_ascii_digit)
        .map(|byte| u32::from(byte & 0x0f))
}

/// How many decimal digits a text has.
pub(super) fn digit_count(text: &str) -> usize {
    digits(text).count()
}

/// Whether a text is a number of some kind and not a word: at least four digits.
pub(super) fn has_digits(text: &str) -> bool {
    digit_count(text) >= 4
}

/// The same with three, for plates and short numbers.
pub(super) fn has_three_digits(text: &str) -> bool {
    digit_count(text) >= 3
}

/// Whether a number has at least two different digits.
pub(super) fn not_all_same(text: &str) -> bool {
    !all_same(text)
}

/// The digits of a text when there are exactly `N`.
pub(super) fn exactly<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut found = [0; N];
    let mut source = digits(text);
    for slot in &mut found {
        *slot = source.next()?;
    }
    source.next().is_none().then_some(found)
}

/// Whether all digits are the same, as in made-up numbers; true for no digits.
pub(super) fn all_same(text: &str) -> bool {
    let mut source = digits(text);
    let first = source.next();
    source.all(|digit| Some(digit) == first)
}

/// The sum of digit times weight; stops at the shorter of both.
pub(super) fn weighted(digits: impl IntoIterator<Item = u32>, weights: &[u32]) -> u32 {
    digits
        .into_iter()
        .zip(weights)
        .map(|(digit, weight)| digit.saturating_mul(*weight))
        .sum()
}

/// The remainder of a long decimal number, digit by digit; `modulus` at most 1000.
pub(super) fn remainder(digits: impl IntoIterator<Item = u32>, modulus: u32) -> u32 {
    digits.into_iter().fold(0_u32, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(digit)
            .checked_rem(modulus)
            .unwrap_or(0)
    })
}

/// ISO/IEC 7812 (Luhn): every second digit from the right doubled, sum divisible by ten.
pub(super) fn luhn(text: &str) -> bool {
    let sum: u32 = digits(text)
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { doubled(digit) })
        .sum();
    digit_count(text) > 1 && sum.is_multiple_of(10)
}

/// The sum of the two digits of a number below a hundred.
pub(super) fn digit_sum(number: u32) -> u32 {
    (number / 10).saturating_add(number % 10)
}

/// The digit sum of twice a digit.
fn doubled(digit: u32) -> u32 {
    match digit {
        0..=4 => digit.saturating_mul(2),
        _ => digit.saturating_mul(2).saturating_sub(9),
    }
}

/// Verhoeff's dihedral scheme over all digits, the last being the check digit.
pub(super) fn verhoeff(text: &str) -> bool {
    let check = digits(text).rev().enumerate().fold(0_u32, |state, (place, digit)| {
        dihedral_product(state, permuted(digit, place % 8))
    });
    digit_count(text) > 1 && check == 0
}

/// The product in the dihedral group of order ten: rotations 0 to 4, reflections 5 to 9.
fn dihedral_product(left: u32, right: u32) -> u32 {
    let (turn_left, turn_right) = (left % 5, right % 5);
    match (left >= 5, right >= 5) {
        (false, false) => turn_left.saturating_add(turn_right) % 5,
        (false, true) => (turn_left.saturating_add(turn_right) % 5).saturating_add(5),
        (true, false) => (turn_left.saturating_add(5).saturating_sub(turn_right) % 5).saturating_add(5),
        (true, true) => turn_left.saturating_add(5).saturating_sub(turn_right) % 5,
    }
}

/// Verhoeff's permutation of a digit, applied `times` over.
fn permuted(digit: u32, times: usize) -> u32 {
    (0..times).fold(digit, |digit, _| match digit {
        0 => 1,
        1 => 5,
        2 => 7,
        3 => 6,
        4 => 2,
        5 => 8,
        6 => 3,
        7 => 0,
        8 => 9,
        _ => 4,
    })
}

/// ISO/IEC 7064 mod 11,10 over all digits, the last being the check digit.
pub(super) fn iso7064_mod_11_10(text: &str) -> bool {
    let count = digit_count(text);
    let product = digits(text)
        .take(count.saturating_sub(1))
        .fold(10_u32, |product, digit| {
            let sum = match product.saturating_add(digit) % 10 {
                0 => 10,
                sum => sum,
            };
            sum.saturating_mul(2) % 11
        });
    let expected = 11_u32.saturating_sub(product) % 10;
    count > 1 && digits(text).last() == Some(expected)
}

/// ISO/IEC 7064 mod 97,10 over letters (A = 10) and digits: whether the remainder is one.
pub(super) fn mod97_is_one(characters: impl Iterator<Item = char>) -> bool {
    let mut rest = 0_u32;
    for character in characters {
        let Some(value) = character.to_digit(36) else {
            return false;
        };
        let shift = if value < 10 { 10 } else { 100 };
        rest = rest.saturating_mul(shift).saturating_add(value) % 97;
    }
    rest == 1
}
