//! Exchanges and what belongs to them, as API activity; what guards saw, as findings.

use serde_json::{Map, Value, json};
use testudo_ledger::entry::{Begun, Decision, Exchange, FindingCount, Hold};
use testudo_types::{Action, ThreatKind, Verdict};

use super::Context;
use super::event::{Class, Event, Severity};

const INVOKE: (u64, &str) = (99, "Invoke");

pub(super) fn exchange(context: &Context<'_>, it: &Exchange) -> Vec<Value> {
    let api = json!({
        "operation": it.operation,
        "request": {"uid": it.id},
        "response": {"code": it.status},
        "service": {"name": it.upstream},
    });
    let event = context
        .event(Class::ApiActivity, INVOKE)
        .uid(&it.id)
        .with("actor", context.actor())
        .with("src_endpoint", context.source())
        .with("dst_endpoint", json!({"svc_name": it.upstream}))
        .with("api", api)
        .with("duration", it.duration_ms)
        .with("message_context", message(it))
        .with("policy", policy(&it.policy_digest.to_string(), &it.policies))
        .with("status_code", it.status.to_string())
        .with("status_detail", detail(it))
        .status(it.status < 400)
        .control(it.action);
    let event = ai(event, it.model.as_deref(), it.model_version.as_deref(), &it.upstream)
        .severity(severity(it.verdict))
        .unmapped("verdict", it.verdict.as_str())
        .unmapped("outcome", it.outcome.as_str());
    let mut events = vec![unmapped(event, it).finish()];
    events.extend(
        (1_u64..)
            .zip(&it.findings)
            .map(|(number, count)| finding(context, it, number, count)),
    );
    events
}

pub(super) fn begun(context: &Context<'_>, it: &Begun) -> Value {
    let event = context
        .event(Class::ApiActivity, (99, "Begin"))
        .belongs_to(Some(&it.id))
        .with("actor", context.actor())
        .with("src_endpoint", context.source())
        .with("dst_endpoint", json!({"svc_name": it.upstream}))
        .with(
            "api",
            json!({"operation": it.operation, "request": {"uid": it.id}, "service": {"name": it.upstream}}),
        )
        .with("message_context", json!({"service": {"name": it.route}}))
        .with("policy", policy(&it.policy_digest.to_string(), &[]))
        .severity(severity(it.verdict))
        .control(it.action);
    ai(event, it.model.as_deref(), it.model_version.as_deref(), &it.upstream)
        .unmapped("verdict", it.verdict.as_str())
        .unmapped("route", it.route.as_str())
        .finish()
}

pub(super) fn decision(context: &Context<'_>, it: &Decision) -> Value {
    context
        .event(Class::ApiActivity, (99, "Decide"))
        .belongs_to(it.exchange.as_deref())
        .with("actor", context.actor())
        .with("src_endpoint", context.source())
        .with("api", json!({"operation": it.subject}))
        .severity(severity(it.verdict))
        .control(it.action)
        .unmapped("verdict", it.verdict.as_str())
        .unmapped("policies", it.policies.clone())
        .unmapped("reasons", it.reasons.clone())
        .finish()
}

pub(super) fn hold(context: &Context<'_>, it: &Hold) -> Value {
    context
        .event(Class::ApiActivity, (99, "Hold"))
        .belongs_to(it.exchange.as_deref())
        .with("actor", context.actor())
        .with("src_endpoint", context.source())
        .with("api", json!({"operation": it.tool, "request": {"uid": it.id}}))
        .with("policy", policy(&it.policy_digest.to_string(), &[]))
        .control(Action::Hold)
        .unmapped("argument_digest", it.argument_digest.to_string())
        .unmapped("expires_at", it.expires_at)
        .finish()
}

