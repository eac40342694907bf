//! What is held, what an approver sees, and what comes back.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{digest, rand};
use axum::body::Bytes;
use http::{HeaderMap, StatusCode};
use testudo_bounded::json::{Document, Limits};
use testudo_types::{ExchangeId, KeyId, Principal, RouteName, TenantId, UnixMillis};

use super::error::UnsoundCall;

/// Bytes of a tool's name at most.
pub const TOOL_BYTES_MAX: usize = 256;
/// Calls that one approval covers at most.
pub const CALLS_MAX: usize = 32;
/// Bytes of the arguments of one call at most.
pub const ARGUMENT_BYTES_MAX: usize = 128 << 10;
/// Bytes of a stored answer at most.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;

const ID_SYMBOLS: usize = 12;
/// RFC 4648 base32 in lower case, as in the ids of keys.
const SYMBOLS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ARGUMENT_LIMITS: Limits = Limits {
    bytes_max: ARGUMENT_BYTES_MAX,
    depth_max: 64,
    nodes_max: 65_536,
};

/// Names one approval; random, never handed out twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovalId(Arc<str>);

impl ApprovalId {
    /// A new one; `None` when the system gives no random bytes.
    pub(super) fn random() -> Option<Self> {
        let mut random = [0; ID_SYMBOLS];
        rand::fill(&mut random).ok()?;
        let symbols = random.iter().filter_map(|byte| SYMBOLS.get(usize::from(byte & 31)));
        let text: String = symbols.map(|symbol| char::from(*symbol)).collect();
        Some(Self(text.into()))
    }

    /// The id that a text is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == ID_SYMBOLS && text.bytes().all(|byte| SYMBOLS.contains(&byte));
        sound.then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalState {
    /// For somebody to decide.
    Waiting,
    /// The call may be made once.
    Approved,
    Denied,
    /// Nobody decided in time, nobody used it in time, or the policy has changed.
    Expired,
    /// The call was made.
    Used,
}

impl ApprovalState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Approved, Self::Denied, Self::Expired, Self::Used];

    /// The name in the store and on the page.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Used => "used",
        }
    }

    /// The state that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// Where one value of the arguments came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceLine {
    /// Of the argument, for example `/recipient`.
    pub path: String,
    pub value: String,
    /// What the value's origin is called, for example `user` or `text`.
    pub label: String,
    /// In words: which source named it.
    pub where_from: String,
}

/// One call that waits.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldCall {
    pub(super) tool: String,
    pub(super) arguments: String,
    /// What the approver is told of its values.
    pub evidence: Vec<EvidenceLine>,
    /// Why it is held, in words for the approver.
    pub reason: String,
}

impl HeldCall {
    /// A call with its arguments in whatever spelling; they are kept in the canonical one.
    ///
    /// # Errors
    /// When the tool has no name, or the arguments are no JSON, too large, or have no canonical spelling:
    /// such a call cannot be approved, and is to be denied.
    pub fn new(tool: &str, arguments: &[u8]) -> Result<Self, UnsoundCall> {
        if tool.is_empty() || tool.len() > TOOL_BYTES_MAX || tool.chars().any(char::is_control) {
            return Err(UnsoundCall::Tool);
        }
        Ok(Self {
            tool: tool.to_owned(),
            arguments: canonical(arguments)?,
            evidence: Vec::new(),
            reason: String::new(),
        })
    }

    /// The tool's name.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The arguments in their canonical spelling (RFC 8785).
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The letters beyond ASCII in the arguments, each once, in their order: those that may only look like others.
    #[must_use]
    pub fn foreign(&self) -> Vec<char> {
        let mut seen = BTreeSet::new();
        let letters = self.arguments.chars().filter(|c| !c.is_ascii());
        letters.filter(|c| seen.insert(*c)).collect()
    }

    /// SHA-256 of [`Self::arguments`].
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.arguments.as_bytes())
    }
}

/// The texts of a call never reach a log line.
impl fmt::Debug for HeldCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldCall")
            .field("argument_bytes", &self.arguments.len())
            .field("evidence", &self.evidence.len())
            .finish_non_exhaustive()
    }
}

fn canonical(arguments: &[u8]) -> Result<String, UnsoundCall> {
    let document = Document::parse(arguments, &ARGUMENT_LIMITS).map_err(|_| UnsoundCall::Arguments)?;
    let mut out = Vec::new();
    document
        .root()
        .canonical(&mut out)
        .map_err(|_| UnsoundCall::Arguments)?;
    let text = String::from_utf8(out).map_err(|_| UnsoundCall::Arguments)?;
    // A canonical spelling may be longer than what was written.
    if text.len() > ARGUMENT_BYTES_MAX {
        return Err(UnsoundCall::Arguments);
    }
    Ok(text)
}

/// SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().try_into().unwrap_or_default()
}

