//! Keys of tenants and subjects, under key-encryption keys that lie elsewhere.
//!
//! A key-encryption key ([`KeyEncryption`]: files, or a token) wraps the key of each tenant, which
//! wraps the key of each subject, which wraps the key of each payload record. [`Vault`] keeps the
//! wrapped keys in SQLite and turns names into pseudonyms; destroying a subject's row makes its
//! payloads unreadable and its pseudonym nobody's.

pub(crate) mod cipher;
mod encryption;
mod keyring;
mod named;
#[cfg(feature = "pkcs11")]
mod pkcs11;
pub(crate) mod private_file;
mod recent;
mod rotation;
mod rows;
mod store;
#[cfg(test)]
pub(crate) mod trial;
mod vault;

pub use cipher::CipherError;
pub use encryption::{KekError, KekId, KekIdError, KeyEncryption, WrappedKey};
pub use keyring::FileKeyring;
pub use named::SubjectKind;
#[cfg(feature = "pkcs11")]
pub use pkcs11::{Pkcs11Keyring, Pkcs11Settings};
pub use rotation::Rewrapped;
pub use store::StoreError;
pub use vault::{Vault, VaultError};

pub(crate) use named::Subject;
pub(crate) use rows::sixteen;
pub(crate) use vault::{Known, Who};
