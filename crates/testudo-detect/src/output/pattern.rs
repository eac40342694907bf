//! Patterns that requests bring along: compiled under a bound, matched in linear time.

use regex::RegexBuilder;

const PATTERN_BYTES_MAX: usize = 2048;
const PROGRAM_BYTES_MAX: usize = 256 << 10;

/// Whether a pattern is found in a text; `None` when it is too large or of a dialect with look-around.
#[must_use]
pub fn pattern_matches(pattern: &str, text: &str) -> Option<bool> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return None;
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(PROGRAM_BYTES_MAX)
        .dfa_size_limit(PROGRAM_BYTES_MAX)
        .build()
        .ok()?;
    Some(regex.is_match(text))
}
