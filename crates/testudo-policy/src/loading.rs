//! Policy files to checked policies, with every mistake found in one pass.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    Effect, Policy, PolicyId, PolicySet, ValidationError, ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;
use testudo_types::{Action, ApproverGroup, HoldWay, Reason};

use crate::vocabulary::Vocabulary;
use crate::{PolicyFault, PolicyProblem};

/// A policy file's text and the name to call it by in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    pub name: String,
    pub text: String,
}

/// One checked policy.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The `@id`; also the id of `policy`.
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) action: Action,
    pub(crate) reason: Option<Reason>,
    /// Who has to approve, of a policy that holds.
    pub(crate) approvers: Option<ApproverGroup>,
    /// What becomes of a call that it holds.
    pub(crate) way: HoldWay,
    pub(crate) policy: Policy,
}

const SOURCE_BYTES_MAX: usize = 1 << 20;
const POLICIES_MAX: usize = 10_000;
const ID_BYTES_MAX: usize = 64;
pub(crate) const REASON_BYTES_MAX: usize = 200;

/// Reads and checks every source; what could be read comes back beside what is wrong.
pub(crate) fn load(sources: &[PolicySource], vocabulary: &Vocabulary) -> (Vec<Loaded>, Vec<PolicyProblem>) {
    let validator = Validator::new(vocabulary.schema.clone());
    let mut loading = Loading {
        validator,
        vocabulary,
        loaded: Vec::new(),
        problems: Vec::new(),
        first: BTreeMap::new(),
    };
    for source in sources {
        loading.source(source);
    }
    (loading.loaded, loading.problems)
}

struct Loading<'a> {
    validator: Validator,
    vocabulary: &'a Vocabulary,
    loaded: Vec<Loaded>,
    problems: Vec<PolicyProblem>,
    /// Where each id was first used.
    first: BTreeMap<String, String>,
}

impl Loading<'_> {
    fn source(&mut self, source: &PolicySource) {
        if source.text.len() > SOURCE_BYTES_MAX {
            let fault = PolicyFault::TooLong {
                bytes: source.text.len(),
                max: SOURCE_BYTES_MAX,
            };
            return self.problem(source, None, None, fault);
        }
        if let Err((offset, fault)) = crate::shape::check(&source.text) {
            return self.problem(source, Some(line_at(&source.text, offset)), None, fault);
        }
        let set: PolicySet = match source.text.parse() {
            Ok(set) => set,
            Err(errors) => return self.syntax(source, &errors),
        };
        self.validate(source, &set);
        for template in set.templates() {
            let line = template.annotation("id").and_then(|id| line_of_id(&source.text, id));
            self.problem(source, line, template.annotation("id"), PolicyFault::Template);
        }
        let mut policies: Vec<(usize, &Policy)> =
            set.policies().map(|policy| (line_of(source, policy), policy)).collect();
        policies.sort_by_key(|(line, _)| *line);
        for (line, policy) in policies {
            if self.loaded.len() >= POLICIES_MAX {
                return self.problem(source, None, None, PolicyFault::TooMany { max: POLICIES_MAX });
            }
            self.policy(source, line, policy);
        }
    }

    fn syntax(&mut self, source: &PolicySource, errors: &cedar_policy::ParseErrors) {
        for (line, fault) in syntax_faults(source, errors) {
            self.problem(source, line, None, fault);
        }
    }

    fn validate(&mut self, source: &PolicySource, set: &PolicySet) {
        let result = self.validator.validate(set, ValidationMode::Strict);
        let broken: BTreeSet<&PolicyId> = result.validation_errors().map(ValidationError::policy_id).collect();
        let errors = result
            .validation_errors()
            .map(|error| (error.policy_id(), found(source, error)));
        // That a policy never applies is said only where no error is the cause.
        let warnings = result
            .validation_warnings()
            .filter(|warning| !says_never_applies(warning) || !broken.contains(warning.policy_id()))
            .map(|warning| (warning.policy_id(), found(source, warning)));
        let mut all: Vec<(PolicyId, (Option<usize>, PolicyFault))> =
            errors.chain(warnings).map(|(id, found)| (id.clone(), found)).collect();
        all.sort_by_key(|(_, (line, _))| *line);
        all.dedup();
        for (id, (line, fault)) in all {
            let line = line.or_else(|| set.policy(&id).map(|policy| line_of(source, policy)));
            self.problem(source, line, set.annotation(&id, "id"), fault);
        }
    }

    fn policy(&mut self, source: &PolicySource, line: usize, policy: &Policy) {
        let before = self.problems.len();
        let name = policy.annotation("id");
        let action = self.annotations(source, line, policy);
        let Some(name) = name else {
            return self.problem(source, Some(line), None, PolicyFault::IdMissing);
        };
        if !is_sound_id(name) {
            return self.problem(source, Some(line), None, PolicyFault::IdUnsound(name.to_owned()));
        }
        let place = format!("{}:{line}", source.name);
        if let Some(first) = self.first.get(name) {
            let fault = PolicyFault::IdDuplicate {
                id: name.to_owned(),
                first: first.clone(),
            };
            return self.problem(source, Some(line), Some(name), fault);
        }
        self.first.insert(name.to_owned(), place);
        if self.problems.len() > before {
            return;
        }
        let reason = policy.annotation("reason").map(|text| Reason(text.into()));
        let (way, approvers) = hold_of(policy.annotation("hold"));
        self.loaded.push(Loaded {
            name: name.to_owned(),
            file: source.name.clone(),
            line,
            action,
            reason,
            approvers,
            way,
            policy: policy.new_id(PolicyId::new(name)),
        });
    }

    /// Checks the annotations; returns the action that they ask for.
    fn annotations(&mut self, source: &PolicySource, line: usize, policy: &Policy) -> Action {
        let name = policy.annotation("id").map(str::to_owned);
        let mut action = match policy.effect() {
            Effect::Permit => Action::Pass,
            Effect::Forbid => Action::Block,
        };
        let mut faults = Vec::new();
        for (key, value) in policy.annotations() {
            match key {
                "id" => {}
                "action" => match self.action(policy, value) {
                    Ok(found) => action = found,
                    Err(fault) => faults.push(fault),
                },
                "hold" => match self.hold(policy, value) {
                    Ok(()) => action = Action::Hold,
                    Err(fault) => faults.push(fault),
                },
                "reason" if is_sound_reason(value) => {}
                "reason" => faults.push(PolicyFault::ReasonUnsound { max: REASON_BYTES_MAX }),
                unknown => faults.push(PolicyFault::AnnotationUnknown(unknown.to_owned())),
            }
        }
        faults.sort_by_key(ToString::to_string);
        for fault in faults {
            self.problem(source, Some(line), name.as_deref(), fault);
        }
        action
    }

    /// Approvers are asked about calls of tools and about nothing else.
    fn hold(&self, policy: &Policy, group: &str) -> Result<(), PolicyFault> {
        let words = self.vocabulary;
        let others = [&words.action_use, &words.action_call, &words.action_release];
        if policy.annotation("action").is_some() {
            Err(PolicyFault::HoldBesideAction)
        } else if !is_sound_id(group) || group == HoldWay::Route.as_str() {
            Err(PolicyFault::HoldUnsound(group.to_owned()))
        } else if others.iter().any(|action| crate::index::decides(policy, action)) {
            Err(PolicyFault::HoldElsewhere)
        } else {
            Ok(())
        }
    }

    fn action(&self, policy: &Policy, name: &str) -> Result<Action, PolicyFault> {
        let (effect, fits): (_, fn(Action) -> bool) = match policy.effect() {
            Effect::Permit => ("permit", |action| action != Action::Block),
            Effect::Forbid => ("forbid", |action| action != Action::Pass),
        };
        let action =
            Action::from_name(name)
                .filter(|action| fits(*action))
                .ok_or_else(|| PolicyFault::ActionUnknown {
                    found: name.to_owned(),
                    effect,
                })?;
        // There is nothing to mask in a question of rights.
        let words = self.vocabulary;
        let rights = [&words.action_use, &words.action_call, &words.action_act];
        let decides_rights = rights.iter().any(|it| crate::index::decides(policy, it));
        if action == Action::Mask && decides_rights {
            Err(PolicyFault::MaskOnUse)
        } else {
            Ok(action)
        }
    }

    fn problem(&mut self, source: &PolicySource, line: Option<usize>, policy: Option<&str>, fault: PolicyFault) {
        self.problems.push(PolicyProblem {
            file: source.name.clone(),
            line,
            policy: policy.map(str::to_owned),
            fault,
        });
    }
}

