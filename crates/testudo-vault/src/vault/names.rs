//! Names in a vault: artifacts, aliases and versions.

use std::fmt;

use crate::hex;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A text that cannot be a name in a vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name; names are 1 to {NAME_BYTES_MAX} lower-case letters, digits and `-_.`, the first a letter or digit"
)]
pub struct VaultNameError(String);

/// The name of an artifact or an alias.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VaultName(Box<str>);

impl VaultName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When it has other characters than lower-case letters, digits and `-_.`, or is empty or too long.
    pub fn parse(text: &str) -> Result<Self, VaultNameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let sound = text.len() <= NAME_BYTES_MAX
            && text.starts_with(plain)
            && text.chars().all(|c| plain(c) || "-_.".contains(c))
            && !text.contains("..");
        if sound {
            Ok(Self(text.into()))
        } else {
            Err(VaultNameError(
                text.chars().take(200).collect::<String>().escape_debug().to_string(),
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version: SHA-256 of everything that it is made of, names included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId([u8; 32]);

impl VersionId {
    /// Of the bytes of a record.
    #[must_use]
    pub fn of(record: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, record);
        let mut id = [0; 32];
        for (to, from) in id.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(id)
    }

    /// Takes 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        Some(Self(hex::decode(text)?.try_into().ok()?))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As people compare it: the first 12 digits.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VersionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_paths_and_nothing_else() {
        for good in ["a", "llama-3.1_8b", "0"] {
            assert_eq!(VaultName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "A",
            "a/b",
            "..",
            "a..b",
            ".a",
            "-a",
            "a b",
            "ä",
            "a\n",
            &"x".repeat(65),
        ] {
            assert!(VaultName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
