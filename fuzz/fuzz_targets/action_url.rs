//! Addresses: any text is read or doubted, and what is doubted is below no name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use testudo_policy::actions::ActionFacts;
use testudo_policy::provenance::{Role, ToolSpec};

fuzz_target!(|text: &str| {
    let mut spec = ToolSpec::unknown();
    spec.arguments.insert("x".to_owned(), Role::Url);
    let facts = ActionFacts::of(&spec, &json!({ "x": text })).url;
    assert!(!facts.unparsed || facts.under.is_empty());
    // Only what all hosts share is a name that all are below.
    let below = |host: &str, name: &str| host == name || host.ends_with(&format!(".{name}"));
    assert!(
        facts
            .under
            .iter()
            .all(|name| facts.hosts.iter().all(|host| below(host, name)))
    );
});
