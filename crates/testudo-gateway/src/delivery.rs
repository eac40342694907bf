//! The answer on its way to the client: passed unread, guarded whole, or guarded as it streams.

mod confirmed;
mod withheld;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use testudo_bounded::json::Limits;
use testudo_dialects::read_response;

use self::confirmed::{Confirmed, Framing, Holding, Recorded};
pub(crate) use self::withheld::deliver_kept;
use self::withheld::stream_withheld;
use crate::agent::{CallGate, Case, GateBounds, Gated, gate_answer};
use crate::exchange::{Forwarded, json_limits};
use crate::guard::{BodyOutcome, StreamBounds, StreamGuard, StreamStep, guard_response};
use crate::heavy;
use crate::metrics::HeldBytes;
use crate::record::{Outcome, Record};
use crate::refusal::{Refusal, mark};

/// Channels that one streamed answer may open.
const CHANNELS_MAX: usize = 4096;

/// Turns the upstream's answer into the client's.
///
/// # Errors
/// Hands the record back with the reason, when nothing was sent yet and the answer cannot be.
pub(crate) async fn deliver(
    forwarded: Forwarded,
    mut record: Record,
) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    record.status = forwarded.response.status().as_u16();
    if forwarded.passes_unread() {
        return pass(forwarded, record).await;
    }
    match kind(&forwarded.response) {
        BodyKind::EventStream => stream(forwarded, record).await,
        BodyKind::Json => whole(forwarded, record).await,
        BodyKind::Empty => pass(forwarded, record).await,
        BodyKind::Other => unreadable(forwarded, record).await,
    }
}

/// A body that no guard can read: guards that only watch note it, all others let nothing through.
async fn unreadable(mut forwarded: Forwarded, mut record: Record) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    if forwarded.only_watched() {
        let mut inspection = forwarded.inspection(std::mem::take(&mut record.findings));
        let stop = inspection.unscannable("response.content-type", &Arc::from(""));
        record.findings = inspection.finish().0;
        if !stop {
            return pass(forwarded, record).await;
        }
    }
    let refusal = match record.status {
        status @ 400.. => Refusal::new(
            Outcome::UpstreamFailed,
            status,
            "upstream_error",
            "the upstream failed and sent no readable reason",
        ),
        _ => Refusal::new(
            Outcome::UpstreamFailed,
            502,
            "upstream_unreadable",
            "the upstream sent a body that no guard can read, so it was not passed on",
        ),
    };
    Err(Box::new((refusal, record)))
}

enum BodyKind {
    EventStream,
    Json,
    Empty,
    Other,
}

fn kind(response: &Response<Body>) -> BodyKind {
    let length = response.headers().get(CONTENT_LENGTH);
    if length.is_some_and(|length| length == "0") || response.status() == http::StatusCode::NO_CONTENT {
        return BodyKind::Empty;
    }
    let Some(value) = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return BodyKind::Other;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/event-stream" => BodyKind::EventStream,
        "application/json" | "application/problem+json" => BodyKind::Json,
        _ => BodyKind::Other,
    }
}

async fn pass(forwarded: Forwarded, mut record: Record) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    let family = forwarded.route.settings.family;
    let framing = match kind(&forwarded.response) {
        BodyKind::EventStream => Framing::Events,
        BodyKind::Json | BodyKind::Empty | BodyKind::Other => Framing::Other,
    };
    let (parts, body) = forwarded.response.into_parts();
    let id = record.id.clone();
    let body = if http_body::Body::is_end_stream(&body) {
        // Nobody polls an empty body: its exchange ends here.
        record.end(Outcome::Delivered);
        if let Err(unrecorded) = record.settle().await {
            record.withheld();
            return Err(Box::new((unrecorded.into(), record)));
        }
        body
    } else if let Err(unrecorded) = record.begin().await {
        return Err(Box::new((unrecorded.into(), record)));
    } else if record.holds_answer() {
        Body::new(Confirmed::new(Passed { body, record }, family, framing))
    } else {
        Body::new(Passed { body, record })
    };
    let mut response = Response::from_parts(parts, body);
    mark(&mut response, &id);
    Ok(response)
}

