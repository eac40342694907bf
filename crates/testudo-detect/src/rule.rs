//! What a rule is, apart from how it is matched.

use std::borrow::Cow;
use std::sync::Arc;

use testudo_types::{Direction, Origin, RefId, RuleId, Score, Severity, ThreatKind};

use crate::output::{LinkForm, Sink};

/// The longest match that a pattern may have, in bytes.
pub const PATTERN_BYTES_MAX: usize = 16 * 1024;

/// A pack of rules as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSource {
    /// Names the pack in problems.
    pub name: Cow<'static, str>,
    /// TOML with `[[rule]]` tables.
    pub text: Cow<'static, str>,
}

/// The packs that ship with the program.
#[must_use]
pub fn builtin_packs() -> Vec<RuleSource> {
    BUILTIN
        .iter()
        .map(|(name, text)| RuleSource {
            name: Cow::Borrowed(name),
            text: Cow::Borrowed(text),
        })
        .collect()
}

/// The place of a rule in [`crate::Detector::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub(crate) u32);

impl RuleIndex {
    /// The prompt-leak rule that every detector has.
    pub const SYSTEM_PROMPT: Self = Self(0);
    /// The canary rule that every detector has.
    pub const CANARY: Self = Self(1);
    /// What the trained models find.
    pub const INJECTION_MODEL: Self = Self(2);
    /// Text that an HTML page does not show.
    pub const HIDDEN_HTML: Self = Self(3);
    /// Text that an HTML page does not show and that tells a model what to do.
    pub const HIDDEN_ORDER: Self = Self(4);
    /// A token of a chat template, found by [`crate::structure::special`].
    pub const SPECIAL_TOKEN: Self = Self(5);
    /// A link to a host that the route does not list.
    pub const LINK_HOST: Self = Self(6);
    /// A link that repeats what the exchange holds.
    pub const LINK_CONTEXT: Self = Self(7);
    /// A link that leads on to another host.
    pub const LINK_ONWARD: Self = Self(8);
    /// An answer in another language than the question.
    pub const LANGUAGE: Self = Self(9);
    /// A citation of a source that was not given.
    pub const CITATION: Self = Self(10);
    /// A quotation that nobody in the exchange wrote.
    pub const QUOTATION: Self = Self(11);
    /// A number that nobody in the exchange gave.
    pub const NUMBER: Self = Self(12);
    /// A name that nobody in the exchange gave.
    pub const NAME: Self = Self(13);

    /// Index into the slice of rules.
    #[must_use]
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// What people and policies see of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: RuleId,
    pub title: Arc<str>,
    pub kind: ThreatKind,
    pub severity: Severity,
    /// How sure a match is.
    pub score: Score,
    /// Catalogue entries a match is an instance of.
    pub refs: Arc<[RefId]>,
    /// The name in placeholders, for example `EMAIL`.
    pub label: Arc<str>,
    /// Whether it applies to requests.
    pub requests: bool,
    /// Whether it applies to responses.
    pub responses: bool,
    /// Names of the origins it applies to; `None` means all.
    pub origins: Option<Arc<[Box<str>]>>,
    /// Places that answers must go to for it to apply; empty means that it does not matter.
    pub sinks: Arc<[Sink]>,
    /// Set for rules that only collect links, for a [`crate::output::LinkJudge`] to decide.
    pub link: Option<LinkForm>,
}

impl Rule {
    /// Whether the rule reads text of this direction and origin.
    #[must_use]
    pub fn applies(&self, direction: Direction, origin: &Origin) -> bool {
        let direction = match direction {
            Direction::Request => self.requests,
            Direction::Response => self.responses,
        };
        let name = origin.as_str();
        direction
            && self
                .origins
                .as_ref()
                .is_none_or(|origins| origins.iter().any(|known| **known == *name))
    }

    /// Whether it applies only where something is declared about answers.
    pub(crate) fn is_declared(&self) -> bool {
        self.kind == ThreatKind::Quality || self.link.is_some() || !self.sinks.is_empty()
    }

