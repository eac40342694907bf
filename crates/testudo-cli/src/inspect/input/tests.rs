//! Inputs as they are read from files, lines and folders.

use std::os::unix::fs::symlink;

use super::*;

fn given(bytes: &[u8], named: Named) -> Vec<Event> {
    let mut all = Vec::new();
    read(bytes, named, &mut |event| {
        if !matches!(event, Event::FileDone) {
            all.push(event);
        }
        Ok(())
    })
    .unwrap();
    all
}

fn lines(bytes: &[u8]) -> Vec<Event> {
    given(bytes, Named::new("f", true, true))
}

fn input(event: &Event) -> &Input {
    match event {
        Event::Input(input) => input,
        other => panic!("no input: {other:?}"),
    }
}

fn bad(event: &Event) -> &str {
    match event {
        Event::Bad(problem) => problem,
        other => panic!("not bad: {other:?}"),
    }
}

#[test]
fn a_first_line_that_is_an_object_with_a_text_makes_lines() {
    let all = given(
        b"\xef\xbb\xbf{\"id\":7,\"text\":\"a\"}\n\n{\"text\":\"b\",\"origin\":\"tool\"}\nx\n{\"text\":1}",
        Named::new("f", false, true),
    );
    assert_eq!(all.len(), 4);
    assert_eq!(input(&all[0]).id, Value::from(7));
    assert_eq!((input(&all[0]).place.offset, input(&all[0]).place.line), (3, 1));
    assert_eq!(input(&all[1]).id, Value::from("f:3"));
    assert_eq!(input(&all[1]).place.offset, 24);
    assert_eq!(input(&all[1]).parts[0].origin, Some(Origin::ToolResult { tool: None }));
    assert!(bad(&all[2]).starts_with("f:4: is not strict JSON"));
    assert!(bad(&all[3]).starts_with("f:5: has no `text`"));
}

#[test]
fn anything_else_is_one_text() {
    for text in [
        "",
        "plain\ntext",
        "{\"a\":1}\n{",
        "{ not json",
        "\n\n",
        "{\"messages\":1}",
        "[1]",
    ] {
        let all = given(text.as_bytes(), Named::new("f", false, true));
        assert_eq!(all.len(), 1, "{text}");
        assert_eq!(input(&all[0]).parts[0].text, text);
        assert_eq!(input(&all[0]).gaps, []);
    }
    // A file of somebody else's lines is text, where nobody said that it is ours.
    let log = b"{\"level\":\"info\",\"msg\":\"up\"}\n{\"level\":\"warn\",\"msg\":\"down\"}\n";
    let all = given(log, Named::new("log.jsonl", true, false));
    assert_eq!(input(&all[0]).parts[0].text.as_bytes(), log);
    assert!(bad(&lines(log)[0]).contains("has no `text`"));
}

#[test]
fn what_is_not_text_is_said_and_not_lost() {
    let all = given(b"ab\xffcd", Named::new("f", false, true));
    assert_eq!(input(&all[0]).parts[0].text, "ab\u{1a}cd");
    assert_eq!(
        (input(&all[0]).gaps[0].rule, input(&all[0]).gaps[0].range.clone()),
        ("input.not-utf8", 2..3)
    );
    let all = lines(b"{\"id\":1,\"text\":\"ab\xffcd\"}\n");
    assert_eq!(input(&all[0]).parts[0].text, "ab?cd");
    assert_eq!(input(&all[0]).gaps[0].range, 18..19);
    let elf = b"\x7fELF\x02\x01\x00\x00";
    let all = given(elf, Named::new("f", false, true));
    assert_eq!(
        (input(&all[0]).gaps[0].rule, input(&all[0]).parts.len()),
        ("input.binary", 0)
    );
    assert!(input(&all[0]).gaps[0].what.contains("8 bytes were not scanned"));
    let found = given(elf, Named::new("f", false, false));
    assert!(matches!(found[..], [Event::Skipped(Skip::Binary)]), "{found:?}");
}

#[test]
fn every_bad_line_is_named() {
    for (line, why) in [
        ("[]", "not an object"),
        ("{\"id\":[],\"text\":\"\"}", "`id`"),
        ("{\"text\":\"\",\"origin\":\"usr\"}", "did you mean `user`?"),
        ("{\"text\":\"\",\"origin\":1}", "`origin`"),
        ("{\"text\":\"\\ud800\"}", "not strict JSON"),
        ("{\"text\":\"a\",\"text\":\"b\"}", "not strict JSON"),
        ("{\"messages\":[{\"role\":7}],\"model\":[]}", "a gateway would refuse"),
        ("{\"body\":{\"text\":\"a\"}}", "has no `text`"),
    ] {
        let all = lines(line.as_bytes());
        assert!(bad(&all[0]).contains(why), "{all:?}");
    }
}

