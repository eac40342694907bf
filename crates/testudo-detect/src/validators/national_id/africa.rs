//! National ids of Africa.

use super::{is_day, three_pairs};
use crate::validators::check_digits::{exactly, luhn};

/// A South African identity number: date, serial, citizenship, Luhn.
pub(in crate::validators) fn za_id(text: &str) -> bool {
    let dated = three_pairs(text).is_some_and(|(_, month, day)| is_day(month, day));
    exactly::<13>(text).is_some_and(|[.., citizen, _, _]| citizen <= 2) && dated && luhn(text)
}
