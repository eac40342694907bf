//! Guards a streamed answer: frames leave in their order, each as soon as all of its text is decided.
//!
//! A frame is never split and never rewritten unless its text is edited, so what
//! is not edited leaves byte for byte. How the bytes were cut on the network
//! cannot matter: everything below happens per frame, and within a channel the
//! scanner gives the same hits for every way the text was cut into frames.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use testudo_bounded::json::{Edits, Limits};
use testudo_dialects::sse::{Decoder, Event, write};
use testudo_dialects::{
    BlockNotice, Channel, ChannelKind, Frame, Operation, Piece, PieceKind, Progress, StreamReader, Usage,
};
use testudo_types::Origin;

use super::body::{Site, plan_span};
use super::channel::ChannelState;
use super::cover::{Edit, cover};
use super::inspection::Inspection;

/// Whether the stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStep {
    Continue,
    /// The dialect's own ending was written: send it, end the answer, cancel the upstream.
    Blocked,
}

/// Sizes a stream may not pass.
#[derive(Debug, Clone, Copy)]
pub struct StreamBounds {
    pub event_bytes_max: usize,
    /// Bytes of frames held back at once.
    pub hold_bytes_max: usize,
    /// Text channels of one answer: choices, blocks, tool calls and unknown fields.
    pub channels_max: usize,
    pub json: Limits,
}

/// Bytes of a streamed answer in, bytes for the client out.
#[derive(Debug)]
pub struct StreamGuard {
    decoder: Decoder,
    reader: StreamReader,
    inspection: Inspection,
    bounds: StreamBounds,
    channels: BTreeMap<Channel, ChannelState>,
    queue: VecDeque<HeldFrame>,
    held_bytes: usize,
    usage: Option<Usage>,
    ending: bool,
    over: bool,
}

/// A frame that waits, in order, for its text to be decided.
#[derive(Debug)]
struct HeldFrame {
    event: Event,
    pieces: Vec<HeldPiece>,
    /// What the client knows once it has this frame.
    progress: Progress,
    /// Lines beside name and data hold something: the frame leaves without them.
    strip_lines: bool,
}

/// A frame's text after scanning.
#[derive(Debug)]
struct Taken {
    pieces: Vec<HeldPiece>,
    progress: Progress,
    strip_lines: bool,
}

#[derive(Debug)]
struct HeldPiece {
    site: Site,
    text: PieceText,
}

#[derive(Debug)]
enum PieceText {
    /// A share of a channel's text, with the edits it needs by itself.
    Share {
        channel: Channel,
        range: Range<usize>,
        own: Vec<Edit>,
    },
    /// Complete by itself, with its edits.
    Whole(Vec<Edit>),
    /// Must not leave.
    Stopped,
}

impl StreamGuard {
    /// Guards the answer to `operation`.
    #[must_use]
    pub fn new(operation: Operation, inspection: Inspection, bounds: StreamBounds) -> Self {
        Self {
            decoder: Decoder::new(bounds.event_bytes_max),
            reader: StreamReader::new(operation),
            inspection,
            bounds,
            channels: BTreeMap::new(),
            queue: VecDeque::new(),
            held_bytes: 0,
            usage: None,
            ending: false,
            over: false,
        }
    }

