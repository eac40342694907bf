//! One recorded exchange: what was decided about its calls then, and by whom, and what policies say of them now.

use std::io::Write;

use anyhow::bail;
use serde_json::{Value, json};
use testudo_gateway::settings::AgentSettings;
use testudo_policy::provenance::{Conversation, Limits, Reading};
use testudo_policy::{ActFacts, FrozenPlan, Plan, PolicyEngine, ProposedCall, SessionFacts};
use testudo_recorder::control::Opening;
use testudo_types::{Decision, KeyId, Principal, PrincipalKind, RouteName, TenantId};

use super::engine::Engine;
use crate::arguments::policy::PolicyExplain;
use crate::arguments::{Format, Store};
use crate::config;
use crate::environment::Variables;
use crate::exit::Exit;
use crate::ledger::content::Parts;
use crate::ledger::{Keeper, exchange, log};
use crate::output::printable;
use crate::replay::explain::{argument_json, write_argument};
use crate::replay::recorded::{answer_text, read};
use crate::replay::trace::{Event, Trace};

/// Characters of an answer that are shown.
const ANSWER_CHARS: usize = 4_000;

/// A call of the recorded answer, judged again.
struct Again {
    call: ProposedCall,
    decision: Decision,
}

pub(super) async fn explain(
    arguments: &PolicyExplain,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let id = arguments.file.display().to_string();
    let store = Store {
        config: arguments.deciding.config.clone(),
        data_dir: arguments.data_dir.clone(),
    };
    let log = log(&store)?;
    let index = exchange(&log, &id).await?;
    let bytes = log.entry(index)?;
    let entry: Value = serde_json::from_slice(&bytes)?;
    let Some(body) = entry.get("body").filter(|body| body.get("findings").is_some()) else {
        bail!("entry {index} is no exchange; `testudo ledger show {index}` shows it");
    };
    let held = crate::approvals::of_exchange(&store, body.get("id").and_then(Value::as_str).unwrap_or(&id)).await?;
    let content = match (&arguments.by, &arguments.reason) {
        (Some(by), Some(reason)) if entry.get("payload").is_some_and(|it| !it.is_null()) => {
            let keeper = Keeper::find(&store, variables).await?;
            let opening = Opening {
                index,
                reader: by.clone(),
                purpose: reason.clone(),
            };
            let opened = keeper.custodian()?.open(opening).await;
            let _flushed = keeper.custodian()?.flush().await;
            keeper.close().await;
            Some(opened?)
        }
        _ => None,
    };
    let shown = content.as_ref().map(|opened| Parts::of(&opened.content).json());
    let line = json!({"entry": entry, "content": shown}).to_string();
    let trace = match &shown {
        Some(_) => read(line.as_bytes()).map_err(|problem| anyhow::anyhow!("entry {index} {problem}"))?,
        None => None,
    };
    let again = match &trace {
        Some(trace) => judge(arguments, variables, trace)?,
        None => Vec::new(),
    };
    let said = shown.as_ref().and_then(|content| answer_text(body, content));
    if arguments.format == Format::Json {
        let calls: Vec<Value> = again.iter().map(as_json).collect();
        let held: Vec<Value> = held.iter().map(crate::approvals::shown_json).collect();
        let line = json!({"index": index, "entry": entry, "held": held, "now": calls, "said": said});
        writeln!(out, "{line}")?;
        return Ok(Exit::Done);
    }
    recorded(body, index, out)?;
    for shown in &held {
        crate::approvals::print_shown(shown, out)?;
    }
    match (&shown, &trace) {
        (None, _) => writeln!(
            out,
            "\nWhat was said is not shown: the route keeps none, or nobody said who reads it and why (--by, --reason)."
        )?,
        (Some(_), None) => writeln!(out, "\nThe client got no call.")?,
        (Some(_), Some(_)) => now(&again, out)?,
    }
    if let Some(said) = said.filter(|_| again.is_empty()) {
        writeln!(out, "\nThe client was told:")?;
        for line in shortened(&said).lines() {
            writeln!(out, "  {}", printable(line))?;
        }
    }
    Ok(Exit::Done)
}

/// What the entry says of it.
fn recorded(body: &Value, index: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    writeln!(
        out,
        "{} (entry {index}): {} on route {}, {}",
        printable(text("id")),
        text("outcome"),
        printable(text("route")),
        text("operation")
    )?;
    let names = |key: &str| -> Vec<String> {
        let all = body.get(key).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(printable).collect()
    };
    writeln!(out, "  let in by {}", names("policies").join(", "))?;
    writeln!(
        out,
        "  by policies and settings with the digest {}",
        text("policy_digest")
    )?;
    for finding in body.get("findings").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default();
        let count = finding.get("count").and_then(Value::as_u64).unwrap_or_default();
        let (rule, action) = (printable(text("rule")), text("action"));
        match text("kind") {
            "call" => writeln!(out, "  {count} x {rule}: {}", means(text("rule")))?,
            _ => writeln!(out, "  {count} x {rule} in the {}: {action}", text("direction"))?,
        }
    }
    Ok(())
}

