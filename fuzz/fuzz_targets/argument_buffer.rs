//! Text in pieces is judged as the whole is, and as the document reader judges it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_bounded::json::{ArgumentBuffer, Document, JsonErrorKind, Limits};

fuzz_target!(|input: (&str, u8)| {
    let (text, step) = input;
    let limits = Limits {
        bytes_max: 1 << 12,
        ..Limits::DEFAULT
    };
    let mut whole = ArgumentBuffer::with_limits(&limits);
    let all = whole.push(text);
    let mut pieces = ArgumentBuffer::with_limits(&limits);
    let mut last = Ok(testudo_bounded::json::Progress::Partial);
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(usize::from(step).max(1)));
        last = pieces.push(piece);
        rest = after;
    }
    assert_eq!(last, all);
    assert_eq!(pieces.text(), whole.text());
    match Document::parse(text.as_bytes(), &limits) {
        Ok(_) => assert!(whole.complete()),
        Err(error)
            if matches!(
                error.kind(),
                JsonErrorKind::DuplicateKey { .. } | JsonErrorKind::TooManyNodes { .. }
            ) => {}
        Err(_) => assert!(!whole.complete()),
    }
});