fn finding(context: &Context<'_>, exchange: &Exchange, number: u64, it: &FindingCount) -> Value {
    let uid = format!("{}:{number}", exchange.id);
    let what = ThreatKind::from_name(&it.kind).map_or(it.kind.as_str(), |kind| kind.title());
    let title = format!("{what} in the {}", it.direction.as_str());
    let info = json!({
        "uid": uid,
        "title": title,
        "types": [it.kind],
        "created_time": context.entry.at,
        // Rules are patterns, lists and models; which, the ledger does not say.
        "analytic": {"name": it.rule, "uid": it.rule, "type_id": 1, "type": "Rule"},
        "related_events": [{"uid": exchange.id, "type_uid": Class::ApiActivity.type_uid(INVOKE.0)}],
    });
    let evidence = json!({
        "actor": context.actor(),
        "api": {
            "operation": exchange.operation,
            "request": {"uid": exchange.id},
            "service": {"name": exchange.upstream},
        },
        "src_endpoint": context.source(),
        "dst_endpoint": {"svc_name": exchange.upstream},
    });
    let severity = match it.action {
        Action::Pass | Action::Observe => Severity::Low,
        Action::Mask | Action::Hold => Severity::Medium,
        Action::Block => Severity::High,
    };
    context
        .event(Class::DetectionFinding, (1, "Create"))
        .uid(&uid)
        .belongs_to(Some(&exchange.id))
        .with("finding_info", info)
        .with("evidences", json!([evidence]))
        .with("message", title)
        .with("count", it.count)
        .with("status_id", 1)
        .with("status", "New")
        .with("is_alert", matches!(it.action, Action::Hold | Action::Block))
        .severity(severity)
        .control(it.action)
        .unmapped("direction", it.direction.as_str())
        .unmapped("route", exchange.route.as_str())
        .finish()
}

/// What the profile `ai_operation` adds.
fn ai(event: Event, model: Option<&str>, version: Option<&str>, provider: &str) -> Event {
    let model = model.map(|name| {
        let mut model = json!({"name": name, "ai_provider": provider});
        if let (Some(version), Some(members)) = (version, model.as_object_mut()) {
            members.insert("version".to_owned(), json!(version));
        }
        model
    });
    event.profile("ai_operation").maybe("ai_model", model)
}

fn message(it: &Exchange) -> Value {
    let mut message = Map::new();
    message.insert("service".to_owned(), json!({"name": it.route}));
    let (prompt, completion) = (it.input_tokens, it.output_tokens);
    let total = prompt.zip(completion).map(|(a, b)| a.saturating_add(b));
    let numbers = [
        ("prompt_tokens", prompt),
        ("completion_tokens", completion),
        ("total_tokens", total),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            message.insert(name.to_owned(), number.into());
        }
    }
    message.into()
}

fn policy(digest: &str, names: &[String]) -> Value {
    match names {
        [] => json!({"uid": digest}),
        names => json!({"uid": digest, "name": names.join(", ")}),
    }
}

fn detail(it: &Exchange) -> String {
    match it.detail.as_str() {
        "" => it.outcome.clone(),
        detail => format!("{}: {detail}", it.outcome),
    }
}

fn unmapped(event: Event, it: &Exchange) -> Event {
    let mut event = event
        .unmapped("route", it.route.as_str())
        .unmapped("policies", it.policies.clone())
        .unmapped("request_bytes", it.request_bytes)
        .unmapped("response_bytes", it.response_bytes)
        .unmapped("scanned_request", it.scanned_request.clone())
        .unmapped("scanned_response", it.scanned_response.clone())
        .unmapped("edited", it.edited)
        .unmapped("forwarded", it.forwarded)
        .unmapped("streamed", it.streamed);
    for (name, number) in [
        ("first_byte_ms", it.first_byte_ms),
        ("findings_omitted", it.findings_omitted),
    ] {
        if let Some(number) = number {
            event = event.unmapped(name, number);
        }
    }
    event
}

fn severity(verdict: Verdict) -> Severity {
    match verdict {
        Verdict::Allow => Severity::Informational,
        Verdict::Warn | Verdict::Modify => Severity::Low,
        Verdict::Escalate | Verdict::Deny => Severity::Medium,
    }
}
