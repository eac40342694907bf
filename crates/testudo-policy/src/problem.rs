//! What is wrong with a set of policies, where, and what to do about it.

use std::fmt;

/// One mistake in a policy file; loading reports all of them at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The file's name as it was given.
    pub file: String,
    /// Counted from 1; absent when the mistake is in no particular line.
    pub line: Option<usize>,
    /// The policy's `@id`, where it has one.
    pub policy: Option<String>,
    pub fault: PolicyFault,
}

impl PolicyProblem {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.fault.remedy()
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(policy) = &self.policy {
            write!(f, ": policy `{policy}`")?;
        }
        write!(f, ": {}; {}", self.fault, self.fault.remedy())
    }
}

impl std::error::Error for PolicyProblem {}

/// Kinds of mistakes in policies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    #[error("{message}")]
    Syntax { message: String, help: Option<String> },
    #[error("{message}")]
    Schema { message: String, help: Option<String> },
    #[error("templates (`?principal`, `?resource`) are not supported")]
    Template,
    #[error("the policy has no `@id`")]
    IdMissing,
    #[error("the id `{0}` is not a sound name")]
    IdUnsound(String),
    #[error("the id `{id}` is already used in {first}")]
    IdDuplicate { id: String, first: String },
    #[error("unknown annotation `@{0}`")]
    AnnotationUnknown(String),
    #[error("unknown annotation `@{0}`")]
    ArtifactAnnotation(String),
    #[error("`@action(\"{found}\")` is not an action of a `{effect}`")]
    ActionUnknown { found: String, effect: &'static str },
    #[error("`@hold` stands beside `@action`")]
    HoldBesideAction,
    #[error("`@hold(\"{0}\")` is not a sound name of a group")]
    HoldUnsound(String),
    #[error("`@hold` stands on a policy that also decides something else than calls of tools")]
    HoldElsewhere,
    #[error("`@action(\"mask\")` stands on a policy that also decides who may use a route")]
    MaskOnUse,
    #[error("the `@reason` is empty, longer than {max} bytes or has control characters")]
    ReasonUnsound { max: usize },
    #[error("the policy names the route `{0}`, which is not configured, so it would never apply")]
    RouteUnknown(String),
    #[error("the policy names the profile `{0}`, which no route uses, so it would never apply")]
    ProfileUnknown(String),
    #[error("the file is {bytes} bytes long; at most {max} are allowed")]
    TooLong { bytes: usize, max: usize },
    #[error("the policy is longer than {max} bytes")]
    PolicyTooLong { max: usize },
    #[error("the policy has more than {max} {what} in one another")]
    TooDeep { what: &'static str, max: usize },
    #[error("there are more than {max} policies")]
    TooMany { max: usize },
    #[error("the route `{0}` is configured twice")]
    RouteDuplicate(String),
    #[error("the policy engine refused its own data: {0}")]
    Internal(String),
}

impl PolicyFault {
    fn remedy(&self) -> String {
        match self {
            Self::Syntax { help: Some(help), .. } | Self::Schema { help: Some(help), .. } => help.clone(),
            Self::Syntax { help: None, .. } => "see docs/policy.md for the form of a policy".to_owned(),
            Self::Schema { help: None, .. } => "see docs/policy.md for what policies can name".to_owned(),
            Self::Template => "write one policy for each principal or resource".to_owned(),
            Self::IdMissing => "write `@id(\"team.what-it-does\")` above it".to_owned(),
            Self::IdUnsound(_) => "use at most 64 letters, digits, `-`, `_` and `.`".to_owned(),
            Self::IdDuplicate { .. } => "give each policy its own id".to_owned(),
            Self::AnnotationUnknown(_) => "known are `@id`, `@action`, `@hold` and `@reason`".to_owned(),
            Self::ArtifactAnnotation(_) => "known are `@id` and `@reason`".to_owned(),
            Self::ActionUnknown { effect: "permit", .. } => {
                "allowed are `pass`, `observe`, `mask` and `hold`".to_owned()
            }
            Self::ActionUnknown { .. } => "allowed are `observe`, `mask`, `hold` and `block`".to_owned(),
            Self::HoldBesideAction => "leave `@action` out: `@hold` holds".to_owned(),
            Self::HoldUnsound(_) => "use at most 64 letters, digits, `-`, `_` and `.`".to_owned(),
            Self::HoldElsewhere => "limit the policy with `action == Action::\"act\"`".to_owned(),
            Self::MaskOnUse => "limit the policy with `action == Action::\"release\"`".to_owned(),
            Self::ReasonUnsound { .. } => "write one sentence that the caller may read".to_owned(),
            Self::RouteUnknown(_) => "configure the route, correct its name or remove the policy".to_owned(),
            Self::ProfileUnknown(_) => "use the profile in a route, correct its name or remove the policy".to_owned(),
            Self::TooLong { .. } => "split the file".to_owned(),
            Self::PolicyTooLong { .. } | Self::TooDeep { .. } => "split it into several policies".to_owned(),
            Self::TooMany { .. } => "merge policies that differ only in a name".to_owned(),
            Self::RouteDuplicate(_) => "rename one of the two".to_owned(),
            Self::Internal(_) => "report this as a defect".to_owned(),
        }
    }
}
