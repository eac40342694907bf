//! What stands around a recorder: the counted index, the keeper with its witnesses, the policy file.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use testudo_ledger::VerifierKey;
use testudo_ledger::entry::Entry;
use testudo_recorder::control::{
    Added, Addition, Custodian, Erased, Erasure, Failure, Flushed, LegalHold, Opened, Opening, Retained, Retention,
    Rotated, Rotation, Status,
};
use testudo_recorder::index::Feed;
use testudo_recorder::ship::Watch;
use testudo_recorder::witness::{Peer, PeerError, Witnesses};
use testudo_recorder::{Closing, Custody, Observer, ObserverError};

use super::LedgerProblem;
use crate::metrics::LedgerMetrics;
use crate::settings::{LedgerSettings, WitnessSettings};

/// The index, with a count of what it sees.
pub(super) struct Counting {
    pub(super) feed: Feed,
    pub(super) counts: Option<Arc<LedgerMetrics>>,
}

impl Observer for Counting {
    fn next_index(&mut self, closing: &Closing) -> Result<u64, ObserverError> {
        self.feed.next_index(closing)
    }

    fn observe(&mut self, index: u64, bytes: &[u8], entry: Option<&Entry>) -> Result<(), ObserverError> {
        self.feed.observe(index, bytes, entry)?;
        if let (Some(counts), Some(entry)) = (&self.counts, entry) {
            counts.entered(entry.body.kind());
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), ObserverError> {
        self.feed.pause()
    }
}

/// The keeper, with what only the gateway knows of witnesses and shipping.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) custody: Custody,
    pub(super) witnesses: Option<Arc<Witnesses>>,
    pub(super) shipping: Option<Watch>,
}

impl Custodian for Served {
    fn append(&self, addition: Addition) -> BoxFuture<'_, Result<Added, Failure>> {
        Custodian::append(&self.custody, addition)
    }

    fn erase(&self, erasure: Erasure) -> BoxFuture<'_, Result<Erased, Failure>> {
        Custodian::erase(&self.custody, erasure)
    }

    fn hold(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        Custodian::hold(&self.custody, hold)
    }

    fn release(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        Custodian::release(&self.custody, hold)
    }

    fn retain(&self, retention: Retention) -> BoxFuture<'_, Result<Retained, Failure>> {
        Custodian::retain(&self.custody, retention)
    }

    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, Failure>> {
        Custodian::rotate(&self.custody, rotation)
    }

    fn open(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, Failure>> {
        Custodian::open(&self.custody, opening)
    }

    fn flush(&self) -> BoxFuture<'_, Result<Flushed, Failure>> {
        Custodian::flush(&self.custody)
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Failure>> {
        async move {
            let mut status = Custodian::status(&self.custody).await?;
            status.witnesses = self.witnesses.as_ref().map(|it| it.status()).unwrap_or_default();
            status.shipping = self.shipping.as_ref().map(Watch::status);
            Ok(status)
        }
        .boxed()
    }
}

/// The policy file: the log's key, its witnesses, and how many of them must sign.
pub(super) fn policy(log: &str, settings: &LedgerSettings) -> String {
    let mut text = format!("log {log}\n");
    if settings.witnesses.is_empty() {
        text.push_str("quorum none\n");
        return text;
    }
    let names: Vec<&str> = settings.witnesses.iter().map(|it| it.name.as_str()).collect();
    for witness in &settings.witnesses {
        text.push_str(&format!("witness {} {} {}\n", witness.name, witness.vkey, witness.url));
    }
    text.push_str(&format!("group witnesses {} {}\n", settings.quorum, names.join(" ")));
    text.push_str("quorum witnesses\n");
    text
}

/// A witness to ask; plain HTTP only where the configuration lets it stand.
pub(super) fn peer(witness: &WitnessSettings) -> Result<Peer, LedgerProblem> {
    let failed = |source: PeerError| LedgerProblem::Peer {
        name: witness.name.clone(),
        source,
    };
    let key = VerifierKey::parse(&witness.vkey).map_err(|error| LedgerProblem::Policy(error.to_string()))?;
    let made = if witness.url.scheme() == "http" {
        Peer::dangerous_plain(&witness.url, vec![key])
    } else {
        Peer::new(&witness.url, vec![key])
    };
    made.map_err(failed)
}
