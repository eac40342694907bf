//! Approvals of held calls as used: how long they last, who decides, who is told.

use testudo_types::Secret;
use url::Url;

/// How held calls are decided.
#[derive(Debug, Clone)]
pub struct ApprovalSettings {
    /// How long a call waits for a decision.
    pub expires_ms: u64,
    /// How long an approved call may still be made.
    pub use_within_ms: u64,
    /// How many different people must approve; one denial is enough.
    pub quorum: u16,
    pub approvers: Vec<Approver>,
    /// Where a browser finds the admin listener, for links; without a path.
    pub page: Option<Url>,
    pub webhook: Option<WebhookSettings>,
}

impl ApprovalSettings {
    /// What applies when the configuration says nothing: nobody decides but who can read the data folder.
    #[must_use]
    pub fn none() -> Self {
        Self {
            expires_ms: 15 * 60_000,
            use_within_ms: 15 * 60_000,
            quorum: 1,
            approvers: Vec::new(),
            page: None,
            webhook: None,
        }
    }
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self::none()
    }
}

/// Who may decide.
#[derive(Debug, Clone)]
pub struct Approver {
    pub name: String,
    /// Opens the page; without one the approver decides on the command line only.
    pub token: Option<Secret>,
    /// The operating-system user that is the same person on the command line.
    pub uid: Option<u32>,
    /// Names or ids of virtual keys, and subjects, that are the same person: their calls need somebody else.
    pub principals: Vec<String>,
    /// What policies call the groups that the person is in.
    pub groups: Vec<String>,
}

/// Who is told of a call that waits.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    pub url: Url,
    /// Signs each message.
    pub secret: Secret,
    /// Private and loopback addresses are refused unless this is set.
    pub allow_private: bool,
}
