//! Who may do what to kept models: policies with a vocabulary of their own, beside those about exchanges.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};

use crate::loading::{self, is_sound_id, is_sound_reason};
use crate::{PolicyFault, PolicyProblem, PolicySource};

/// The schema's text; also what `docs/models.md` explains.
const SCHEMA: &str = include_str!("../schema/artifacts.cedarschema");
const SOURCE_BYTES_MAX: usize = 1 << 20;
const POLICIES_MAX: usize = 10_000;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArtifactAct {
    Push,
    Read,
    Promote,
    RollBack,
    Approve,
    Revoke,
    Delete,
    Hold,
    Release,
}

impl ArtifactAct {
    /// The action in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Read => "read",
            Self::Promote => "promote",
            Self::RollBack => "rollback",
            Self::Approve => "approve",
            Self::Revoke => "revoke",
            Self::Delete => "delete",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// Whether it moves an alias.
    #[must_use]
    pub fn moves(self) -> bool {
        matches!(self, Self::Promote | Self::RollBack | Self::Approve)
    }
}

/// How it is known who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By the key that signs.
    Key,
    /// By the user that the program runs as.
    User,
    /// By the virtual key that they send.
    Token,
    /// By what they say.
    Said,
}

impl Proof {
    /// The word in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Token => "token",
            Self::Said => "said",
        }
    }
}

/// Everything that a policy can see.
#[derive(Debug, Clone, Copy)]
pub struct ArtifactFacts<'f> {
    pub act: ArtifactAct,
    pub operator: &'f str,
    pub groups: &'f BTreeSet<String>,
    pub proof: Proof,
    pub artifact: &'f str,
    pub labels: &'f BTreeSet<String>,
    /// The alias that is moved, or those that mean the version.
    pub stages: &'f BTreeSet<String>,
}

/// What policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactDecision {
    pub permitted: bool,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// What they give as reasons, and what could not be evaluated.
    pub reasons: Vec<String>,
}

/// Checked policies about artifacts.
#[derive(Debug)]
pub struct ArtifactPolicies {
    sources: Vec<PolicySource>,
    policies: PolicySet,
    reasons: BTreeMap<String, String>,
    authorizer: Authorizer,
    words: Words,
}

#[derive(Debug)]
struct Words {
    action: EntityTypeName,
    operator: EntityTypeName,
    group: EntityTypeName,
    artifact: EntityTypeName,
    label: EntityTypeName,
    proof: EntityTypeName,
    schema: Schema,
}

impl Words {
    fn new() -> Result<Self, String> {
        let name = |name: &str| name.parse().map_err(|error| format!("the type name `{name}`: {error}"));
        let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| error.to_string())?;
        if let Some(warning) = { warnings }.next() {
            return Err(warning.to_string());
        }
        Ok(Self {
            action: name("Action")?,
            operator: name("Operator")?,
            group: name("Group")?,
            artifact: name("Artifact")?,
            label: name("Label")?,
            proof: name("Proof")?,
            schema,
        })
    }
}

impl ArtifactPolicies {
    /// Reads and checks policies.
    ///
    /// # Errors
    /// Every mistake of every source at once: syntax, what the schema does not know, missing or repeated ids.
    pub fn new(sources: &[PolicySource]) -> Result<Self, Vec<PolicyProblem>> {
        let internal = |message: String| {
            vec![PolicyProblem {
                file: "artifacts.cedarschema".to_owned(),
                line: None,
                policy: None,
                fault: PolicyFault::Internal(message),
            }]
        };
        let words = Words::new().map_err(internal)?;
        let mut reading = Reading {
            validator: Validator::new(words.schema.clone()),
            policies: PolicySet::new(),
            reasons: BTreeMap::new(),
            first: BTreeMap::new(),
            problems: Vec::new(),
        };
        for source in sources {
            reading.source(source);
        }
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        Ok(Self {
            sources: sources.to_vec(),
            policies: reading.policies,
            reasons: reading.reasons,
            authorizer: Authorizer::new(),
            words,
        })
    }

    /// The policies as they were read.
    #[must_use]
    pub fn sources(&self) -> &[PolicySource] {
        &self.sources
    }

    /// Whether policies permit it. What none permits, and what cannot be evaluated, is denied.
    #[must_use]
    pub fn decide(&self, facts: &ArtifactFacts<'_>) -> ArtifactDecision {
        let (request, entities) = match self.asked(facts) {
            Ok(asked) => asked,
            Err(error) => return denied(Vec::new(), vec![error]),
        };
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        let mut policies: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        policies.sort_unstable();
        // The engine skips a policy that fails; here any failure is a denial.
        if !errors.is_empty() {
            return denied(policies, errors);
        }
        let mut reasons: Vec<String> = policies.iter().filter_map(|it| self.reasons.get(it).cloned()).collect();
        let permitted = response.decision() == cedar_policy::Decision::Allow;
        if policies.is_empty() {
            reasons.push("no policy permits this".to_owned());
        }
        ArtifactDecision {
            permitted,
            policies,
            reasons,
        }
    }

