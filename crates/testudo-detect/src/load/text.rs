//! A pack as typed, and the check of each field.

use serde::Deserialize;
use testudo_types::{Origin, RefId, RuleId, Score, Severity, ThreatKind};

use super::RuleFault;
use crate::Rule;
use crate::context::Context;
use crate::output::{LinkForm, Sink};
use crate::validators::{Validator, validator};

const WORDS_MAX: usize = 256;
const CONTEXT_WITHIN_DEFAULT: usize = 48;
const CONTEXT_WITHIN_MAX: usize = 1024;
const LABEL_BYTES_MAX: usize = 40;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackText {
    #[serde(default)]
    pub(crate) rule: Vec<RuleText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleText {
    pub(crate) id: String,
    title: String,
    kind: String,
    severity: String,
    score: u32,
    /// The score of a match that is a quotation in prose.
    quoted: Option<u32>,
    /// The score of a match in a quotation that prose about attacks reports; without it that of a quotation.
    reported: Option<u32>,
    #[serde(default)]
    refs: Vec<String>,
    #[serde(default)]
    literals: Vec<String>,
    #[serde(default)]
    always: bool,
    pattern: String,
    validator: Option<String>,
    #[serde(default)]
    context: Vec<String>,
    within: Option<usize>,
    label: String,
    directions: Option<Vec<String>>,
    origins: Option<Vec<String>>,
    #[serde(default)]
    sinks: Vec<String>,
    link: Option<String>,
    #[serde(default)]
    pub(crate) cases: Cases,
}

/// Texts in which a rule must and must not be found; `¦` in them is removed before use.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    #[serde(default)]
    pub(crate) hit: Vec<String>,
    #[serde(default)]
    pub(crate) miss: Vec<String>,
}

/// A rule whose fields are sound, except that the pattern has not been compiled.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) rule: Rule,
    pub(super) pattern: String,
    pub(super) literals: Vec<String>,
    pub(super) validator: Option<Validator>,
    pub(super) context: Option<Context>,
    pub(super) quoted: Option<Score>,
    pub(super) reported: Option<Score>,
}

pub(super) type Faults = Vec<(&'static str, RuleFault)>;

/// Checks all fields; `None` when one that the rest needs is unsound.
pub(super) fn check(text: RuleText, faults: &mut Faults) -> Option<Checked> {
    if !is_name(&text.id) {
        faults.push(("id", RuleFault::Name(text.id.clone())));
    }
    if !is_label(&text.label) {
        faults.push(("label", RuleFault::Label(text.label.clone())));
    }
    check_words("literals", &text.literals, faults);
    check_words("context", &text.context, faults);
    if text.literals.is_empty() && text.context.is_empty() && !text.always {
        faults.push(("literals", RuleFault::NoPrefilter));
    }
    let kind = known("kind", &text.kind, ThreatKind::from_name, "the kinds of threat", faults);
    let severity = known(
        "severity",
        &text.severity,
        Severity::from_name,
        "low, medium, high, critical",
        faults,
    );
    let score = score_of("score", text.score, faults);
    let quoted = text.quoted.and_then(|number| score_of("quoted", number, faults));
    let reported = text.reported.and_then(|number| score_of("reported", number, faults));
    let mut refs = Vec::new();
    for reference in &text.refs {
        match RefId::parse(reference) {
            Ok(reference) => refs.push(reference),
            Err(error) => faults.push(("refs", error.into())),
        }
    }
    let check = text
        .validator
        .as_deref()
        .and_then(|name| known("validator", name, validator, "those in `validators.rs`", faults));
    let (requests, responses) = directions(text.directions.as_deref(), faults);
    let origins = origins(text.origins, faults);
    let context = context(text.context, text.within, faults);
    let mut sinks = Vec::new();
    for name in &text.sinks {
        sinks.extend(known("sinks", name, Sink::from_name, "those of `output::Sink`", faults));
    }
    let link = text
        .link
        .as_deref()
        .and_then(|name| known("link", name, LinkForm::from_name, "loads, clicks", faults));
    let rule = Rule {
        id: RuleId::new(&text.id),
        title: text.title.into(),
        kind: kind?,
        severity: severity?,
        score: score?,
        refs: refs.into(),
        label: text.label.into(),
        requests,
        responses,
        origins,
        sinks: sinks.into(),
        link,
    };
    Some(Checked {
        rule,
        pattern: text.pattern,
        literals: text.literals,
        validator: check,
        context,
        quoted,
        reported: reported.or(quoted),
    })
}

fn score_of(field: &'static str, number: u32, faults: &mut Faults) -> Option<Score> {
    let score = u8::try_from(number).ok().and_then(Score::new);
    if score.is_none() {
        faults.push((field, RuleFault::Score(number)));
    }
    score
}

fn known<T>(
    field: &'static str,
    name: &str,
    find: impl Fn(&str) -> Option<T>,
    known: &str,
    faults: &mut Faults,
) -> Option<T> {
    let found = find(name);
    if found.is_none() {
        faults.push((
            field,
            RuleFault::Unknown {
                found: name.to_owned(),
                known: known.to_owned(),
            },
        ));
    }
    found
}

fn check_words(field: &'static str, words: &[String], faults: &mut Faults) {
    if words.iter().any(String::is_empty) {
        faults.push((field, RuleFault::EmptyWord));
    }
    if words.len() > WORDS_MAX {
        faults.push((
            field,
            RuleFault::TooMany {
                count: words.len(),
                max: WORDS_MAX,
            },
        ));
    }
}

fn context(words: Vec<String>, within: Option<usize>, faults: &mut Faults) -> Option<Context> {
    let within = within.unwrap_or(CONTEXT_WITHIN_DEFAULT);
    if within > CONTEXT_WITHIN_MAX {
        faults.push((
            "within",
            RuleFault::TooMany {
                count: within,
                max: CONTEXT_WITHIN_MAX,
            },
        ));
    }
    let words: Box<[Box<str>]> = words.into_iter().map(String::into_boxed_str).collect();
    (!words.is_empty()).then_some(Context { words, within })
}

fn directions(names: Option<&[String]>, faults: &mut Faults) -> (bool, bool) {
    let Some(names) = names else {
        return (true, true);
    };
    let (mut requests, mut responses) = (false, false);
    for name in names {
        match name.as_str() {
            "request" => requests = true,
            "response" => responses = true,
            other => {
                let found = other.to_owned();
                faults.push((
                    "directions",
                    RuleFault::Unknown {
                        found,
                        known: "request, response".to_owned(),
                    },
                ));
            }
        }
    }
    (requests, responses)
}

fn origins(names: Option<Vec<String>>, faults: &mut Faults) -> Option<std::sync::Arc<[Box<str>]>> {
    let names = names?;
    for name in &names {
        // The canonical name only: `Rule::applies` compares it with `Origin::as_str`.
        let canonical = |name: &str| Origin::from_name(name).filter(|origin| origin.as_str() == name);
        known("origins", name, canonical, "the origins of `testudo inspect`", faults);
    }
    Some(names.into_iter().map(String::into_boxed_str).collect())
}

fn is_name(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    id.len() <= 80 && id.contains('.') && id.split('.').all(part)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