async fn stream(mut forwarded: Forwarded, mut record: Record) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    record.streamed = true;
    if let Err(unrecorded) = record.begin().await {
        return Err(Box::new((unrecorded.into(), record)));
    }
    let family = forwarded.route.settings.family;
    let bounds = forwarded.runtime.bounds();
    let stream_bounds = StreamBounds {
        event_bytes_max: bounds.sse_event_bytes_max,
        hold_bytes_max: forwarded.route.settings.profile.hold_bytes_max,
        channels_max: CHANNELS_MAX,
        json: json_limits(&forwarded.runtime, bounds.sse_event_bytes_max),
    };
    let bytes_max = bounds.response_bytes_max;
    record.scanned_response = forwarded.route.response.kinds();
    let inspection = forwarded.inspection(std::mem::take(&mut record.findings));
    let guard = StreamGuard::new(forwarded.operation, inspection, stream_bounds);
    let gate_bounds = GateBounds {
        event_bytes_max: stream_bounds.event_bytes_max,
        hold_bytes_max: stream_bounds.hold_bytes_max,
        json: stream_bounds.json,
    };
    let waits = forwarded.case.as_ref().is_some_and(|case| case.waiting.is_some());
    let mut gate = forwarded
        .case
        .clone()
        .map(|case| CallGate::new(case, forwarded.operation, gate_bounds));
    let (mut parts, body) = forwarded.response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    // Proxies between here and the client must not collect the stream.
    parts
        .headers
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    if let (Some(case), Some(gate)) = (&forwarded.case, gate.take_if(|_| waits)) {
        return stream_withheld(parts, body, (guard, gate), case, bytes_max, record).await;
    }
    let id = record.id.clone();
    let held = record.held_bytes();
    let guarded = Guarded {
        body: Some(body),
        guard: Some(guard),
        gate,
        held,
        record,
    };
    let body = if guarded.record.holds_answer() {
        Body::new(Confirmed::new(guarded, family, Framing::Events))
    } else {
        Body::new(guarded)
    };
    let mut response = Response::from_parts(parts, body);
    mark(&mut response, &id);
    Ok(response)
}

async fn whole(mut forwarded: Forwarded, mut record: Record) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    let bytes_max = forwarded.runtime.bounds().response_bytes_max;
    record.scanned_response = forwarded.route.response.kinds();
    let inspection = forwarded.inspection(std::mem::take(&mut record.findings));
    let (parts, body) = forwarded.response.into_parts();
    let bytes = match collected(body, bytes_max).await {
        Ok(bytes) => bytes,
        Err(refusal) => return Err(Box::new((refusal, record))),
    };
    let mut inspection = inspection;
    let limits = json_limits(&forwarded.runtime, bytes_max);
    let outcome = heavy::run(bytes.len(), || {
        match read_response(forwarded.operation, parts.status.as_u16(), &bytes, &limits) {
            Ok(view) => {
                record.usage = view.usage;
                guard_response(&view, &mut inspection, &limits)
            }
            Err(_) if forwarded.case.is_some() => BodyOutcome::Blocked,
            Err(_) if inspection.unscannable("response.unreadable", &Arc::from("")) => BodyOutcome::Blocked,
            Err(_) => BodyOutcome::Unchanged,
        }
    });
    let blocked = inspection.blocked().cloned();
    record.findings = inspection.finish().0;
    let bytes = match outcome {
        BodyOutcome::Unchanged => bytes,
        BodyOutcome::Edited(edited) => {
            record.edited = true;
            Bytes::from(edited)
        }
        BodyOutcome::Blocked if blocked.is_none() && forwarded.case.is_some() => {
            return Err(Box::new((unreadable_calls(), record)));
        }
        BodyOutcome::Blocked => {
            let refusal = Refusal::blocked(blocked.as_ref(), &record.findings);
            return Err(Box::new((refusal, record)));
        }
    };
    let (bytes, outcome) = match forwarded.case {
        Some(case) => match gate(&case, (&parts, bytes), &limits, &mut record).await {
            Ok(gated) => gated,
            Err(refusal) => return Err(Box::new((refusal, record))),
        },
        None => (bytes, Outcome::Delivered),
    };
    finish(parts, bytes, outcome, record).await
}

