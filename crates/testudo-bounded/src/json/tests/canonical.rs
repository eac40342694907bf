//! Canonical spellings: the vectors of RFC 8785, what has none, and that writing differently changes nothing.

use proptest::prelude::{Strategy as _, any, prop_assert_eq, proptest};

use super::super::{CanonicalError, Document, Limits};
use super::spelling::{Choices, spell, value};

fn canonical(text: &str) -> Result<String, CanonicalError> {
    let document = Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
    let mut out = Vec::new();
    document.root().canonical(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn numbers_are_written_as_ecmascript_does() {
    for (written, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("0.0", "0"),
        ("1e0", "1"),
        ("-0.000", "0"),
        ("4.50", "4.5"),
        ("2e-3", "0.002"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("1e-27", "1e-27"),
        ("1E30", "1e+30"),
        ("999999999999999900000", "999999999999999900000"),
        ("1e21", "1e+21"),
        ("333333333.33333329", "333333333.3333333"),
        ("9007199254740992", "9007199254740992"),
        ("-9007199254740991", "-9007199254740991"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("12.5e1", "125"),
    ] {
        let got = canonical(written);
        if written == "333333333.33333329" {
            // RFC 8785 rounds it; here two such numbers would share a spelling, so it has none.
            assert!(got.is_err(), "{got:?}");
        } else {
            assert_eq!(got.as_deref(), Ok(expected), "{written}");
        }
    }
}

#[test]
fn what_a_double_does_not_hold_has_no_spelling() {
    for written in [
        "9007199254740993",
        "12345678901234567890",
        "0.10000000000000000001",
        "1e400",
        "-1e-400",
        "123456789012345678901234567890",
    ] {
        assert!(canonical(&format!("[{written}]")).is_err(), "{written}");
    }
    assert_eq!(canonical("[1,1e999]"), Err(CanonicalError::Number { at: 3 }));
}

#[test]
fn members_are_sorted_by_utf16() {
    let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Smiley","\u0080":"Control","\u00f6":"o"}"#;
    let sorted = canonical(text).unwrap();
    let order = [
        "Carriage Return",
        "One",
        "Control",
        "\"o\"",
        "Euro Sign",
        "Smiley",
        "Hebrew",
    ];
    let places: Vec<usize> = order.iter().map(|word| sorted.find(word).unwrap()).collect();
    assert!(places.is_sorted(), "{sorted}");
}

#[test]
fn texts_are_escaped_as_little_as_may_be() {
    let spelled = canonical(
        r#" { "a" : "\u20ac\$\u000f\u000aA'\u0042\u0022\u005c\\\"\/" } "#
            .replace("\\$", "$")
            .as_str(),
    );
    assert_eq!(spelled.as_deref(), Ok(r#"{"a":"€$\u000f\nA'B\"\\\\\"/"}"#));
}

#[test]
fn how_it_is_written_does_not_matter_and_what_it_says_does() {
    let one = canonical(r#"{"b":[1,2,{"y":null,"x":true}],"a":"é"}"#).unwrap();
    assert_eq!(
        one,
        canonical("{ \"a\":\"\\u00e9\", \"b\":[1.0, 2e0 ,{\"x\":true,\"y\":null}]}").unwrap()
    );
    for other in [
        r#"{"b":[2,1,{"y":null,"x":true}],"a":"é"}"#,
        r#"{"b":[1,2,{"y":null,"x":true}],"a":"e\u0301"}"#,
        r#"{"b":[1,2,{"y":0,"x":true}],"a":"é"}"#,
        r#"{"b":["1",2,{"y":null,"x":true}],"a":"é"}"#,
        r#"{"b":[1,2,{"y":null,"x":true}],"a":"é","c":null}"#,
    ] {
        assert_ne!(canonical(other).unwrap(), one, "{other}");
    }
}

proptest! {
    #[test]
    fn any_spelling_has_the_same_canonical_one(value in value(), one in any::<u64>(), other in any::<u64>()) {
        let spelled = canonical(&spell(&value, &mut Choices::new(one))).ok();
        prop_assert_eq!(&spelled, &canonical(&spell(&value, &mut Choices::new(other))).ok());
        if let Some(spelled) = spelled {
            prop_assert_eq!(canonical(&spelled).unwrap(), spelled.clone());
            let again: serde_json::Value = serde_json::from_str(&spelled).unwrap();
            prop_assert_eq!(normal(&again), normal(&value));
        }
    }

    #[test]
    fn every_double_has_its_own(one in any::<f64>().prop_filter("finite", |it| it.is_finite())) {
        let written = format!("{one:e}");
        let spelled = canonical(&written).unwrap();
        prop_assert_eq!(spelled.parse::<f64>().unwrap(), one);
    }
}

/// The value with every number as a double.
fn normal(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, |it| serde_json::json!(it + 0.0)),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => members.iter().map(|(key, it)| (key.clone(), normal(it))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}
