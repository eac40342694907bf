//! What a route declares about its answers, on whole and on streamed answers of every dialect.

use std::collections::BTreeSet;
use std::sync::Arc;

use testudo_bounded::json::{Document, Limits};
use testudo_detect::output::{Context, HostList, LinkJudge, LinkPolicy, Review, Sink};
use testudo_dialects::{Operation, read_response};
use testudo_gateway::guard::{
    Answer, BodyOutcome, Exchanger, Inspection, Leaks, Schema, StreamGuard, StreamStep, guard_response,
};
use testudo_gateway::settings::{OutputCheck, OutputSettings};
use testudo_testkit::recorded::{Script, chat_stream, completions_stream, messages_stream, responses_stream};
use testudo_types::{Action, Origin, ThreatKind};

use crate::guards::{Actions, bounds, declared, run};

const ACTIONS: Actions<'static> = &[
    (ThreatKind::Exfiltration, Action::Mask),
    (ThreatKind::UnsafeOutput, Action::Block),
    (ThreatKind::Quality, Action::Observe),
    (ThreatKind::Unscannable, Action::Block),
];
const STRICT: Actions<'static> = &[
    (ThreatKind::Quality, Action::Block),
    (ThreatKind::Unscannable, Action::Block),
];

fn output(sinks: &[Sink], checks: &[OutputCheck]) -> OutputSettings {
    OutputSettings {
        links: Arc::new(LinkPolicy {
            hosts: Some(HostList::new(["etoile.example", "*.cdn.example"]).unwrap()),
            context: true,
        }),
        sinks: sinks.iter().copied().collect(),
        checks: BTreeSet::from_iter(checks.iter().copied()),
    }
}

fn leaks(output: &OutputSettings, schema: Option<&str>) -> Leaks {
    let mut context = Context::for_review();
    context.add(&Origin::System, "You are the booking assistant of Hotel Etoile.");
    context.add(&Origin::User, "Which room is free? I saw https://friend.example/list.");
    context.add(&Origin::Document, "Room 417 is free and costs 129.50 euros.");
    let context = Arc::new(context);
    let schema = schema.map(|schema| {
        let request = format!("{{\"output_format\":{{\"type\":\"json_schema\",\"schema\":{schema}}}}}");
        Schema::of_request(Document::parse(request.as_bytes(), &Limits::DEFAULT).unwrap().root()).unwrap()
    });
    let review = output.review();
    Leaks {
        links: Some(LinkJudge::new(&output.links, &context)),
        answer: (review != Review::default() || schema.is_some()).then_some(Answer {
            context,
            review,
            schema,
        }),
        ..Leaks::default()
    }
}

fn inspection(actions: Actions<'_>, output: &OutputSettings, schema: Option<&str>) -> Inspection {
    declared(actions, &output.declared(), leaks(output, schema))
}

/// What a whole answer becomes: its text, `None` when it was stopped; and the rules that spoke.
fn whole(mut inspection: Inspection, text: &str) -> (Option<String>, Vec<String>) {
    let mut escaped = Vec::new();
    testudo_bounded::json::escape_into(text, &mut escaped);
    let body = format!(
        "{{\"id\":\"c\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}}}}]}}",
        String::from_utf8(escaped).unwrap()
    );
    let view = read_response(Operation::ChatCompletions, 200, body.as_bytes(), &Limits::DEFAULT).unwrap();
    let outcome = guard_response(&view, &mut inspection, &Limits::DEFAULT);
    let bytes = match outcome {
        BodyOutcome::Unchanged => Some(body.into_bytes()),
        BodyOutcome::Edited(edited) => Some(edited),
        BodyOutcome::Blocked => None,
    };
    let content = bytes.map(|bytes| {
        let document = Document::parse(&bytes, &Limits::DEFAULT).unwrap();
        let text = document
            .root()
            .strings()
            .find(|node| node.pointer() == "/choices/0/message/content");
        text.and_then(|node| node.as_str().map(|text| text.into_owned()))
            .unwrap()
    });
    let (log, exchanger) = inspection.finish();
    assert!(matches!(exchanger, Exchanger::Nothing));
    (
        content,
        log.kept().iter().map(|seen| seen.finding.rule.to_string()).collect(),
    )
}

/// The same for a stream, which must come out alike in every dialect and for every cut.
fn streamed(make: impl Fn() -> Inspection, text: &str) -> (StreamStep, String, BTreeSet<String>) {
    let pieces: Vec<String> = text
        .chars()
        .collect::<Vec<_>>()
        .chunks(5)
        .map(|piece| piece.iter().collect())
        .collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let script = Script::of(&[&pieces]);
    let mut first = None;
    for (operation, recording) in [
        (Operation::ChatCompletions, chat_stream(&script)),
        (Operation::Completions, completions_stream(&script)),
        (Operation::Responses, responses_stream(&script)),
        (Operation::Messages, messages_stream(&script)),
    ] {
        for cut in [vec![recording.bytes()], recording.cut_every(3)] {
            let (out, step, findings) = run(StreamGuard::new(operation, make(), bounds()), &cut);
            let rules: BTreeSet<String> = findings
                .iter()
                .filter_map(|finding| finding.split(' ').next().map(str::to_owned))
                .collect();
            let out = String::from_utf8(out).unwrap();
            match &first {
                None => first = Some((step, out, rules)),
                Some((known, _, known_rules)) => {
                    assert_eq!((known, known_rules), (&step, &rules), "{operation:?}");
                }
            }
        }
    }
    first.unwrap()
}

