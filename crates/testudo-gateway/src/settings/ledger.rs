//! How exchanges are recorded, and how their ledger is kept.

use testudo_recorder::ship::S3;
pub use testudo_recorder::{Level, OnFailure, Rules};
use url::Url;

/// How the exchanges of a route are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    pub level: Level,
    pub on_failure: OnFailure,
    pub content: Content,
}

impl Recording {
    /// What applies when the configuration says nothing.
    pub const DEFAULT: Self = Self {
        level: Level::Queued,
        on_failure: OnFailure::Block,
        content: Content::Sealed {
            bytes_max: Content::BYTES_MAX_DEFAULT,
        },
    };

    /// Whether answers wait for their entry.
    #[must_use]
    pub fn holds_answers(&self) -> bool {
        self.level > Level::Queued
    }
}

/// What is kept of the texts of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Request and answer, sealed, each up to so many bytes.
    Sealed {
        bytes_max: usize,
    },
    None,
}

impl Content {
    /// Bytes of each direction that are kept when the configuration says nothing.
    pub const BYTES_MAX_DEFAULT: usize = 256 << 10;
}

/// How the ledger is kept; fixed until restart.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// Longest time between two checkpoints while entries arrive.
    pub checkpoint_interval_ms: u64,
    pub witnesses: Vec<WitnessSettings>,
    /// How many witnesses must sign before a checkpoint counts as witnessed.
    pub quorum: usize,
    /// How long sealed content is kept, by class of record.
    pub retention: Rules,
    pub ship: Option<ShipSettings>,
}

impl LedgerSettings {
    /// Longest time between two checkpoints when the configuration says nothing.
    pub const CHECKPOINT_INTERVAL_MS_DEFAULT: u64 = 1_000;
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            checkpoint_interval_ms: Self::CHECKPOINT_INTERVAL_MS_DEFAULT,
            witnesses: Vec::new(),
            quorum: 0,
            retention: Rules::default(),
            ship: None,
        }
    }
}

/// Another machine that signs checkpoints which continue those it signed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessSettings {
    /// As the policy file calls it.
    pub name: String,
    pub url: Url,
    /// Its key as `name+hash+base64`.
    pub vkey: String,
}

/// Where finished files are copied to.
#[derive(Debug, Clone)]
pub struct ShipSettings {
    /// `s3://bucket/prefix` or `file:///path`.
    pub url: Url,
    /// As whom, and where, when it is S3.
    pub s3: S3,
}
