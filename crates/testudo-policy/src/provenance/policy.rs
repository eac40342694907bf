//! Policies over provenance: what must have been named, and what follows when it was not.

mod reference;
mod shipped;

use std::fmt;

use serde_json::Value;

use super::conversation::Conversation;
use super::facts::{ArgumentFacts, ToolFacts};
use super::naming::Label;
use super::specs::{Role, ToolSpecs};

/// The policies that can be chosen by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyName {
    /// What ships; `docs/decisions/0009` says why.
    Default,
    /// Named by the user, and the plan list.
    Q1,
    /// Named by the user, a directory, or any member that ends in `id`.
    Q3,
    /// Q3 and the plan list.
    Q4,
    /// Q3, and addresses copied whole may be fetched.
    Q6,
    /// No call with consequences after anything was read.
    RuleOfTwo,
}

impl PolicyName {
    pub const ALL: [Self; 6] = [Self::Default, Self::Q1, Self::Q3, Self::Q4, Self::Q6, Self::RuleOfTwo];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Q1 => "q1",
            Self::Q3 => "q3",
            Self::Q4 => "q4",
            Self::Q6 => "q6",
            Self::RuleOfTwo => "rule-of-two",
        }
    }
}

/// What a policy accepts. Made from a [`PolicyName`], then changed where a deployment knows better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knobs {
    /// No call with consequences after anything was read; nothing else is looked at.
    pub rule_of_two: bool,
    /// Directories that specifications declare may name a destination.
    pub directories: bool,
    /// Ids that the platform assigned may select.
    pub ids: bool,
    /// The tool's verb and noun must stand in the plan list for the user's words. It knows few domains.
    pub plan_list: bool,
    /// An address that stands whole in something read may be fetched, when it carries no query.
    pub verbatim_get: VerbatimGet,
    /// What the application's own message names counts as named.
    pub trust_system: bool,
    /// Values count by exact form, ids only where they are of the kind that the argument takes, and a call must be
    /// led to by the user's words. Without it the older, looser reading applies.
    pub exact: bool,
    /// The tools that are asked for before anything but the user's words is read are all that the task needs; see
    /// [`crate::FrozenPlan`].
    pub freeze_plan: bool,
}

/// Whether addresses from text may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbatimGet {
    Never,
    /// Until a detector has found instructions in something read.
    Quiet,
    Always,
}

impl From<PolicyName> for Knobs {
    fn from(name: PolicyName) -> Self {
        let q3 = Self {
            rule_of_two: false,
            directories: true,
            ids: true,
            plan_list: false,
            verbatim_get: VerbatimGet::Never,
            trust_system: false,
            exact: false,
            freeze_plan: false,
        };
        match name {
            PolicyName::Default => Self {
                verbatim_get: VerbatimGet::Quiet,
                exact: true,
                ..q3
            },
            PolicyName::Q1 => Self {
                directories: false,
                ids: false,
                plan_list: true,
                ..q3
            },
            PolicyName::Q3 => q3,
            PolicyName::Q4 => Self { plan_list: true, ..q3 },
            PolicyName::Q6 => Self {
                verbatim_get: VerbatimGet::Always,
                ..q3
            },
            PolicyName::RuleOfTwo => Self {
                rule_of_two: true,
                ..q3
            },
        }
    }
}

/// What is to be done about a call, and the facts it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why the call is held; `None` when it may go.
    pub reason: Option<Reason>,
    /// Values that had to be named.
    pub arguments: Vec<ArgumentFacts>,
    /// It goes because it only fetches what a text named: how many addresses there were to choose from.
    pub fetched: Option<u64>,
}

impl Verdict {
    pub(super) fn held(reason: Reason) -> Self {
        Self {
            reason: Some(reason),
            arguments: Vec::new(),
            fetched: None,
        }
    }

    pub(super) fn allowed() -> Self {
        Self {
            reason: None,
            arguments: Vec::new(),
            fetched: None,
        }
    }

    #[must_use]
    pub fn is_held(&self) -> bool {
        self.reason.is_some()
    }
}

