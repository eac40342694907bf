//! Scores of many texts, on several threads.

use std::collections::BTreeSet;
use std::thread;

use testudo_detect::Rule;
use testudo_types::{Action, Origin, ThreatKind};

use super::rows::Row;
use super::stopwatch::Stopwatch;
use crate::finding::sha256;
use crate::lines::count;
use crate::scanner::Scanner;
use testudo_detect::model::metrics::Labelled;

/// How much of a text is kept for whoever wants to see errors.
const SHOWN_CHARS: usize = 160;

/// A row after it was scanned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scored {
    pub(crate) id: String,
    pub(crate) attack: bool,
    pub(crate) family: String,
    pub(crate) language: Option<String>,
    pub(crate) origin: Origin,
    /// 0 to 100: of the most certain injection finding, or of the models where they are surer.
    pub(crate) score: f32,
    /// Of the most certain injection finding; 0 without one.
    pub(crate) found: f32,
    /// The same without the findings that [`Scoring::allowed`] names.
    pub(crate) found_allowing: f32,
    /// The rule of that finding.
    pub(crate) rule: Option<String>,
    /// An injection finding makes the profile act: mask, hold or block.
    pub(crate) acted: bool,
    pub(crate) bytes: u64,
    pub(crate) nanos: u64,
    /// Windows that the models scored, and those of them that the encoder read.
    pub(crate) windows: (u64, u64),
    /// The beginning, when it was asked for.
    pub(crate) text: Option<String>,
}

impl Scored {
    pub(crate) fn labelled(&self) -> Labelled {
        Labelled {
            score: self.score,
            is_attack: self.attack,
        }
    }
}

/// How rows are scored.
#[derive(Debug)]
pub(crate) struct Scoring {
    pub(crate) threads: usize,
    /// Of all rows, whatever they say.
    pub(crate) origin: Option<Origin>,
    pub(crate) keep_text: bool,
    /// Findings that would be allowed: a rule, and the SHA-256 of what it found.
    pub(crate) allowed: BTreeSet<(String, String)>,
}

impl Scoring {
    /// In the order of the rows.
    pub(crate) fn score(&self, scanner: &Scanner, rows: &[Row]) -> Vec<Scored> {
        let threads = self.threads.clamp(1, rows.len().max(1));
        let each = rows.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            let running: Vec<_> = rows
                .chunks(each)
                .map(|rows| {
                    let mut scanner = scanner.clone();
                    scope.spawn(move || {
                        rows.iter()
                            .map(|row| self.one(&mut scanner, row))
                            .collect::<Vec<Scored>>()
                    })
                })
                .collect();
            // A thread that panicked has said so; its rows are missing then.
            running
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .flatten()
                .collect()
        })
    }

    fn one(&self, scanner: &mut Scanner, row: &Row) -> Scored {
        let origin = self.origin.as_ref().unwrap_or(&row.origin);
        let watch = Stopwatch::start();
        let mut allowance = scanner.allowance();
        let scanned = scanner.scan(&row.text, origin, &mut allowance);
        let nanos = watch.nanos();
        let is_injection = |rule: &Rule| rule.kind == ThreatKind::Injection;
        let found = scanned
            .found
            .iter()
            .filter_map(|found| Some((found, scanner.rule(&found.hit).filter(|rule| is_injection(rule))?)));
        let best = found.clone().max_by_key(|(found, _)| found.hit.score);
        let certain = best.map_or(0, |(found, _)| found.hit.score.percent());
        Scored {
            id: row.id.clone(),
            attack: row.attack,
            family: row.family.clone(),
            language: row.language.clone(),
            origin: origin.clone(),
            found_allowing: found
                .clone()
                .filter(|(found, rule)| !self.allows(rule, row.text.get(found.hit.start..found.hit.end)))
                .map(|(found, _)| f32::from(found.hit.score.percent()))
                .fold(0.0, f32::max),
            score: f32::from(certain.max(scanned.model_score.unwrap_or(0))),
            found: f32::from(certain),
            rule: best.map(|(_, rule)| rule.id.to_string()),
            acted: found.clone().any(|(found, _)| found.action > Action::Observe),
            windows: allowance.windows(),
            bytes: count(row.text.len()),
            nanos,
            text: self.keep_text.then(|| row.text.chars().take(SHOWN_CHARS).collect()),
        }
    }

    fn allows(&self, rule: &Rule, value: Option<&str>) -> bool {
        // Hashing is for the few values that could be allowed at all.
        let named = || self.allowed.iter().any(|(name, _)| name == rule.id.as_str());
        !self.allowed.is_empty()
            && named()
            && value.is_some_and(|value| self.allowed.contains(&(rule.id.to_string(), sha256(value))))
    }
}
