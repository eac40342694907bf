//! Statements for databases: any text is read or doubted, and none hides the plain statement after it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use testudo_policy::actions::{ActionFacts, SqlDialect, SqlFacts};
use testudo_policy::provenance::{Role, ToolSpec};

fn read(dialect: SqlDialect, text: &str) -> SqlFacts {
    let mut spec = ToolSpec::unknown();
    spec.sql = dialect;
    spec.arguments.insert("q".to_owned(), Role::Sql);
    ActionFacts::of(&spec, &json!({ "q": text })).sql
}

fuzz_target!(|input: (u8, &str)| {
    let (number, text) = input;
    let dialect = SqlDialect::ALL[usize::from(number) % SqlDialect::ALL.len()];
    let facts = read(dialect, text);
    assert!(facts.unparsed || !facts.present || !facts.kinds.is_empty());
    // Without a mark of a quote or comment nothing can hide what follows.
    let plain = !text.contains(['\'', '"', '`', '$', '\\', '#', '-', '/', '*', '[', '{']);
    let facts = read(dialect, &format!("{text}\n;\nDROP TABLE t"));
    assert!(!plain || !facts.read_only());
});
