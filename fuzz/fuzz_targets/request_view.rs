//! No string of a request or an answer is missed, and every span lies where it says.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use testudo_bounded::json::{Document, Limits};
use testudo_dialects::{Form, Operation, Span, read_request, read_response};

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let limits = Limits {
        bytes_max: 1 << 16,
        depth_max: 64,
        nodes_max: 4096,
    };
    let all = Operation::all();
    let operation = all[usize::from(choice) % all.len()];
    if let Ok(view) = read_request(operation, bytes, &limits)
        && operation.has_body()
    {
        check(&view.document, &view.spans);
    }
    if let Ok(view) = read_response(operation, 200, bytes, &limits) {
        check(&view.document, &view.spans);
    }
});

fn check(document: &Document<'_>, spans: &[Span<'_>]) {
    let seen: BTreeSet<usize> = spans
        .iter()
        .filter(|span| matches!(span.form, Form::Text | Form::JsonText | Form::Media))
        .map(|span| span.literal.range().start)
        .collect();
    for node in document.root().strings() {
        let (Some(literal), Some(text)) = (node.literal(), node.as_str()) else {
            continue;
        };
        let exempt = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.:/+=-".contains(&b));
        assert!(exempt || seen.contains(&literal.range().start));
    }
    for span in spans {
        assert!(span.path.as_str().len() < 300);
        assert!(span.literal.range().end <= document.bytes().len());
        if let Some(range) = &span.null_on_edit {
            assert!(range.end <= document.bytes().len());
        }
        if span.splice {
            assert_eq!(span.literal.decode(document.bytes()), span.text);
        }
    }
}
