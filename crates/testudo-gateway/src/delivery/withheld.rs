//! Answers that wait for a person: withheld whole until it is known whether anything in them is held.

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http_body_util::BodyExt as _;

use super::finish;
use crate::agent::{CallGate, Case};
use crate::approvals::StoredAnswer;
use crate::guard::{StreamGuard, StreamStep};
use crate::record::{Outcome, Record};
use crate::refusal::Refusal;

/// Gives out an answer that was kept and is approved.
pub(crate) async fn deliver_kept(
    answer: StoredAnswer,
    mut record: Record,
) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    record.status = answer.status.as_u16();
    record.calls.approve();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    let (parts, _) = response.into_parts();
    finish(parts, answer.body, Outcome::Delivered, record).await
}

/// A streamed answer of a route whose held calls wait for a person: its status has to be known before its first byte.
pub(super) async fn stream_withheld(
    mut parts: Parts,
    mut body: Body,
    (mut guard, mut gate): (StreamGuard, CallGate),
    case: &Case,
    bytes_max: usize,
    mut record: Record,
) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    let mut guarded = Vec::new();
    let mut step = StreamStep::Continue;
    let mut broken = None;
    while step == StreamStep::Continue && broken.is_none() {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    step = guard.push(&data, &mut guarded);
                }
            }
            Some(Err(_)) => broken = Some(("upstream_unavailable", "the upstream broke off its answer")),
            None => {
                step = guard.finish(&mut guarded);
                break;
            }
        }
        if guarded.len() > bytes_max {
            let why = "the upstream's answer is larger than bounds.response_bytes allows to scan";
            broken = Some(("upstream_too_large", why));
        }
    }
    record.usage = guard.usage();
    let inspection = guard.into_inspection();
    let message = inspection.why_blocked();
    record.findings = inspection.finish().0;
    if let Some((code, why)) = broken {
        let refusal = Refusal::new(Outcome::UpstreamFailed, 502, code, why);
        return Err(Box::new((refusal, record)));
    }
    let mut out = Vec::new();
    if step == StreamStep::Blocked {
        gate.block(&guarded, message, &mut out);
        return finish(parts, Bytes::from(out), Outcome::Blocked, record).await;
    }
    crate::heavy::long(|| {
        gate.push(&guarded, &mut out);
        gate.finish(&mut out);
    });
    let judged = gate.into_judged();
    record.calls = judged.tally.clone();
    if !judged.tally.is_held() {
        return finish(parts, Bytes::from(out), Outcome::Delivered, record).await;
    }
    parts.headers.remove(CONTENT_LENGTH);
    let answer = (parts.status, &parts.headers, Bytes::from(guarded));
    match case.wait(&judged, &record.id, answer).await {
        Some(id) => Err(Box::new((Refusal::approval_required(&id), record))),
        None => finish(parts, Bytes::from(out), Outcome::Held, record).await,
    }
}
