//! Signed statements about versions: one chain for each artifact, in which each names the one before.
//!
//! Aliases and revocations are not files that somebody can put back: they are what the whole chain says. A reader
//! takes the chain from its first statement, checks every signature and every link, and remembers how far it had
//! come ([`super::Seen`]); a chain that is shorter than that, or another one, is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use testudo_bounded::json::{Document, Limits, Node};
use testudo_types::UnixMillis;

use super::approvers::Approvers;
use super::names::{VaultName, VersionId};
use crate::hex;
use crate::signing::{Bundle, BundleError, SigningKey};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "urn:testudo:vault-statement:v1";
/// Longest name of an approver, and longest reason, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// The largest statement that is read.
pub(crate) const STATEMENT_BYTES_MAX: u64 = 64 << 10;
/// More statements about one artifact than anyone makes.
pub(crate) const STATEMENTS_MAX: usize = 100_000;
const LIMITS: Limits = Limits {
    bytes_max: 64 << 10,
    depth_max: 8,
    nodes_max: 256,
};

/// What is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// From now on the alias means this version.
    Promote { alias: VaultName },
    /// As promoting, back to a version that the alias meant before.
    RollBack { alias: VaultName },
    /// Somebody else agrees to the promotion that statement `of` asks for.
    Approve { alias: VaultName, of: u64 },
    /// Nobody gets this version any more, by whatever name.
    Revoke,
    /// Nothing of this version is deleted until it is released.
    Hold,
    /// The version may be deleted again.
    Release,
}

impl Act {
    /// The name in a statement.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Promote { .. } => "promote",
            Self::RollBack { .. } => "roll_back",
            Self::Approve { .. } => "approve",
            Self::Revoke => "revoke",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// Which alias it moves.
    #[must_use]
    pub fn alias(&self) -> Option<&VaultName> {
        match self {
            Self::Promote { alias } | Self::RollBack { alias } | Self::Approve { alias, .. } => Some(alias),
            Self::Revoke | Self::Hold | Self::Release => None,
        }
    }
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub act: Act,
    pub version: VersionId,
    /// Counted from 1.
    pub sequence: u64,
    pub approver: String,
    pub reason: String,
    pub at: UnixMillis,
    /// The hint of the key that signed.
    pub key: String,
    /// What its reader calls the holder of that key.
    pub known_as: Option<String>,
    /// It stands in the chain and has no effect: its key counted no more.
    pub void: bool,
}

impl Statement {
    /// What the payload of a statement says, whoever signed it and wherever it belongs; its key is not known.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_unverified(payload: &[u8]) -> Result<Self, StatementFault> {
        Claims::read(payload, 0).map(|claims| claims.statement)
    }

    pub(crate) fn person(&self) -> Person<'_> {
        Person {
            key: &self.key,
            name: self.known_as.as_deref(),
        }
    }
}

/// Somebody by key, and by name where their reader has one for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person<'p> {
    pub(crate) key: &'p str,
    pub(crate) name: Option<&'p str>,
}

impl Person<'_> {
    /// Who has a new key is nobody else for that.
    pub(crate) fn is(self, other: Person<'_>) -> bool {
        self.key == other.key || (self.name.is_some() && self.name == other.name)
    }
}

/// Why a chain of statements is not believed.
#[derive(Debug, thiserror::Error)]
pub enum StatementFault {
    #[error("statement {sequence} is not a bundle")]
    Bundle {
        sequence: u64,
        #[source]
        source: BundleError,
    },
    #[error("statement {sequence} is signed by key {key}, which is none of the approvers'")]
    Stranger { sequence: u64, key: String },
    #[error(
        "statement {sequence} is by `{approver}`, who is no approver of the artifact any more; theirs are accepted up to number {until}, says `vault.former_approvers`"
    )]
    Former {
        sequence: u64,
        approver: String,
        until: u64,
    },
    #[error("the signature of statement {sequence} does not fit")]
    Signature { sequence: u64 },
    #[error("statement {sequence} is not sound: `{field}` is missing or wrong")]
    Field { sequence: u64, field: &'static str },
    #[error("statement {sequence} was made for another vault, artifact or place in the chain")]
    Elsewhere { sequence: u64 },
    #[error("statement {sequence} does not follow the one before it")]
    Link { sequence: u64 },
    #[error("the statement to be made is not sound: {0}")]
    New(&'static str),
}

/// How far a chain of statements has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// How many statements there are.
    pub sequence: u64,
    /// Of the last of them.
    pub hash: [u8; 32],
}

