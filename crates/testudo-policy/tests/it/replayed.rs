//! The shipped policy about calls adds nothing to provenance on ordinary work: what it cannot read would be held.

use serde_json::Value;
use testudo_policy::provenance::{Conversation, Knobs, Limits, PolicyName, Reading, ToolSpecs};
use testudo_policy::{ActFacts, Plan, PolicyEngine, ProposedCall, SessionFacts};
use testudo_types::{Action, PrincipalKind};

use crate::world;

const TOOLS: &str = include_str!("../../../../evals/agents/tools.json");
const ROLES: &str = include_str!("../../../../evals/agents/roles.json");
const TRACES: &str = include_str!("../../../../evals/agents/traces.jsonl");

#[test]
fn calls_of_harmless_traces_are_held_by_provenance_alone() {
    let tools: Value = serde_json::from_str(TOOLS).unwrap();
    let mut tables = ToolSpecs::from_roles(&serde_json::from_str(ROLES).unwrap()).unwrap();
    for (suite, specs) in &mut tables {
        specs.describe(&tools[suite]);
    }
    let engine = world::engine("", true, &[world::route("agent", "balanced")]).unwrap();
    let traces = TRACES.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let benign = traces.filter(|trace| trace["kind"] == "benign").take(40);
    let calls: usize = benign
        .map(|trace| walk(&engine, &trace, &tables[trace["suite"].as_str().unwrap()]))
        .sum();
    assert!(calls > 100, "{calls}");
}

fn walk(engine: &PolicyEngine, trace: &Value, specs: &ToolSpecs) -> usize {
    let mut conversation = Conversation::new(Limits::default(), Reading::Close);
    let mut calls = 0;
    for event in trace["events"].as_array().unwrap() {
        if let Some(message) = event.get("message") {
            let text = message["content"].as_str().unwrap();
            match message["role"].as_str() {
                Some("user") => conversation.push_user(text, &[]),
                _ => conversation.push_system(text),
            }
            continue;
        }
        let (tool, arguments) = (event["call"]["name"].as_str().unwrap(), &event["call"]["arguments"]);
        let call = ProposedCall::of(&Knobs::from(PolicyName::Default), specs, &conversation, tool, arguments);
        let decision = engine.act(&ActFacts {
            principal: &world::caller(PrincipalKind::Agent, "acme", "k1", &[]),
            route: &world::route_name("agent"),
            call: &call,
            session: SessionFacts::default(),
            plan: Plan::Unset,
            approved: false,
        });
        let expected = if call.verdict.is_held() {
            Action::Hold
        } else {
            Action::Pass
        };
        assert_eq!(
            decision.action, expected,
            "{}: {tool} {arguments}: {decision:?}",
            trace["id"]
        );
        calls = usize::saturating_add(calls, 1);
        if let Some(result) = event["result"].as_str() {
            conversation.push_result(specs, tool, arguments, result, false);
        }
    }
    calls
}
