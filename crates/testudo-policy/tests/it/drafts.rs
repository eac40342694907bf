//! Proposed specifications of tools: what they must never be, and how often people agree with them.

use proptest::prelude::{any, proptest};
use serde_json::{Value, json};
use testudo_policy::drafting::{self, ToolDraft};
use testudo_policy::provenance::{Effect, Role, ToolSpecs};

const TOOLS: &str = include_str!("../../../../evals/agents/tools.json");
const ROLES: &str = include_str!("../../../../evals/agents/roles.json");

fn one(name: &str, description: &str, properties: Value) -> ToolDraft {
    let tool = json!([{"name": name, "description": description, "input_schema": {"type": "object", "properties": properties}}]);
    drafting::draft(&tool).unwrap().remove(0)
}

fn effect(name: &str, description: &str) -> Effect {
    one(name, description, json!({})).effect
}

#[test]
fn only_what_looks_is_proposed_as_a_look() {
    for name in [
        "get_order",
        "listFiles",
        "search-mail",
        "read_page",
        "findUser",
        "lookup_city",
        "query",
    ] {
        assert_eq!(effect(name, "Returns something."), Effect::Read, "{name}");
    }
    for (name, description) in [
        ("send_mail", ""),
        ("sendMail", ""),
        ("SendMail", ""),
        ("delete_all", ""),
        ("frobnicate", "Returns something."),
        ("", ""),
        ("mail", "Reads mail."),
        ("update_and_get", ""),
        ("create_or_get_user", ""),
        ("getOrCreate", "Creates it when it is missing."),
        ("get_or_create_user", ""),
        ("find_and_archive", ""),
        ("list.delete", ""),
        ("list_add", ""),
        ("view_create", ""),
        ("status-update", ""),
        ("search_index_reset", ""),
        ("check_in_guest", ""),
        ("read_then_forward", ""),
        ("get_money", "Transfers money."),
        ("read_mail", "Deletes a mail."),
        ("read_mail", "Read a mail and delete it."),
        ("check_out", "Pay for the cart."),
        ("run_report", ""),
        ("execute_query", ""),
        ("query_database", "Run SQL."),
        ("shell", ""),
        ("python", ""),
        ("réponds", ""),
        ("löschen", "Liest."),
    ] {
        assert!(effect(name, description) > Effect::EgressRead, "{name}: {description}");
    }
    for properties in [
        json!({"sql": {"type": "string"}}),
        json!({"command": {"type": "string"}}),
    ] {
        assert!(one("get_rows", "Returns rows.", properties).effect > Effect::Write);
    }
    assert_eq!(
        one("get_page", "Reads.", json!({"url": {"type": "string"}})).effect,
        Effect::EgressRead
    );
}

#[test]
fn hints_of_a_server_only_make_it_stricter() {
    let with = |name: &str, hints: Value| {
        let tool = json!({"tools": [{"name": name, "description": "x", "inputSchema": {}, "annotations": hints}]});
        drafting::draft(&tool).unwrap().remove(0).effect
    };
    assert_eq!(with("get_x", json!({"readOnlyHint": false})), Effect::Write);
    assert_eq!(with("get_x", json!({"destructiveHint": true})), Effect::Destroy);
    assert_eq!(with("send_x", json!({"readOnlyHint": true})), Effect::Write);
    assert_eq!(
        with("delete_x", json!({"readOnlyHint": true, "destructiveHint": false})),
        Effect::Destroy
    );
    assert_eq!(with("x", json!({"readOnlyHint": true})), Effect::Write);
}

#[test]
fn no_destination_is_proposed_as_content() {
    for (name, schema) in [
        ("to", json!({"type": "string"})),
        ("recipient", json!({"type": "string"})),
        ("message_recipient", json!({"type": "string"})),
        ("note_to", json!({"type": "string"})),
        ("text_number", json!({"type": "string"})),
        ("account", json!({"type": "string"})),
        ("permission", json!({"enum": ["read", "write"]})),
        ("role", json!({"type": "string", "enum": ["admin", "user"]})),
        ("is_admin", json!({"type": "boolean"})),
        ("make_public", json!({"type": "boolean"})),
        ("force", json!({"type": "boolean"})),
        ("share_with", json!({"type": "array", "items": {"type": "string"}})),
        ("title_owner", json!({"type": "string"})),
        ("options", json!({"type": "object"})),
        ("body", json!({"type": "object"})),
        ("body", json!({})),
        ("code", json!({"type": "string"})),
        ("webhook", json!({"type": "string"})),
        ("x", json!({"type": "string", "format": "uri"})),
        ("anything", json!({"anyOf": [{"type": "string"}, {"type": "object"}]})),
        ("pin", json!({"type": "integer"})),
    ] {
        let draft = one("send_it", "Sends it.", json!({name: schema}));
        assert!(
            draft.arguments.iter().all(|it| it.role.must_be_named()),
            "{name}: {draft:?}"
        );
    }
    let said = one(
        "send_mail",
        "Sends.",
        json!({"body": {"type": "string"}, "subject": {"type": ["string", "null"]}, "urgent": {"type": "boolean"}}),
    );
    assert!(said.arguments.iter().all(|it| it.role == Role::Data), "{said:?}");
    assert!(said.external);
}

