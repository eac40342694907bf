//! Classes of records: what retention tells apart.

use super::Body;

/// Kinds of records that are kept equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordClass {
    /// Content of requests and responses.
    Exchange,
    /// Decisions, calls that wait for a human, and the answers.
    Decision,
    /// Keys, configuration, logins, and the keeping of the ledger itself.
    Configuration,
    /// Models, files and data sets.
    Artifact,
    /// Alarms, incidents and evidence of controls.
    Incident,
}

impl RecordClass {
    /// Every class.
    pub const ALL: [Self; 5] = [
        Self::Exchange,
        Self::Decision,
        Self::Configuration,
        Self::Artifact,
        Self::Incident,
    ];

    /// The name used in configuration and entries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Decision => "decision",
            Self::Configuration => "configuration",
            Self::Artifact => "artifact",
            Self::Incident => "incident",
        }
    }

    /// The class that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// The class of an entry with this body.
    #[must_use]
    pub fn of(body: &Body) -> Self {
        match body {
            Body::Exchange(_) | Body::Begun(_) => Self::Exchange,
            Body::Decision(_) | Body::Hold(_) | Body::Approval(_) => Self::Decision,
            Body::Artifact(_) | Body::Data(_) => Self::Artifact,
            Body::Alarm(_) | Body::Incident(_) | Body::Evidence(_) => Self::Incident,
            Body::Key(_)
            | Body::Configuration(_)
            | Body::AdminLogin(_)
            | Body::PayloadRead(_)
            | Body::Erasure(_)
            | Body::LegalHold(_)
            | Body::Retention(_)
            | Body::Rotation(_)
            | Body::Gap(_)
            | Body::Recorder(_) => Self::Configuration,
        }
    }
}
