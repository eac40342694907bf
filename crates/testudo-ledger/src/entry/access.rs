//! Entries about what was decided, by policy and by people, and about who may do what.

use testudo_types::{Action, Verdict};

use super::schema::{names, record};
use super::{Digest, PrincipalPseudonym};

record! {
    /// What policy said about something that is not a whole exchange.
    pub struct Decision {
        pub action: Action,
        /// The exchange it belongs to.
        pub exchange: Option<String>,
        /// The policies that determined it.
        pub policies: Vec<String>,
        /// Codes of the reasons.
        pub reasons: Vec<String>,
        /// What was decided about, for example `tool:send_mail`.
        pub subject: String,
        pub verdict: Verdict,
    }
}

record! {
    /// A call that waits for a human, bound to exactly what was asked.
    pub struct Hold {
        pub argument_digest: Digest,
        pub exchange: Option<String>,
        /// When nobody's answer counts any more, in milliseconds since 1970.
        pub expires_at: u64,
        pub id: String,
        pub policy_digest: Digest,
        pub tool: String,
    }
}

record! {
    /// A human's answer to a hold.
    pub struct Approval {
        pub approver: PrincipalPseudonym,
        pub decision: ApprovalDecision,
        /// The id of the hold.
        pub hold: String,
        /// How many approvals the hold needs in all.
        pub quorum: u16,
    }
}

names! {
    /// A human's answer.
    pub enum ApprovalDecision {
        Approve = "approve",
        Deny = "deny",
    }
}

record! {
    /// A change of a virtual key.
    pub struct Key {
        pub action: KeyAction,
        /// When the key ends by itself, in milliseconds since 1970.
        pub expires_at: Option<u64>,
        pub key: PrincipalPseudonym,
        /// How many routes it opens.
        pub routes: u64,
    }
}

names! {
    /// What happened to a key.
    pub enum KeyAction {
        Create = "create",
        Change = "change",
        Revoke = "revoke",
    }
}

record! {
    /// A configuration that was taken or refused.
    pub struct Configuration {
        pub action: ConfigurationAction,
        /// Of the configuration files, read in order.
        pub digest: Digest,
        /// How many problems were found in it.
        pub problems: u64,
    }
}

names! {
    /// What happened to a configuration.
    pub enum ConfigurationAction {
        Load = "load",
        Refuse = "refuse",
    }
}

record! {
    /// A try to log in as an administrator.
    pub struct AdminLogin {
        /// For example `password`, `passkey` or `oidc`.
        pub method: String,
        /// Absent when nobody is known under the name that was given.
        pub principal: Option<PrincipalPseudonym>,
        pub success: bool,
    }
}