#[test]
fn definitions_are_read_as_every_dialect_writes_them() {
    let schema = json!({"type": "object", "properties": {"files": {"type": "array", "items": {"type": "object", "properties": {"url": {"type": "string"}}}}}});
    for document in [
        json!([{"type": "function", "function": {"name": "t", "parameters": schema}}]),
        json!([{"type": "function", "name": "t", "parameters": schema}]),
        json!([{"name": "t", "input_schema": schema}]),
        json!({"model": "m", "messages": [], "tools": [{"name": "t", "input_schema": schema}]}),
        json!({"jsonrpc": "2.0", "result": {"tools": [{"name": "t", "inputSchema": schema}]}}),
        json!({"suite": [{"type": "function", "function": {"name": "t", "parameters": schema}}]}),
        json!([{"functionDeclarations": [{"name": "t", "parameters": schema}]}]),
    ] {
        let draft = drafting::draft(&document).unwrap();
        assert_eq!(
            (draft.len(), draft[0].arguments[0].path.as_str()),
            (1, "files[*].url"),
            "{document}"
        );
    }
    for document in [
        json!(null),
        json!([]),
        json!({}),
        json!({"tools": []}),
        json!({"tools": "x"}),
        json!([{"type": "web_search"}]),
        json!("x"),
        json!([{"name": "t", "input_schema": {}}, {"name": "t", "input_schema": schema}]),
    ] {
        assert!(drafting::draft(&document).is_err(), "{document}");
    }
}

#[test]
fn what_is_written_loads_and_is_unreviewed() {
    let tools: Value = serde_json::from_str(TOOLS).unwrap();
    for suite in tools.as_object().unwrap().values() {
        let drafts = drafting::draft(suite).unwrap();
        let specs = ToolSpecs::from_toml(&drafting::to_toml(&drafts)).unwrap();
        assert_eq!(specs.tools().count(), drafts.len());
        assert!(
            specs
                .tools()
                .all(|(_, spec)| !spec.reviewed && spec.effective() == Effect::Destroy)
        );
    }
}

/// Compared with the tables that people reviewed. No proposal may be less dangerous than the table where it matters.
#[test]
fn proposals_agree_with_reviewed_tables() {
    let tools: Value = serde_json::from_str(TOOLS).unwrap();
    let tables = ToolSpecs::from_roles(&serde_json::from_str(ROLES).unwrap()).unwrap();
    let (mut effects, mut same_effect, mut roles, mut same_role) = (0, 0, 0, 0);
    let mut dangerous = Vec::new();
    for (suite, table) in &tables {
        for draft in drafting::draft(&tools[suite]).unwrap() {
            let Some(reviewed) = table.tool(&draft.name) else {
                continue;
            };
            effects += 1;
            same_effect += usize::from(draft.effect == reviewed.effect);
            if draft.effect <= Effect::EgressRead && reviewed.effect > draft.effect {
                dangerous.push(format!("{suite}: {} is {:?}", draft.name, reviewed.effect));
            }
            for argument in &draft.arguments {
                let role = reviewed.role(&argument.path);
                roles += 1;
                same_role += usize::from(argument.role == role);
                if role.must_be_named() && !argument.role.must_be_named() && reviewed.effect.is_consequential() {
                    dangerous.push(format!(
                        "{suite}: {}.{} is {role:?}, not {:?}",
                        draft.name, argument.path, argument.role
                    ));
                }
            }
        }
    }
    println!("effects {same_effect}/{effects}, roles {same_role}/{roles}, less dangerous than reviewed: {dangerous:?}");
    assert!(
        same_effect * 100 >= effects * 90 && same_role * 100 >= roles * 75,
        "{same_effect}/{effects} {same_role}/{roles}"
    );
    assert!(dangerous.is_empty(), "{dangerous:#?}");
}

proptest! {
    #[test]
    fn whatever_is_drafted_loads(
        name in any::<String>(),
        description in any::<String>(),
        argument in "[^$.\\[][^\\u{0}]{0,12}",
        kind in any::<String>(),
    ) {
        let document = json!([{"name": name, "description": description, "input_schema": {"properties": {argument: {"type": kind}}}}]);
        let drafts = drafting::draft(&document).unwrap();
        let written = drafting::to_toml(&drafts);
        let specs = ToolSpecs::from_toml(&written);
        assert!(specs.is_ok(), "{specs:?}\n{written}");
        assert!(specs.unwrap().tool(&name).is_some());
    }
}
