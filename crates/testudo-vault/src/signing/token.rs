//! Private keys in a PKCS#11 token, named by an address (RFC 7512).

#[cfg(feature = "pkcs11")]
mod held;
mod uri;

use std::error::Error;
use std::path::PathBuf;

#[cfg(feature = "pkcs11")]
pub(crate) use self::held::TokenKey;
pub use self::uri::{TokenUri, TokenUriError};
use super::keys::{KeyError, SigningKey};

/// Why a key in a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("this testudo was built without PKCS#11; build it with `--features pkcs11`")]
    NotBuilt,
    #[error("the address of the key names no module; add `?module-path=/path/to/module.so`")]
    NoModule,
    #[error("there is no module `{0}` where modules are; name it with `module-path`")]
    UnknownModule(String),
    #[error("the address of the key names none: `object` or `id` is missing")]
    NoObject,
    #[error("no PIN is given: put it into a file, and name that with `--password-file` or `pin-source`")]
    NoPin,
    #[error("the PIN is given twice, in the address and beside it")]
    TwoPins,
    #[error("the PIN cannot be read from `{}`", path.display())]
    PinFile {
        path: PathBuf,
        #[source]
        source: testudo_bounded::ReadError,
    },
    #[error("the PIN is no text")]
    PinIsNoText,
    #[error("{count} tokens are as the address says, and it has to be one")]
    Tokens { count: usize },
    #[error("{count} private keys are as the address says, and it has to be one")]
    Keys { count: usize },
    #[error("the token does not tell the public half of the key")]
    NoPublicHalf,
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    #[error("{what}")]
    Module {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl SigningKey {
    /// The private key that `uri` names; it stays where it is, and the token signs.
    ///
    /// # Errors
    /// When module, token, PIN or key are not there or of no use, or this was built without PKCS#11.
    pub fn from_token(uri: &TokenUri, pin: Option<&[u8]>) -> Result<Self, TokenError> {
        #[cfg(feature = "pkcs11")]
        {
            held::open(uri, pin)
        }
        #[cfg(not(feature = "pkcs11"))]
        {
            let _unused = (uri, pin);
            Err(TokenError::NotBuilt)
        }
    }
}
