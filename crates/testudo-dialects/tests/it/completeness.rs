//! Nothing is missed: every string of any document is a span, exempt by its look, or empty.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value};
use testudo_bounded::json::Document;
use testudo_dialects::sse::Event;
use testudo_dialects::{Form, Operation, Refused, Span, StreamReader, read_request, read_response};

use crate::render::LIMITS;

/// Names that the tables know, mixed so that every place is reached.
const NAMES: &[&str] = &[
    "model",
    "messages",
    "role",
    "content",
    "type",
    "text",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "tools",
    "parameters",
    "input",
    "output",
    "instructions",
    "system",
    "source",
    "data",
    "thinking",
    "signature",
    "citations",
    "choices",
    "delta",
    "message",
    "logprobs",
    "token",
    "bytes",
    "top_logprobs",
    "refusal",
    "item",
    "part",
    "response",
    "content_block",
    "partial_json",
    "annotation",
    "annotations",
    "error",
    "metadata",
    "user",
    "encrypted_content",
    "reasoning_content",
    "url",
    "image_url",
    "file",
    "file_data",
    "summary",
    "results",
    "action",
    "obfuscation",
    "finish_reason",
    "prompt",
    "embedding",
    "title",
    "usage",
    "code",
    "unheard_of",
    "Odd Key",
    "4111111111111111",
];

/// Values of `type` and `role` that change how things are read.
const WORDS: &[&str] = &[
    "user",
    "system",
    "tool",
    "assistant",
    "text",
    "tool_result",
    "tool_use",
    "document",
    "message",
    "function_call",
    "function_call_output",
    "reasoning",
    "base64",
    "text_delta",
    "input_json_delta",
    "thinking_delta",
    "content_block_delta",
    "content_block_start",
    "message_start",
    "response.output_text.delta",
    "response.output_item.done",
    "response.completed",
    "response.function_call_arguments.delta",
    "thinking",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a b".to_owned()),
        Just(String::new()),
        Just("é\u{1f600}\"\\\n".to_owned()),
        Just("plain-token_1".to_owned()),
        Just("QUJD".repeat(70)),
        prop::sample::select(WORDS).prop_map(str::to_owned),
        "[ -~]{0,12}",
    ]
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => text().prop_map(Value::String),
        1 => Just(Value::Null),
        1 => (0u64..300).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::Bool),
    ];
    let tree = leaf.prop_recursive(7, 96, 6, |inner| {
        let key = prop_oneof![9 => prop::sample::select(NAMES).prop_map(str::to_owned), 1 => "[a-zA-Z ]{0,5}"];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            3 => prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    });
    tree.prop_map(|value| {
        if value.is_object() {
            value
        } else {
            Value::Object(Map::from_iter([("messages".to_owned(), value)]))
        }
    })
}

/// The looks that are exempt somewhere.
fn looks_exempt(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.:/+=-".contains(&b))
}

fn is_complete(document: &Document<'_>, spans: &[&Span<'_>]) -> Result<(), TestCaseError> {
    let values: BTreeSet<usize> = spans
        .iter()
        .filter(|span| !matches!(span.form, Form::Key | Form::Number | Form::LogprobBytes))
        .map(|span| span.literal.range().start)
        .collect();
    for node in document.root().strings() {
        let literal = node.literal().expect("a string has a literal");
        let text = node.as_str().expect("a string has text");
        prop_assert!(
            values.contains(&literal.range().start) || looks_exempt(&text),
            "{:?} at {} is missed",
            text,
            node.pointer()
        );
    }
    let keys: BTreeSet<usize> = spans
        .iter()
        .filter(|span| span.form == Form::Key)
        .map(|span| span.literal.range().start)
        .collect();
    for key in document.root().keys() {
        let text = key.decode(document.bytes());
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && text.len() <= 64;
        prop_assert!(plain || keys.contains(&key.range().start), "the key {text:?} is missed");
    }
    for span in spans {
        let expected = match span.form {
            Form::Number | Form::LogprobBytes => continue,
            Form::Text | Form::JsonText | Form::Key | Form::Media => span.literal.decode(document.bytes()),
        };
        prop_assert_eq!(&expected, &span.text);
    }
    Ok(())
}

/// The refusals that a strict document may still meet.
fn is_refused_with_reason(refusal: &Refused) -> bool {
    matches!(
        refusal,
        Refused::KeyVariant { .. } | Refused::Shape { .. } | Refused::AfterClose { .. } | Refused::EventName
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_string_of_a_request_is_missed(value in document(), operation in prop::sample::select(Operation::all())) {
        let bytes = value.to_string();
        match read_request(operation, bytes.as_bytes(), &LIMITS) {
            Ok(view) => is_complete(&view.document, &view.spans.iter().collect::<Vec<_>>())?,
            Err(Refused::UnexpectedBody) => prop_assert!(!operation.has_body()),
            Err(refusal) => prop_assert!(is_refused_with_reason(&refusal), "{}", refusal),
        }
    }

    #[test]
    fn no_string_of_an_answer_is_missed(value in document(), operation in prop::sample::select(Operation::all())) {
        let bytes = value.to_string();
        match read_response(operation, 200, bytes.as_bytes(), &LIMITS) {
            Ok(view) => is_complete(&view.document, &view.spans.iter().collect::<Vec<_>>())?,
            Err(refusal) => prop_assert!(is_refused_with_reason(&refusal), "{}", refusal),
        }
    }

    #[test]
    fn no_string_of_an_event_is_missed(
        values in prop::collection::vec(document(), 1..4),
        operation in prop::sample::select(Operation::all()),
    ) {
        let mut reader = StreamReader::new(operation);
        for value in values {
            let data = value.to_string();
            let event = Event { raw: Vec::new(), name: None, data: Some(data.clone()), complete: true };
            let frame = match reader.frame(&event, &LIMITS) {
                Ok(frame) => frame,
                Err(refusal) => {
                    prop_assert!(is_refused_with_reason(&refusal), "{}", refusal);
                    return Ok(());
                }
            };
            let document = Document::parse(data.as_bytes(), &LIMITS).expect("strict JSON");
            is_complete(&document, &frame.pieces.iter().map(|piece| &piece.span).collect::<Vec<_>>())?;
        }
    }
}
