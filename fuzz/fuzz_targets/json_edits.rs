//! Text spliced into any string of any document leaves JSON that says the new text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_bounded::json::{Document, Edits, Limits};

fuzz_target!(|input: (&[u8], &str, u16, u16, u16)| {
    let (bytes, new, which, start, len) = input;
    let limits = Limits {
        bytes_max: 1 << 16,
        ..Limits::DEFAULT
    };
    let Ok(document) = Document::parse(bytes, &limits) else {
        return;
    };
    let count = document.root().strings().count().max(1);
    let Some(node) = document.root().strings().nth(usize::from(which) % count) else {
        return;
    };
    let (Some(literal), Some(text)) = (node.literal(), node.as_str()) else {
        return;
    };
    let decoded = usize::from(start)..usize::from(start).saturating_add(usize::from(len));
    let mut edits = Edits::new();
    let made = edits.replace_in_string(bytes, &literal, decoded.clone(), new);
    assert_eq!(made.is_ok(), text.get(decoded.clone()).is_some());
    if made.is_err() {
        return;
    }
    let mut expected = text.into_owned();
    expected.replace_range(decoded, new);
    let Ok(out) = edits.apply(bytes) else {
        panic!("one edit inside the document cannot fail")
    };
    let again = match Document::parse(&out, &Limits::DEFAULT) {
        Ok(again) => again,
        Err(error) => panic!("the edited document is refused: {error}"),
    };
    assert_eq!(again.node(node.id()).as_str().as_deref(), Some(expected.as_str()));
    assert!(out.starts_with(&bytes[..node.range().start]));
    assert!(out.ends_with(&bytes[node.range().end..]));
});
