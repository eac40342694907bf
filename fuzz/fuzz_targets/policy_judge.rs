//! Any conversation is indexed within its limits, and any call after it is judged: a value that nobody wrote is nobody's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use testudo_policy::labels::Speaker;
use testudo_policy::provenance::{Conversation, Knobs, Label, Limits, PolicyName, Reading, ToolFacts, ToolSpecs};

const SPECS: &str = r#"
[tools.list]
effect = "read"
reviewed = true
ids = ["$[*].id"]
authoritative = ["$[*].mail", "$.mail"]
secrets = [{ path = "$[*].code", asked = ["code"] }]

[tools.send]
effect = "write"
external = true
reviewed = true
arguments = { to = "control", id = "selector", text = "data", sum = "quantity", day = "time" }

[tools.fetch]
effect = "egress_read"
external = true
reviewed = true
arguments = { url = "url" }
"#;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let specs = ToolSpecs::from_toml(SPECS).expect("the table of the target is sound");
    let limits = Limits {
        text_bytes_max: 1 << 14,
        leaves_max: 512,
        paths_max: 64,
        segments_max: 64,
    };
    for reading in [Reading::Close, Reading::Plain] {
        let mut conversation = Conversation::new(limits, reading);
        let mut value = String::new();
        // Parts of the text, in turn: the user, a result, pasted text, a value to judge.
        for (at, part) in text.split('\u{1}').take(64).enumerate() {
            match at % 4 {
                0 => conversation.push_user(part, &[]),
                1 => conversation.push_result(&specs, "list", &json!({ "q": value }), part, false),
                2 => {
                    let half = part.len() / 2;
                    conversation.push_message(Speaker::User, part, &[half..part.len() + 9], &[]);
                }
                _ => part.clone_into(&mut value),
            }
        }
        assert!(conversation.bytes() < 4 << 20);
        let arguments = serde_json::from_str(&value).unwrap_or(json!({
            "to": [value, "nobody-at-all@made.up.example"], "id": value, "text": text, "sum": value, "day": value, "url": value,
        }));
        judge(&specs, &conversation, &arguments);
        if !text.contains("nobody") {
            let made_up = json!({ "to": "nobody-at-all@made.up.example" });
            let facts = ToolFacts::of(&specs, &conversation, "send", &made_up, true).expect("one argument");
            assert!(facts.arguments.iter().all(|it| it.provenance.label == Label::None));
        }
    }
});

fn judge(specs: &ToolSpecs, conversation: &Conversation, arguments: &Value) {
    for tool in ["send", "fetch", "list", "unknown"] {
        for name in PolicyName::ALL {
            let verdict = Knobs::from(name).judge(specs, conversation, tool, arguments);
            for argument in &verdict.arguments {
                if let Some(evidence) = &argument.provenance.evidence {
                    assert!(evidence.range.start <= evidence.range.end);
                }
            }
            if let Some(reason) = &verdict.reason {
                assert!(!reason.to_string().is_empty() && !reason.code().is_empty());
            }
        }
    }
}
