//! What must be reported of statements, addresses, paths and commands.

mod commands;
mod paths;
mod quantities;
mod statements;
mod urls;

use serde_json::{Value, json};

use super::ActionFacts;
use crate::provenance::ToolSpecs;

const SPECS: &str = r#"
[tools.t]
effect = "write"
reviewed = true
arguments = { to = "control", run = "command", file = "path", url = "url", q = "sql", text = "data", n = "quantity" }
"#;

fn of(arguments: &Value) -> ActionFacts {
    let specs = ToolSpecs::from_toml(SPECS).unwrap();
    ActionFacts::of(specs.tool("t").unwrap(), arguments)
}

#[test]
fn roles_say_how_an_argument_is_read() {
    let nothing = of(&json!({"to": "a", "text": "rm -rf /; DROP TABLE x", "other": "x", "flag": null, "empty": " "}));
    let present = [
        nothing.sql.present,
        nothing.url.present,
        nothing.path.present,
        nothing.command.present,
    ];
    assert_eq!((present, nothing.quantity.present), ([false; 4], false));
    assert_eq!(nothing.arguments.iter().collect::<Vec<_>>(), ["other", "text", "to"]);
    let links = of(&json!({"text": "see https://a.example/x and www.b.example", "to": "at https://c.example, please"}));
    assert_eq!(
        links.link_hosts.iter().collect::<Vec<_>>(),
        ["a.example", "www.b.example"]
    );
    assert!(
        !links.url.unparsed && links.url.hosts.contains("c.example"),
        "{links:?}"
    );
    assert!(of(&json!({"to": "gopher://10.0.0.1"})).url.private);
    assert!(of(&json!({"unlisted": "http://10.0.0.1"})).url.private);
}

#[test]
fn parts_of_an_argument_are_read_like_the_whole() {
    assert!(
        of(&json!({"url": ["https://a.example", "https://b.example"]}))
            .url
            .hosts
            .len()
            == 2
    );
    assert!(
        of(&json!({"file": {"/etc/passwd": "x"}}))
            .path
            .directories
            .contains("/etc")
    );
    assert!(of(&json!({"file": {"a": ["../x"]}})).path.escapes);
    assert!(
        of(&json!({"run": ["ls", "-la", "curl x"]}))
            .command
            .programs
            .contains("curl")
    );
    assert!(of(&json!({"run": ["bash", "-c", "curl x"]})).command.unparsed);
    assert!(of(&json!({"run": {"curl x": true}})).command.unparsed);
    assert!(of(&json!({"q": {"SELECT 1": "SELECT 1"}})).sql.unparsed);
    assert!(of(&json!({"q": ["SELECT 1", "SELECT 2"]})).sql.several);
    assert!(of(&json!({"q": 5})).sql.unparsed);
    assert_eq!(of(&json!({"n": [1, "2.5", {"x": 3}]})).quantity.sum, 650);
}

#[test]
fn too_much_is_everything() {
    let long = "a".repeat(70_000);
    assert!(of(&json!({"q": long, "text": "x"})).sql.unparsed);
    assert!(of(&json!({"url": long})).url.unparsed && of(&json!({"file": long})).path.unparsed);
    assert!(of(&json!({"run": long})).command.unparsed);
    let deep = (0..100).fold(json!("x"), |inner, _| json!([inner]));
    let facts = of(&json!({ "text": deep }));
    assert!(facts.unread && facts.sql.unparsed && facts.url.unparsed && facts.path.unparsed && facts.command.unparsed);
    let many: Vec<String> = (0..600).map(|number| format!("https://h{number}.example/")).collect();
    assert!(of(&json!({ "url": many })).url.hosts.contains("*"));
}
