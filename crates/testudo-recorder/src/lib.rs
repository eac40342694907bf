//! Appends ledger entries durably and in order; seals their payloads; keeps, erases and exports them.

#![forbid(unsafe_code)]

pub mod control;
mod draft;
mod files;
mod folder;
pub mod index;
mod integrate;
mod observer;
pub mod query;
mod recorder;
mod recover;
mod sealer;
mod shared;
mod wal;
mod witnessing;
mod writer;

pub use draft::{AppendError, Draft, Level, OnFailure, Receipt, SubjectName, SubjectNameError, Unavailable};
pub use folder::{Folder, FolderError, OwnCheckpointError};
pub use integrate::TreeError;
pub use observer::{Observer, ObserverError};
pub use recorder::{Limits, Options, Pending, Recorder, Slot};
pub use recover::OpenError;
pub use sealer::{Batch, Refusal, SealError, Sealed, SealedPayload, Sealer, Sealing};
pub use shared::Health;
pub use wal::ReplayError;
pub use witnessing::{Cosigned, Witnessing};
