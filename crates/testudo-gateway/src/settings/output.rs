//! What a route says about its answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use testudo_detect::output::{Declared, LinkPolicy, Review, Sink};

/// Checks of answers that need to know more than the answer; each is off unless the route declares it,
/// except that links are compared with the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSettings {
    /// Where links may lead, and whether they are compared with the exchange.
    pub links: Arc<LinkPolicy>,
    /// Places that run answers as they are.
    pub sinks: BTreeSet<Sink>,
    /// What is looked at in whole answers.
    pub checks: BTreeSet<OutputCheck>,
}

impl Default for OutputSettings {
    fn default() -> Self {
        Self {
            links: Arc::new(LinkPolicy {
                hosts: None,
                context: true,
            }),
            sinks: BTreeSet::new(),
            checks: BTreeSet::new(),
        }
    }
}

/// One thing that is looked at in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputCheck {
    /// Whether the answer declines.
    Refusal,
    /// Whether it is in the language of the question.
    Language,
    /// Whether citations, quotations, numbers and names stand in the exchange.
    Grounding,
    /// Whether it keeps to the JSON schema that the request asked for.
    Schema,
}

impl OutputCheck {
    /// Every check, in the order used for lists.
    pub const ALL: [Self; 4] = [Self::Refusal, Self::Language, Self::Grounding, Self::Schema];

    /// The name used in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refusal => "refusal",
            Self::Language => "language",
            Self::Grounding => "grounding",
            Self::Schema => "schema",
        }
    }

    /// The check that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == name)
    }
}

impl OutputSettings {
    /// All of it in one line, for the digest of a configuration.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("links {}", self.links.context);
        for host in self.links.hosts.iter().flat_map(|hosts| hosts.entries()) {
            line.push(' ');
            line.push_str(&host);
        }
        line.push_str(if self.links.hosts.is_some() {
            " only; sinks"
        } else {
            "; sinks"
        });
        for sink in &self.sinks {
            line.push(' ');
            line.push_str(sink.as_str());
        }
        line.push_str("; checks");
        for check in &self.checks {
            line.push(' ');
            line.push_str(check.as_str());
        }
        line.push('\n');
        line
    }

    /// Whether links are judged at all.
    #[must_use]
    pub fn judges_links(&self) -> bool {
        self.links.context || self.links.hosts.is_some()
    }

    /// What the detector needs to know to choose its rules.
    #[must_use]
    pub fn declared(&self) -> Declared {
        Declared {
            sinks: self.sinks.clone(),
            refusals: self.checks.contains(&OutputCheck::Refusal),
            links: self.judges_links(),
        }
    }

    /// What is reviewed in whole answers.
    #[must_use]
    pub fn review(&self) -> Review {
        Review {
            language: self.checks.contains(&OutputCheck::Language),
            grounding: self.checks.contains(&OutputCheck::Grounding),
        }
    }
}