/// What cannot be read as policies, with the lines.
pub(crate) fn syntax_faults(
    source: &PolicySource,
    errors: &cedar_policy::ParseErrors,
) -> Vec<(Option<usize>, PolicyFault)> {
    let fault = |error: &cedar_policy::ParseError| {
        let (message, help) = (error.to_string(), help(error));
        (line_of_label(source, error), PolicyFault::Syntax { message, help })
    };
    errors.iter().map(fault).collect()
}

/// What `@hold` asks for: `question`, `approval`, `deny`, or the approval of a group.
fn hold_of(said: Option<&str>) -> (HoldWay, Option<ApproverGroup>) {
    match said {
        None => (HoldWay::Route, None),
        Some("question") => (HoldWay::Question, None),
        Some("approval") => (HoldWay::Approval, None),
        Some("deny") => (HoldWay::Deny, None),
        Some(group) => (HoldWay::Approval, Some(ApproverGroup(group.into()))),
    }
}

fn says_never_applies(warning: &ValidationWarning) -> bool {
    matches!(
        warning,
        ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
    )
}

pub(crate) fn found(source: &PolicySource, diagnostic: &(impl Diagnostic + ?Sized)) -> (Option<usize>, PolicyFault) {
    // The engine names policies by their number in the file; the problem carries the real name.
    let text = diagnostic.to_string();
    let message = match text.split_once("`, ") {
        Some((prefix, rest)) if prefix.starts_with("for policy `policy") => rest.to_owned(),
        Some(_) | None => text,
    };
    let fault = PolicyFault::Schema {
        message,
        help: help(diagnostic),
    };
    (line_of_label(source, diagnostic), fault)
}

fn help(diagnostic: &(impl Diagnostic + ?Sized)) -> Option<String> {
    diagnostic.help().map(|help| help.to_string())
}

fn line_of_label(source: &PolicySource, diagnostic: &(impl Diagnostic + ?Sized)) -> Option<usize> {
    let label = diagnostic.labels()?.next()?;
    Some(line_at(&source.text, label.offset()))
}

pub(crate) fn line_of(source: &PolicySource, policy: &Policy) -> usize {
    let ast = policy.as_ref();
    ast.loc().map_or(1, |loc| line_at(&source.text, loc.span.offset()))
}

/// The line that a byte is in, counted from 1.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        .saturating_add(1)
}

fn line_of_id(text: &str, id: &str) -> Option<usize> {
    text.find(&format!("@id(\"{id}\")")).map(|offset| line_at(text, offset))
}

pub(crate) fn is_sound_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

pub(crate) fn is_sound_reason(reason: &str) -> bool {
    !reason.trim().is_empty() && reason.len() <= REASON_BYTES_MAX && !reason.chars().any(char::is_control)
}
