//! Pseudonyms and digests, each its own type.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::canonical::{Reader, Value, write_plain};
use super::error::{DecodeError, EncodeError, Misread};

/// Why an id was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}; it is `{prefix}` and {digits} lower-case hex digits")]
pub struct IdError {
    what: &'static str,
    prefix: &'static str,
    digits: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $bytes:literal, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; $bytes]);

        impl $type {
            /// What the written form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Takes the raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Reads the written form.
            ///
            /// # Errors
            /// When it is not the prefix and lower-case hex digits, exactly as many as there should be.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let error = IdError {
                    what: $what,
                    prefix: $prefix,
                    digits: $bytes * 2,
                };
                let digits = text.strip_prefix($prefix).ok_or_else(|| error.clone())?;
                read_hex(digits.as_bytes()).map(Self).ok_or(error)
            }
        }

        impl Value for $type {
            fn write(&self, out: &mut String) -> Result<(), EncodeError> {
                write_plain(self, out);
                Ok(())
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let start = *reader;
                Self::parse(reader.plain()?).map_err(|error| start.error(error.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

id!(
    /// A tenant, as entries name it; random, so that only the key store knows who it is.
    TenantPseudonym, 16, "ten_", "tenant pseudonym"
);
id!(
    /// A caller or an administrator, as entries name them; random.
    PrincipalPseudonym, 16, "prn_", "principal pseudonym"
);
id!(
    /// Whose content a payload is; random, and forgotten with the subject.
    SubjectPseudonym, 16, "sub_", "subject pseudonym"
);
id!(
    /// A SHA-256 of something outside the ledger: policies, configuration, arguments, an artifact.
    Digest, 32, "", "SHA-256 digest"
);

/// A salted hash of a payload record; says nothing about the content once the salt is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment([u8; 32]);

impl Commitment {
    /// Takes the raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Value for Commitment {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        write_plain(self, out);
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut bytes = [0; 32];
        // The engine takes padded text without stray bits only, so there is one spelling.
        match STANDARD.decode_slice(reader.plain()?, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(start.error(Misread::Expected("32 bytes in base64"))),
        }
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn read_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a')?.checked_add(10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let text = "ten_000102030405060708090a0b0c0d0eff";
        let tenant = TenantPseudonym::parse(text).unwrap();
        assert_eq!(tenant.to_string(), text);
        for bad in [
            "",
            "ten_",
            "prn_000102030405060708090a0b0c0d0eff",
            "000102030405060708090a0b0c0d0eff",
            "ten_000102030405060708090a0b0c0d0eFF",
            "ten_000102030405060708090a0b0c0d0ef",
            "ten_000102030405060708090a0b0c0d0eff0",
            "ten_000102030405060708090a0b0c0d0eff00",
            "ten_000102030405060708090a0b0c0d0e+f",
            " ten_000102030405060708090a0b0c0d0eff",
            "TEN_000102030405060708090a0b0c0d0eff",
        ] {
            assert!(TenantPseudonym::parse(bad).is_err(), "{bad}");
        }
        assert!(Digest::parse(&"0".repeat(64)).is_ok());
        assert!(Digest::parse(&"0".repeat(62)).is_err());
    }
}