/// What all statements about an artifact come to.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    statements: Vec<Statement>,
    hashes: Vec<[u8; 32]>,
    aliases: BTreeMap<VaultName, Vec<VersionId>>,
    /// The statements by which each alias means what it means.
    movers: BTreeMap<VaultName, Vec<u64>>,
    /// Promotions that wait for a second approver.
    waiting: BTreeMap<VaultName, u64>,
    revoked: BTreeMap<VersionId, u64>,
    held: BTreeSet<VersionId>,
}

impl Standing {
    /// Checks a whole chain, first statement first.
    pub(crate) fn read(
        chain: &[Vec<u8>],
        vault: &str,
        artifact: &VaultName,
        approvers: &Approvers,
    ) -> Result<Self, StatementFault> {
        let mut standing = Self::default();
        for bytes in chain {
            let sequence = standing.next_sequence();
            let bundle = Bundle::parse(bytes).map_err(|source| StatementFault::Bundle { sequence, source })?;
            let by = approvers.check(&bundle, artifact, sequence)?;
            let claims = Claims::read(bundle.payload(), sequence)?;
            let of_here = claims.vault == vault && claims.artifact == artifact.as_str();
            if !of_here || claims.statement.sequence != sequence {
                return Err(StatementFault::Elsewhere { sequence });
            }
            if claims.previous != standing.hashes.last().map(|it| hex::encode(it)) {
                return Err(StatementFault::Link { sequence });
            }
            standing.take(
                Statement {
                    key: by.key,
                    known_as: by.name,
                    void: !by.counts,
                    ..claims.statement
                },
                hash(bundle.payload()),
                approvers.two_people(),
            );
        }
        Ok(standing)
    }

    /// What is said without right to it, out of order or twice has no effect: a chain that is signed is never unreadable
    /// for what it says, or one approver could keep all others from going on.
    fn take(&mut self, statement: Statement, hash: [u8; 32], two_people: &BTreeSet<VaultName>) {
        let sequence = statement.sequence;
        let version = statement.version;
        match &statement.act {
            _ if statement.void => {}
            Act::Promote { alias } if two_people.contains(alias) => {
                self.waiting.insert(alias.clone(), sequence);
            }
            Act::Promote { alias } => self.moved(alias, version, vec![sequence]),
            // One person is enough to go back to what two agreed on, and to nothing else.
            Act::RollBack { alias } if two_people.contains(alias) && !self.has_meant(alias, version) => {}
            Act::RollBack { alias } => self.moved(alias, version, vec![sequence]),
            Act::Approve { alias, of } => {
                if self.is_approval(alias, *of, version, statement.person()) {
                    self.moved(alias, version, vec![*of, sequence]);
                }
            }
            Act::Revoke => {
                self.revoked.insert(version, sequence);
                let statements = &self.statements;
                let still = |of: &u64| at(statements, *of).is_some_and(|it| it.version != version);
                self.waiting.retain(|_, of| still(of));
            }
            Act::Hold => {
                self.held.insert(version);
            }
            Act::Release => {
                self.held.remove(&version);
            }
        }
        self.statements.push(statement);
        self.hashes.push(hash);
    }

    fn moved(&mut self, alias: &VaultName, version: VersionId, by: Vec<u64>) {
        self.aliases.entry(alias.clone()).or_default().push(version);
        self.movers.insert(alias.clone(), by);
        self.waiting.remove(alias);
    }