/// Everything that an approval is bound to, and what the approver is shown.
#[derive(Clone)]
pub struct Held {
    pub key: KeyId,
    /// What people call the key.
    pub principal: Arc<str>,
    pub tenant: TenantId,
    /// Who the caller said it acts for.
    pub subject: Option<String>,
    pub route: RouteName,
    pub exchange: ExchangeId,
    /// One to [`CALLS_MAX`], decided together.
    pub calls: Vec<HeldCall>,
    /// What the agent had read.
    pub read: Vec<String>,
    /// Digest of the policy in force.
    pub policy: [u8; 32],
    /// Of each of these groups somebody has to approve, and nobody else may; empty when anybody may.
    pub approvers: BTreeSet<String>,
}

impl Held {
    /// What `principal` wants to call on a route.
    #[must_use]
    pub fn of(
        principal: &Principal,
        route: RouteName,
        exchange: ExchangeId,
        calls: Vec<HeldCall>,
        policy: [u8; 32],
    ) -> Self {
        Self {
            key: principal.key.clone(),
            principal: Arc::clone(&principal.name),
            tenant: principal.tenant.clone(),
            subject: None,
            route,
            exchange,
            calls,
            read: Vec::new(),
            policy,
            approvers: BTreeSet::new(),
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("key", &self.key)
            .field("route", &self.route)
            .field("exchange", &self.exchange)
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

/// The answer that the client gets once the call is approved.
#[derive(Clone)]
pub struct StoredAnswer {
    /// SHA-256 of the request that it answers, as the gateway counts requests as equal.
    pub request: [u8; 32],
    pub status: StatusCode,
    /// Headers whose values are no ASCII text are not kept.
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredAnswer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came of asking for a stored answer.
#[derive(Debug)]
pub enum Taken {
    /// Here it is, this once, with the calls that were held: tools, and digests of the arguments.
    Released(StoredAnswer, Vec<(String, [u8; 32])>),
    Waiting(ApprovalId),
    Denied(ApprovalId),
    /// The request is a new one.
    Nothing,
}

/// Exactly one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding<'a> {
    pub key: &'a KeyId,
    pub route: &'a RouteName,
    pub tool: &'a str,
    /// SHA-256 of the canonical arguments, as from [`HeldCall::digest`].
    pub arguments: [u8; 32],
    pub policy: [u8; 32],
}

/// What came of asking for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenCall {
    /// It may be made, this once.
    Released,
    Waiting(ApprovalId),
    Denied(ApprovalId),
    /// Nobody was asked for it.
    Nothing,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub id: ApprovalId,
    pub state: ApprovalState,
    pub key: KeyId,
    pub tenant: TenantId,
    pub route: RouteName,
    pub exchange: ExchangeId,
    /// The tools, in the order of the calls, with the digests of the arguments.
    pub calls: Vec<(String, [u8; 32])>,
    pub policy: [u8; 32],
    pub opened: UnixMillis,
    /// When it stops to wait, or to be usable.
    pub expires: UnixMillis,
    pub quorum: u16,
    /// Of each of these groups somebody has to approve, and nobody else may.
    pub approvers: BTreeSet<String>,
    /// Who approved so far, or decided.
    pub votes: Vec<Vote>,
}

impl Summary {
    /// The groups of which nobody has approved yet.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<String> {
        missing(&self.approvers, &self.votes)
    }

    /// Whether somebody of these groups may approve it.
    #[must_use]
    pub fn may_approve(&self, groups: &[String]) -> bool {
        self.approvers.is_empty() || groups.iter().any(|group| self.approvers.contains(group))
    }
}

/// The groups of which nobody has approved.
pub(super) fn missing(approvers: &BTreeSet<String>, votes: &[Vote]) -> BTreeSet<String> {
    let approved = votes.iter().filter(|vote| vote.verdict == HumanVerdict::Approve);
    let met: BTreeSet<&String> = approved.flat_map(|vote| &vote.groups).collect();
    approvers.iter().filter(|group| !met.contains(group)).cloned().collect()
}

/// One person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    pub by: String,
    pub verdict: HumanVerdict,
    pub at: UnixMillis,
    /// The groups that they were in then.
    pub groups: Vec<String>,
}

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HumanVerdict {
    Approve,
    Deny,
}

impl HumanVerdict {
    /// The name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }

    /// The verdict that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Approve, Self::Deny].into_iter().find(|it| it.as_str() == name)
    }
}

/// What an approver sees of one approval.
#[derive(Debug, Clone)]
pub struct Shown {
    pub summary: Summary,
    /// Gone once it is used, denied or expired.
    pub texts: Option<Texts>,
}

/// What is kept under a key, until it is decided and used.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    pub principal: String,
    pub subject: Option<String>,
    pub calls: Vec<HeldCall>,
    pub read: Vec<String>,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    /// Counted once for each approval.
    pub name: String,
    /// Set on the command line; an operating-system user counts once as well, whatever the name.
    pub uid: Option<u32>,
    /// Names or ids of keys, and subjects, that are the same person.
    pub principals: Vec<String>,
    /// The groups that the person approves for.
    pub groups: Vec<String>,
}

/// Where a decision has led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    Approved,
    Denied,
    /// More people must approve.
    Counted {
        approved: u16,
        quorum: u16,
        /// Groups of which somebody must.
        missing: BTreeSet<String>,
    },
}
