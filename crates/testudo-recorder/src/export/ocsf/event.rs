//! An event that is being put together; what every class requires is always there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use testudo_types::Action;

use super::{Place, VERSION};

/// The classes used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Base,
    ComplianceFinding,
    DetectionFinding,
    IncidentFinding,
    Authentication,
    EntityManagement,
    ApplicationLifecycle,
    ApiActivity,
    DatastoreActivity,
    ApplicationError,
}

impl Class {
    /// Number and name of the class, number and name of its category.
    fn names(self) -> (u64, &'static str, u64, &'static str) {
        const FINDINGS: &str = "Findings";
        const IDENTITY: &str = "Identity & Access Management";
        const APPLICATION: &str = "Application Activity";
        match self {
            Self::Base => (0, "Base Event", 0, "Uncategorized"),
            Self::ComplianceFinding => (2003, "Compliance Finding", 2, FINDINGS),
            Self::DetectionFinding => (2004, "Detection Finding", 2, FINDINGS),
            Self::IncidentFinding => (2005, "Incident Finding", 2, FINDINGS),
            Self::Authentication => (3002, "Authentication", 3, IDENTITY),
            Self::EntityManagement => (3004, "Entity Management", 3, IDENTITY),
            Self::ApplicationLifecycle => (6002, "Application Lifecycle", 6, APPLICATION),
            Self::ApiActivity => (6003, "API Activity", 6, APPLICATION),
            Self::DatastoreActivity => (6005, "Datastore Activity", 6, APPLICATION),
            Self::ApplicationError => (6008, "Application Error", 6, APPLICATION),
        }
    }

    pub(super) fn type_uid(self, activity: u64) -> u64 {
        self.names().0.saturating_mul(100).saturating_add(activity)
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl From<testudo_types::Severity> for Severity {
    fn from(severity: testudo_types::Severity) -> Self {
        match severity {
            testudo_types::Severity::Low => Self::Low,
            testudo_types::Severity::Medium => Self::Medium,
            testudo_types::Severity::High => Self::High,
            testudo_types::Severity::Critical => Self::Critical,
        }
    }
}

/// An event that is being put together.
#[derive(Debug)]
pub(super) struct Event {
    members: Map<String, Value>,
    metadata: Map<String, Value>,
    unmapped: Map<String, Value>,
    profiles: Vec<&'static str>,
}

impl Event {
    /// An informational event of a class; the activity is a number of the class and its name.
    pub(super) fn new(class: Class, activity: (u64, &str), at: u64) -> Self {
        let (class_uid, class_name, category_uid, category_name) = class.names();
        let mut event = Self {
            members: Map::new(),
            metadata: Map::new(),
            unmapped: Map::new(),
            profiles: Vec::new(),
        };
        event = event
            .with("class_uid", class_uid)
            .with("class_name", class_name)
            .with("category_uid", category_uid)
            .with("category_name", category_name)
            .with("activity_id", activity.0)
            .with("activity_name", activity.1)
            .with("type_uid", class.type_uid(activity.0))
            .with("time", at);
        event.severity(Severity::Informational)
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn severity(self, severity: Severity) -> Self {
        let (number, name) = match severity {
            Severity::Informational => (1, "Informational"),
            Severity::Low => (2, "Low"),
            Severity::Medium => (3, "Medium"),
            Severity::High => (4, "High"),
            Severity::Critical => (5, "Critical"),
        };
        self.with("severity_id", number).with("severity", name)
    }

    pub(super) fn status(self, success: bool) -> Self {
        if success {
            self.with("status_id", 1).with("status", "Success")
        } else {
            self.with("status_id", 2).with("status", "Failure")
        }
    }

    /// What was done, as the profile `security_control` says it.
    pub(super) fn control(self, action: Action) -> Self {
        let ((action_id, name), (disposition_id, disposition)) = match action {
            Action::Pass => ((1, "Allowed"), (1, "Allowed")),
            Action::Observe => ((3, "Observed"), (15, "Detected")),
            Action::Mask => ((4, "Modified"), (11, "Corrected")),
            Action::Hold => ((99, "Held"), (14, "Delayed")),
            Action::Block => ((2, "Denied"), (2, "Blocked")),
        };
        self.profile("security_control")
            .with("action_id", action_id)
            .with("action", name)
            .with("disposition_id", disposition_id)
            .with("disposition", disposition)
    }

    pub(super) fn profile(mut self, profile: &'static str) -> Self {
        self.profiles.push(profile);
        self
    }

    /// Where the entry is; its place is the event's id unless it has one of its own.
    pub(super) fn place(mut self, place: Place<'_>) -> Self {
        let leaf = STANDARD.encode(place.leaf.as_bytes());
        let origin = place.log.origin.as_str();
        self.unmapped.insert(
            "ledger".to_owned(),
            json!({"origin": origin, "index": place.index, "leaf_hash": leaf}),
        );
        let product = json!({"name": "Testudo", "vendor_name": "Testudo", "version": place.log.version});
        self.meta("version", VERSION)
            .meta("product", product)
            .meta("log_name", origin)
            .uid(&format!("{origin}:{}", place.index))
    }

    pub(super) fn kind(self, kind: &str) -> Self {
        self.meta("event_code", kind)
    }

    pub(super) fn tenant(self, tenant: &str) -> Self {
        self.meta("tenant_uid", tenant)
    }

    pub(super) fn uid(self, uid: &str) -> Self {
        self.meta("uid", uid)
    }

    /// Which exchange, hold or request this belongs to.
    pub(super) fn belongs_to(self, id: Option<&str>) -> Self {
        match id {
            Some(id) => self.meta("correlation_uid", id),
            None => self,
        }
    }

    pub(super) fn unmapped(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.unmapped.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn finish(mut self) -> Value {
        if !self.profiles.is_empty() {
            self.metadata.insert("profiles".to_owned(), json!(self.profiles));
        }
        self.members.insert("metadata".to_owned(), self.metadata.into());
        self.members.insert("unmapped".to_owned(), self.unmapped.into());
        self.members.into()
    }

    fn meta(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }
}
