//! JSON: what is accepted, refused, mapped and spliced.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a test that overflows or cuts a character fails loudly"
)]

mod arguments;
mod canonical;
mod differential;
mod duplicates;
mod edits;
mod nodes;
mod refusals;
mod spelling;

use super::{Document, JsonError, JsonErrorKind, Limits};

fn parse(text: &str) -> Document<'_> {
    Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap()
}

fn refusal(bytes: &[u8]) -> JsonError {
    Document::parse(bytes, &Limits::DEFAULT).unwrap_err()
}

#[track_caller]
fn refuses(text: &str, kind: &JsonErrorKind, offset: usize) {
    let error = refusal(text.as_bytes());
    assert_eq!((error.kind(), error.offset()), (kind, offset), "{text}: {error}");
}