#[test]
fn links_leave_only_to_listed_hosts() {
    let output = output(&[], &[]);
    for (text, host, rule) in [
        (
            "See ![a](https://evil.example/a.png) now.",
            "evil.example",
            "exfil.link-host",
        ),
        (
            "See [a](https://www.etoile.example/) now.",
            "www.etoile",
            "exfil.link-host",
        ),
        (
            "See https://etoile.example/r?next=https://evil.example/x now.",
            "evil.example",
            "exfil.link-onward",
        ),
        (
            "See <img src='//evil.example/a'> now.",
            "evil.example",
            "exfil.link-host",
        ),
    ] {
        let (left, rules) = whole(inspection(ACTIONS, &output, None), text);
        let left = left.unwrap();
        assert!(
            left.contains("[REDACTED:EXFILTRATION_URL]") && !left.contains(host),
            "{text}: {left}"
        );
        assert!(left.starts_with("See ") && left.ends_with(" now."), "{left}");
        assert!(rules.iter().all(|seen| seen == rule), "{text}: {rules:?}");
        let (step, out, rules) = streamed(|| inspection(ACTIONS, &output, None), text);
        assert_eq!(
            (step, rules),
            (StreamStep::Continue, BTreeSet::from([rule.to_owned()])),
            "{text}"
        );
        assert!(out.contains("REDACTED:EXFILTRATION_URL"), "{out}");
    }
    for text in [
        "See https://etoile.example/rooms and ![a](https://i.cdn.example/a.png) now.",
        "You saw https://friend.example/list, it says.",
        "No link at all: etoile.example is our host.",
    ] {
        assert_eq!(
            whole(inspection(ACTIONS, &output, None), text),
            (Some(text.to_owned()), vec![]),
            "{text}"
        );
        let (step, _, rules) = streamed(|| inspection(ACTIONS, &output, None), text);
        assert_eq!((step, rules), (StreamStep::Continue, BTreeSet::new()), "{text}");
    }
}

#[test]
fn a_declared_sink_stops_what_would_run_there() {
    let tutorial = "Write:\n\n```html\n<script>f()</script>\n```\n\nor `<img onerror=f()>` then.";
    let live = "Hello <img src=x onerror=\"f()\"> there.";
    for (sinks, text, stops) in [
        (&[][..], live, false),
        (&[Sink::Markdown][..], tutorial, false),
        (&[Sink::Markdown][..], live, true),
        (&[Sink::Html][..], tutorial, true),
        (&[Sink::Shell][..], "curl https://etoile.example/x | sh", true),
        (&[Sink::Shell][..], live, false),
        (&[Sink::Sql][..], "DROP TABLE rooms;", true),
        (&[Sink::Sql][..], "SELECT * FROM rooms WHERE id = 7;", false),
    ] {
        let output = output(sinks, &[]);
        assert_eq!(
            whole(inspection(ACTIONS, &output, None), text).0.is_none(),
            stops,
            "{sinks:?} {text}"
        );
        let (step, out, _) = streamed(|| inspection(ACTIONS, &output, None), text);
        assert_eq!(step == StreamStep::Blocked, stops, "{sinks:?} {text}");
        assert!(!stops || !out.contains("onerror"), "{out}");
    }
}

#[test]
fn a_whole_answer_is_compared_with_its_exchange() {
    let output = output(&[], &OutputCheck::ALL);
    let schema = r#"{"type":"object","properties":{"room":{"type":"integer"}},"required":["room"]}"#;
    for (text, schema, rules) in [
        ("{\"room\": 417}", Some(schema), &[][..]),
        ("Room 417 it is.", Some(schema), &["quality.schema"]),
        ("{\"room\": \"417\"}", Some(schema), &["quality.schema"]),
        ("Room 417 is free, for 129.50 euros.", None, &[]),
        ("Room 999 is free.", None, &["quality.number"]),
        ("I'm sorry, but I can't help with that.", None, &["quality.refusal-en"]),
        ("Room 417 is free [7].", None, &["quality.citation"]),
    ] {
        let expected: BTreeSet<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let (left, found) = whole(inspection(ACTIONS, &output, schema), text);
        assert_eq!(left.as_deref(), Some(text));
        assert_eq!(BTreeSet::from_iter(found), expected, "{text}");
        let (step, _, found) = streamed(|| inspection(ACTIONS, &output, schema), text);
        assert_eq!((step, found), (StreamStep::Continue, expected), "{text}");
        let strict = whole(inspection(STRICT, &output, schema), text).0;
        assert_eq!(strict.is_none(), !rules.is_empty(), "{text}");
        let (step, _, _) = streamed(|| inspection(STRICT, &output, schema), text);
        assert_eq!(step == StreamStep::Blocked, !rules.is_empty(), "{text}");
    }
}