    /// Whether somebody can agree to what statement `of` asks for: it is the promotion that waits, of this version, by
    /// somebody else.
    pub(crate) fn is_approval(&self, alias: &VaultName, of: u64, version: VersionId, by: Person<'_>) -> bool {
        self.waiting(alias)
            .is_some_and(|it| it.sequence == of && it.version == version && !it.person().is(by))
    }

    /// The promotion of an alias that waits for a second approver.
    #[must_use]
    pub fn waiting(&self, alias: &VaultName) -> Option<&Statement> {
        at(&self.statements, *self.waiting.get(alias)?)
    }

    /// Every promotion that waits for a second approver.
    pub fn all_waiting(&self) -> impl Iterator<Item = &Statement> {
        self.waiting.values().filter_map(|of| at(&self.statements, *of))
    }

    /// The statements by which an alias means what it means: one, or two that agree.
    pub fn movers(&self, alias: &VaultName) -> impl Iterator<Item = &Statement> {
        let movers = self.movers.get(alias).map(Vec::as_slice).unwrap_or_default();
        movers.iter().filter_map(|of| at(&self.statements, *of))
    }

    /// Whether nothing of this version may be deleted.
    #[must_use]
    pub fn is_held(&self, version: VersionId) -> bool {
        self.held.contains(&version)
    }

    /// The bytes of the statement that comes next.
    pub(crate) fn next(
        &self,
        vault: &str,
        artifact: &VaultName,
        proposed: &Proposed<'_>,
    ) -> Result<Vec<u8>, StatementFault> {
        for text in [proposed.approver, proposed.reason] {
            if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
                return Err(StatementFault::New(
                    "approver and reason are 1 to 1024 bytes without control characters",
                ));
            }
        }
        let written = Written {
            kind: STATEMENT_TYPE,
            subject: [Subject {
                name: artifact.as_str(),
                digest: Digest {
                    sha256: proposed.version.to_string(),
                },
            }],
            predicate_type: PREDICATE_TYPE,
            predicate: Predicate {
                vault,
                sequence: self.next_sequence(),
                previous: self.hashes.last().map(|it| hex::encode(it)),
                act: proposed.act.as_str(),
                alias: proposed.act.alias().map(VaultName::as_str),
                approves: match &proposed.act {
                    Act::Approve { of, .. } => Some(*of),
                    _ => None,
                },
                approver: proposed.approver,
                reason: proposed.reason,
                at: proposed.at.0,
            },
        };
        let payload = serde_json::to_vec(&written).map_err(|_| StatementFault::New("it cannot be written"))?;
        Bundle::signed(proposed.key, payload).map_err(|_| StatementFault::New("it cannot be signed"))
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        u64::try_from(self.statements.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    /// Every statement, first to last.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Every alias with the version that it means.
    pub fn aliases(&self) -> impl Iterator<Item = (&VaultName, VersionId)> {
        self.aliases
            .iter()
            .filter_map(|(alias, versions)| Some((alias, *versions.last()?)))
    }

    /// The aliases that mean a version: its stages, to policies.
    #[must_use]
    pub fn stages(&self, version: VersionId) -> BTreeSet<String> {
        let aliases = self.aliases().filter(|(_, meant)| *meant == version);
        aliases.map(|(alias, _)| alias.to_string()).collect()
    }

    /// What an alias means.
    #[must_use]
    pub fn meaning(&self, alias: &VaultName) -> Option<VersionId> {
        self.aliases.get(alias)?.last().copied()
    }

    /// What an alias meant before, skipping what was revoked since.
    #[must_use]
    pub fn meaning_before(&self, alias: &VaultName) -> Option<VersionId> {
        let versions = self.aliases.get(alias)?;
        let now = versions.last()?;
        let earlier = |it: &&VersionId| *it != now && !self.is_revoked(**it);
        versions.iter().rev().find(earlier).copied()
    }

    /// Whether an alias ever meant this version.
    #[must_use]
    pub fn has_meant(&self, alias: &VaultName, version: VersionId) -> bool {
        self.aliases
            .get(alias)
            .is_some_and(|versions| versions.contains(&version))
    }

    /// Whether nobody may have this version any more.
    #[must_use]
    pub fn is_revoked(&self, version: VersionId) -> bool {
        self.revoked.contains_key(&version)
    }

    /// How far the chain has come; nothing while there are no statements.
    #[must_use]
    pub fn head(&self) -> Option<ChainHead> {
        let hash = *self.hashes.last()?;
        let sequence = u64::try_from(self.hashes.len()).ok()?;
        Some(ChainHead { sequence, hash })
    }

    /// The hash of a statement.
    pub(crate) fn hash_at(&self, sequence: u64) -> Option<[u8; 32]> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.hashes.get(at).copied()
    }
}

