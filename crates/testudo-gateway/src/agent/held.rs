//! The gate on a whole answer.

use testudo_bounded::json::{Document, Limits};
use testudo_dialects::calls::{Readings, replaced};

use super::case::{Case, Extent, Judged};
use super::wording::said;

/// What became of a whole answer.
#[derive(Debug)]
pub(crate) enum Gated {
    /// It leaves as it is.
    Whole(Judged),
    /// This leaves in its place.
    Replaced(Judged, Vec<u8>),
    /// It cannot leave, and nothing can be written in its place.
    Unreadable(Judged),
}

/// Judges the calls of a whole answer, as the client would get it.
pub(crate) fn gate_answer(case: &Case, bytes: &[u8], limits: &Limits) -> Gated {
    let Ok(document) = Document::parse(bytes, limits) else {
        return Gated::Unreadable(Judged::default());
    };
    let readings = Readings::of_answer(case.operation, document.root());
    let judged = case.judge(&readings, Extent::Complete);
    if !judged.tally.is_held() {
        return Gated::Whole(judged);
    }
    let text = said(&judged.held);
    match replaced(case.operation, &document, &text) {
        Some(bytes) => Gated::Replaced(judged, bytes),
        None => Gated::Unreadable(judged),
    }
}
