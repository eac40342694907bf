//! Error bodies as the official kits read them.

use serde_json::{Value, json};

use super::*;

fn body(family: Family, problem: &Problem) -> Value {
    serde_json::from_slice(&problem_body(family, problem)).expect("an error body is JSON")
}

fn problem(status: u16, message: &str) -> Problem {
    Problem {
        status,
        code: "content_blocked",
        message: message.into(),
        param: Some("/messages/0".into()),
    }
}

#[test]
fn openai_errors_have_four_fields() {
    assert_eq!(
        body(Family::OpenAi, &problem(400, "a \"quoted\"\nline \u{1}")),
        json!({"error": {
            "message": "a \"quoted\"\nline \u{1}",
            "type": "invalid_request_error",
            "param": "/messages/0",
            "code": "content_blocked",
        }})
    );
    let bare = Problem {
        param: None,
        ..problem(500, "x")
    };
    assert_eq!(body(Family::OpenAi, &bare)["error"]["param"], Value::Null);
}

#[test]
fn anthropic_errors_name_the_field_in_the_message() {
    assert_eq!(
        body(Family::Anthropic, &problem(529, "busy")),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "/messages/0: busy"}})
    );
    assert_eq!(
        body(Family::Anthropic, &problem(400, "at /messages/0"))["error"]["message"],
        "at /messages/0"
    );
}

#[test]
fn every_status_has_the_type_its_exception_class_expects() {
    for (status, openai, anthropic) in [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (403, "permission_error", "permission_error"),
        (404, "not_found_error", "not_found_error"),
        (413, "invalid_request_error", "request_too_large"),
        (422, "invalid_request_error", "invalid_request_error"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "server_error", "api_error"),
        (502, "server_error", "api_error"),
        (503, "server_error", "overloaded_error"),
        (504, "server_error", "timeout_error"),
    ] {
        assert_eq!(error_type(Family::OpenAi, status), openai, "{status}");
        assert_eq!(error_type(Family::Anthropic, status), anthropic, "{status}");
    }
}
