//! References into published catalogues: `scheme:version:id`.

use std::fmt;

/// An entry of a public catalogue, for example `owasp-llm:2025:LLM01`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefId(Box<str>);

/// Why a reference was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reference of the form `scheme:version:id`")]
pub struct RefIdError(String);

impl RefId {
    /// Checks and takes a reference.
    ///
    /// # Errors
    /// When it does not have exactly three non-empty parts of letters, digits, `-`, `_`, `.`.
    pub fn parse(text: &str) -> Result<Self, RefIdError> {
        let sound =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() == 3 && parts.iter().all(|part| sound(part)) {
            Ok(Self(text.into()))
        } else {
            Err(RefIdError(text.to_owned()))
        }
    }

    /// The whole reference.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RefId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_or_nothing() {
        assert!(RefId::parse("owasp-llm:2025:LLM01").is_ok());
        for bad in ["", "a:b", "a::c", "a:b:c:d", "a b:c:d", ":b:c"] {
            assert!(RefId::parse(bad).is_err(), "{bad}");
        }
    }
}
