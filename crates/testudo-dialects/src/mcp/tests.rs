//! Messages, headers and definitions: what is read, and above all what is refused.

use proptest::prelude::*;
use testudo_bounded::json::{Document, Limits};
use testudo_types::Origin;

use super::*;
use crate::Form;

fn read(text: &str) -> Result<MessageKind, Malformed> {
    read_message(text.as_bytes(), &Limits::DEFAULT).map(|message| message.kind)
}

#[test]
fn messages_are_requests_notifications_or_answers() {
    let request = read(r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#);
    assert_eq!(
        request,
        Ok(MessageKind::Request {
            id: RequestId::number(7),
            method: "tools/list".into()
        })
    );
    assert!(matches!(
        read(r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":{}}"#),
        Ok(MessageKind::Notification { .. })
    ));
    assert!(matches!(
        read(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#),
        Ok(MessageKind::Response { failed: false, .. })
    ));
    assert!(matches!(
        read(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}"#),
        Ok(MessageKind::Response { id: None, failed: true })
    ));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for text in [
        "",
        "[]",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        r#""ping""#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":""}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["ping"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","extra":1}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{}",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(300));
    assert!(read(&long).is_err());
}

fn mirrors(text: &str, required: bool, headers: &[(&str, &str)]) -> Result<(), HeaderMismatch> {
    let message = read_message(text.as_bytes(), &Limits::DEFAULT).unwrap();
    check_mirrors(&message, required, &|name| presented(headers, name))
}

fn presented<'h>(headers: &[(&str, &'h str)], name: &str) -> Presented<'h> {
    let mut found = headers.iter().filter(|(it, _)| *it == name);
    match (found.next(), found.next()) {
        (None, _) => Presented::Absent,
        (Some((_, value)), None) => Presented::One(value),
        (Some(_), Some(_)) => Presented::Unsound,
    }
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wetter_äh","arguments":{}}}"#;

#[test]
fn headers_repeat_the_body_or_the_request_is_refused() {
    let name = "=?base64?d2V0dGVyX8OkaA==?=";
    assert_eq!(
        mirrors(CALL, true, &[("mcp-method", "tools/call"), ("mcp-name", name)]),
        Ok(())
    );
    assert_eq!(mirrors(CALL, false, &[]), Ok(()));
    for headers in [
        &[][..],
        &[("mcp-method", "tools/call")],
        &[("mcp-name", name)],
        &[("mcp-method", "tools/list"), ("mcp-name", name)],
        &[("mcp-method", "TOOLS/CALL"), ("mcp-name", name)],
        &[("mcp-method", "tools/call"), ("mcp-name", "delete")],
        &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?d2V0?=")],
        &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?!?=")],
        &[
            ("mcp-method", "tools/call"),
            ("mcp-name", "=?BASE64?d2V0dGVyX8OkaA==?="),
        ],
        &[("mcp-method", "tools/call"), ("mcp-name", name), ("mcp-name", name)],
        &[
            ("mcp-method", "tools/call"),
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
        ],
    ] {
        assert!(mirrors(CALL, true, headers).is_err(), "{headers:?}");
    }
    // Where the revision does not ask for them, they may be left out and never lie.
    assert!(mirrors(CALL, false, &[("mcp-method", "tools/list")]).is_err());
    assert!(mirrors(CALL, false, &[("mcp-name", "delete")]).is_err());
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert!(mirrors(list, true, &[("mcp-method", "tools/list"), ("mcp-name", "x")]).is_err());
    assert_eq!(mirrors(list, true, &[("mcp-method", "tools/list")]), Ok(()));
}

fn define(text: &str) -> Result<Definition, Flaw> {
    let document = Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
    definition(document.root()).map_err(|(_, flaw)| flaw)
}

const TOOL: &str = r#"{"name":"send","title":"Send","description":"Sends.","inputSchema":{"type":"object","properties":{"to":{"type":"string"}}},"annotations":{"readOnlyHint":false,"openWorldHint":false},"_meta":{"a":1}}"#;

#[test]
fn how_a_definition_is_written_is_not_pinned() {
    let one = define(TOOL).unwrap();
    let other = define(r#"{"description":"Send\u0073.","_meta":{"b":2}, "annotations":{"openWorldHint":false,"readOnlyHint":false},"title":"Send","inputSchema":{"properties":{"to":{"type":"string"}},"type":"object"},"name":"send"}"#).unwrap();
    assert_eq!(one.canonical, other.canonical);
    assert!(!one.rest.contains("_meta") && !one.rest.contains("\"name\""));
    assert!(!one.hints.open_world && one.hints.destructive);
}

#[test]
fn every_change_of_what_a_model_reads_changes_the_pin() {
    let pinned = define(TOOL).unwrap().canonical;
    for (from, to) in [
        ("Sends.", "Sends. "),
        ("\"Send\"", "\"send\""),
        ("\"send\"", "\"send2\""),
        ("\"to\"", "\"bcc\""),
        ("\"string\"", "\"integer\""),
        ("\"readOnlyHint\":false", "\"readOnlyHint\":true"),
        ("\"type\":\"object\"", "\"type\":\"object\",\"description\":\"x\""),
        ("\"_meta\"", "\"outputSchema\":{},\"_meta\""),
        ("\"_meta\"", "\"unknown\":\"text\",\"_meta\""),
        ("Sends.", "Sends\u{200b}."),
    ] {
        let changed = define(&TOOL.replacen(from, to, 1)).unwrap();
        assert_ne!(changed.canonical, pinned, "{from} -> {to}");
    }
}

#[test]
fn unsound_definitions_are_refused() {
    for (text, flaw) in [
        (r#"{"inputSchema":{}}"#, Flaw::Name),
        (r#"{"name":"","inputSchema":{}}"#, Flaw::Name),
        (r#"{"name":"a b","inputSchema":{}}"#, Flaw::Name),
        (r#"{"name":"ｓend","inputSchema":{}}"#, Flaw::Name),
        (r#"{"name":1,"inputSchema":{}}"#, Flaw::Name),
        (r#"{"name":"a"}"#, Flaw::Schema),
        (r#"{"name":"a","inputSchema":[]}"#, Flaw::Schema),
        (
            r#"{"name":"a","inputSchema":{},"description":{"text":"x"}}"#,
            Flaw::Description,
        ),
    ] {
        assert_eq!(define(text), Err(flaw), "{text}");
    }
    let long = format!(r#"{{"name":"{}","inputSchema":{{}}}}"#, "a".repeat(129));
    assert_eq!(define(&long), Err(Flaw::Name));
    assert!(matches!(
        define(r#"{"name":"a","inputSchema":{"maximum":9007199254740993}}"#),
        Err(Flaw::Canonical(_))
    ));
}

#[test]
fn marks_of_mirrored_parameters_stand_where_they_may() {
    let schema = |properties: &str| format!(r#"{{"name":"a","inputSchema":{{"type":"object",{properties}}}}}"#);
    let sound = schema(
        r#""properties":{"region":{"type":"string","x-mcp-header":"Region"},"in":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}"#,
    );
    assert_eq!(define(&sound).unwrap().mirrored.len(), 2);
    for unsound in [
        r#""properties":{"a":{"type":"string","x-mcp-header":""}}"#,
        r#""properties":{"a":{"type":"string","x-mcp-header":"A B"}}"#,
        r#""properties":{"a":{"type":"string","x-mcp-header":"A\r\nHost: x"}}"#,
        r#""properties":{"a":{"type":"number","x-mcp-header":"A"}}"#,
        r#""properties":{"a":{"type":"object","x-mcp-header":"A"}}"#,
        r#""properties":{"a":{"type":"string","x-mcp-header":7}}"#,
        r#""properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}"#,
        r#""properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}"#,
        r#""anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]"#,
        r#""x-mcp-header":"A""#,
    ] {
        assert_eq!(define(&schema(unsound)), Err(Flaw::Header), "{unsound}");
    }
}

#[test]
fn mirrored_parameters_equal_the_arguments() {
    let tool = define(r#"{"name":"a","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"R"},"n":{"type":"integer","x-mcp-header":"N"},"b":{"type":"boolean","x-mcp-header":"B"}}}}"#).unwrap();
    let check = |arguments: &str, headers: &[(&str, &str)]| {
        let document = Document::parse(arguments.as_bytes(), &Limits::DEFAULT).unwrap();
        check_parameters(&tool.mirrored, Some(document.root()), &|name| presented(headers, name))
    };
    let all = [
        ("mcp-param-r", "us-west1"),
        ("mcp-param-n", "42"),
        ("mcp-param-b", "true"),
    ];
    assert_eq!(check(r#"{"r":"us-west1","n":42.0,"b":true}"#, &all), Ok(()));
    assert_eq!(check(r#"{"r":null}"#, &[]), Ok(()));
    assert_eq!(check("{}", &[("mcp-param-other", "x")]), Ok(()));
    for (arguments, headers) in [
        (r#"{"r":"us-west1","n":42,"b":true}"#, &all[..2]),
        (r#"{"r":"us-west2","n":42,"b":true}"#, &all[..]),
        (r#"{"r":"us-west1","n":43,"b":true}"#, &all[..]),
        (r#"{"r":"us-west1","n":42,"b":false}"#, &all[..]),
        (r#"{"r":"us-west1","n":42}"#, &all[..]),
        (r#"{"r":null}"#, &all[..1]),
        (r#"{"r":["us-west1"]}"#, &all[..1]),
        (r#"{"r":"x"}"#, &[("mcp-param-r", "x"), ("mcp-param-r", "x")]),
    ] {
        assert!(check(arguments, headers).is_err(), "{arguments} {headers:?}");
    }
}

#[test]
fn names_of_servers_never_hold_the_separator() {
    let mail = ServerName::parse("mail").unwrap();
    assert_eq!(join_tool(&mail, "send__all"), "mail__send__all");
    assert_eq!(split_tool("mail__send__all"), Some((mail.clone(), "send__all")));
    assert_eq!(split_uri("mail+file:///a+b"), Some((mail, "file:///a+b")));
    for name in [
        "", "Mail", "ma_il", "1mail", "-mail", "mail-", "ma--il", "mail.x", "mäil",
    ] {
        assert!(ServerName::parse(name).is_err(), "{name}");
    }
    for joined in ["mail", "__send", "mail__", "Mail__send", "file:///a"] {
        assert_eq!(split_tool(joined), None, "{joined}");
        assert_eq!(split_uri(joined), None, "{joined}");
    }
}

#[test]
fn every_string_is_scanned_or_a_word_of_the_protocol() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"one"},{"type":"call me at 5 pm","text":"two"},{"type":"image","mimeType":"image/png","data":"aGVsbG8="},{"type":"resource","resource":{"uri":"file:///three","text":"four"}}],"structuredContent":{"Some Key":"five","phone":4915112345678},"_meta":{"x":"six"},"nextCursor":"a b"}}"#;
    let document = Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
    let origin = Origin::ToolResult { tool: None };
    let spans = texts(&document, document.root(), &origin, Whose::Server, &["/id"]);
    let found: Vec<&str> = spans.iter().map(|span| span.text.as_ref()).collect();
    for expected in [
        "one",
        "two",
        "call me at 5 pm",
        "aGVsbG8=",
        "file:///three",
        "four",
        "Some Key",
        "five",
        "4915112345678",
        "six",
        "a b",
    ] {
        assert!(found.contains(&expected), "{expected}: {found:?}");
    }
    assert!(!found.contains(&"complete") && !found.contains(&"2.0"));
    let address = spans.iter().find(|span| span.text == "file:///three").unwrap();
    assert!(!address.splice);
    let key = spans.iter().find(|span| span.form == Form::Key).unwrap();
    assert_eq!(key.path.as_str(), "/result/structuredContent/?");
}

proptest! {
    #[test]
    fn what_is_written_in_a_header_reads_back(text in "\\PC{0,40}") {
        let encoded = format!("=?base64?{}?=", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &text));
        let decoded = sentinel(&encoded).unwrap();
        prop_assert_eq!(decoded.as_ref(), text.as_str());
    }

    #[test]
    fn hostile_bytes_make_no_trouble(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _read = read_message(&bytes, &Limits::DEFAULT).is_ok();
    }

    #[test]
    fn names_are_split_as_they_were_joined(server in "[a-z][a-z0-9]{0,8}", tool in "[A-Za-z0-9_./-]{1,20}") {
        let server = ServerName::parse(&server).unwrap();
        let joined = join_tool(&server, &tool);
        prop_assert_eq!(split_tool(&joined), Some((server, tool.as_str())));
    }
}
