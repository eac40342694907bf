//! The only place that reads environment variables.

use std::fmt::Debug;

/// Where variables come from, so that tests need none.
pub(crate) trait Variables: Debug {
    /// A variable's value; `None` when it is not set or not text.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The variables of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process;

impl Variables for Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place behind `Variables` that reads the environment"
    )]
    fn variable(&self, name: &str) -> Option<String> {
        // An empty or malformed name would panic in the standard library's own lookup.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok()
    }
}

#[cfg(test)]
impl Variables for std::collections::BTreeMap<&str, &str> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| (*value).to_owned())
    }
}
