//! The text of one channel of a stream: how far it is safe, and what must be edited in it.

use std::ops::Range;
use std::sync::Arc;

use testudo_bounded::json::Limits;
use testudo_detect::pseudonym::Restorer;
use testudo_detect::{GuardScanner, Progress};
use testudo_types::Origin;

use super::body::{is_answer, json_text};
use super::cover::{Edit, cover, settle_point};
use super::inspection::Inspection;
use super::restore::{LINK_LOOKBACK_BYTES, restore_edits};

/// One channel: text that is released as it becomes safe, or tool arguments held until they are whole.
#[derive(Debug)]
pub(crate) enum ChannelState {
    Text(Box<TextChannel>),
    Arguments(ArgumentsChannel),
}

impl ChannelState {
    pub(crate) fn text(inspection: &Inspection, path: Arc<str>, maskable: bool) -> Self {
        Self::Text(Box::new(TextChannel::new(inspection, path, maskable)))
    }

    pub(crate) fn arguments(path: Arc<str>) -> Self {
        Self::Arguments(ArgumentsChannel {
            path,
            text: String::new(),
            edits: Vec::new(),
            closed: false,
            decided: false,
        })
    }

    /// Appends text and gives the range it takes in the channel.
    pub(crate) fn push(&mut self, text: &str, inspection: &mut Inspection) -> Range<usize> {
        match self {
            Self::Text(channel) => channel.push(text, inspection),
            Self::Arguments(channel) => {
                let start = channel.text.len();
                channel.text.push_str(text);
                start..channel.text.len()
            }
        }
    }

    /// No more text will come: everything is decided now.
    pub(crate) fn close(&mut self, inspection: &mut Inspection, limits: &Limits) {
        match self {
            Self::Text(channel) => channel.close(inspection, limits),
            Self::Arguments(channel) => channel.close(inspection, limits),
        }
    }

    /// Everything before this byte is decided.
    pub(crate) fn safe(&self) -> usize {
        match self {
            Self::Text(channel) => channel.stop.map_or(channel.safe, |stop| stop.min(channel.safe)),
            Self::Arguments(channel) if channel.decided => channel.text.len(),
            Self::Arguments(_) => 0,
        }
    }

    /// The edits that touch a decided range, relative to its start; the replacement stands in the
    /// piece in which the edited range begins, later pieces lose their share.
    pub(crate) fn edits_in(&self, piece: &Range<usize>) -> Vec<Edit> {
        match self {
            Self::Text(channel) if channel.edits.is_empty() => Vec::new(),
            Self::Text(channel) => share(&cover(channel.edits_until(piece.end)), piece),
            Self::Arguments(channel) => share(&channel.edits, piece),
        }
    }

    /// The text before this byte is with the client: its edits are history.
    pub(crate) fn forget_before(&mut self, released: usize) {
        if let Self::Text(channel) = self {
            // An edit that began earlier and reaches further still takes its share of later pieces.
            channel.edits.retain(|edit| edit.range.end > released);
        }
    }
}

fn share(edits: &[Edit], piece: &Range<usize>) -> Vec<Edit> {
    edits
        .iter()
        .filter(|edit| edit.range.start < piece.end && piece.start < edit.range.end)
        .map(|edit| {
            let start = edit.range.start.max(piece.start);
            let end = edit.range.end.min(piece.end);
            Edit {
                range: start.saturating_sub(piece.start)..end.saturating_sub(piece.start),
                kind: edit.kind,
                replacement: if edit.range.start >= piece.start {
                    edit.replacement.clone()
                } else {
                    String::new()
                },
                weight: edit.weight,
            }
        })
        .collect()
}

/// Text that is scanned as it arrives.
#[derive(Debug)]
pub(crate) struct TextChannel {
    path: Arc<str>,
    maskable: bool,
    scanner: Option<GuardScanner>,
    len: usize,
    safe: usize,
    edits: Vec<Edit>,
    restore: Option<RestoreTail>,
    /// Nothing from this byte on may leave.
    stop: Option<usize>,
    /// The whole answer, for what is compared at its end.
    kept: Option<Kept>,
    closed: bool,
}

/// An answer as far as it is kept.
#[derive(Debug)]
struct Kept {
    text: String,
    bytes_max: usize,
}

impl TextChannel {
    fn new(inspection: &Inspection, path: Arc<str>, maskable: bool) -> Self {
        let kept = inspection
            .answer_bytes_max()
            .filter(|_| is_answer(&path))
            .map(|bytes_max| Kept {
                text: String::new(),
                bytes_max,
            });
        let scanner = inspection.scanner(&Origin::Model, &path);
        Self {
            path,
            kept,
            maskable,
            scanner,
            len: 0,
            safe: 0,
            edits: Vec::new(),
            restore: inspection.restorer().map(|_| RestoreTail::default()),
            stop: None,
            closed: false,
        }
    }

