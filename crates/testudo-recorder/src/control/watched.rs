//! A custodian whose status also tells of witnesses and of the copy in the store.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::custodian::{
    Added, Addition, Custodian, Erased, Erasure, Failure, Flushed, LegalHold, Opened, Opening, Retained, Retention,
    Rotated, Rotation, Status,
};
use crate::ship::Watch;
use crate::witness::Witnesses;

/// Adds what others know to the status of a custodian; passes everything else on.
#[derive(Clone)]
pub struct Watched {
    pub custodian: Arc<dyn Custodian>,
    /// Asked after each checkpoint; none when there are no witnesses.
    pub witnesses: Option<Arc<Witnesses>>,
    /// None when nothing is shipped.
    pub shipping: Option<Watch>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("witnesses", &self.witnesses)
            .field("shipping", &self.shipping)
            .finish_non_exhaustive()
    }
}

impl Custodian for Watched {
    fn append(&self, addition: Addition) -> BoxFuture<'_, Result<Added, Failure>> {
        self.custodian.append(addition)
    }

    fn erase(&self, erasure: Erasure) -> BoxFuture<'_, Result<Erased, Failure>> {
        self.custodian.erase(erasure)
    }

    fn hold(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        self.custodian.hold(hold)
    }

    fn release(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        self.custodian.release(hold)
    }

    fn retain(&self, retention: Retention) -> BoxFuture<'_, Result<Retained, Failure>> {
        self.custodian.retain(retention)
    }

    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, Failure>> {
        self.custodian.rotate(rotation)
    }

    fn open(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, Failure>> {
        self.custodian.open(opening)
    }

    fn flush(&self) -> BoxFuture<'_, Result<Flushed, Failure>> {
        self.custodian.flush()
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Failure>> {
        async move {
            let mut status = self.custodian.status().await?;
            if let Some(shipping) = &self.shipping {
                shipping.checkpoint(status.size);
                status.shipping = Some(shipping.status());
            }
            status.witnesses = self.witnesses.as_ref().map_or_else(Vec::new, |it| it.status());
            Ok(status)
        }
        .boxed()
    }
}
