//! Short codes that operators give: reasons, legal bases, purposes, requests.

use std::fmt;
use std::sync::Arc;

/// A code from the operator's own list, for example `gdpr_17_1_b` or `case-2026-17`.
///
/// It stands in the log for ever, so it must not name a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Arc<str>);

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a code is 1 to {} letters, digits and `-_.:`; it stays in the log, so it must not name a person",
    Code::BYTES_MAX
)]
pub struct CodeError;

impl Code {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks and takes a code.
    ///
    /// # Errors
    /// When it is empty, longer than 64 bytes, or has other characters than letters, digits and `-_.:`.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if text.is_empty() || text.len() > Self::BYTES_MAX || !text.chars().all(sound) {
            return Err(CodeError);
        }
        Ok(Self(text.into()))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_no_sentences() {
        assert_eq!(Code::parse("gdpr_17_1_b").unwrap().as_str(), "gdpr_17_1_b");
        for bad in ["", "ana@example.org", "two words", "a\n", "ü", &"x".repeat(65)] {
            assert_eq!(Code::parse(bad), Err(CodeError), "{bad:?}");
        }
    }
}