/// The paths and origins of a line's strings.
fn strings_of(line: &str) -> Vec<(String, String, String)> {
    let all = lines(line.as_bytes());
    let of = |part: &Part| {
        let origin = part.origin.as_ref().unwrap().as_str().to_owned();
        (part.path.clone().unwrap(), origin, part.text.clone())
    };
    input(&all[0]).parts.iter().map(of).collect()
}

#[test]
fn conversations_come_apart_by_who_wrote_what() {
    let found = strings_of(
        r#"{"id":"c1","model":"m","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"},
        {"role":"assistant","tool_calls":[{"id":"t","type":"function","function":{"name":"get","arguments":"{\"u\":\"a\\u0062c\"}"}}]},
        {"role":"tool","tool_call_id":"t","content":"found"}]}"#
            .replace('\n', "")
            .as_str(),
    );
    let told = |origin: &str, text: &str| found.iter().any(|(_, o, t)| o == origin && t == text);
    assert!(
        told("system", "be kind") && told("user", "hi") && told("tool_result", "found"),
        "{found:?}"
    );
    assert!(told("assistant", "abc"), "the escape is undone: {found:?}");
    let found = strings_of(
        r#"{"system":"s","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"r"}]}]}"#,
    );
    assert!(
        found
            .iter()
            .any(|(_, origin, text)| origin == "tool_result" && text == "r"),
        "{found:?}"
    );
    let found = strings_of(
        r#"{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"batch"}]}}"#,
    );
    assert!(
        found
            .iter()
            .any(|(_, origin, text)| origin == "user" && text == "batch"),
        "{found:?}"
    );
    let found =
        strings_of(r#"{"custom_id":"b","params":{"model":"m","messages":[{"role":"user","content":"batch"}]}}"#);
    assert!(
        found
            .iter()
            .any(|(_, origin, text)| origin == "user" && text == "batch"),
        "{found:?}"
    );
    let found = strings_of(r#"{"model":"m","input":"ask","instructions":"rule"}"#);
    assert!(
        found.iter().any(|(_, origin, text)| origin == "user" && text == "ask"),
        "{found:?}"
    );
    let pretty = b"{\n  \"model\": \"m\",\n  \"messages\": [\n    {\"role\": \"user\", \"content\": \"hi\"}\n  ]\n}\n";
    let all = given(pretty, Named::new("body.json", false, false));
    assert_eq!(input(&all[0]).parts[0].path.as_deref(), Some("/messages/0/content"));
}

#[test]
fn arguments_that_are_not_json_are_said_and_scanned() {
    let line = r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"t","type":"function","function":{"name":"g","arguments":"{oops"}}]}]}"#;
    let all = lines(line.as_bytes());
    let gap = &input(&all[0]).gaps[0];
    assert_eq!(gap.rule, "guard.arguments-not-json");
    assert_eq!(input(&all[0]).parts[gap.part.unwrap()].text, "{oops");
}

#[test]
fn folders_are_walked_in_order_and_links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["b", "b/.git", "a.d"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    for file in ["z.md", "b/2.md", "b/1.md", "b/.git/config", "a.d/x"] {
        std::fs::write(at(file), "text").unwrap();
    }
    std::fs::write(at("a.d/bytes"), [0, 1, 2]).unwrap();
    symlink(dir.path(), at("b/loop")).unwrap();
    symlink(at("z.md"), at("b/9.md")).unwrap();
    let mut names = Vec::new();
    let mut skips = Vec::new();
    each_input(dir.path(), &mut |event| {
        match event {
            Event::Input(input) => names.push(input.place.file.rsplit('/').next().unwrap().to_owned()),
            Event::Skipped(skip) => skips.push(skip),
            Event::Bad(problem) => panic!("{problem}"),
            Event::FileDone => {}
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(names, ["x", "1.md", "2.md", "z.md"]);
    skips.sort_unstable();
    assert_eq!(skips, [Skip::Binary, Skip::VersionControl, Skip::Link, Skip::Link]);
    let mut bad = Vec::new();
    each_input(&at("absent"), &mut |event| {
        bad.push(format!("{event:?}"));
        Ok(())
    })
    .unwrap();
    assert!(bad[0].contains("cannot be opened"), "{bad:?}");
}
