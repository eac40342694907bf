//! Virtual keys: made once, shown once, stored as keyed hashes, revoked within a second.

mod pepper;
mod record;
mod ring;
mod store;
mod token;

pub use pepper::{PepperError, pepper};
pub use record::{Caller, KeyRecord, NewKey, NewKeyError};
pub(crate) use ring::{KeyNews, Telling};
pub use ring::{KeyRefresh, KeyRing, RefreshError};
pub use store::{CreateKeyError, CreatedKey, KeyStore, ReadKeysError, RevokeKeyError, StoreOpenError};
pub use token::{KeyToken, PresentedKey, TOKEN_BYTES_MAX, TokenError};

#[cfg(test)]
mod tests;
