//! Commands, as a shell reads them.

mod programs;
mod scan;

use std::collections::BTreeSet;

use self::programs::Running;
use self::scan::{Piece, pieces};
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

/// Commands inside commands.
const DEPTH_MAX: usize = 6;

impl CommandFacts {
    pub(super) fn add(&mut self, command: &str) {
        self.several |= self.present;
        self.present = true;
        if self.script(command, 0).is_none() || self.programs.is_empty() {
            self.add_unparsed();
        }
    }

    pub(super) fn add_unparsed(&mut self) {
        self.present = true;
        self.unparsed = true;
        self.several = true;
        self.redirects = true;
        self.substitutes = true;
        insert(&mut self.programs, ANYTHING);
    }

    /// Reads a script; `None` when something in it is not understood.
    fn script(&mut self, text: &str, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut commands = Commands::default();
        for piece in pieces(text)? {
            match piece {
                Piece::Word(word) => {
                    self.substitutes |= word.is_dynamic || word.is_pattern;
                    for inner in &word.inner {
                        self.script(inner, depth.saturating_add(1))?;
                    }
                    commands.word(word)?;
                }
                Piece::Redirect => {
                    self.redirects = true;
                    commands.redirect();
                }
                Piece::Break => commands.end(),
                Piece::Open => commands.open()?,
                Piece::Close => commands.close()?,
            }
        }
        commands.end();
        if !commands.is_whole() {
            return None;
        }
        self.several |= commands.all.len() > 1;
        for words in &commands.all {
            self.run(words, depth)?;
        }
        Some(())
    }

    /// One command, and what it runs in turn.
    fn run(&mut self, words: &[scan::Word], depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let deeper = depth.saturating_add(1);
        match programs::running(words)? {
            Running::Nothing => Some(()),
            Running::Program(name) => {
                insert(&mut self.programs, &name);
                Some(())
            }
            Running::Words { name, rest } => {
                insert(&mut self.programs, &name);
                self.several |= !rest.is_empty();
                rest.into_iter().try_for_each(|words| self.run(words, deeper))
            }
            Running::Script { name, text } => {
                insert(&mut self.programs, &name);
                self.several = true;
                self.script(&text, deeper)
            }
            Running::File { name, file } => {
                insert(&mut self.programs, &name);
                insert(&mut self.programs, &file);
                self.several = true;
                Some(())
            }
        }
    }
}

/// Words gathered to commands.
#[derive(Default)]
struct Commands {
    all: Vec<Vec<scan::Word>>,
    now: Vec<scan::Word>,
    /// The next word is a file.
    target: bool,
    /// Inside `[[ … ]]`.
    testing: bool,
    /// A part that ends with a word or a bracket was just closed.
    closed: bool,
    open: usize,
}

impl Commands {
    fn word(&mut self, word: scan::Word) -> Option<()> {
        if self.target {
            self.target = false;
            return Some(());
        }
        let bare = (!word.is_quoted && !word.is_dynamic).then_some(word.text.as_str());
        if self.testing {
            self.testing = bare != Some("]]");
            self.closed = !self.testing;
            return Some(());
        }
        if !self.now.is_empty() {
            self.now.push(word);
            return Some(());
        }
        match bare {
            // Words after which a command begins.
            Some("if" | "then" | "elif" | "else" | "while" | "until" | "do" | "!" | "{") if !self.closed => Some(()),
            Some("then" | "else" | "do") => {
                self.closed = false;
                Some(())
            }
            Some("fi" | "done" | "}") => {
                self.closed = true;
                Some(())
            }
            Some("[[") => {
                self.testing = true;
                Some(())
            }
            // What defines something that is run later.
            Some("case" | "esac" | "function" | "coproc" | "select" | "in" | "]]") => None,
            _ if self.closed => None,
            _ => {
                self.now.push(word);
                Some(())
            }
        }
    }

    fn redirect(&mut self) {
        if !self.testing {
            self.target = true;
        }
    }

    fn end(&mut self) {
        if self.testing {
            return;
        }
        self.closed = false;
        self.target = false;
        if !self.now.is_empty() {
            self.all.push(std::mem::take(&mut self.now));
        }
    }

    fn open(&mut self) -> Option<()> {
        if self.testing {
            return Some(());
        }
        // `name()` defines a function.
        if !self.now.is_empty() || self.target || self.closed {
            return None;
        }
        self.open = self.open.saturating_add(1);
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        if self.testing {
            return Some(());
        }
        self.open = self.open.checked_sub(1)?;
        self.end();
        self.closed = true;
        Some(())
    }

    fn is_whole(&self) -> bool {
        !self.testing && self.open == 0
    }
}
