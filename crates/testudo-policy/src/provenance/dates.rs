//! Days as people write them, for the typed comparison of dates.

use std::collections::BTreeSet;

use super::forms::words_in;

/// A day of any year.
pub(super) type MonthAndDay = (u8, u8);

/// Days that a folded text names: `2024-05-19`, `may 19th`, `19th of may`, `19.5.`, `5/19`.
pub(super) fn days_in(text: &str) -> BTreeSet<MonthAndDay> {
    let mut days = BTreeSet::new();
    for token in text.split_whitespace() {
        let token = token.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        days.extend(day_of(token));
        let mut numbers = token.split(['.', '/', '-']).filter(|part| !part.is_empty()).map(number);
        if let (Some(Some(one)), Some(Some(two)), true) = (numbers.next(), numbers.next(), token.contains(['.', '/'])) {
            // Either order: a comparison that is too generous only shows what the user may have meant.
            days.extend(checked(two, one));
            days.extend(checked(one, two));
        }
    }
    let words: Vec<&str> = words_in(text).collect();
    for near in words.windows(2).chain(words.windows(3)) {
        if let (Some(first), Some(last)) = (near.first(), near.last()) {
            let pairs = [(month(first), number(last)), (month(last), number(first))];
            days.extend(pairs.into_iter().filter_map(|(month, day)| checked(month?, day?)));
        }
    }
    days
}

/// Month and day of `2024-05-19…`.
pub(super) fn day_of(value: &str) -> Option<MonthAndDay> {
    let mut parts = value.get(..10)?.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    checked(month.parse().ok()?, day.parse().ok()?).filter(|_| digits)
}

fn checked(month: u8, day: u8) -> Option<MonthAndDay> {
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some((month, day))
}

/// The number of `19`, `19th`.
fn number(word: &str) -> Option<u8> {
    let digits = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending));
    digits.unwrap_or(word).parse().ok()
}

fn month(word: &str) -> Option<u8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let of_name = |month: &str| month == word || word.len() >= 3 && month.starts_with(word);
    let at = MONTHS.iter().position(|month| of_name(month))?;
    u8::try_from(at.saturating_add(1)).ok()
}
