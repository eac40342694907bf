//! Why an entry of an allow-list is refused.

/// One mistake in one entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct AllowProblem {
    /// The entry, counted from 0 in the order given.
    pub entry: usize,
    pub fault: AllowFault,
}

impl AllowProblem {
    pub(super) fn new(entry: usize, fault: AllowFault) -> Self {
        Self { entry, fault }
    }
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowFault {
    #[error("names no rule; add rule = \"…\" with an id that `testudo inspect --rules` lists")]
    NoRule,
    #[error("there is no rule `{rule}`; `testudo inspect --rules` lists them")]
    UnknownRule { rule: String },
    #[error("what `{rule}` finds cannot be allowed")]
    NeverAllowed { rule: String },
    #[error("`{rules}` with a pattern or host is too broad; name each rule, or give values or digests")]
    GroupForPattern { rules: String },
    #[error("what `{rule}` finds has no host; use a value, digest or pattern")]
    NoHost { rule: String },
    #[error("the value is shorter than {min} bytes, which is too broad")]
    ShortValue { min: usize },
    #[error("the pattern cannot be read: {0}")]
    Pattern(String),
    #[error("the pattern can match more than {max} bytes; bound its repetitions")]
    UnboundedPattern { max: usize },
    #[error("the pattern is too broad; it must match at least {min} bytes, {fixed} of them fixed and in a row")]
    BroadPattern { min: usize, fixed: usize },
    #[error("the host `{host}` is too broad or no host name; write a registered name such as `acme.example`")]
    BroadHost { host: String },
    #[error("there are more than {max} entries")]
    TooMany { max: usize },
}