/// A statement that somebody wants to make.
#[derive(Debug)]
pub struct Proposed<'p> {
    pub act: Act,
    pub version: VersionId,
    pub approver: &'p str,
    pub reason: &'p str,
    pub at: UnixMillis,
    pub key: &'p SigningKey,
}

#[derive(Serialize)]
struct Written<'w> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [Subject<'w>; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Predicate<'w>,
}

#[derive(Serialize)]
struct Subject<'w> {
    name: &'w str,
    digest: Digest,
}

#[derive(Serialize)]
struct Digest {
    sha256: String,
}

#[derive(Serialize)]
struct Predicate<'w> {
    vault: &'w str,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    act: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'w str>,
    /// The number of the statement that is agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    approves: Option<u64>,
    approver: &'w str,
    reason: &'w str,
    at: u64,
}

/// What a statement says, before it is known to belong here.
struct Claims {
    vault: String,
    artifact: String,
    previous: Option<String>,
    statement: Statement,
}

impl Claims {
    fn read(payload: &[u8], sequence: u64) -> Result<Self, StatementFault> {
        let field = |field| StatementFault::Field { sequence, field };
        let document = Document::parse(payload, &LIMITS).map_err(|_| field("JSON"))?;
        let root = document.root();
        let text = |node: Node<'_>, key: &'static str| {
            let found = node.get(key).and_then(|it| it.as_str());
            found.map(std::borrow::Cow::into_owned).ok_or(field(key))
        };
        if text(root, "_type")? != STATEMENT_TYPE || text(root, "predicateType")? != PREDICATE_TYPE {
            return Err(field("predicateType"));
        }
        let subjects = root.get("subject").ok_or(field("subject"))?;
        let mut items = subjects.items();
        let (Some(subject), None) = (items.next(), items.next()) else {
            return Err(field("subject"));
        };
        let digest = subject.get("digest").ok_or(field("digest"))?;
        let version = VersionId::from_hex(&text(digest, "sha256")?).ok_or(field("sha256"))?;
        let predicate = root.get("predicate").ok_or(field("predicate"))?;
        let number = |key: &'static str| predicate.get(key).and_then(|it| it.as_u64()).ok_or(field(key));
        let alias = || VaultName::parse(&text(predicate, "alias")?).map_err(|_| field("alias"));
        let act = match text(predicate, "act")?.as_str() {
            "promote" => Act::Promote { alias: alias()? },
            "roll_back" => Act::RollBack { alias: alias()? },
            "approve" => Act::Approve {
                alias: alias()?,
                of: number("approves")?,
            },
            "revoke" => Act::Revoke,
            "hold" => Act::Hold,
            "release" => Act::Release,
            _ => return Err(field("act")),
        };
        let previous = match predicate.get("previous") {
            None => None,
            Some(_) => Some(text(predicate, "previous")?),
        };
        Ok(Self {
            vault: text(predicate, "vault")?,
            artifact: text(subject, "name")?,
            previous,
            statement: Statement {
                act,
                version,
                sequence: number("sequence")?,
                approver: text(predicate, "approver")?,
                reason: text(predicate, "reason")?,
                at: UnixMillis(number("at")?),
                key: String::new(),
                known_as: None,
                void: false,
            },
        })
    }
}

fn at(statements: &[Statement], sequence: u64) -> Option<&Statement> {
    statements.get(usize::try_from(sequence.checked_sub(1)?).ok()?)
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    *VersionId::of(bytes).as_bytes()
}
