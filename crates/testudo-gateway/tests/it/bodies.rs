//! Requests under guard: origins, splicing, placeholders, refusals.

use testudo_bounded::json::Limits;
use testudo_detect::pseudonym::{PlaceholderStyle, Pseudonyms};
use testudo_dialects::{Operation, read_request};
use testudo_gateway::guard::{BodyOutcome, Exchanger, Leaks, Structuring, guard_request};
use testudo_types::Direction;

use crate::guards::{BLOCK_SECRETS, EMAIL, MASK_ALL, SECRET, inspection};

fn guard(operation: Operation, body: &str, actions: crate::guards::Actions<'_>) -> (BodyOutcome, Exchanger) {
    let hide = Exchanger::Hide(Pseudonyms::new([1; 8], 64));
    let mut inspection = inspection(Direction::Request, actions, hide, Leaks::default());
    let view = read_request(operation, body.as_bytes(), &Limits::DEFAULT).unwrap();
    let outcome = guard_request(&view, &Structuring::off(), &mut inspection, &Limits::DEFAULT);
    (outcome, inspection.finish().1)
}

#[test]
fn clean_requests_are_not_touched() {
    let body = r#"{"model": "m", "zeta":1,"temperature":0.123456789,"messages":[{"role":"user","content":"h\u00e9llo \/"}],"seed":12345678901234567890123,"n":1,"tools":null}"#;
    assert_eq!(
        guard(Operation::ChatCompletions, body, MASK_ALL).0,
        BodyOutcome::Unchanged
    );
}

#[test]
fn only_the_found_text_changes() {
    let body = format!(
        r#"{{"model":"m", "seed":12345678901234567890123,  "messages":[{{"role":"user","content":"\u00e9 mail {EMAIL} \/ now"}}]}}"#
    );
    let (outcome, _) = guard(Operation::ChatCompletions, &body, MASK_ALL);
    let BodyOutcome::Edited(edited) = outcome else {
        panic!("{outcome:?}")
    };
    let edited = String::from_utf8(edited).unwrap();
    let (head, tail) = body.split_once(EMAIL).unwrap();
    assert!(edited.starts_with(head) && edited.ends_with(tail), "{edited}");
    assert!(edited.contains("[[EMAIL_1_"), "{edited}");
}

#[test]
fn one_value_has_one_placeholder_wherever_it_stands() {
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"system":"write to {EMAIL}","messages":[{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t1","content":"from {EMAIL}"}}]}}]}}"#
    );
    let (outcome, _) = guard(Operation::Messages, &body, MASK_ALL);
    let BodyOutcome::Edited(edited) = outcome else {
        panic!("{outcome:?}")
    };
    let edited = String::from_utf8(edited).unwrap();
    assert!(!edited.contains(EMAIL), "{edited}");
    assert_eq!(edited.matches("[[EMAIL_1_").count(), 2, "{edited}");
}

#[test]
fn a_made_up_value_stands_for_a_value_and_in_no_text_of_the_request() {
    let made_for = |body: &str| {
        let hide = Exchanger::Hide(Pseudonyms::new([1; 8], 64).styled(PlaceholderStyle::Typed));
        let mut inspection = inspection(Direction::Request, MASK_ALL, hide, Leaks::default());
        let view = read_request(Operation::ChatCompletions, body.as_bytes(), &Limits::DEFAULT).unwrap();
        let outcome = guard_request(&view, &Structuring::off(), &mut inspection, &Limits::DEFAULT);
        let BodyOutcome::Edited(edited) = outcome else {
            panic!("{outcome:?}")
        };
        let edited: serde_json::Value = serde_json::from_slice(&edited).unwrap();
        edited["messages"][0]["content"].as_str().unwrap().to_owned()
    };
    let body = |also: &str| {
        let message = serde_json::json!({"role": "user", "content": format!("mail {EMAIL} now")});
        let call = serde_json::json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": also}});
        let turn = serde_json::json!({"role": "assistant", "content": null, "tool_calls": [call]});
        serde_json::json!({"model": "m", "messages": [message, turn]}).to_string()
    };
    let first = made_for(&body("{}"));
    assert!(
        first.contains("@example.") && !first.contains(EMAIL) && !first.contains("[["),
        "{first}"
    );
    let made = first.split(' ').nth(1).unwrap();
    // The same value, seen later in the request behind an escape, is not taken again.
    let arguments = format!("{{\"note\":\"{}\"}}", made.replace('@', "\\u0040"));
    assert_ne!(made_for(&body(&arguments)), first);
}

#[test]
fn a_secret_stops_the_request_wherever_it_stands() {
    let bodies = [
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"system","content":"S"}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"S"}]}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":\"S\"}"}}]}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"c","content":"S"}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"user","content":"x","name":"S"}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","description":"S","parameters":{}}}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[],"x_new_field":{"deep":["S"]}}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"model":"m","messages":[],"metadata":{"S":"v"}}"#,
        ),
        (Operation::Responses, r#"{"model":"m","instructions":"S","input":"x"}"#),
        (
            Operation::Responses,
            r#"{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":"S"}]}"#,
        ),
        (Operation::Completions, r#"{"model":"m","prompt":["x","S"]}"#),
        (Operation::Embeddings, r#"{"model":"m","input":["S"]}"#),
        (
            Operation::Messages,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"S"}}]}]}"#,
        ),
        (
            Operation::CountTokens,
            r#"{"model":"m","messages":[{"role":"user","content":"S"}]}"#,
        ),
    ];
    for (operation, body) in bodies {
        let body = body.replace('S', SECRET);
        let (outcome, _) = guard(operation, &body, BLOCK_SECRETS);
        assert_eq!(outcome, BodyOutcome::Blocked, "{operation:?} {body}");
    }
}
