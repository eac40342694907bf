//! What the hits of one text lead to: edits, and a place from which nothing may leave.

use super::cover::Edit;

/// What the hits of one text lead to.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) edits: Vec<Edit>,
    /// The first byte of a hit that stops the exchange: nothing from here on may leave.
    pub(crate) stop: Option<usize>,
}

impl Judged {
    pub(super) fn join(&mut self, other: Self) {
        self.edits.extend(other.edits);
        if let Some(start) = other.stop {
            self.stop_at(start);
        }
    }

    pub(super) fn stop_at(&mut self, start: usize) {
        self.stop = Some(self.stop.map_or(start, |earlier| earlier.min(start)));
    }
}
