//! Models, data, alarms, incidents, controls, payloads and the writer itself.

use serde_json::{Value, json};
use testudo_ledger::entry::{
    Alarm, AlarmState, Artifact, Data, Erasure, Evidence, EvidenceResult, Gap, Incident, PayloadRead,
    PrincipalPseudonym, Ranges, Recorder, RecorderAction, Retention,
};

use super::Context;
use super::event::{Class, Event, Severity};

pub(super) fn artifact(context: &Context<'_>, it: &Artifact) -> Value {
    let activity = match it.action.as_str() {
        "admit" => (1, "Install"),
        "promote" => (6, "Enable"),
        "roll_back" => (8, "Update"),
        other => (99, other),
    };
    let mut app = json!({"uid": it.digest.to_string()});
    for (name, text) in [("name", &it.name), ("version", &it.version)] {
        if let Some((app, text)) = app.as_object_mut().zip(text.as_deref()) {
            app.insert(name.to_owned(), text.into());
        }
    }
    let event = context
        .event(Class::ApplicationLifecycle, activity)
        .with("app", app)
        .unmapped("action", it.action.as_str());
    // The class has an actor only with this profile.
    let event = match context.entry.principal {
        Some(_) => event.profile("host").with("actor", context.actor()),
        None => event,
    };
    let event = match it.proof {
        Some(proof) => event.unmapped("actor_proof", proof.as_str()),
        None => event,
    };
    match &it.chain {
        Some(chain) => event
            .unmapped("statements", chain.statements)
            .unmapped("statement_sha256", chain.hash.to_string())
            .finish(),
        None => event.finish(),
    }
}

pub(super) fn data(context: &Context<'_>, it: &Data) -> Value {
    let event = datastore(context, (99, &it.action), &it.digest.to_string(), "data set");
    match it.rows {
        Some(rows) => event.unmapped("rows", rows).finish(),
        None => event.finish(),
    }
}

pub(super) fn alarm(context: &Context<'_>, it: &Alarm) -> Value {
    let (activity, status) = match it.state {
        AlarmState::Fire => ((1, "Create"), (1, "New")),
        AlarmState::Resolve => ((3, "Close"), (4, "Resolved")),
    };
    let info = json!({
        "uid": format!("alarm:{}", it.name),
        "title": it.name,
        "types": ["alarm"],
        "analytic": {"name": it.name, "type_id": 0, "type": "Unknown"},
    });
    let event = context
        .event(Class::DetectionFinding, activity)
        .with("finding_info", info)
        .with("is_alert", it.state == AlarmState::Fire)
        .with("status_id", status.0)
        .with("status", status.1)
        .severity(it.severity.into());
    match it.value {
        Some(value) => event.unmapped("value", value).finish(),
        None => event.finish(),
    }
}

pub(super) fn incident(context: &Context<'_>, it: &Incident) -> Value {
    let (activity, status) = match it.state.as_str() {
        "open" | "new" => ((1, "Create"), 1),
        "resolved" => ((2, "Update"), 4),
        "closed" => ((3, "Close"), 5),
        _ => ((2, "Update"), 99),
    };
    context
        .event(Class::IncidentFinding, activity)
        .belongs_to(Some(&it.id))
        // The class wants somebody; who it is, the ledger does not say.
        .with("assignee_group", json!({"name": "unknown"}))
        .with("finding_info_list", json!([{"uid": it.id, "title": it.step}]))
        .with("status_id", status)
        .with("status", it.state.as_str())
        .severity(Severity::High)
        .unmapped("step", it.step.as_str())
        .finish()
}

pub(super) fn evidence(context: &Context<'_>, it: &Evidence) -> Value {
    let (status_id, status, severity) = match it.result {
        EvidenceResult::Pass => (1, "Pass", Severity::Informational),
        EvidenceResult::Fail => (3, "Fail", Severity::Medium),
        EvidenceResult::Unknown => (0, "Unknown", Severity::Low),
    };
    let event = context
        .event(Class::ComplianceFinding, (1, "Create"))
        .with(
            "compliance",
            json!({"control": it.control, "standards": [], "status_id": status_id, "status": status}),
        )
        .with(
            "finding_info",
            json!({"uid": format!("{}:{}", it.control, context.entry.at), "title": it.control}),
        )
        .severity(severity);
    match it.digest {
        Some(digest) => event.unmapped("result_digest", digest.to_string()).finish(),
        None => event.finish(),
    }
}

pub(super) fn payload_read(context: &Context<'_>, it: &PayloadRead) -> Value {
    let reader = match PrincipalPseudonym::parse(&it.reader) {
        Ok(person) => json!({"user": {"uid": person.to_string()}}),
        Err(_) => json!({"app_name": it.reader}),
    };
    datastore(context, (1, "Read"), "payload", "sealed payloads")
        .with("actor", reader)
        .with("status_detail", it.purpose.as_str())
        .unmapped("payload_of", it.index)
        .finish()
}

pub(super) fn erasure(context: &Context<'_>, it: &Erasure) -> Value {
    datastore(context, (7, "Delete"), "payload", "sealed payloads")
        .belongs_to(Some(&it.request))
        .with("actor", json!({"user": {"uid": it.approver.to_string()}}))
        .with("status_detail", it.basis.as_str())
        .with("count", it.payloads)
        .unmapped("subject", it.subject.to_string())
        .unmapped("ranges", ranges(&it.ranges))
        .finish()
}

pub(super) fn retention(context: &Context<'_>, it: &Retention) -> Value {
    datastore(context, (7, "Delete"), "payload", "sealed payloads")
        .with("actor", json!({"app_name": "Testudo"}))
        .with("status_detail", format!("retention of {}", it.class))
        .with("count", it.payloads)
        .unmapped("before_at", it.before_at)
        .unmapped("regimes", it.regimes.clone())
        .unmapped("ranges", ranges(&it.ranges))
        .finish()
}

pub(super) fn gap(context: &Context<'_>, it: &Gap) -> Value {
    context
        .event(Class::ApplicationError, (1, "General Error"))
        .with(
            "message",
            format!("{} entries could not be written: {}", it.count, it.reason),
        )
        .with("count", it.count)
        .with("start_time", it.from_at)
        .with("end_time", it.to_at)
        .severity(Severity::High)
        .finish()
}

pub(super) fn recorder(context: &Context<'_>, it: &Recorder) -> Value {
    let activity = match it.action {
        RecorderAction::Start => (3, "Start"),
        RecorderAction::Stop => (4, "Stop"),
    };
    context
        .event(Class::ApplicationLifecycle, activity)
        .with(
            "app",
            json!({"name": "Testudo", "vendor_name": "Testudo", "version": it.version}),
        )
        .status(true)
        .unmapped("size", it.size)
        .finish()
}

fn datastore(context: &Context<'_>, activity: (u64, &str), uid: &str, kind: &str) -> Event {
    context
        .event(Class::DatastoreActivity, activity)
        .with("actor", context.actor())
        .with("src_endpoint", context.source())
        .with("databucket", json!({"uid": uid, "type_id": 99, "type": kind}))
        .status(true)
}

fn ranges(ranges: &Ranges) -> Vec<Value> {
    let each = ranges.as_slice().iter();
    each.map(|it| json!([it.first, it.last])).collect()
}
