//! Changes of who may do what, and who logged in.

use serde_json::{Value, json};
use testudo_ledger::entry::{
    AdminLogin, Approval, ApprovalDecision, Configuration, ConfigurationAction, Key, KeyAction, LegalHold,
    LegalHoldAction, Rotation,
};

use super::Context;
use super::event::{Class, Severity};

pub(super) fn approval(context: &Context<'_>, it: &Approval) -> Value {
    let activity = match it.decision {
        ApprovalDecision::Approve => (99, "Approve"),
        ApprovalDecision::Deny => (99, "Deny"),
    };
    context
        .event(Class::EntityManagement, activity)
        .belongs_to(Some(&it.hold))
        .with("actor", json!({"user": {"uid": it.approver.to_string()}}))
        .with("entity", entity(&it.hold, "hold"))
        .status(true)
        .unmapped("quorum", it.quorum)
        .finish()
}

pub(super) fn key(context: &Context<'_>, it: &Key) -> Value {
    let activity = match it.action {
        KeyAction::Create => (1, "Create"),
        KeyAction::Change => (3, "Update"),
        KeyAction::Revoke => (9, "Disable"),
    };
    let event = context
        .event(Class::EntityManagement, activity)
        .with("actor", context.actor())
        .with("entity", entity(&it.key.to_string(), "virtual key"))
        .status(true)
        .unmapped("routes", it.routes);
    match it.expires_at {
        Some(at) => event.unmapped("expires_at", at).finish(),
        None => event.finish(),
    }
}

pub(super) fn configuration(context: &Context<'_>, it: &Configuration) -> Value {
    let loaded = it.action == ConfigurationAction::Load;
    let event = context
        .event(Class::ApplicationLifecycle, (8, "Update"))
        .with("app", json!({"name": "Testudo", "vendor_name": "Testudo"}))
        .with("status_detail", format!("configuration: {}", it.action.as_str()))
        .status(loaded)
        .unmapped("configuration_digest", it.digest.to_string())
        .unmapped("problems", it.problems);
    if loaded {
        event.finish()
    } else {
        event.severity(Severity::Medium).finish()
    }
}

pub(super) fn admin_login(context: &Context<'_>, it: &AdminLogin) -> Value {
    let user = match it.principal {
        Some(principal) => json!({"uid": principal.to_string(), "type_id": 2, "type": "Admin"}),
        None => json!({"name": "unknown"}),
    };
    context
        .event(Class::Authentication, (1, "Logon"))
        .with("user", user)
        .with("service", json!({"name": "Testudo administration"}))
        .with("auth_protocol_id", 99)
        .with("auth_protocol", it.method.as_str())
        .status(it.success)
        .severity(if it.success {
            Severity::Informational
        } else {
            Severity::Low
        })
        .finish()
}

pub(super) fn rotation(context: &Context<'_>, it: &Rotation) -> Value {
    context
        .event(Class::EntityManagement, (3, "Update"))
        .with("actor", context.actor())
        .with("entity", entity(&it.from, it.what.as_str()))
        .with("entity_result", entity(&it.to, it.what.as_str()))
        .status(true)
        .finish()
}

pub(super) fn legal_hold(context: &Context<'_>, it: &LegalHold) -> Value {
    let activity = match it.action {
        LegalHoldAction::Set => (99, "Set legal hold"),
        LegalHoldAction::Release => (99, "Release legal hold"),
    };
    context
        .event(Class::EntityManagement, activity)
        .with("actor", context.actor())
        .with("entity", entity(&it.subject.to_string(), "subject"))
        .with("comment", it.reason.as_str())
        .status(true)
        .finish()
}

fn entity(uid: &str, kind: &str) -> Value {
    json!({"uid": uid, "type_id": 99, "type": kind})
}
