//! Commands, as a shell reads them.

use std::collections::BTreeSet;

use super::{ANYTHING, insert};

/// What is run by the arguments of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandFacts {
    pub present: bool,
    pub unparsed: bool,
    /// Every program of every part, by its last name.
    pub programs: BTreeSet<String>,
    /// More than one program.
    pub several: bool,
    /// Reads or writes files by `<` and `>`.
    pub redirects: bool,
    /// Parts are put in while it runs.
    pub substitutes: bool,
}

impl CommandFacts {
    pub(super) fn add(&mut self, command: &str) {
        let _ = command;
        self.add_unparsed();
    }

    pub(super) fn add_unparsed(&mut self) {
        self.present = true;
        self.unparsed = true;
        self.several = true;
        self.redirects = true;
        self.substitutes = true;
        insert(&mut self.programs, ANYTHING);
    }
}