/// Why a call is held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something was read before.
    AfterReading,
    /// The plan list has no word of the user's for it.
    NotInPlan,
    /// The tool was not asked for before somebody else's text was read.
    OutsidePlan,
    /// Nobody who may name the value did.
    NotNamed { path: String, role: Role, label: Label },
    /// The value looks like the user's, and is another.
    LookAlike { path: String },
    /// The value is real, but the user pointed at nothing of it.
    NotPointedAt { path: String },
    /// The user named another value of the same kind.
    AnotherNamed { path: String },
    /// The text carries an address that the user did not give.
    CarriesLink { path: String },
    /// A secret of this tool would leave, and the user did not ask for it.
    SecretLeaves { tool: String },
    /// Nothing that the user said leads to this call.
    NotAskedFor,
    /// The arguments are too many or too deep.
    TooMuch,
}

impl Reason {
    /// One word for counters and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AfterReading => "after_reading",
            Self::NotInPlan => "not_in_plan",
            Self::OutsidePlan => "outside_plan",
            Self::NotNamed { .. } => "not_named",
            Self::LookAlike { .. } => "look_alike",
            Self::NotPointedAt { .. } => "not_pointed_at",
            Self::AnotherNamed { .. } => "another_named",
            Self::CarriesLink { .. } => "carries_link",
            Self::SecretLeaves { .. } => "secret_leaves",
            Self::NotAskedFor => "not_asked_for",
            Self::TooMuch => "too_much",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AfterReading => f.write_str("something was read before"),
            Self::NotInPlan => f.write_str("the user's words are not in the plan list for this tool"),
            Self::OutsidePlan => f.write_str("the tool was not asked for before somebody else's text was read"),
            Self::NotNamed { path, role, label } => {
                let role = role.as_str();
                let who = match label {
                    Label::None => "nobody named it",
                    Label::Text => "only a text names it",
                    Label::NamedText => "only a text that the user pointed at names it",
                    Label::Struct => "only a field that somebody else may fill names it",
                    Label::SystemId => "it is an id, and no destination",
                    Label::Directory | Label::User | Label::System => "this policy does not accept who named it",
                };
                write!(f, "`{path}` ({role}): {who}")
            }
            Self::LookAlike { path } => write!(f, "`{path}` looks like what the user wrote, and is not the same"),
            Self::NotPointedAt { path } => write!(f, "`{path}` exists, but the user pointed at nothing of it"),
            Self::AnotherNamed { path } => write!(f, "`{path}` is not the one of its kind that the user named"),
            Self::CarriesLink { path } => write!(f, "`{path}` carries a link that the user did not give"),
            Self::SecretLeaves { tool } => {
                write!(
                    f,
                    "what `{tool}` keeps secret would leave, and the user did not ask for it"
                )
            }
            Self::NotAskedFor => f.write_str("nothing that the user said leads to this call"),
            Self::TooMuch => f.write_str("the arguments are too many or lie too deep to be judged"),
        }
    }
}

impl Knobs {
    /// Judges a proposed call by everything said before it.
    #[must_use]
    pub fn judge(&self, specs: &ToolSpecs, conversation: &Conversation, tool: &str, arguments: &Value) -> Verdict {
        let needed = self.exact && !self.rule_of_two;
        let facts = needed
            .then(|| ToolFacts::of(specs, conversation, tool, arguments, self.trust_system))
            .flatten();
        self.judge_by(specs, conversation, tool, arguments, facts.as_ref())
    }

    /// The same with the call's facts, which were found out already; `None` when it is too much to be judged.
    pub(crate) fn judge_by(
        &self,
        specs: &ToolSpecs,
        conversation: &Conversation,
        tool: &str,
        arguments: &Value,
        facts: Option<&ToolFacts>,
    ) -> Verdict {
        if self.exact && !self.rule_of_two {
            self.judge_exactly(specs, conversation, tool, arguments, facts)
        } else {
            self.judge_as_reference(specs, conversation, tool, arguments)
        }
    }
}