/// Gives out an answer whole, once its entry is where the route wants it.
async fn finish(
    mut parts: Parts,
    bytes: Bytes,
    outcome: Outcome,
    mut record: Record,
) -> Result<Response<Body>, Box<(Refusal, Record)>> {
    record.response_bytes = length(&bytes);
    record.content.answer(&bytes);
    record.first_byte();
    record.end(outcome);
    if let Err(unrecorded) = record.settle().await {
        record.withheld();
        return Err(Box::new((unrecorded.into(), record)));
    }
    parts.headers.remove(CONTENT_LENGTH);
    let mut response = Response::from_parts(parts, Body::from(bytes));
    mark(&mut response, &record.id);
    Ok(response)
}

/// A whole body, if it is no larger than can be scanned.
async fn collected(body: Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    match http_body_util::Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::new(
            Outcome::UpstreamFailed,
            502,
            "upstream_too_large",
            "the upstream's answer is larger than bounds.response_bytes allows to scan",
        )),
        Err(_) => Err(Refusal::new(
            Outcome::UpstreamFailed,
            502,
            "upstream_unavailable",
            "the upstream broke off its answer",
        )),
    }
}

/// Judges the calls of a whole answer; what leaves, and how the exchange ends with it.
async fn gate(
    case: &Case,
    (parts, bytes): (&Parts, Bytes),
    limits: &Limits,
    record: &mut Record,
) -> Result<(Bytes, Outcome), Refusal> {
    let gated = heavy::run(bytes.len().saturating_add(case.body.len()), || {
        gate_answer(case, &bytes, limits)
    });
    match gated {
        Gated::Whole(judged) => {
            record.calls = judged.tally;
            Ok((bytes, Outcome::Delivered))
        }
        Gated::Replaced(judged, said) => {
            record.calls = judged.tally.clone();
            let answer = (parts.status, &parts.headers, bytes);
            if let Some(id) = case.wait(&judged, &record.id, answer).await {
                return Err(Refusal::approval_required(&id));
            }
            record.edited = true;
            Ok((Bytes::from(said), Outcome::Held))
        }
        Gated::Unreadable(judged) => {
            record.calls = judged.tally;
            Err(unreadable_calls())
        }
    }
}

/// An answer in which calls cannot be told from the rest.
fn unreadable_calls() -> Refusal {
    Refusal::new(
        Outcome::UpstreamFailed,
        502,
        "upstream_unreadable",
        "the upstream's answer could not be read for calls of tools, so it was not passed on",
    )
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// An answer that passes unread; keeps the record until its last byte.
#[derive(Debug)]
struct Passed {
    body: Body,
    record: Record,
}

impl http_body::Body for Passed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.record.content.piece(data);
                }
                let bytes = frame.data_ref().map_or(0, |data| length(data));
                this.record.response_bytes = this.record.response_bytes.saturating_add(bytes);
                this.record.first_byte();
                if this.body.is_end_stream() {
                    this.record.end(Outcome::Delivered);
                }
            }
            Poll::Ready(Some(Err(_))) => this.record.end(Outcome::UpstreamFailed),
            Poll::Ready(None) => this.record.end(Outcome::Delivered),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A streamed answer under its guard; dropping the upstream's body cancels it.
#[derive(Debug)]
struct Guarded {
    body: Option<Body>,
    guard: Option<StreamGuard>,
    /// Between the guard and the client, where the route has agents.
    gate: Option<CallGate>,
    held: HeldBytes,
    record: Record,
}

