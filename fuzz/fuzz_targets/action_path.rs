//! Paths: any text is read or doubted, and a folder that is named has nothing in it to resolve.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use testudo_policy::actions::ActionFacts;
use testudo_policy::provenance::{Role, ToolSpec};

fuzz_target!(|text: &str| {
    let mut spec = ToolSpec::unknown();
    spec.arguments.insert("x".to_owned(), Role::Path);
    let facts = ActionFacts::of(&spec, &json!({ "x": text })).path;
    assert!(!facts.unparsed || facts.under.is_empty());
    assert!(facts.unparsed || !facts.present || !facts.directories.is_empty());
    let rooted = facts.under.iter().filter(|folder| folder.starts_with('/'));
    assert!(
        rooted
            .into_iter()
            .all(|folder| !folder.split('/').any(|part| part == ".."))
    );
});
