//! Patterns over the paths of leaves: `$[*].email`, `$.*`, `$..*`.

use std::fmt;

/// Which leaves of a result are meant.
///
/// `$` is the result itself, `.name` a member, `[*]` any element of a list, `.*` any member, `..*` anything at any
/// depth below. An argument's path is written without the `$.`: `attachments[*].type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPattern {
    written: String,
    steps: Vec<Step>,
    below: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    Member(String),
    AnyMember,
    Element,
}

/// A path that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path `{0}` is not understood; write $, $.name, $[*].name, $.* or $..*")]
pub struct PathPatternError(pub String);

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is not of the form above; the operator mends it.
    pub fn parse(written: &str) -> Result<Self, PathPatternError> {
        let wrong = || PathPatternError(written.chars().take(120).collect());
        let mut rest = written.strip_prefix('$').ok_or_else(wrong)?;
        let mut pattern = Self {
            written: written.to_owned(),
            steps: Vec::new(),
            below: false,
        };
        if let Some(above) = rest.strip_suffix("..*") {
            pattern.below = true;
            rest = above;
        }
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]") {
                pattern.steps.push(Step::Element);
                rest = after;
                continue;
            }
            let member = rest.strip_prefix('.').ok_or_else(wrong)?;
            let end = member.find(['.', '[']).unwrap_or(member.len());
            let (name, after) = member.split_at_checked(end).ok_or_else(wrong)?;
            if name.is_empty() || after.starts_with('[') && !after.starts_with("[*]") {
                return Err(wrong());
            }
            pattern.steps.push(match name {
                "*" => Step::AnyMember,
                name => Step::Member(name.to_owned()),
            });
            rest = after;
        }
        Ok(pattern)
    }

    /// Whether the leaf at this path is meant. Elements of lists are written `[*]`.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(mut rest) = path.strip_prefix('$') else {
            return false;
        };
        for step in &self.steps {
            let after = match step {
                Step::Element => rest.strip_prefix("[*]"),
                Step::Member(name) => rest
                    .strip_prefix('.')
                    .and_then(|rest| rest.strip_prefix(name.as_str()))
                    .filter(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
                Step::AnyMember => rest.strip_prefix('.').and_then(|member| {
                    let end = member.find(['.', '[']).unwrap_or(member.len());
                    member.get(end..).filter(|_| end > 0 && !member.starts_with('~'))
                }),
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        self.below || rest.is_empty()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The last name in a path: `email` of `$[*].email`, also of `$.email[*]`.
pub(super) fn last_name(path: &str) -> &str {
    let path = path.trim_end_matches("[*]").trim_end_matches('~');
    let name = path.rsplit('.').next().unwrap_or(path);
    name.split('[').next().unwrap_or(name).trim_start_matches('$')
}
