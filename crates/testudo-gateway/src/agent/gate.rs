//! The gate on a streamed answer: text passes; from the first event of a call on, everything waits for the verdict.

use std::sync::Arc;

use testudo_bounded::json::Limits;
use testudo_dialects::calls::CallReader;
use testudo_dialects::sse::{Decoder, Event};
use testudo_dialects::{BlockNotice, Operation, Progress, Saying, StreamReader};

use super::case::{Case, Extent, Judged};
use super::tally::CallTally;
use super::wording::said;

/// Sizes that a stream may not pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GateBounds {
    pub(crate) event_bytes_max: usize,
    /// Bytes of events that wait at once.
    pub(crate) hold_bytes_max: usize,
    pub(crate) json: Limits,
}

/// Bytes of a guarded stream in, bytes for the client out.
#[derive(Debug)]
pub(crate) struct CallGate {
    case: Arc<Case>,
    bounds: GateBounds,
    decoder: Decoder,
    reader: StreamReader,
    calls: CallReader,
    /// What waits, in order, and what the client knows once it has it.
    kept: Vec<(Event, Progress)>,
    kept_bytes: usize,
    /// A guard ends the stream, and says why.
    blocked: Option<String>,
    judged: Judged,
    over: bool,
}

impl CallGate {
    pub(crate) fn new(case: Arc<Case>, operation: Operation, bounds: GateBounds) -> Self {
        Self {
            case,
            bounds,
            decoder: Decoder::new(bounds.event_bytes_max),
            reader: StreamReader::new(operation),
            calls: CallReader::new(operation),
            kept: Vec::new(),
            kept_bytes: 0,
            blocked: None,
            judged: Judged::default(),
            over: false,
        }
    }

    /// Takes bytes, cut anywhere, and appends what may leave.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.decoder.push(bytes);
        while !self.over {
            match self.decoder.next() {
                Ok(Some(event)) => self.event(event, out),
                Ok(None) => return,
                // What follows cannot be framed: whoever reads it otherwise could find a call in it.
                Err(_) => self.conclude(Extent::Excessive, out),
            }
        }
    }

    /// Takes the last bytes of a stream that a guard ends, with the ending that it wrote.
    pub(crate) fn block(&mut self, bytes: &[u8], message: String, out: &mut Vec<u8>) {
        self.blocked = Some(message);
        self.push(bytes, out);
        self.finish(out);
    }

    /// The stream has ended.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        while !self.over {
            match self.decoder.finish() {
                Ok(Some(event)) => self.event(event, out),
                Ok(None) => break,
                Err(_) => self.conclude(Extent::Excessive, out),
            }
        }
        if !self.kept.is_empty() {
            let extent = if self.calls.is_complete() {
                Extent::Complete
            } else {
                Extent::Broken
            };
            self.conclude(extent, out);
        }
        self.over = true;
    }

    /// Bytes that wait now.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// How much there is to read for a verdict, as long as one may come next.
    pub(crate) fn weight(&self) -> usize {
        if self.kept.is_empty() { 0 } else { self.case.body.len() }
    }

    /// What was decided so far.
    pub(crate) fn tally(&self) -> &CallTally {
        &self.judged.tally
    }

    /// All that was decided.
    pub(crate) fn into_judged(self) -> Judged {
        self.judged
    }

    /// Nothing more leaves.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        let carries = self.calls.event(&event, &self.bounds.json);
        let frame = self.reader.frame(&event, &self.bounds.json);
        let progress = frame.map(|frame| frame.progress).unwrap_or_default();
        if self.kept.is_empty() && !carries {
            out.extend_from_slice(&event.raw);
            self.reader.delivered(&progress);
            return;
        }
        self.kept_bytes = self.kept_bytes.saturating_add(event.raw.len());
        self.kept.push((event, progress));
        if self.kept_bytes > self.bounds.hold_bytes_max {
            self.conclude(Extent::Excessive, out);
        } else if self.calls.is_ended() {
            self.conclude(Extent::Complete, out);
        }
    }

    /// Lets go what waits, or says something in its place and ends the answer.
    fn conclude(&mut self, extent: Extent, out: &mut Vec<u8>) {
        let kept = std::mem::take(&mut self.kept);
        self.kept_bytes = 0;
        if let Some(message) = self.blocked.take() {
            self.over = true;
            self.reader.block(&BlockNotice { message }, out);
            return;
        }
        self.judged = self.case.judge(self.calls.readings(), extent);
        if !self.judged.tally.is_held() && extent == Extent::Complete {
            for (event, progress) in &kept {
                out.extend_from_slice(&event.raw);
                self.reader.delivered(progress);
            }
            return;
        }
        self.over = true;
        let text = said(&self.judged.held);
        if !self.judged.tally.is_held() {
            // Nothing was read before: what came of the answer leaves as it came.
            for (event, _) in &kept {
                out.extend_from_slice(&event.raw);
            }
            return;
        }
        let kept: Vec<&str> = kept.iter().filter_map(|(event, _)| event.data.as_deref()).collect();
        let saying = Saying {
            text: &text,
            kept: &kept,
            limits: &self.bounds.json,
        };
        self.reader.say(&saying, out);
    }
}