impl Guarded {
    /// Nothing more comes from the upstream.
    fn close(&mut self, outcome: Outcome) {
        self.body = None;
        self.held.set(0);
        self.record.end(outcome);
        self.file();
    }

    /// Puts what the guard saw into the record.
    fn file(&mut self) {
        if let Some(guard) = self.guard.take() {
            self.record.usage = guard.usage();
            self.record.findings = guard.into_inspection().finish().0;
        }
        if let Some(gate) = self.gate.take() {
            self.record.calls = gate.tally().clone();
        }
    }

    fn send(&mut self, out: Vec<u8>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.record.first_byte();
        self.record.response_bytes = self.record.response_bytes.saturating_add(length(&out));
        self.record.content.piece(&out);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))))
    }
}

/// Whether a guarded stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Continue,
    /// A guard has ended it.
    Blocked,
    /// A call was held, and a text has ended it.
    Held,
}

/// Takes bytes of the upstream, or its end, through the guard and the gate behind it.
fn advance(guard: &mut StreamGuard, gate: Option<&mut CallGate>, data: Option<&[u8]>, out: &mut Vec<u8>) -> Step {
    let through = |guard: &mut StreamGuard, out: &mut Vec<u8>| match data {
        Some(data) => guard.push(data, out),
        None => guard.finish(out),
    };
    let Some(gate) = gate else {
        return match through(guard, out) {
            StreamStep::Blocked => Step::Blocked,
            StreamStep::Continue => Step::Continue,
        };
    };
    let mut guarded = Vec::new();
    if through(guard, &mut guarded) == StreamStep::Blocked {
        gate.block(&guarded, guard.inspection().why_blocked(), out);
        return Step::Blocked;
    }
    heavy::run(gate.weight(), || {
        gate.push(&guarded, out);
        if data.is_none() {
            gate.finish(out);
        }
    });
    // The tally has the last word: an answer may end without anything held.
    if gate.tally().is_held() {
        Step::Held
    } else {
        Step::Continue
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let mut out = Vec::new();
        loop {
            let (Some(body), Some(guard)) = (&mut this.body, &mut this.guard) else {
                return Poll::Ready(None);
            };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => return this.send(out),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let step = advance(guard, this.gate.as_mut(), Some(&data), &mut out);
                    if step == Step::Blocked {
                        this.close(Outcome::Blocked);
                        return this.send(out);
                    }
                    if step == Step::Held {
                        this.close(Outcome::Held);
                        return this.send(out);
                    }
                    let kept = this.gate.as_ref().map_or(0, CallGate::kept_bytes);
                    this.held.set(guard.held_bytes().saturating_add(kept));
                    if !out.is_empty() {
                        return this.send(out);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    // What is decided may leave; what waits for more text never gets it.
                    this.close(Outcome::UpstreamFailed);
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    let outcome = match advance(guard, this.gate.as_mut(), None, &mut out) {
                        Step::Blocked => Outcome::Blocked,
                        Step::Held => Outcome::Held,
                        Step::Continue => Outcome::Delivered,
                    };
                    this.close(outcome);
                    return if out.is_empty() {
                        Poll::Ready(None)
                    } else {
                        this.send(out)
                    };
                }
            }
        }
    }
}

impl Recorded for Passed {
    fn record(&mut self) -> &mut Record {
        &mut self.record
    }

    fn holding(&self) -> Holding {
        Holding::Latest
    }
}

impl Recorded for Guarded {
    fn record(&mut self) -> &mut Record {
        &mut self.record
    }

    fn holding(&self) -> Holding {
        let gated = self.gate.as_ref().is_some_and(CallGate::is_over);
        if gated || self.guard.as_ref().is_none_or(StreamGuard::is_ending) {
            Holding::All
        } else {
            Holding::Nothing
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The client left: the verdict on what was delivered is still completed.
        self.file();
    }
}
