//! What a detector saw.

use std::fmt;
use std::sync::Arc;

use crate::{Origin, RefId};

/// The kind of threat a finding stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThreatKind {
    /// Instructions planted to take over the model (OWASP LLM01).
    Injection,
    /// A credential (OWASP LLM02).
    Secret,
    /// Data about a person (OWASP LLM02).
    PersonalData,
    /// Text that people do not see and models do.
    HiddenText,
    /// Output that would carry data out when rendered or fetched (OWASP LLM05).
    Exfiltration,
    /// The system prompt or a canary in an answer (OWASP LLM07).
    PromptLeak,
    /// Markup or code in an answer that the place it goes to would run (OWASP LLM05).
    UnsafeOutput,
    /// An answer that does not do what was asked: refused, in another language, off its schema, unsupported.
    Quality,
    /// Something that a guard had to scan and could not.
    Unscannable,
}

impl ThreatKind {
    /// Every kind, in the order used for tables.
    pub const ALL: [Self; 9] = [
        Self::Injection,
        Self::Secret,
        Self::PersonalData,
        Self::HiddenText,
        Self::Exfiltration,
        Self::PromptLeak,
        Self::UnsafeOutput,
        Self::Quality,
        Self::Unscannable,
    ];

    /// The name used in rules, logs, metrics and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injection => "injection",
            Self::Secret => "secret",
            Self::PersonalData => "personal_data",
            Self::HiddenText => "hidden_text",
            Self::Exfiltration => "exfiltration",
            Self::PromptLeak => "prompt_leak",
            Self::UnsafeOutput => "unsafe_output",
            Self::Quality => "quality",
            Self::Unscannable => "unscannable",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Injection => "injected instructions",
            Self::Secret => "a secret",
            Self::PersonalData => "personal data",
            Self::HiddenText => "hidden text",
            Self::Exfiltration => "a link that carries data",
            Self::PromptLeak => "a part of the system prompt",
            Self::UnsafeOutput => "markup or code that would run",
            Self::Quality => "an answer that is not what was asked for",
            Self::Unscannable => "something no guard could scan",
        }
    }

    /// The kind that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How bad it is if the finding is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// The name used in rules, logs and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == name)
    }

    /// 1 (low) to 4 (critical), for policies.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 3,
            Self::Critical => 4,
        }
    }
}

/// How sure the detector is, 0 to 100; an integer so that logs and policies agree to the digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u8);

impl Score {
    /// Nothing found.
    pub const MIN: Self = Self(0);
    /// Certain.
    pub const MAX: Self = Self(100);

    /// A score; `None` above 100.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// 0 to 100.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }
}

/// The name of the rule behind a finding, for example `secret.aws-access-key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(Arc<str>);

impl RuleId {
    /// Takes a rule's name; rules come from shipped or configured packs, which check their names.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where in an exchange: the segment or channel, and bytes of its decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// JSON Pointer of the string in a body, or the channel's name in a stream.
    pub path: Arc<str>,
    /// First byte in the decoded text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a detector saw; holds no text of the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: RuleId,
    pub kind: ThreatKind,
    pub severity: Severity,
    pub score: Score,
    pub origin: Origin,
    pub place: Place,
    /// Catalogue entries this is an instance of.
    pub refs: Arc<[RefId]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for kind in ThreatKind::ALL {
            assert_eq!(ThreatKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(Severity::from_name("critical"), Some(Severity::Critical));
        assert_eq!(Score::new(101), None);
    }
}
