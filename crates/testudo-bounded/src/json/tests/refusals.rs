//! Every refusal: kind, byte, pointer and message.

use super::super::{Document, JsonErrorKind, Limits};
use super::{parse, refusal, refuses};

#[test]
fn messages_say_what_was_wrong_where_and_what_to_do() {
    let check = |text: &str, message: &str| assert_eq!(refusal(text.as_bytes()).to_string(), message);
    check(
        r#"{"model":1,"model":2}"#,
        "duplicate key `model` at byte 11; send each key once",
    );
    check(
        r#"{"m":[{"role":1,"role":2}]}"#,
        "duplicate key `role` at byte 16 in `/m/0`; send each key once",
    );
    check("", "empty text at byte 0; send one JSON value");
    check(
        "[1,]",
        "unexpected `]` where a value was expected at byte 3; remove the comma before it or close what is open",
    );
    check(
        "['a']",
        "unexpected `'` where a value was expected at byte 1; use double quotes",
    );
    check(
        "[1] // x",
        "trailing data at byte 4; send one value and nothing after it",
    );
    check("\u{feff}[]", "byte order mark at byte 0; send UTF-8 without one");
    check(
        "[NaN]",
        "invalid literal at byte 1; the only bare words are `true`, `false` and `null`",
    );
    check(
        "[\"\u{1}\"]",
        "raw control character 0x01 in a string at byte 2; escape it",
    );
    check(
        "[01]",
        "invalid number at byte 2; write numbers as RFC 8259 does, such as `0`, `-1.5` or `1e3`",
    );
}