    /// The rules that are code, in the order of the constants of [`RuleIndex`].
    pub(crate) fn built_in() -> Vec<Self> {
        let leak = |id: &str, title: &str, label: &str| Self {
            id: RuleId::new(id),
            title: title.into(),
            kind: ThreatKind::PromptLeak,
            severity: Severity::High,
            score: Score::MAX,
            refs: RefId::parse("owasp-llm:2025:LLM07").into_iter().collect(),
            label: label.into(),
            requests: false,
            responses: true,
            origins: None,
            sinks: Arc::from([]),
            link: None,
        };
        let model = Self {
            id: RuleId::new("injection.model"),
            title: "What a trained model takes for injected instructions".into(),
            kind: ThreatKind::Injection,
            severity: Severity::High,
            score: Score::MAX,
            refs: RefId::parse("owasp-llm:2025:LLM01").into_iter().collect(),
            label: "INJECTION".into(),
            requests: true,
            responses: false,
            origins: Some(
                ["user", "tool_result", "document", "tool_definition", "unknown"]
                    .map(Box::from)
                    .into(),
            ),
            sinks: Arc::from([]),
            link: None,
        };
        let mut rules = vec![
            leak("leak.system-prompt", "A stretch of the system prompt", "SYSTEM_PROMPT"),
            leak("leak.canary", "A canary value", "CANARY"),
            model,
            Self::written_by_others(
                "hidden.html-node",
                "Text that an HTML page does not show",
                ThreatKind::HiddenText,
                (Severity::Medium, 70),
            ),
            Self::written_by_others(
                "hidden.html-order",
                "Text that an HTML page does not show and that tells a model what to do",
                ThreatKind::HiddenText,
                (Severity::High, 90),
            ),
            Self::written_by_others(
                "injection.special-token",
                "A token of a chat template",
                ThreatKind::Injection,
                (Severity::Low, 40),
            ),
        ];
        rules.extend(OF_ANSWERS.iter().map(BuiltIn::rule));
        rules
    }

    /// A rule of code for requests, where somebody else than the operator may have written the text.
    fn written_by_others(id: &str, title: &str, kind: ThreatKind, (severity, score): (Severity, u8)) -> Self {
        let origins = ["tool_result", "document", "user", "unknown"];
        let label = if kind == ThreatKind::HiddenText {
            "HIDDEN_TEXT"
        } else {
            "INJECTION"
        };
        Self {
            id: RuleId::new(id),
            title: title.into(),
            kind,
            severity,
            score: Score::new(score).unwrap_or(Score::MAX),
            refs: RefId::parse("owasp-llm:2025:LLM01").into_iter().collect(),
            label: label.into(),
            requests: true,
            responses: false,
            origins: Some(origins.into_iter().map(Into::into).collect()),
            sinks: Arc::from([]),
            link: None,
        }
    }
}

/// A rule of code about answers.
struct BuiltIn {
    id: &'static str,
    title: &'static str,
    kind: ThreatKind,
    severity: Severity,
    /// The most it gives.
    score: u8,
    reference: &'static str,
    label: &'static str,
}

impl BuiltIn {
    fn rule(&self) -> Rule {
        Rule {
            id: RuleId::new(self.id),
            title: self.title.into(),
            kind: self.kind,
            severity: self.severity,
            score: Score::new(self.score).unwrap_or(Score::MAX),
            refs: RefId::parse(self.reference).into_iter().collect(),
            label: self.label.into(),
            requests: false,
            responses: true,
            origins: None,
            sinks: Arc::from([]),
            link: None,
        }
    }
}

const fn link(id: &'static str, title: &'static str, score: u8) -> BuiltIn {
    BuiltIn {
        id,
        title,
        kind: ThreatKind::Exfiltration,
        severity: Severity::High,
        score,
        reference: "owasp-llm:2025:LLM05",
        label: "EXFILTRATION_URL",
    }
}

const fn quality(id: &'static str, title: &'static str, score: u8) -> BuiltIn {
    BuiltIn {
        id,
        title,
        kind: ThreatKind::Quality,
        severity: Severity::Low,
        score,
        reference: "owasp-llm:2025:LLM09",
        label: "UNSUPPORTED",
    }
}

/// From [`RuleIndex::LINK_HOST`] on, in the order of the constants.
const OF_ANSWERS: &[BuiltIn] = &[
    link("exfil.link-host", "A link to a host that the route does not list", 90),
    link("exfil.link-context", "A link that repeats what the exchange holds", 95),
    link("exfil.link-onward", "A link that leads on to another host", 90),
    quality(
        "quality.language",
        "An answer in another language than the question",
        80,
    ),
    quality("quality.citation", "A citation of a source that was not given", 80),
    quality("quality.quotation", "A quotation that nobody in the exchange wrote", 70),
    quality("quality.number", "A number that nobody in the exchange gave", 50),
    quality("quality.name", "A name that nobody in the exchange gave", 40),
];

const BUILTIN: &[(&str, &str)] = &[
    ("secrets", include_str!("../rules/secrets.toml")),
    ("personal_data", include_str!("../rules/personal_data.toml")),
    ("service_keys", include_str!("../rules/service_keys.toml")),
    ("identity_numbers", include_str!("../rules/identity_numbers.toml")),
    ("hidden_text", include_str!("../rules/hidden_text.toml")),
    ("exfiltration", include_str!("../rules/exfiltration.toml")),
    ("links", include_str!("../rules/links.toml")),
    ("unsafe_output", include_str!("../rules/unsafe_output.toml")),
    ("refusal", include_str!("../rules/refusal.toml")),
    ("injection", include_str!("../rules/injection.toml")),
];
