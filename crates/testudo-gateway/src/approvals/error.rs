//! Why a call cannot be held, decided or released.

use std::path::PathBuf;

use super::record::{ANSWER_BYTES_MAX, ARGUMENT_BYTES_MAX, ApprovalId, ApprovalState, CALLS_MAX, TOOL_BYTES_MAX};
use crate::keys::StoreOpenError;
use crate::sqlite::Problem;

/// Why the store of approvals did not open.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalsOpenError {
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    #[error("cannot use `{}` as a store of approvals", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("`{}` was written by a newer testudo (format {found}, this one knows {known}); update testudo", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the approvals in `{}` were kept under another pepper; restore the `pepper` file that belongs to it", path.display())]
    OtherPepper { path: PathBuf },
    #[error("the cipher for approvals cannot be set up")]
    Cipher,
}

impl ApprovalsOpenError {
    pub(super) fn of(path: PathBuf, problem: Problem) -> Self {
        match problem {
            Problem::Database(source) => Self::Database { path, source },
            Problem::Newer { found, known } => Self::Newer { path, found, known },
            Problem::OtherPepper => Self::OtherPepper { path },
            problem @ (Problem::File(_) | Problem::Permissions { .. }) => {
                Self::Store(StoreOpenError::of(path, problem))
            }
        }
    }
}

/// Why a call cannot be bound to an approval: it is to be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsoundCall {
    #[error("the tool's name must have 1 to {TOOL_BYTES_MAX} bytes and no control characters")]
    Tool,
    #[error("the arguments are no JSON with a canonical spelling of at most {ARGUMENT_BYTES_MAX} bytes")]
    Arguments,
}

/// Why a call was not held: it is to be denied.
#[derive(Debug, thiserror::Error)]
pub enum HoldCallError {
    #[error("an approval covers 1 to {CALLS_MAX} calls")]
    Calls,
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    Answer,
    #[error("too many calls of this key wait for approval already")]
    KeyFull,
    #[error("too many calls wait for approval already")]
    Full,
    #[error("the system gave no random bytes; try again")]
    Random,
    #[error("the store of approvals could not be written")]
    Database(#[from] sqlx::Error),
}

/// Why a call was not looked up: it is to be denied.
#[derive(Debug, thiserror::Error)]
#[error("the store of approvals could not be used")]
pub struct TakeError(#[from] pub(super) sqlx::Error);

/// Why approvals cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error("there is no approval `{0}`; `testudo approvals list` shows all")]
    NotFound(ApprovalId),
    #[error("what is kept of the approval `{0}` is damaged; it can only be denied")]
    Damaged(ApprovalId),
    #[error("the store of approvals could not be read")]
    Database(#[from] sqlx::Error),
}

/// Why a decision does not count.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no approval `{0}`; `testudo approvals list` shows all")]
    NotFound(ApprovalId),
    #[error("the approval `{id}` is {} already", state.as_str())]
    Settled { id: ApprovalId, state: ApprovalState },
    #[error("whoever asked for a call cannot approve it; somebody else must")]
    OwnCall,
    #[error("only somebody of {} may approve `{id}`", groups.join(", "))]
    NotOfGroup { id: ApprovalId, groups: Vec<String> },
    #[error("`{name}` has approved `{id}` already; somebody else must as well")]
    Again { id: ApprovalId, name: String },
    #[error("what is kept of the approval `{0}` is damaged; it can only be denied")]
    Damaged(ApprovalId),
    #[error("the store of approvals could not be written")]
    Database(#[from] sqlx::Error),
}
