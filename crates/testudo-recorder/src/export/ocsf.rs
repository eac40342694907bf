//! Entries as events of the Open Cybersecurity Schema Framework, version 1.8.0.
//!
//! | entry | class |
//! | --- | --- |
//! | exchange, begun, decision, hold | API Activity (6003), profiles `ai_operation` and `security_control` |
//! | each count of findings in an exchange | Detection Finding (2004), profile `security_control` |
//! | approval, key, legal hold, rotation | Entity Management (3004) |
//! | configuration, artifact, recorder | Application Lifecycle (6002) |
//! | admin login | Authentication (3002) |
//! | data, payload read, erasure, retention | Datastore Activity (6005) |
//! | alarm | Detection Finding (2004) |
//! | incident | Incident Finding (2005) |
//! | evidence | Compliance Finding (2003) |
//! | gap | Application Error (6008) |
//! | what this program cannot read | Base Event (0) |
//!
//! What has no place in a class stands under `unmapped`; there, too, stands where the entry is in
//! which log, and its leaf hash, so that a proof can be asked for.

mod change;
mod event;
mod exchange;
mod operation;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use testudo_ledger::Hash;
use testudo_ledger::entry::{Body, Entry};

use self::event::{Class, Event};
use super::Log;

/// The version of the schema.
pub(super) const VERSION: &str = "1.8.0";

/// Where an entry is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) log: &'a Log,
    pub(super) index: u64,
    pub(super) leaf: Hash,
}

/// The events of an entry: one, and one more for each count of findings.
pub(super) fn events(place: Place<'_>, entry: &Entry) -> Vec<Value> {
    let context = Context { place, entry };
    match &entry.body {
        Body::Exchange(it) => exchange::exchange(&context, it),
        Body::Begun(it) => vec![exchange::begun(&context, it)],
        Body::Decision(it) => vec![exchange::decision(&context, it)],
        Body::Hold(it) => vec![exchange::hold(&context, it)],
        Body::Approval(it) => vec![change::approval(&context, it)],
        Body::Key(it) => vec![change::key(&context, it)],
        Body::Configuration(it) => vec![change::configuration(&context, it)],
        Body::AdminLogin(it) => vec![change::admin_login(&context, it)],
        Body::Rotation(it) => vec![change::rotation(&context, it)],
        Body::LegalHold(it) => vec![change::legal_hold(&context, it)],
        Body::Artifact(it) => vec![operation::artifact(&context, it)],
        Body::Data(it) => vec![operation::data(&context, it)],
        Body::Alarm(it) => vec![operation::alarm(&context, it)],
        Body::Incident(it) => vec![operation::incident(&context, it)],
        Body::Evidence(it) => vec![operation::evidence(&context, it)],
        Body::PayloadRead(it) => vec![operation::payload_read(&context, it)],
        Body::Erasure(it) => vec![operation::erasure(&context, it)],
        Body::Retention(it) => vec![operation::retention(&context, it)],
        Body::Gap(it) => vec![operation::gap(&context, it)],
        Body::Recorder(it) => vec![operation::recorder(&context, it)],
    }
}

/// What is said of an entry that this program cannot read.
pub(super) fn unreadable(place: Place<'_>, at: u64, bytes: &str) -> Value {
    Event::new(Class::Base, (99, "Unreadable"), at)
        .place(place)
        .unmapped("entry_base64", bytes)
        .finish()
}

/// An entry with its place.
#[derive(Debug)]
struct Context<'a> {
    place: Place<'a>,
    entry: &'a Entry,
}

impl Context<'_> {
    /// An event that has what every entry has.
    fn event(&self, class: Class, activity: (u64, &str)) -> Event {
        let event = Event::new(class, activity, self.entry.at)
            .place(self.place)
            .kind(self.entry.body.kind());
        let event = match self.entry.tenant {
            Some(tenant) => event.tenant(&tenant.to_string()),
            None => event,
        };
        match &self.entry.payload {
            Some(payload) => event.unmapped(
                "payload",
                json!({"bytes": payload.bytes, "subject": payload.subject.to_string()}),
            ),
            None => event,
        }
    }

    /// Who did it.
    fn actor(&self) -> Value {
        match self.entry.principal {
            Some(principal) => json!({"user": {"uid": principal.to_string()}}),
            None => json!({"app_name": "unknown"}),
        }
    }

    /// Whence: addresses are not in the ledger, so that it is the caller's pseudonym again.
    fn source(&self) -> Value {
        match self.entry.principal {
            Some(principal) => json!({"uid": principal.to_string()}),
            None => json!({"name": "unknown"}),
        }
    }
}