    /// Takes bytes from the upstream, cut anywhere, and appends what may leave to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> StreamStep {
        if self.over {
            return StreamStep::Blocked;
        }
        self.decoder.push(bytes);
        loop {
            match self.decoder.next() {
                Ok(Some(event)) => {
                    if self.event(event, out) == StreamStep::Blocked {
                        return StreamStep::Blocked;
                    }
                }
                Ok(None) => return StreamStep::Continue,
                Err(_) => {
                    // What follows cannot be framed, so it cannot be scanned: no mode lets it through.
                    self.inspection.unscannable("stream.framing", &Arc::from("stream"));
                    return self.block(out);
                }
            }
        }
    }

    /// The upstream has ended: everything left is decided and leaves.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> StreamStep {
        if self.over {
            return StreamStep::Blocked;
        }
        let last = self.decoder.finish();
        if let Ok(Some(event)) = last
            && self.cut_event(event, out) == StreamStep::Blocked
        {
            return StreamStep::Blocked;
        }
        self.close_all();
        self.settle(out)
    }

    /// Tokens the upstream reported.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Bytes held back now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether the frame after which nothing of meaning follows was read: what leaves may be the end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending || self.over
    }

    /// What was seen so far.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Ends the guard; decides on what was held, so that the record is complete even when the client left.
    #[must_use]
    pub fn into_inspection(mut self) -> Inspection {
        self.close_all();
        self.inspection
    }

    /// An event without its blank line: the connection was cut inside it. Clients that follow the
    /// standard drop it; it leaves only when it can be read and is clean.
    fn cut_event(&mut self, event: Event, out: &mut Vec<u8>) -> StreamStep {
        match self
            .reader
            .frame(&event, &self.bounds.json)
            .map(|frame| self.take(&event, frame))
        {
            Ok(taken) => self.queue_frame(event, taken, out),
            Err(_) if self.inspection.plan().enforces() => StreamStep::Continue,
            Err(_) => {
                out.extend_from_slice(&event.raw);
                StreamStep::Continue
            }
        }
    }

    fn event(&mut self, event: Event, out: &mut Vec<u8>) -> StreamStep {
        match self
            .reader
            .frame(&event, &self.bounds.json)
            .map(|frame| self.take(&event, frame))
        {
            Ok(taken) => self.queue_frame(event, taken, out),
            Err(_) => {
                if self.inspection.unscannable("stream.frame", &Arc::from("stream")) {
                    return self.block(out);
                }
                self.hold(HeldFrame {
                    event,
                    pieces: Vec::new(),
                    progress: Progress::default(),
                    strip_lines: false,
                });
                self.settle(out)
            }
        }
    }

    /// Scans the pieces of a frame, then closes what it closes; `None` when there are too many channels.
    fn take(&mut self, event: &Event, frame: Frame<'_>) -> Option<Taken> {
        if let Some(usage) = frame.usage {
            self.usage = Some(self.usage.unwrap_or_default().updated_by(usage));
        }
        let mut pieces = Vec::with_capacity(frame.pieces.len());
        for piece in frame.pieces {
            pieces.push(self.piece(piece)?);
        }
        for channel in &frame.closes {
            if let Some(state) = self.channels.get_mut(channel) {
                state.close(&mut self.inspection, &self.bounds.json);
            }
        }
        if frame.end {
            self.ending = true;
            self.close_all();
        }
        let strip_lines = frame.other_lines && self.has_findings_beside_data(event);
        Some(Taken {
            pieces,
            progress: frame.progress,
            strip_lines,
        })
    }

    /// Comments, ids and unknown fields are shown by no client, but they are text that leaves.
    fn has_findings_beside_data(&mut self, event: &Event) -> bool {
        let raw = String::from_utf8_lossy(&event.raw);
        let beside: Vec<&str> = raw
            .split(['\r', '\n'])
            .filter(|line| !line.starts_with("data") && !line.starts_with("event"))
            .collect();
        !self
            .inspection
            .whole_text(&beside.join("\n"), &Origin::Model, &Arc::from("stream/lines"), true)
            .is_empty()
    }

    fn queue_frame(&mut self, event: Event, taken: Option<Taken>, out: &mut Vec<u8>) -> StreamStep {
        let Some(Taken {
            pieces,
            progress,
            strip_lines,
        }) = taken
        else {
            return self.block(out);
        };
        self.hold(HeldFrame {
            event,
            pieces,
            progress,
            strip_lines,
        });
        self.settle(out)
    }

    /// Scans one piece; `None` when there are more channels than one answer may have.
    fn piece(&mut self, piece: Piece<'_>) -> Option<HeldPiece> {
        let Piece { channel, kind, span } = piece;
        let site = Site::of(&span);
        match kind {
            PieceKind::Whole | PieceKind::ArgumentsWhole => {
                let path: Arc<str> = Arc::from(span.path.as_str());
                let edits = plan_span(&span, &path, &mut self.inspection, &self.bounds.json);
                let stopped = self.inspection.blocked().is_some();
                Some(HeldPiece {
                    site,
                    text: if stopped {
                        PieceText::Stopped
                    } else {
                        PieceText::Whole(edits)
                    },
                })
            }
            PieceKind::Delta | PieceKind::ArgumentsDelta => {
                if !self.channels.contains_key(&channel) {
                    self.open(channel, kind, site.maskable())?;
                }
                let state = self.channels.get_mut(&channel)?;
                let range = state.push(&span.text, &mut self.inspection);
                // Nobody knows whether clients join an unknown field's pieces: both readings are scanned.
                let own = if matches!(channel.kind, ChannelKind::Unknown(_)) {
                    let path: Arc<str> = Arc::from(span.path.as_str());
                    plan_span(&span, &path, &mut self.inspection, &self.bounds.json)
                } else {
                    Vec::new()
                };
                Some(HeldPiece {
                    site,
                    text: PieceText::Share { channel, range, own },
                })
            }
        }
    }

    fn open(&mut self, channel: Channel, kind: PieceKind, maskable: bool) -> Option<()> {
        let path: Arc<str> = Arc::from(channel.to_string());
        if self.channels.len() >= self.bounds.channels_max {
            self.inspection.unscannable("stream.channels-limit", &path);
            return None;
        }
        let state = match kind {
            PieceKind::ArgumentsDelta => ChannelState::arguments(path),
            PieceKind::Delta | PieceKind::Whole | PieceKind::ArgumentsWhole => {
                ChannelState::text(&self.inspection, path, maskable)
            }
        };
        self.channels.insert(channel, state);
        Some(())
    }

    fn hold(&mut self, frame: HeldFrame) {
        self.held_bytes = self.held_bytes.saturating_add(frame.event.raw.len());
        self.queue.push_back(frame);
    }

    fn close_all(&mut self) {
        for state in self.channels.values_mut() {
            state.close(&mut self.inspection, &self.bounds.json);
        }
    }

    /// Releases what is decided, then sees whether the stream may go on.
    fn settle(&mut self, out: &mut Vec<u8>) -> StreamStep {
        if self.inspection.blocked().is_some() {
            return self.block(out);
        }
        if self.release(out).is_none() {
            self.inspection.unscannable("guard.splice", &Arc::from("stream"));
            return self.block(out);
        }
        if self.held_bytes > self.bounds.hold_bytes_max {
            // More is held than may be held: it is neither safe to send nor bounded to keep.
            self.inspection.unscannable("stream.hold-limit", &Arc::from("stream"));
            return self.block(out);
        }
        StreamStep::Continue
    }

    fn release(&mut self, out: &mut Vec<u8>) -> Option<()> {
        while self.queue.front().is_some_and(|frame| self.is_decided(frame)) {
            let frame = self.queue.pop_front()?;
            self.held_bytes = self.held_bytes.saturating_sub(frame.event.raw.len());
            self.emit(&frame, out)?;
            self.reader.delivered(&frame.progress);
        }
        Some(())
    }

    fn is_decided(&self, frame: &HeldFrame) -> bool {
        // Guards that only watch make nobody wait.
        (!self.inspection.plan().enforces() && self.inspection.restorer().is_none())
            || frame.pieces.iter().all(|piece| match &piece.text {
                PieceText::Whole(_) => true,
                PieceText::Stopped => false,
                PieceText::Share { channel, range, .. } => self
                    .channels
                    .get(channel)
                    .is_some_and(|state| range.end <= state.safe()),
            })
    }

    fn emit(&mut self, frame: &HeldFrame, out: &mut Vec<u8>) -> Option<()> {
        let data = frame.event.data.as_deref().unwrap_or_default();
        let mut edits = Edits::new();
        for piece in &frame.pieces {
            let planned = match &piece.text {
                PieceText::Whole(planned) => planned.clone(),
                PieceText::Stopped => return None,
                PieceText::Share { channel, range, own } => {
                    let state = self.channels.get_mut(channel)?;
                    let mut planned = state.edits_in(range);
                    state.forget_before(range.end);
                    if !own.is_empty() {
                        planned.extend(own.iter().cloned());
                        planned = cover(planned);
                    }
                    planned
                }
            };
            if !piece.site.splice(data.as_bytes(), &planned, &mut edits) {
                return None;
            }
        }
        if edits.is_empty() && !frame.strip_lines {
            out.extend_from_slice(&frame.event.raw);
            return Some(());
        }
        let edited = String::from_utf8(edits.apply(data.as_bytes()).ok()?).ok()?;
        if !frame.strip_lines {
            out.extend_from_slice(&frame.event.with_data(&edited));
        } else if frame.event.data.is_some() {
            write(frame.event.name.as_deref(), &edited, out);
        }
        Some(())
    }

    /// Sends what was decided before the reason to stop, then the dialect's own ending.
    fn block(&mut self, out: &mut Vec<u8>) -> StreamStep {
        self.over = true;
        // A frame whose edit does not fit stays behind with all that follow.
        let _released = self.release(out);
        self.queue.clear();
        self.held_bytes = 0;
        self.channels.clear();
        let message = self.inspection.why_blocked();
        self.reader.block(&BlockNotice { message }, out);
        StreamStep::Blocked
    }
}
