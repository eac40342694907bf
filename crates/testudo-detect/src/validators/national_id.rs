//! Numbers that states give to people, by the part of the world.

pub(super) mod africa;
pub(super) mod americas;
pub(super) mod asia;
pub(super) mod central;
pub(super) mod europe;
pub(super) mod far_east;
pub(super) mod northern;
pub(super) mod pacific;
pub(super) mod south_east;

use super::check_digits::digits;

/// Two digits as one number.
fn pair(tens: u32, ones: u32) -> u32 {
    tens.saturating_mul(10).saturating_add(ones)
}

/// Whether month and day can stand in a calendar.
fn is_day(month: u32, day: u32) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// A date of a living person in any common order: year first, day first or month first.
pub(super) fn date(text: &str) -> bool {
    let parts: Vec<u32> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty() && part.len() <= 4)
        .filter_map(|part| part.parse().ok())
        .collect();
    match parts.as_slice() {
        [year, month, day] if *year >= 1900 => *year <= 2100 && is_day(*month, *day),
        [first, second, year] => {
            let sound_year = (1900..=2100).contains(year) || *year < 100;
            sound_year && (is_day(*first, *second) || is_day(*second, *first))
        }
        // A month in letters: day and year remain.
        [day, year] => (1..=31).contains(day) && ((1900..=2100).contains(year) || *year < 100),
        _ => false,
    }
}

/// The first six digits as the three numbers they are in most national ids.
fn three_pairs(text: &str) -> Option<(u32, u32, u32)> {
    let mut source = digits(text);
    let mut next = || Some(pair(source.next()?, source.next()?));
    Some((next()?, next()?, next()?))
}
