//! Commands: any text is read or doubted, and none hides the plain command after it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use testudo_policy::actions::ActionFacts;
use testudo_policy::provenance::{Role, ToolSpec};

fuzz_target!(|text: &str| {
    let mut spec = ToolSpec::unknown();
    spec.arguments.insert("x".to_owned(), Role::Command);
    let facts = ActionFacts::of(&spec, &json!({ "x": text })).command;
    assert!(facts.unparsed || !facts.present || !facts.programs.is_empty());
    // Without a mark of a quote, comment, test or redirection nothing can hide what follows.
    let plain = !text.contains(['\'', '"', '\\', '#', '<', '>', '[']);
    let facts = ActionFacts::of(&spec, &json!({ "x": format!("{text}\n;curl x") })).command;
    assert!(!plain || facts.unparsed || facts.programs.contains("curl"));
});
