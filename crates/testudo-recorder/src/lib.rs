//! Appends ledger entries durably and in order; seals their payloads; keeps, erases and exports them.

#![forbid(unsafe_code)]

mod code;
pub mod control;
mod custody;
mod draft;
mod erase;
pub mod export;
mod files;
mod folder;
mod hold;
pub mod index;
mod integrate;
mod keys;
mod observer;
pub mod query;
mod reading;
mod recorder;
mod recover;
mod retention;
mod seal;
mod sealer;
mod shared;
pub mod ship;
mod statements;
#[cfg(test)]
mod tests;
mod wal;
pub mod witness;
mod witnessing;
mod writer;

pub use code::{Code, CodeError};
pub use custody::{Custody, CustodyError, ErasedSubject, Keeping, Noted, RetainedPayloads, ShownPayload};
pub use draft::{AppendError, Draft, Level, OnFailure, Receipt, SubjectName, SubjectNameError, Unavailable};
pub use erase::{EraseError, ErasureRequest, PendingErasure};
pub use folder::{Folder, FolderError, OwnCheckpointError};
pub use hold::{HeldSubject, HoldError};
pub use integrate::TreeError;
pub use keys::{
    CipherError, FileKeyring, KekError, KekId, KekIdError, KeyEncryption, Rewrapped, StoreError, SubjectKind, Vault,
    VaultError, WrappedKey,
};
#[cfg(feature = "pkcs11")]
pub use keys::{Pkcs11Keyring, Pkcs11Settings};
pub use observer::{Closing, Observer, ObserverError};
pub use reading::{LogFolder, ReadLogError};
pub use recorder::{Limits, Options, Pending, Recorder, Slot};
pub use recover::OpenError;
pub use retention::{Floor, Period, RecordClass, Regime, RuleError, RuleWarning, Rules, Wanted};
pub use seal::{OpenPayloadError, ReadReceipt};
pub use sealer::{Batch, Refusal, SealError, Sealed, SealedPayload, Sealer, Sealing};
pub use shared::Health;
pub use statements::{ToldChain, ToldChainError, told_chain};
pub use wal::ReplayError;
pub use witnessing::{Cosigned, Witnessing};
