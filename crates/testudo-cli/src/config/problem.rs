//! Mistakes in a configuration: all of them, each with its place and what to do.

use std::collections::BTreeSet;
use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// As the user called it.
    pub(crate) file: String,
    /// Counted from 1; absent when the mistake is in no particular line.
    pub(crate) line: Option<usize>,
    pub(crate) what: String,
    /// Empty when `what` says it already.
    pub(crate) remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Collects the mistakes of one configuration.
#[derive(Debug)]
pub(crate) struct Problems {
    file: String,
    list: Vec<Problem>,
}

impl Problems {
    /// For the configuration that the user calls `file`.
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            list: Vec::new(),
        }
    }

    /// Adds a mistake in the configuration itself.
    pub(crate) fn add(&mut self, line: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        let file = self.file.clone();
        self.push(Problem {
            file,
            line,
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    /// Adds a mistake in a line.
    pub(crate) fn at(&mut self, line: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Some(line), what, remedy);
    }

    /// Adds a mistake wherever it is.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All mistakes: those of the configuration by line first, then those of other files.
    pub(crate) fn into_sorted(self) -> Vec<Problem> {
        let own = self.file;
        let unique: BTreeSet<Problem> = self.list.into_iter().collect();
        let mut sorted: Vec<Problem> = unique.into_iter().collect();
        sorted.sort_by_key(|problem| (problem.file != own, problem.file.clone(), problem.line));
        sorted
    }
}