/// What a count of calls says.
fn means(rule: &str) -> &'static str {
    match rule {
        "call.asked" => "calls that the model asked for",
        "call.endorsed" => "let go by a code that the user repeated",
        "call.approved" => "given out after an approval",
        "call.policy" => "held by a policy",
        "call.forbidden" => "forbidden by a policy",
        "call.canary" => "carried a value that no honest call carries",
        "call.unreadable" => "could not be read as one call",
        _ => "held by provenance (act.provenance)",
    }
}

/// Judges the calls of a recorded answer by the policies and specifications of now.
fn judge(arguments: &PolicyExplain, variables: &dyn Variables, trace: &Trace) -> anyhow::Result<Vec<Again>> {
    let problems = |all: Vec<String>| anyhow::anyhow!("{}", all.join("\n"));
    let Some(path) = crate::configuration(arguments.deciding.config.as_ref()) else {
        bail!("name the configuration with --config, so that its policies and specifications can be asked");
    };
    let loaded = config::load(&path, variables)
        .map_err(|all| problems(all.iter().map(ToString::to_string).collect::<Vec<_>>()))?;
    let route = loaded.settings.routes.iter().find(|it| it.name.as_str() == trace.suite);
    let Some(route) = route else {
        bail!("the configuration has no route `{}` any more", printable(&trace.suite));
    };
    let Some(agents) = route.agents.clone() else {
        bail!("the route `{}` has no agents: its calls are not judged", route.name);
    };
    let engine = Engine::of(&loaded.settings).map_err(problems)?;
    // The entry has a pseudonym and no roles: policies about callers may decide otherwise.
    let principal = Principal {
        tenant: TenantId::parse("default")?,
        kind: PrincipalKind::Agent,
        key: KeyId::parse("recorded")?,
        name: "recorded".into(),
        roles: Vec::new(),
    };
    Ok(walk(&engine.policies, &agents, (&route.name, &principal), trace))
}

fn walk(
    policies: &PolicyEngine,
    agents: &AgentSettings,
    (route, principal): (&RouteName, &Principal),
    trace: &Trace,
) -> Vec<Again> {
    let reading = if agents.knobs.exact {
        Reading::Close
    } else {
        Reading::Plain
    };
    let mut conversation = Conversation::new(Limits::default(), reading);
    let mut plan = FrozenPlan::default();
    let mut all = Vec::new();
    for event in &trace.events {
        match event {
            Event::System(text) => conversation.push_system(text),
            Event::User { content, pasted } => conversation.push_user(content, pasted),
            Event::Read(call) => {
                plan.ask(&call.tool, conversation.is_tainted());
                let result = call.result.as_deref().unwrap_or_default();
                conversation.push_result(&agents.specs, &call.tool, &call.arguments, result, false);
            }
            Event::Call(asked) => {
                let call = ProposedCall::of(
                    &agents.knobs,
                    &agents.specs,
                    &conversation,
                    &asked.tool,
                    &asked.arguments,
                );
                let place = plan.place(&asked.tool, conversation.is_tainted());
                let decision = policies.act(&ActFacts {
                    principal,
                    route,
                    call: &call,
                    session: SessionFacts::default(),
                    plan: if agents.knobs.freeze_plan { place } else { Plan::Unset },
                    approved: false,
                });
                all.push(Again { call, decision });
            }
        }
    }
    all
}

fn now(again: &[Again], out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\nIts calls by the policies of now, as of a caller without roles and with nothing before:"
    )?;
    for one in again {
        let names: Vec<&str> = one.decision.policies.iter().map(|it| it.as_str()).collect();
        writeln!(
            out,
            "\n{}: {} by {}",
            printable(&one.call.facts.tool),
            one.decision.action.as_str(),
            names.join(", ")
        )?;
        if let Some(reason) = &one.call.verdict.reason {
            writeln!(out, "  provenance: {}", printable(&reason.to_string()))?;
        }
        for argument in &one.call.facts.arguments {
            write_argument(out, argument)?;
        }
    }
    Ok(())
}

fn as_json(one: &Again) -> Value {
    let policies: Vec<&str> = one.decision.policies.iter().map(|it| it.as_str()).collect();
    json!({
        "tool": one.call.facts.tool,
        "decided": one.decision.action.as_str(),
        "policies": policies,
        "provenance": one.call.verdict.reason.as_ref().map(ToString::to_string),
        "arguments": one.call.facts.arguments.iter().map(argument_json).collect::<Vec<_>>(),
    })
}

/// The beginning of a text that is too long.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(ANSWER_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