    fn push(&mut self, text: &str, inspection: &mut Inspection) -> Range<usize> {
        let start = self.len;
        self.len = self.len.saturating_add(text.len());
        if let Some(kept) = &mut self.kept {
            // One byte more than is compared says that it was too long.
            let room = kept.bytes_max.saturating_add(1).saturating_sub(kept.text.len());
            let end = text.ceil_char_boundary(room.min(text.len()));
            kept.text.push_str(text.get(..end).unwrap_or_default());
        }
        let scanned = match &mut self.scanner {
            Some(scanner) => {
                let progress = scanner.push(text, inspection.budget());
                self.take(&progress, inspection);
                progress.safe
            }
            None => self.len,
        };
        let restored = match (&mut self.restore, inspection.restorer()) {
            (Some(tail), Some(restorer)) => {
                let mut edits = Vec::new();
                let decided = tail.push(text, restorer, &mut edits);
                self.add(edits);
                decided
            }
            _ => self.len,
        };
        self.safe = settle_point(&self.edits, scanned.min(restored)).max(self.safe);
        start..self.len
    }

    fn close(&mut self, inspection: &mut Inspection, limits: &Limits) {
        if self.closed {
            return;
        }
        self.closed = true;
        if let Some(scanner) = &mut self.scanner {
            let progress = scanner.finish(inspection.budget());
            self.take(&progress, inspection);
        }
        if let (Some(tail), Some(restorer)) = (&mut self.restore, inspection.restorer()) {
            let mut edits = Vec::new();
            tail.finish(restorer, &mut edits);
            self.add(edits);
        }
        if let Some(kept) = self.kept.take() {
            // Most of it has left: nothing can be replaced any more.
            let judged = inspection.streamed_answer(&kept.text, &self.path, limits);
            self.stop = [self.stop, judged.stop].into_iter().flatten().min();
        }
        self.safe = self.len;
    }

    /// Keeps edits in the order of their starts.
    fn add(&mut self, edits: Vec<Edit>) {
        if !edits.is_empty() {
            self.edits.extend(edits);
            self.edits.sort_by_key(|edit| edit.range.start);
        }
    }

    /// The edits that begin before `end`, and those that overlap them.
    fn edits_until(&self, end: usize) -> Vec<Edit> {
        let mut reach = end;
        let mut found = Vec::new();
        for edit in &self.edits {
            if edit.range.start >= reach {
                break;
            }
            reach = reach.max(edit.range.end);
            found.push(edit.clone());
        }
        found
    }

    fn take(&mut self, progress: &Progress, inspection: &mut Inspection) {
        let judged = inspection.judge_hits(&progress.hits, None, &Origin::Model, &self.path, self.maskable);
        self.add(judged.edits);
        let unscanned = progress.exhausted && inspection.unscannable("guard.work-limit", &self.path);
        self.stop = [self.stop, judged.stop, unscanned.then_some(self.safe)]
            .into_iter()
            .flatten()
            .min();
    }
}

/// The end of a channel's text in which a placeholder may stand or begin, with the text before it
/// that tells whether it stands in a link.
#[derive(Debug, Default)]
struct RestoreTail {
    text: String,
    /// Where `text` begins in the channel.
    base: usize,
    /// Bytes of `text` that are only looked back at.
    seen: usize,
}

impl RestoreTail {
    fn push(&mut self, text: &str, restorer: &Restorer, edits: &mut Vec<Edit>) -> usize {
        self.text.push_str(text);
        let (found, pending) = restorer.settled(&self.text, self.seen);
        edits.extend(restore_edits(found, &self.text, self.base));
        self.forget(pending);
        self.base.saturating_add(self.seen)
    }

    fn finish(&mut self, restorer: &Restorer, edits: &mut Vec<Edit>) {
        let found = restorer.find_from(&self.text, self.seen);
        edits.extend(restore_edits(found, &self.text, self.base));
        self.forget(self.text.len());
    }

    /// Everything before `until` is decided: keep only what is looked back at.
    fn forget(&mut self, until: usize) {
        self.seen = until;
        if self.seen > LINK_LOOKBACK_BYTES.saturating_mul(2) {
            let mut cut = self.seen.saturating_sub(LINK_LOOKBACK_BYTES);
            while !self.text.is_char_boundary(cut) {
                cut = cut.saturating_sub(1);
            }
            self.text.drain(..cut);
            self.base = self.base.saturating_add(cut);
            self.seen = self.seen.saturating_sub(cut);
        }
    }
}

/// The JSON text of a tool call; a call only acts when it is whole, so nothing of it leaves before.
#[derive(Debug)]
pub(crate) struct ArgumentsChannel {
    path: Arc<str>,
    text: String,
    edits: Vec<Edit>,
    closed: bool,
    /// Whole, scanned, and not stopped.
    decided: bool,
}

impl ArgumentsChannel {
    fn close(&mut self, inspection: &mut Inspection, limits: &Limits) {
        if !self.closed {
            self.closed = true;
            self.edits = json_text(&self.text, &Origin::Model, &self.path, inspection, limits);
            self.decided = inspection.blocked().is_none();
        }
    }
}
