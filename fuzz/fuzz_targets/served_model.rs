//! What a server says that it serves is a text of its document, and pointers lead where another reader is led.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use testudo_dialects::{Served, served};

fn has(value: &Value, text: &str) -> bool {
    match value {
        Value::String(it) => it == text,
        Value::Array(items) => items.iter().any(|it| has(it, text)),
        Value::Object(members) => members.values().any(|it| has(it, text)),
        _ => false,
    }
}

// The first line is a model's name and a pointer; the rest is the document.
fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let Ok(question) = std::str::from_utf8(&bytes[..end]) else {
        return;
    };
    let document = &bytes[end + 1..];
    let questions = [
        Served::Ollama { model: question },
        Served::Tgi,
        Served::Vllm { model: None },
        Served::Vllm { model: Some(question) },
        Served::Pointer(question),
    ];
    for what in questions {
        let Ok(said) = served(&what, document) else { continue };
        // Numbers past its range are none to this reader.
        let Ok(value) = serde_json::from_slice::<Value>(document) else {
            continue;
        };
        assert!(!said.is_empty() && has(&value, &said));
        if what == Served::Pointer(question) {
            assert_eq!(value.pointer(question).and_then(Value::as_str), Some(said.as_str()));
        }
    }
});
