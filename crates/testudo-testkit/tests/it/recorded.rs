//! The recordings hold what they were asked to hold.

use serde_json::Value;
use testudo_testkit::recorded::{
    Field, Recording, Script, chat_body, chat_stream, completions_body, completions_stream, messages_body,
    messages_stream, responses_body, responses_stream,
};

const STREAMS: [fn(&Script) -> Recording; 4] = [chat_stream, completions_stream, responses_stream, messages_stream];
const BODIES: [fn(&Script) -> Vec<u8>; 4] = [chat_body, completions_body, responses_body, messages_body];

#[test]
fn every_frame_and_body_is_json() {
    for script in scripts() {
        for stream in STREAMS {
            for frame in stream(&script).frames {
                let data = frame.lines().find_map(|it| it.strip_prefix("data: ")).unwrap();
                assert!(frame.ends_with("\n\n"));
                assert!(
                    data == "[DONE]" || serde_json::from_str::<Value>(data).is_ok(),
                    "{data}"
                );
            }
        }
        for body in BODIES {
            assert!(serde_json::from_slice::<Value>(&body(&script)).is_ok());
        }
    }
}

#[test]
fn event_names_equal_types() {
    for stream in [responses_stream, messages_stream] {
        for frame in stream(&Script::full()).frames {
            let name = frame.strip_prefix("event: ").unwrap().lines().next().unwrap();
            let data = frame.lines().find_map(|it| it.strip_prefix("data: ")).unwrap();
            let json: Value = serde_json::from_str(data).unwrap();
            assert_eq!(json["type"], name);
        }
    }
}

#[test]
fn responses_sequence_numbers_have_no_gap() {
    for (at, frame) in responses_stream(&Script::full()).frames.iter().enumerate() {
        let data = frame.lines().find_map(|it| it.strip_prefix("data: ")).unwrap();
        let json: Value = serde_json::from_str(data).unwrap();
        assert_eq!(json["sequence_number"], at);
    }
}

#[test]
fn planted_secrets_arrive_where_the_dialect_has_the_field() {
    let secret = "zq-planted-7";
    for field in Field::ALL {
        let script = Script::full().plant(field, secret);
        let found = BODIES.iter().filter(|it| body_holds(&it(&script), secret)).count();
        assert!(found >= 1, "{field:?} is in no dialect's body");
        let grown = STREAMS.iter().filter(|it| it(&script) != it(&Script::full())).count();
        assert!(grown >= 1, "{field:?} changes no dialect's stream");
    }
}

#[test]
fn the_messages_dialect_uses_the_first_answer_only() {
    let script = Script::of(&[&["one"], &["two"]]);
    assert!(!String::from_utf8(messages_body(&script)).unwrap().contains("two"));
}

#[test]
fn chat_deltas_join_to_the_body() {
    let script = Script::full();
    let mut joined = String::new();
    for frame in chat_stream(&script).frames {
        let data = frame.strip_prefix("data: ").unwrap();
        if let Ok(json) = serde_json::from_str::<Value>(data)
            && json["choices"][0]["index"] == 0
        {
            joined.push_str(json["choices"][0]["delta"]["content"].as_str().unwrap_or(""));
        }
    }
    let body: Value = serde_json::from_slice(&chat_body(&script)).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], joined);
}

#[test]
fn cutting_loses_nothing() {
    let recording = chat_stream(&Script::full());
    let bytes = recording.bytes();
    for size in [0, 1, 7, 4096] {
        assert_eq!(recording.cut_every(size).concat(), bytes);
    }
    for at in [0, 1, bytes.len(), bytes.len() + 9] {
        let (head, tail) = recording.cut_at(at);
        assert_eq!([head, tail].concat(), bytes);
    }
}

fn scripts() -> Vec<Script> {
    let mut scripts = vec![Script::of(&[]), Script::of(&[&["a\"\\\n\u{1}", "€"]]), Script::full()];
    scripts.extend(Field::ALL.map(|field| Script::full().plant(field, "s\"e\\c")));
    scripts
}

/// Whether the secret is in the body, plainly or as `\u` escapes inside tool arguments.
fn body_holds(body: &[u8], secret: &str) -> bool {
    let escaped: String = secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let text = String::from_utf8(body.to_vec()).unwrap().replace("\\\\u", "\\u");
    text.contains(secret) || text.contains(&escaped)
}
