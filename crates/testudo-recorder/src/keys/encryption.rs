//! The seam for key-encryption keys: files, a PKCS#11 token, a cloud's key service or a secret server.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

/// Longest name of a key-encryption key, in bytes; room for the resource names of clouds.
const ID_BYTES_MAX: usize = 256;

/// The name of one key-encryption key, as its keeper calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekId(Arc<str>);

/// A text that cannot name a key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key-encryption key is named by 1 to {ID_BYTES_MAX} letters, digits and `-_.:/`, not by {0:?}")]
pub struct KekIdError(String);

impl KekId {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When it is empty, longer than 256 bytes or has other characters than letters, digits and `-_.:/`.
    pub fn parse(text: &str) -> Result<Self, KekIdError> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        if text.is_empty() || text.len() > ID_BYTES_MAX || !text.chars().all(sound) {
            return Err(KekIdError(text.chars().take(ID_BYTES_MAX).collect()));
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key under a key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key-encryption key it lies under.
    pub kek: KekId,
    /// Whatever the keeper needs to unwrap it.
    pub bytes: Vec<u8>,
}

/// Why a key-encryption key was of no use.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    #[error("there is no key-encryption key `{0}`; bring it back from a backup: without it nothing under it opens")]
    Unknown(KekId),
    #[error(
        "key-encryption key `{0}` does not open what was wrapped under that name; it is another key, or the wrapped key was changed"
    )]
    Refused(KekId),
    #[error("cannot use `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` is open to others (mode {mode:03o}); run `chmod {wanted:03o}` on it, and rotate the keys if it may have been read", path.display())]
    Permissions { path: PathBuf, mode: u32, wanted: u32 },
    #[error("`{}` is not a key file of {bytes} bytes; bring it back from a backup", path.display())]
    Shape { path: PathBuf, bytes: usize },
    #[error("there is no token `{token}`; `pkcs11-tool --list-slots` shows those that there are")]
    Token { token: String },
    #[error(
        "key-encryption key `{0}` could leave its token; make it sensitive and not extractable, or give it another label"
    )]
    Extractable(KekId),
    #[error("the system gave no random bytes; try again")]
    Random,
    #[error("the keeper of the key-encryption keys failed: {what}")]
    Keeper {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Keeps key-encryption keys and uses them; what it protects is the key of each tenant.
///
/// Calls are few: one for each tenant at start, and at rotation. They may take a
/// network round trip.
pub trait KeyEncryption: fmt::Debug + Send + Sync {
    /// Wraps `key` under the newest key-encryption key, made on the spot when there is none.
    /// `aad` must be given again to unwrap.
    fn wrap<'a>(&'a self, key: &'a [u8], aad: &'a [u8]) -> BoxFuture<'a, Result<WrappedKey, KekError>>;

    /// Opens what [`Self::wrap`] returned.
    fn unwrap<'a>(
        &'a self,
        wrapped: &'a WrappedKey,
        aad: &'a [u8],
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, KekError>>;

    /// Makes a new key-encryption key, which is the newest from then on.
    fn renew(&self) -> BoxFuture<'_, Result<KekId, KekError>>;

    /// Every key-encryption key, oldest first.
    fn list(&self) -> BoxFuture<'_, Result<Vec<KekId>, KekError>>;

    /// Destroys a key-encryption key for good. The caller has made sure that nothing lies under it.
    fn destroy<'a>(&'a self, id: &'a KekId) -> BoxFuture<'a, Result<(), KekError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(KekId::parse("projects/p/locations/eu/keyRings/r/cryptoKeys/k").is_ok());
        for bad in ["", "a b", "a\n", "ä", &"x".repeat(257)] {
            assert!(KekId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
