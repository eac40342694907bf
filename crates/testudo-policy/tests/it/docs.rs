//! `docs/policy.md` says what is true: its examples load and its facts are the schema's.

use testudo_policy::{PolicyEngine, PolicySource};

use crate::world;

const PAGE: &str = include_str!("../../../../docs/policy.md");
const SCHEMA: &str = include_str!("../../schema/testudo.cedarschema");

#[test]
fn every_example_loads_beside_the_shipped_policies() {
    let routes = [
        world::route("openai", "balanced"),
        world::route("eu", "balanced"),
        world::route("support", "strict"),
    ];
    let blocks = PAGE.split("```cedar\n").skip(1);
    let examples: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3);
    let mut sources = PolicyEngine::default_sources();
    for (number, text) in examples.into_iter().enumerate() {
        sources.push(PolicySource {
            name: format!("example {number}"),
            text: text.to_owned(),
        });
    }
    PolicyEngine::new(&sources, &routes).unwrap();
}

#[test]
fn every_fact_of_the_schema_is_explained_and_no_other() {
    let (_, contexts) = SCHEMA.split_once("action use").unwrap();
    let mut record = String::new();
    let mut in_schema: Vec<String> = Vec::new();
    for line in contexts.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        match line.split_once(": ") {
            Some(("principal" | "resource" | "context", _)) => {}
            Some((name, "{")) => record = format!("{name}."),
            Some((name, _)) => in_schema.push(format!("{record}{}", name.trim_end_matches('?'))),
            None => record.clear(),
        }
    }
    let in_page: Vec<String> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `context."))
        .filter_map(|line| line.split('`').next())
        .map(str::to_owned)
        .collect();
    assert!(in_schema.len() > 10, "{in_schema:?}");
    assert_eq!(in_page, in_schema);
}
