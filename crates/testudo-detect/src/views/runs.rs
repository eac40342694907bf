//! Reads encoded runs in a growing text: base64, base32, hexadecimal digits, percent and other escapes.
//!
//! A run is a stretch without spaces, quotes and brackets. It is decoded when it
//! ends, or in blocks of [`RUN_BYTES_MAX`], and held from the first character
//! that a plain word does not have: ordinary words wait for nothing.

use super::derived::{Derived, Edit, splice};
use super::encoded::{RUN_MIN, decode_run};
use super::escapes::resolve;
use crate::kinds::Kinds;
use crate::rescan::whole;
use crate::{Budget, Hit, Selection};

/// Longer runs are read in blocks of so many bytes, each by itself.
pub const RUN_BYTES_MAX: usize = 4096;
/// Fewer escapes hide nothing.
const ESCAPES_MIN: usize = 4;

/// The run at the end of a text.
#[derive(Debug)]
pub(crate) struct Runs {
    selection: Selection,
    run: String,
    start: usize,
    at: usize,
}

impl Runs {
    pub(crate) fn new(selection: &Selection) -> Self {
        Self {
            selection: selection.clone(),
            run: String::new(),
            start: 0,
            at: 0,
        }
    }

    /// Appends the hits of runs that ended; returns the first offset where a later one may start.
    pub(crate) fn push(&mut self, piece: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        let mut rest = piece;
        while !rest.is_empty() {
            let gap = rest.bytes().position(in_run).unwrap_or(rest.len());
            if gap > 0 {
                self.finish(budget, hits)?;
                self.at = self.at.saturating_add(gap);
                rest = rest.get(gap..).unwrap_or_default();
            }
            let room = RUN_BYTES_MAX.saturating_sub(self.run.len());
            let len = rest
                .bytes()
                .take(room)
                .position(|byte| !in_run(byte))
                .unwrap_or(rest.len().min(room));
            let (run, after) = rest.split_at_checked(len)?;
            if self.run.is_empty() {
                self.start = self.at;
            }
            self.run.push_str(run);
            self.at = self.at.saturating_add(len);
            if self.run.len() >= RUN_BYTES_MAX {
                self.finish(budget, hits)?;
            }
            rest = after;
        }
        Some(if self.run.is_empty() {
            self.at
        } else {
            self.start.saturating_add(word_len(&self.run))
        })
    }

    /// Reads the run at the end, if there is one.
    pub(crate) fn finish(&mut self, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<()> {
        let sound = if self.run.len() < RUN_MIN {
            Some(())
        } else {
            self.read(budget, hits)
        };
        self.run.clear();
        sound
    }

    fn read(&self, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<()> {
        if !budget.spend(self.run.len()) {
            return None;
        }
        let held = word_len(&self.run);
        for derived in decoded(&self.run)? {
            let (found, _) = whole(&self.selection, &derived.text, false, budget);
            if found.exhausted {
                return None;
            }
            hits.extend(found.hits.into_iter().filter_map(|hit| {
                let range = derived.spans.original(hit.start..hit.end);
                let says_so = self.run.get(range.clone())? == derived.text.get(hit.start..hit.end)?;
                let start = range.start.max(held);
                (!says_so && start < range.end).then(|| Hit {
                    start: self.start.saturating_add(start),
                    end: self.start.saturating_add(range.end),
                    ..hit
                })
            }));
        }
        Some(())
    }
}

/// What a run spells; `None` when it was packed and held more than may be unpacked.
fn decoded(run: &str) -> Option<Vec<Derived>> {
    let mut found = Vec::new();
    decode_run(run.as_bytes(), 0, &mut found);
    if found.iter().any(|decoded| decoded.cut) {
        return None;
    }
    let edits: Vec<Edit> = found.into_iter().map(|decoded| decoded.edit).collect();
    let mut texts = Vec::new();
    if !edits.is_empty() {
        texts.push(splice(run, &edits, 0));
    }
    if run.bytes().any(|byte| matches!(byte, b'%' | b'&' | b'\\')) {
        let resolved = resolve(run, &Kinds::of(run.as_bytes()))
            .into_iter()
            .filter(|(_, edits)| edits.len() >= ESCAPES_MIN);
        texts.extend(resolved.map(|(_, edits)| splice(run, &edits, run.len())));
    }
    Some(texts)
}

fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'+' | b'/' | b'-' | b'_' | b'=' | b'%' | b'&' | b'#' | b';' | b'\\'
        )
}

/// Bytes at the start of a run that may be a word of prose.
fn word_len(run: &str) -> usize {
    let small = run.bytes().skip(1).take_while(u8::is_ascii_lowercase).count();
    let letter = run.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if letter {
        small.saturating_add(1).min(RUN_MIN.saturating_sub(1))
    } else {
        0
    }
}
