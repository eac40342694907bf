//! Which version of a model a route means, and how it is known which version an upstream serves.

use std::collections::BTreeMap;

use testudo_types::UpstreamName;
use testudo_vault::vault::{VaultName, VaultSettings, VersionId};
use url::Url;

use super::moves::{self, MoveRules};

/// The model whose alias a route follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedModel {
    pub artifact: VaultName,
    pub alias: VaultName,
    /// Those that may serve it; the first that serves the wanted version is used.
    pub upstreams: Vec<UpstreamName>,
    /// How long the last verified state is used when the vault cannot be read or believed.
    pub keep_ms: u64,
    pub afterwards: Afterwards,
}

impl FollowedModel {
    /// How long when the configuration says nothing: ten minutes.
    pub const KEEP_MS: u64 = 600_000;

    /// Everything of it that decides what happens to an exchange.
    pub(crate) fn line(&self) -> String {
        let upstreams: Vec<&str> = self.upstreams.iter().map(UpstreamName::as_str).collect();
        format!(
            "model {} {} {} {} {}\n",
            self.artifact,
            self.alias,
            upstreams.join(","),
            self.keep_ms,
            self.afterwards.as_str()
        )
    }
}

/// What a route does when the vault was not read for longer than it keeps the last state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// Nothing is forwarded until the vault is read again.
    Refuse,
    /// The last verified state is used, however old.
    Continue,
}

impl Afterwards {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Refuse, Self::Continue];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Continue => "continue",
        }
    }

    /// The choice that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// How it is known which version an upstream serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serves {
    /// The configuration says so.
    Stated(VersionBeginning),
    /// The upstream says so; where the configuration states a version too, both have to agree.
    Asked { ask: Ask, stated: Option<VersionBeginning> },
}

impl Serves {
    /// Everything of it that decides what happens to an exchange.
    pub(crate) fn line(&self) -> String {
        format!("serves {self:?}\n")
    }
}

/// How an upstream is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub what: AskWhat,
    /// What the upstream calls a version, and which one that is; a path that names the version needs no entry.
    pub means: BTreeMap<String, VersionBeginning>,
}

/// Where an upstream says what it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskWhat {
    /// Ollama: the digest of a model in `/api/tags`.
    Ollama { model: String },
    /// Text Generation Inference: `model_sha` in `/info`, or `model_id` for a model from a folder.
    Tgi,
    /// vLLM: `root` of a model in `/v1/models`; without a name the only one that is no adapter.
    Vllm { model: Option<String> },
    /// A text in any JSON document.
    Json { place: Place, pointer: String },
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A path at the upstream, which gets its credential.
    Path(String),
    /// Another address, which gets none.
    Address(Url),
}

/// Fewest digits by which the configuration may name a version.
const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 64;

/// A text that names no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a version is named by {DIGITS_MIN} to {DIGITS_MAX} lower-case hexadecimal digits, as `testudo model list` shows them"
)]
pub struct NoVersion;

/// How the id of a version begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionBeginning(Box<str>);

impl VersionBeginning {
    /// Takes 8 to 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, NoVersion> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if (DIGITS_MIN..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(digit) {
            Ok(Self(text.into()))
        } else {
            Err(NoVersion)
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a version begins like this.
    #[must_use]
    pub fn is_of(&self, version: VersionId) -> bool {
        version.to_string().starts_with(self.as_str())
    }

    /// Whether both can be the same version.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.0.starts_with(other.as_str()) || other.0.starts_with(self.as_str())
    }
}

/// The vault whose aliases routes follow, and how often it and the upstreams are looked at.
#[derive(Debug, Clone)]
pub struct FollowSettings {
    pub vault: VaultSettings,
    /// Who may move aliases; without them whoever is believed.
    pub moves: Option<MoveRules>,
    pub statements_every_ms: u64,
    pub upstreams_every_ms: u64,
}

impl FollowSettings {
    /// How often the vault is looked at when the configuration says nothing.
    pub const STATEMENTS_EVERY_MS: u64 = 2_000;
    /// How often upstreams are asked when the configuration says nothing.
    pub const UPSTREAMS_EVERY_MS: u64 = 5_000;

    /// What decides which moves of aliases routes follow.
    pub(crate) fn lines(&self) -> String {
        format!("follow\n{}", moves::reading(&self.vault, self.moves.as_ref()))
    }
}
