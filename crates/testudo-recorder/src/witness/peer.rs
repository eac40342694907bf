//! One witness, as a log knows it: where it answers, which keys it has, how it has been doing.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use testudo_ledger::{KeyKind, VerifierKey};
use testudo_types::Millis;
use url::{Host, Url};

use crate::control::WitnessStatus;

/// A witness to ask.
#[derive(Clone, PartialEq, Eq)]
pub struct Peer {
    pub(super) keys: Vec<VerifierKey>,
    /// Of `add-checkpoint`.
    pub(super) uri: Uri,
}

/// Why a witness cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    #[error("the witness has no key; name the key that it publishes")]
    NoKey,
    #[error("the key `{key}` is not one that witnesses sign with (its kind is not 0x04)")]
    Key { key: String },
    #[error("the witness's address must be `https://host/prefix`, without user, query or fragment")]
    Address,
    #[error("the witness's address is `http`; that is for loopback and private addresses, and must be allowed by name")]
    Plain,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.name()).finish()
    }
}

impl Peer {
    /// A witness with these keys that answers under `prefix` over `https`.
    ///
    /// # Errors
    /// When there is no key, or one of another kind, or the address is not `https`.
    pub fn new(prefix: &Url, keys: Vec<VerifierKey>) -> Result<Self, PeerError> {
        match prefix.scheme() {
            "https" => Self::at(prefix, keys),
            "http" => Err(PeerError::Plain),
            _ => Err(PeerError::Address),
        }
    }

    /// A witness in this machine or a private network, without TLS: others there can see and delay what is asked.
    /// Cosignatures are checked all the same.
    ///
    /// # Errors
    /// As [`Self::new`], and when the host is not `localhost` or a loopback or private address.
    pub fn dangerous_plain(prefix: &Url, keys: Vec<VerifierKey>) -> Result<Self, PeerError> {
        if prefix.scheme() != "http" {
            return Self::new(prefix, keys);
        }
        let private = match prefix.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => is_private(address.into()),
            Some(Host::Ipv6(address)) => is_private(address.into()),
            None => false,
        };
        if private {
            Self::at(prefix, keys)
        } else {
            Err(PeerError::Plain)
        }
    }

    fn at(prefix: &Url, keys: Vec<VerifierKey>) -> Result<Self, PeerError> {
        if keys.is_empty() {
            return Err(PeerError::NoKey);
        }
        if let Some(key) = keys.iter().find(|key| key.kind() != KeyKind::Cosignature) {
            return Err(PeerError::Key { key: key.to_string() });
        }
        let bare = prefix.username().is_empty()
            && prefix.password().is_none()
            && prefix.query().is_none()
            && prefix.fragment().is_none();
        let address = format!("{}/add-checkpoint", prefix.as_str().trim_end_matches('/'));
        let uri = address.parse::<Uri>().ok().filter(|_| bare && prefix.has_host());
        Ok(Self {
            keys,
            uri: uri.ok_or(PeerError::Address)?,
        })
    }

    /// The name of its first key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.keys.first().map_or("", |key| key.name().as_str())
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// The first pause after a failure, in milliseconds; twice as long after each further one.
const BACKOFF_FIRST_MS: u64 = 1000;
const BACKOFF_LONGEST_MS: u64 = 60_000;

/// How a witness has been doing since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// The size that it has cosigned last, as far as it told us.
    pub(super) size: u64,
    /// When it last cosigned.
    at: Option<Millis>,
    backoff_ms: u64,
    not_before: Option<Millis>,
    error: Option<String>,
    /// Whether that error says that the log lost or changed what the witness has seen.
    contradicts: bool,
}

impl Standing {
    pub(super) fn succeed(&mut self, size: u64, now: Millis) {
        *self = Self {
            size,
            at: Some(now),
            ..Self::default()
        };
    }

    pub(super) fn fail(&mut self, error: String, contradicts: bool, now: Millis) {
        self.backoff_ms = self
            .backoff_ms
            .saturating_mul(2)
            .clamp(BACKOFF_FIRST_MS, BACKOFF_LONGEST_MS);
        self.not_before = Some(Millis(now.0.saturating_add(self.backoff_ms)));
        self.error = Some(error);
        self.contradicts = contradicts;
    }

    /// What it says that this log cannot have brought about.
    pub(super) fn contradiction(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| self.contradicts)
    }

    /// How long it must still be left alone, in milliseconds.
    pub(super) fn pause_ms(&self, now: Millis) -> u64 {
        self.not_before.map_or(0, |it| it.since(now))
    }

    pub(super) fn status(&self, name: &str, now: Millis) -> WitnessStatus {
        WitnessStatus {
            name: name.to_owned(),
            size: self.size,
            age_ms: self.at.map(|at| now.since(at)),
            error: self.error.clone(),
        }
    }
}