    fn asked(&self, facts: &ArtifactFacts<'_>) -> Result<(Request, Entities), String> {
        let words = &self.words;
        let operator = uid(&words.operator, facts.operator);
        let artifact = uid(&words.artifact, facts.artifact);
        let proof = RestrictedExpression::new_entity_uid(uid(&words.proof, facts.proof.as_str()));
        let mut pairs = vec![("proof".to_owned(), proof)];
        if facts.act.moves() {
            let stage = facts.stages.first().map_or("", String::as_str);
            pairs.push(("stage".to_owned(), text(stage)));
        } else {
            let stages = facts.stages.iter().map(|stage| text(stage));
            pairs.push(("stages".to_owned(), RestrictedExpression::new_set(stages)));
        }
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let entities = Entities::from_entities(
            [
                named(&operator, facts.operator, parents(&words.group, facts.groups))?,
                named(&artifact, facts.artifact, parents(&words.label, facts.labels))?,
            ],
            None,
        );
        let entities = entities.map_err(|error| error.to_string())?;
        let action = uid(&words.action, facts.act.as_str());
        let request = Request::new(operator, action, artifact, context, Some(&words.schema));
        Ok((request.map_err(|error| error.to_string())?, entities))
    }
}

fn denied(policies: Vec<String>, reasons: Vec<String>) -> ArtifactDecision {
    ArtifactDecision {
        permitted: false,
        policies,
        reasons,
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn parents(of: &EntityTypeName, names: &BTreeSet<String>) -> HashSet<EntityUid> {
    names.iter().map(|name| uid(of, name)).collect()
}

fn named(own: &EntityUid, name: &str, parents: HashSet<EntityUid>) -> Result<Entity, String> {
    let attributes = HashMap::from([("name".to_owned(), text(name))]);
    Entity::new(own.clone(), attributes, parents).map_err(|error| error.to_string())
}

struct Reading {
    validator: Validator,
    policies: PolicySet,
    reasons: BTreeMap<String, String>,
    /// Where each id was first used.
    first: BTreeMap<String, String>,
    problems: Vec<PolicyProblem>,
}

impl Reading {
    fn source(&mut self, source: &PolicySource) {
        if source.text.len() > SOURCE_BYTES_MAX {
            let (bytes, max) = (source.text.len(), SOURCE_BYTES_MAX);
            return self.problem(source, None, None, PolicyFault::TooLong { bytes, max });
        }
        if let Err((offset, fault)) = crate::shape::check(&source.text) {
            return self.problem(source, Some(loading::line_at(&source.text, offset)), None, fault);
        }
        let set: PolicySet = match source.text.parse() {
            Ok(set) => set,
            Err(errors) => {
                for (line, fault) in loading::syntax_faults(source, &errors) {
                    self.problem(source, line, None, fault);
                }
                return;
            }
        };
        let checked = self.validator.validate(&set, ValidationMode::Strict);
        let errors = checked
            .validation_errors()
            .map(|it| (it.policy_id(), loading::found(source, it)));
        let warnings = checked
            .validation_warnings()
            .map(|it| (it.policy_id(), loading::found(source, it)));
        let mut found: Vec<_> = errors.chain(warnings).map(|(id, found)| (id.clone(), found)).collect();
        found.sort_by_key(|(_, (line, _))| *line);
        for (id, (line, fault)) in found {
            self.problem(source, line, set.annotation(&id, "id"), fault);
        }
        if let Some(template) = set.templates().next() {
            self.problem(source, None, template.annotation("id"), PolicyFault::Template);
        }
        let mut policies: Vec<(usize, &Policy)> = set
            .policies()
            .map(|policy| (loading::line_of(source, policy), policy))
            .collect();
        policies.sort_by_key(|(line, _)| *line);
        for (line, policy) in policies {
            if let Err(fault) = self.policy(source, line, policy) {
                self.problem(source, Some(line), policy.annotation("id"), fault);
            }
        }
    }

    fn policy(&mut self, source: &PolicySource, line: usize, policy: &Policy) -> Result<(), PolicyFault> {
        let id = policy.annotation("id").ok_or(PolicyFault::IdMissing)?;
        if !is_sound_id(id) {
            return Err(PolicyFault::IdUnsound(id.to_owned()));
        }
        if let Some(unknown) = policy
            .annotations()
            .map(|(key, _)| key)
            .find(|key| !["id", "reason"].contains(key))
        {
            return Err(PolicyFault::ArtifactAnnotation(unknown.to_owned()));
        }
        if let Some(reason) = policy.annotation("reason") {
            if !is_sound_reason(reason) {
                return Err(PolicyFault::ReasonUnsound {
                    max: loading::REASON_BYTES_MAX,
                });
            }
            self.reasons.insert(id.to_owned(), reason.to_owned());
        }
        if let Some(first) = self.first.insert(id.to_owned(), format!("{}:{line}", source.name)) {
            return Err(PolicyFault::IdDuplicate {
                id: id.to_owned(),
                first,
            });
        }
        if self.first.len() > POLICIES_MAX {
            return Err(PolicyFault::TooMany { max: POLICIES_MAX });
        }
        let renamed = policy.new_id(PolicyId::new(id));
        self.policies
            .add(renamed)
            .map_err(|error| PolicyFault::Internal(error.to_string()))
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

#[cfg(test)]
mod tests;