#[test]
fn hostile_keys_are_shortened_and_made_printable() {
    let key = format!("`\\u001b[31m\\n{}", "k".repeat(100_000));
    let message = refusal(format!(r#"{{"{key}":1,"{key}":2}}"#).as_bytes()).to_string();
    assert!(message.len() < 300 && message.contains('…'), "{}", message.len());
    assert!(!message.contains('\u{1b}') && !message.contains('\n'));
    let message = refusal(format!(r#"{{"{key}":[1,]}}"#).as_bytes()).to_string();
    assert!(message.len() < 400 && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn bad_syntax_is_refused_at_its_first_impossible_byte() {
    let byte = |byte, expected| JsonErrorKind::UnexpectedByte { byte, expected };
    let object = "`,` or `}`";
    let array = "`,` or `]`";
    let key = "a key in double quotes";
    for (text, kind, offset) in [
        ("{a:1}", byte(b'a', key), 1),
        ("{'a':1}", byte(b'\'', key), 1),
        ("{1:1}", byte(b'1', key), 1),
        (r#"{"a":1,}"#, byte(b'}', key), 7),
        (r#"{"a" 1}"#, byte(b'1', "`:`"), 5),
        (r#"{"a",1}"#, byte(b',', "`:`"), 4),
        (r#"{"a":}"#, byte(b'}', "a value"), 5),
        (r#"{"a":1 "b":2}"#, byte(b'"', object), 7),
        (r#"{"a":1]"#, byte(b']', object), 6),
        ("{,}", byte(b',', key), 1),
        ("{]", byte(b']', key), 1),
        ("[}", byte(b'}', "a value"), 1),
        ("[1}", byte(b'}', array), 2),
        ("[1 2]", byte(b'2', array), 3),
        ("[1:2]", byte(b':', array), 2),
        ("[,1]", byte(b',', "a value"), 1),
        ("[1,,2]", byte(b',', "a value"), 3),
        ("]", byte(b']', "a value"), 0),
        ("/*x*/1", byte(b'/', "a value"), 0),
        ("[1/**/]", byte(b'/', array), 2),
        ("+1", byte(b'+', "a value"), 0),
        (".5", byte(b'.', "a value"), 0),
        ("\x0b1", byte(0x0b, "a value"), 0),
        ("\u{a0}1", byte(0xc2, "a value"), 0),
        ("\0", byte(0, "a value"), 0),
    ] {
        refuses(text, &kind, offset);
    }
}

#[test]
fn bad_words_and_numbers_are_refused() {
    for (text, offset) in [
        ("True", 0),
        ("NULL", 0),
        ("nullx", 0),
        ("[tru]", 1),
        ("undefined", 0),
        ("Infinity", 0),
        ("falsee", 0),
        ("nul1", 0),
    ] {
        refuses(text, &JsonErrorKind::InvalidLiteral, offset);
    }
    for (text, offset) in [
        ("-x", 1),
        ("01", 1),
        ("-01", 2),
        ("1.e1", 2),
        ("[1.]", 3),
        ("1.x", 2),
        ("1ex", 2),
        ("[1e+]", 4),
        ("[-]", 2),
        ("0x10", 1),
        ("1_000", 1),
        ("1.2.3", 3),
        ("-Infinity", 1),
        ("--1", 1),
        ("1f", 1),
        ("1e5.5", 3),
        ("00", 1),
        ("1-1", 1),
    ] {
        let kind = if text == "1_000" {
            JsonErrorKind::TrailingData
        } else {
            JsonErrorKind::InvalidNumber
        };
        refuses(text, &kind, offset);
    }
}

#[test]
fn bad_strings_are_refused() {
    for (text, offset) in [
        (r#""\x""#, 1),
        (r#""a\'""#, 2),
        (r#""\u12g4""#, 1),
        (r#""\u{41}""#, 1),
        (r#""\U0041""#, 1),
        (r#""\ud83d\u00""#, 1),
        ("\"\\\n\"", 1),
        (r#""\u+123""#, 1),
    ] {
        refuses(text, &JsonErrorKind::InvalidEscape, offset);
    }
    for (text, offset) in [
        (r#""\ud800""#, 1),
        (r#""\udc00""#, 1),
        (r#""x\ude00\ud83d""#, 2),
        (r#""\ud83d\ud83d""#, 1),
        (r#""\ud83dx""#, 1),
        (r#""\ud83d\n""#, 1),
        (r#"{"\udfff":1}"#, 2),
    ] {
        refuses(text, &JsonErrorKind::LoneSurrogate, offset);
    }
    for byte in 0..0x20_u8 {
        let text = format!("[\"abcdefghij{}\"]", char::from(byte));
        refuses(&text, &JsonErrorKind::ControlCharacter { byte }, 12);
    }
    parse("\"\u{7f}\u{80}\u{2028}\"");
}

#[test]
fn every_beginning_of_a_text_is_refused_as_unfinished_or_empty() {
    let text = r#" {"a":[1.5e+7,-0,true,false,null,"\u00e9\ud83d\ude00\n"],"b":{}}"#;
    parse(text);
    for len in 0..text.len() {
        let error = refusal(&text.as_bytes()[..len]);
        let expected = if len <= 1 {
            JsonErrorKind::Empty
        } else {
            JsonErrorKind::UnexpectedEnd
        };
        if error.kind() == &JsonErrorKind::LoneSurrogate {
            assert!(text[..len].contains("\\ud83d"), "{error} after {len}");
            continue;
        }
        assert_eq!((error.kind(), error.offset()), (&expected, len), "after {len} bytes");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for (bytes, offset) in [
        (&b"\"\xff\""[..], 1),
        (b"\"a\xc3\"", 2),
        (b"\"\xed\xa0\x80\"", 1),
        (b"\"\xc0\x80\"", 1),
        (b"[1]\xfe", 3),
        (b"\xff\xfe[\0]\0", 0),
    ] {
        let error = refusal(bytes);
        assert_eq!((error.kind(), error.offset()), (&JsonErrorKind::InvalidUtf8, offset));
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits {
        bytes_max: 12,
        depth_max: 3,
        nodes_max: 4,
    };
    let read = |text: &str| {
        Document::parse(text.as_bytes(), &limits)
            .map(|_| ())
            .map_err(|error| error.kind().name())
    };
    assert_eq!(read("[[[]]]"), Ok(()));
    assert_eq!(read("[[[[]]]]"), Err("too_deep"));
    assert_eq!(read("[[[{}]]]"), Err("too_deep"));
    assert_eq!(read("[1,2,3]"), Ok(()));
    assert_eq!(read("[1,2,3,4]"), Err("too_many_nodes"));
    assert_eq!(read("123456789012"), Ok(()));
    assert_eq!(read("1234567890123"), Err("too_large"));
    let none = Limits {
        bytes_max: 0,
        depth_max: 0,
        nodes_max: 0,
    };
    assert_eq!(Document::parse(b"", &none).unwrap_err().kind(), &JsonErrorKind::Empty);
    let flat = Limits {
        depth_max: 0,
        ..Limits::DEFAULT
    };
    assert!(Document::parse(b"1", &flat).is_ok() && Document::parse(b"[]", &flat).is_err());
}

#[test]
fn a_megabyte_of_brackets_is_refused_at_the_depth_limit() {
    for open in ["[", "{\"\":", "[{\"a\":"] {
        let text = open.repeat((1 << 20) / open.len());
        let error = refusal(text.as_bytes());
        assert_eq!(error.kind(), &JsonErrorKind::TooDeep { depth_max: 128 });
        assert!(error.offset() <= 128 * open.len());
    }
    let limits = Limits {
        depth_max: usize::MAX,
        ..Limits::DEFAULT
    };
    let text = "[".repeat(500_000) + &"]".repeat(500_000);
    assert_eq!(Document::parse(text.as_bytes(), &limits).unwrap().node_count(), 500_000);
}
