//! The canary matrix: a secret in every client-visible field of every dialect, whole and streamed; none leaks.

use testudo_bounded::json::Limits;
use testudo_dialects::{Operation, read_response};
use testudo_gateway::guard::{BodyOutcome, Leaks, StreamStep, guard_response};
use testudo_testkit::recorded::{
    Field, Script, chat_body, chat_stream, completions_body, completions_stream, messages_body, messages_stream,
    responses_body, responses_stream,
};

use crate::guards::{Actions, BLOCK_SECRETS, MASK_ALL, Maker, SECRET, run};

/// Whether any way to write the secret is in the bytes: plain, or spelt in escapes or in bytes.
fn leaks(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let escaped: String = SECRET.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let doubled = escaped.replace('\\', "\\\\");
    let spelt: String = SECRET.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(",");
    let bare = text.replace(", ", ",");
    [SECRET, &escaped, &doubled].iter().any(|it| text.contains(*it)) || bare.contains(&spelt)
}

/// A secret one character a frame is put together as a client would.
fn assembled(operation: Operation, bytes: &[u8]) -> bool {
    crate::guards::texts(operation, bytes)
        .values()
        .any(|text| text.contains(SECRET))
}

fn matrix(actions: Actions<'_>) {
    let maker = Maker::new(actions);
    for field in Field::ALL {
        for choices in [1, 2] {
            let mut script = Script::full();
            script.answers.truncate(choices);
            for script in [
                script.clone().plant(field, SECRET),
                script.clone().plant_in(choices - 1, field, SECRET),
            ] {
                for (operation, recording) in [
                    (Operation::ChatCompletions, chat_stream(&script)),
                    (Operation::Completions, completions_stream(&script)),
                    (Operation::Responses, responses_stream(&script)),
                    (Operation::Messages, messages_stream(&script)),
                ] {
                    for size in [1, 50, usize::MAX] {
                        let (out, step, findings) = run(maker.stream(operation), &recording.cut_every(size));
                        let at = format!("{operation:?} streamed, {field:?}, {choices} choices, {step:?}");
                        assert!(!leaks(&out), "{at}: {}", String::from_utf8_lossy(&out));
                        assert!(!assembled(operation, &out), "{at}: {}", String::from_utf8_lossy(&out));
                        if leaks(&recording.bytes()) || assembled(operation, &recording.bytes()) {
                            assert!(!findings.is_empty(), "{at}: nothing was found");
                        }
                    }
                }
                for (operation, body) in [
                    (Operation::ChatCompletions, chat_body(&script)),
                    (Operation::Completions, completions_body(&script)),
                    (Operation::Responses, responses_body(&script)),
                    (Operation::Messages, messages_body(&script)),
                ] {
                    let mut inspection = maker.inspection(None, Leaks::default());
                    let view = read_response(operation, 200, &body, &Limits::DEFAULT).unwrap();
                    let out = match guard_response(&view, &mut inspection, &Limits::DEFAULT) {
                        BodyOutcome::Unchanged => body.clone(),
                        BodyOutcome::Edited(edited) => edited,
                        BodyOutcome::Blocked => Vec::new(),
                    };
                    assert!(
                        !leaks(&out),
                        "{operation:?} whole, {field:?}: {}",
                        String::from_utf8_lossy(&out)
                    );
                    if leaks(&body) {
                        assert!(
                            !inspection.finish().0.kept().is_empty(),
                            "{operation:?} whole, {field:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn no_field_leaks_a_secret_when_it_is_masked() {
    matrix(MASK_ALL);
}

#[test]
fn no_field_leaks_a_secret_when_it_is_blocked() {
    matrix(BLOCK_SECRETS);
}

#[test]
fn the_matrix_would_notice_a_leak() {
    let script = Script::full().plant(Field::TextInPieces, SECRET);
    let bytes = chat_stream(&script).bytes();
    assert!(!leaks(&bytes) && assembled(Operation::ChatCompletions, &bytes));
    let whole = Script::full().plant(Field::ToolArgumentsEscaped, SECRET);
    assert!(leaks(&chat_body(&whole)));
    assert_eq!(
        run(Maker::new(&[]).stream(Operation::ChatCompletions), &[bytes]).1,
        StreamStep::Continue
    );
}
