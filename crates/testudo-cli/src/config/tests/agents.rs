//! What a route says about the tools of its agents.

use std::collections::BTreeMap;
use std::fs;

use testudo_gateway::settings::OnHold;
use testudo_policy::provenance::{PolicyName, VerbatimGet};

use super::*;

const TOOLS: &str = "[tools.pay]\neffect = \"write\"\nexternal = true\nreviewed = true\n";
const DEFINITIONS: &str = r#"[{"type": "function", "function": {"name": "pay", "description": "Pays"}}]"#;

/// A configuration beside a file of specifications and one of definitions.
fn with(agents: &str, tools: &str, definitions: &str) -> Result<Configuration, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("testudo.toml");
    fs::write(&path, format!("{MINIMAL}{agents}\n")).unwrap();
    fs::write(dir.path().join("tools.toml"), tools).unwrap();
    fs::write(dir.path().join("tools.json"), definitions).unwrap();
    load(&path, &BTreeMap::<&str, &str>::new()).map_err(|problems| {
        let lines = problems
            .iter()
            .map(|it| format!("{}: {}\n", it.line.unwrap_or(0), it.what));
        lines.collect()
    })
}

#[test]
fn a_route_names_its_tools() {
    let little = with("agents = { tools = \"tools.toml\" }", TOOLS, "").unwrap();
    let agents = little.settings.routes[0].agents.clone().unwrap();
    assert_eq!((agents.policy, agents.on_hold), (PolicyName::Default, OnHold::Deny));
    assert!(agents.definitions.is_empty() && !agents.knobs.trust_system);
    let all = "agents = { tools = \"tools.toml\", definitions = \"tools.json\", policy = \"q3\", \
               on_hold = \"question\", trust_system = true, fetch = \"always\" }";
    let all = with(all, TOOLS, DEFINITIONS).unwrap();
    let agents = all.settings.routes[0].agents.clone().unwrap();
    assert_eq!((agents.policy, agents.on_hold), (PolicyName::Q3, OnHold::Question));
    assert!(agents.knobs.trust_system && agents.knobs.verbatim_get == VerbatimGet::Always);
    assert_eq!(agents.specs.tool("pay").unwrap().description, "Pays");
    let other = with("agents = { tools = \"tools.toml\" }", &format!("{TOOLS}\n"), "").unwrap();
    let digest = other.settings.routes[0].agents.as_ref().unwrap().digest;
    assert_ne!(digest, little.settings.routes[0].agents.as_ref().unwrap().digest);
}

#[test]
fn a_server_judges_what_no_route_let_go() {
    let server = "[[mcp.server]]\nname = \"bank\"\nurl = \"https://bank.example/mcp\"\nagents = { tools = \"tools.toml\", \
                  policy = \"q3\", on_hold = \"approval\" }";
    let sound = with(server, TOOLS, "").unwrap();
    let agents = sound.settings.mcp.unwrap().servers[0].route.agents.clone().unwrap();
    assert_eq!((agents.policy, agents.on_hold), (PolicyName::Q3, OnHold::Approval));
    let plain = with(
        "[[mcp.server]]\nname = \"bank\"\nurl = \"https://bank.example/mcp\"",
        TOOLS,
        "",
    )
    .unwrap();
    assert!(plain.settings.mcp.unwrap().servers[0].route.agents.is_none());
    for (from, to, what) in [
        ("approval", "question", "there is no user in a session"),
        ("approval", "ask", "`mcp.server.agents.on_hold` cannot be `ask`"),
        ("policy = \"q3\"", "trust_system = true", "trust_system` says nothing"),
        (
            "policy = \"q3\"",
            "definitions = \"tools.json\"",
            "definitions` says nothing",
        ),
        ("agents", "only_released = true\nagents", "would have nothing to judge"),
    ] {
        let problems = with(&server.replacen(from, to, 1), TOOLS, DEFINITIONS)
            .err()
            .unwrap_or_default();
        assert!(problems.contains(what), "{to}: {problems}");
    }
}

#[test]
fn mistakes_are_named() {
    for (agents, tools, definitions, what) in [
        ("agents = {}", TOOLS, "", "`routes.r.agents.tools` is missing"),
        (
            "agents = \"tools.toml\"",
            TOOLS,
            "",
            "`routes.r.agents` cannot be a text",
        ),
        ("agents = { tools = \"nothing.toml\" }", TOOLS, "", "nothing.toml"),
        ("agents = { tools = \"tools.toml\" }", "", "", "specifies no tool"),
        (
            "agents = { tools = \"tools.toml\" }",
            "[tools.pay]\neffect = \"wirte\"\n",
            "",
            "unknown effect `wirte`",
        ),
        (
            "agents = { tools = \"tools.toml\", policy = \"q9\" }",
            TOOLS,
            "",
            "`routes.r.agents.policy` cannot be `q9`",
        ),
        (
            "agents = { tools = \"tools.toml\", on_hold = \"ask\" }",
            TOOLS,
            "",
            "on_hold` cannot be `ask`",
        ),
        (
            "agents = { tools = \"tools.toml\", fetch = \"often\" }",
            TOOLS,
            "",
            "fetch` cannot be `often`",
        ),
        (
            "agents = { tools = \"tools.toml\", tool = 1 }",
            TOOLS,
            "",
            "`routes.r.agents.tool` is not a setting",
        ),
        (
            "agents = { tools = \"tools.toml\", definitions = \"tools.json\" }",
            TOOLS,
            "{",
            "is not JSON",
        ),
        (
            "agents = { tools = \"tools.toml\", definitions = \"tools.json\" }",
            TOOLS,
            "[]",
            "defines no tool",
        ),
        (
            "[[mcp.server]]\nname = \"bank\"\nurl = \"https://bank.example/mcp\"\nonly_released = true",
            TOOLS,
            "",
            "no route has `agents`",
        ),
    ] {
        let problems = with(agents, tools, definitions).err().unwrap_or_default();
        assert!(problems.contains(what), "{agents}: {problems}");
    }
}
