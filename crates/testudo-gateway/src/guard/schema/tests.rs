//! Answers that keep to a schema and answers that do not.

use testudo_bounded::json::{Document, Limits};

use super::{Conformance, Schema};

fn schema(text: &str) -> Schema {
    let request = format!("{{\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{{\"schema\":{text}}}}}}}");
    let document = Document::parse(request.as_bytes(), &Limits::DEFAULT).unwrap();
    Schema::of_request(document.root()).unwrap()
}

fn keeps(text: &str, answer: &str) -> bool {
    schema(text).check(answer, &Limits::DEFAULT) == Conformance::Keeps
}

const PERSON: &str = r##"{"type":"object","properties":{"name":{"type":"string","minLength":1},"age":{"type":["integer","null"],
    "minimum":0},"tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":2,"uniqueItems":true},
    "boss":{"$ref":"#"},"mail":{"type":"string","pattern":"^[^@]+@[^@]+$","format":"email"}},
    "required":["name"],"additionalProperties":false}"##;

#[test]
fn what_fits_keeps() {
    for answer in [
        r#"{"name":"Ada"}"#,
        r#" {"age": 36, "name": "Ada", "tags": ["a", "b"]} "#,
        r#"{"name":"Ada","age":null}"#,
        r#"{"name":"Ada","age":1.0}"#,
        r#"{"name":"Ada","boss":{"name":"Bob","boss":{"name":"Eve"}}}"#,
        r#"{"name":"Ada","mail":"a@b"}"#,
    ] {
        assert!(keeps(PERSON, answer), "{answer}");
    }
}

#[test]
fn what_does_not_fit_is_said_where() {
    for (answer, part) in [
        ("Here is the JSON: {}", "Here is the JSON: {}"),
        ("```json\n{\"name\":\"Ada\"}\n```", "```json\n{\"name\":\"Ada\"}\n```"),
        ("", ""),
        ("[]", "[]"),
        ("{}", "{}"),
        (r#"{"name":""}"#, r#""""#),
        (r#"{"name":7}"#, "7"),
        (r#"{"name":"Ada","age":1.5}"#, "1.5"),
        (r#"{"name":"Ada","age":-1}"#, "-1"),
        (r#"{"name":"Ada","x":true}"#, "true"),
        (r#"{"name":"Ada","tags":["a","c"]}"#, r#""c""#),
        (r#"{"name":"Ada","tags":["a","a"]}"#, r#"["a","a"]"#),
        (r#"{"name":"Ada","boss":{"name":null}}"#, "null"),
        (r#"{"name":"Ada","mail":"ab"}"#, r#""ab""#),
        (r#"{"name":"Ada"} {"name":"Bob"}"#, r#"{"name":"Ada"} {"name":"Bob"}"#),
        (r#"{"name":"Ada","#, r#"{"name":"Ada","#),
    ] {
        match schema(PERSON).check(answer, &Limits::DEFAULT) {
            Conformance::Breaks(range) => assert_eq!(answer.get(range), Some(part), "{answer}"),
            other => panic!("{answer}: {other:?}"),
        }
    }
}

#[test]
fn combinations() {
    let any = r#"{"anyOf":[{"type":"string"},{"type":"integer"}]}"#;
    assert!(keeps(any, "1") && keeps(any, r#""a""#) && !keeps(any, "1.5") && !keeps(any, "null"));
    let one = r#"{"oneOf":[{"minimum":1},{"maximum":5}]}"#;
    assert!(keeps(one, "9") && keeps(one, "0") && !keeps(one, "3"));
    let not = r#"{"not":{"const":{"a":[1,2]}}}"#;
    assert!(keeps(not, r#"{"a":[2,1]}"#) && !keeps(not, r#"{"a":[1,2.0]}"#));
    let all = r#"{"allOf":[{"type":"number"},{"exclusiveMinimum":0},{"multipleOf":0.5}]}"#;
    assert!(keeps(all, "1.5") && !keeps(all, "0") && !keeps(all, "1.2"));
    let first = r#"{"prefixItems":[{"type":"string"}],"items":{"type":"number"},"minItems":1}"#;
    assert!(keeps(first, r#"["a",1]"#) && !keeps(first, "[1]") && !keeps(first, "[]") && !keeps(first, r#"["a","b"]"#));
    assert!(keeps("true", "1") && !keeps("false", "1"));
}

#[test]
fn what_is_not_understood_is_said() {
    for text in [
        r#"{"if":{"type":"string"},"then":{}}"#,
        r#"{"patternProperties":{"^a":{}}}"#,
        r##"{"$ref":"https://example.org/schema.json"}"##,
        r##"{"$ref":"#/missing"}"##,
        r##"{"$ref":"#"}"##,
        r#"{"type":"text"}"#,
        r#"{"minimum":"a"}"#,
        r#"{"pattern":"(?=a)"}"#,
        "7",
    ] {
        let answer = if text.contains("pattern\"") { r#""a""# } else { "1" };
        assert_eq!(
            schema(text).check(answer, &Limits::DEFAULT),
            Conformance::Unknown,
            "{text}"
        );
    }
}

#[test]
fn requests_of_every_dialect_name_a_schema() {
    let of = |text: &str| {
        let document = Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
        Schema::of_request(document.root()).is_some()
    };
    assert!(of(
        r#"{"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}}"#
    ));
    assert!(of(r#"{"response_format":{"type":"json_object"}}"#));
    assert!(of(
        r#"{"text":{"format":{"type":"json_schema","name":"x","schema":{}}}}"#
    ));
    assert!(of(r#"{"output_format":{"type":"json_schema","schema":{}}}"#));
    assert!(!of(r#"{"response_format":{"type":"text"}}"#));
    assert!(!of(r#"{"text":"json_schema"}"#));
    assert!(!of("{}"));
}
