//! A file on its way to a client: one verified block after the other, as fast as the client takes them.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::try_unfold;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use testudo_ledger::entry::Artifact as ArtifactEntry;
use testudo_vault::vault::{Reading, StoredFile};
use tokio::sync::OwnedSemaphorePermit;

use super::registry::{Unanswered, in_time};
use crate::ledger::Ledger;
use crate::metrics::Metrics;

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Who hears of a file that turns out to be another one on the way.
pub(super) struct Told {
    pub(super) ledger: Arc<Ledger>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) entry: ArtifactEntry,
}

struct Sending {
    next: Option<Vec<u8>>,
    reading: Reading,
    told: Told,
    _place: OwnedSemaphorePermit,
}

/// A file as an answer, of which the first block is verified.
///
/// Its length is not announced: a body in chunks that breaks off is an error to every client, while some that are in
/// use take a body for whole that is shorter than was announced.
pub(super) fn respond(
    file: &StoredFile,
    reading: Reading,
    first: Vec<u8>,
    told: Told,
    place: OwnedSemaphorePermit,
) -> Response<Body> {
    let sending = Sending {
        next: Some(first),
        reading,
        told,
        _place: place,
    };
    let blocks = try_unfold(sending, |mut sending| async move {
        let block = match sending.next.take() {
            Some(first) => first,
            None => match sending.following().await? {
                Some(block) => block,
                None => return Ok::<_, Unanswered>(None),
            },
        };
        let bytes = u64::try_from(block.len()).unwrap_or(u64::MAX);
        sending.told.metrics.mlflow_sent(bytes);
        Ok(Some((Bytes::from(block), sending)))
    });
    let mut response = Response::new(Body::from_stream(blocks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(digest) = repr_digest(file.digest()) {
        headers.insert(REPR_DIGEST, digest);
    }
    response
}

impl Sending {
    async fn following(&mut self) -> Result<Option<Vec<u8>>, Unanswered> {
        let block = match in_time(self.reading.next()).await {
            Ok(block) => block.map_err(Unanswered::from),
            Err(silent) => Err(silent),
        };
        if let Err(error) = &block {
            let reason = crate::serving::chain(error);
            let model = self.told.entry.name.as_deref();
            tracing::warn!(target: "testudo::mlflow", model, reason, "a download was broken off");
            if error.is_denial() {
                self.told.ledger.note(self.told.entry.clone().into());
            }
        }
        block
    }
}

/// SHA-256 of the whole file, as RFC 9530 writes it.
fn repr_digest(hexadecimal: &str) -> Option<HeaderValue> {
    let digits = hexadecimal.as_bytes().chunks_exact(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    HeaderValue::from_str(&format!("sha-256=:{}:", STANDARD.encode(bytes?))).ok()
}
