//! Definitions of tools: whatever is drafted loads as a specification, unreviewed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_policy::drafting;
use testudo_policy::provenance::ToolSpecs;

fuzz_target!(|text: &str| {
    let Ok(document) = serde_json::from_str(text) else {
        return;
    };
    let Ok(drafts) = drafting::draft(&document) else {
        return;
    };
    // Members that a path cannot name are refused when the file is loaded, and no other.
    let paths = drafts
        .iter()
        .flat_map(|draft| &draft.arguments)
        .map(|argument| &argument.path);
    let sound = paths
        .into_iter()
        .all(|path| !path.is_empty() && !path.starts_with(['$', '.', '[']));
    let specs = ToolSpecs::from_toml(&drafting::to_toml(&drafts));
    assert!(!sound || specs.is_ok_and(|specs| specs.tools().all(|(_, spec)| !spec.reviewed)));
});
