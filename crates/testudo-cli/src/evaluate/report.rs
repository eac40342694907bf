//! What was measured, as tables for people and as one object for programs.

use std::io::{self, Write};

use serde_json::{Value, json};
use testudo_types::{Direction, ThreatKind};

use super::groups::{Group, Speed, grouped, real, real64, share};
use super::scoring::Scored;
use crate::output::{counted, printable, size, table};
use crate::scanner::Scanner;
use testudo_detect::model::metrics::{
    Labelled, ReliabilityBin, area_under_curve, false_positives, recall, reliability, threshold,
};

/// Shares of false positives at which recall is told.
const RATES: [f64; 3] = [0.001, 0.01, 0.05];
/// The rate of the tables by group.
const GROUP_RATE: f64 = 0.01;
const BINS: usize = 10;
/// Of the text picture.
const PICTURE_CHARS: usize = 40;

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report<'s> {
    scored: &'s [Scored],
    all: Vec<&'s Scored>,
    labelled: Vec<Labelled>,
    profile: String,
    /// From which score the profile acts on requests.
    score_min: Option<u8>,
    bins: Vec<ReliabilityBin>,
    errors: usize,
}

impl<'s> Report<'s> {
    pub(super) fn new(scored: &'s [Scored], scanner: &Scanner, errors: usize) -> Self {
        let labelled: Vec<Labelled> = scored.iter().map(Scored::labelled).collect();
        let profile = scanner.profile();
        Self {
            profile: profile.name.as_str().to_owned(),
            score_min: scanner.score_min(Direction::Request, ThreatKind::Injection),
            bins: reliability(&labelled, BINS),
            all: scored.iter().collect(),
            scored,
            labelled,
            errors,
        }
    }

    pub(super) fn table(&self, out: &mut impl Write) -> io::Result<()> {
        let attacks = self.scored.iter().filter(|it| it.attack).count();
        writeln!(
            out,
            "{}: {attacks} with an attack, {} without",
            counted(self.scored.len(), "text"),
            self.scored.len().saturating_sub(attacks)
        )?;
        writeln!(
            out,
            "area under the curve: {}",
            number(area_under_curve(&self.labelled))
        )?;
        writeln!(out)?;
        self.thresholds(out)?;
        self.groups("source", &|it| Some(&it.family), out)?;
        if self.scored.iter().any(|it| it.language.is_some()) {
            self.groups("language", &|it| it.language.as_deref(), out)?;
        }
        self.groups("origin", &|it| Some(it.origin.as_str()), out)?;
        self.picture(out)?;
        self.windows(out)?;
        self.speed(out)?;
        self.worst(out)
    }

    fn thresholds(&self, out: &mut impl Write) -> io::Result<()> {
        let mut rows = vec![["", "score", "attacks found", "false positives"].map(str::to_owned)];
        for rate in RATES {
            let at = threshold(&self.labelled, rate);
            rows.push([
                format!("at most {} % false positives", rate * 100.0),
                at.map_or_else(|| "-".to_owned(), shown_threshold),
                percent(at.and_then(|at| recall(&self.labelled, at))),
                percent(at.and_then(|at| false_positives(&self.labelled, at))),
            ]);
        }
        rows.push([
            format!("profile {}, acts", self.profile),
            self.score_min
                .map_or_else(|| "-".to_owned(), |score| format!("from {score}")),
            percent(share(&self.all, true, |it| it.acted)),
            percent(share(&self.all, false, |it| it.acted)),
        ]);
        rows.push([
            format!("profile {}, any finding", self.profile),
            "any".to_owned(),
            percent(share(&self.all, true, |it| it.found > 0.0)),
            percent(share(&self.all, false, |it| it.found > 0.0)),
        ]);
        table(out, "", &rows)
    }

    fn groups(&self, what: &str, key: &dyn Fn(&'s Scored) -> Option<&'s str>, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        let at = threshold(&self.labelled, GROUP_RATE);
        let head = [
            what,
            "attacks",
            "found by profile",
            "at 1 %",
            "others",
            "stopped by profile",
            "at 1 %",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        for (name, of) in grouped(self.scored, key) {
            let group = Group::new(&of, at);
            rows.push([
                printable(name),
                group.attacks.to_string(),
                percent(group.found),
                percent(group.found_at),
                group.others.to_string(),
                percent(group.stopped),
                percent(group.stopped_at),
            ]);
        }
        table(out, "", &rows)
    }

    fn picture(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        let error = calibration_error(&self.bins, self.scored.len());
        writeln!(
            out,
            "reliability: of the texts with such a score, # is the share of attacks and | what the score says"
        )?;
        for bin in &self.bins {
            writeln!(
                out,
                "  from {:>3}  {}  {:>6} of {}",
                bin.from,
                bar(bin.attack_share, bin.mean_score / 100.0),
                percent(Some(bin.attack_share)),
                bin.count
            )?;
        }
        writeln!(
            out,
            "  expected calibration error {error:.3}; it depends on how many of the texts are attacks"
        )
    }

    /// What the models read of the texts without an attack, where they read at all.
    fn windows(&self, out: &mut impl Write) -> io::Result<()> {
        let (scored, encoded) = harmless_windows(self.scored);
        if scored == 0 {
            return Ok(());
        }
        writeln!(
            out,
            "\nwindows of texts without an attack: {scored}, of which {encoded} went to the encoder ({})",
            percent(Some(real64(encoded) / real64(scored)))
        )
    }

    fn speed(&self, out: &mut impl Write) -> io::Result<()> {
        let speed = Speed::new(self.scored);
        writeln!(out)?;
        writeln!(
            out,
            "time for one text: half within {}, 99 % within {}, all within {}; {} at {:.1} MB/s on one thread",
            micros(speed.p50),
            micros(speed.p99),
            micros(speed.max),
            size(speed.bytes),
            speed.mb_per_s
        )
    }

    fn worst(&self, out: &mut impl Write) -> io::Result<()> {
        if self.errors == 0 {
            return Ok(());
        }
        for (title, attack) in [("worst false positives", false), ("worst false negatives", true)] {
            writeln!(out, "\n{title}")?;
            let rows: Vec<[String; 6]> = self
                .errors_of(attack)
                .into_iter()
                .map(|it| {
                    [
                        it.score.to_string(),
                        printable(&it.id),
                        printable(&it.family),
                        it.origin.as_str().to_owned(),
                        it.rule.clone().unwrap_or_default(),
                        it.text.as_deref().map(printable).unwrap_or_default(),
                    ]
                })
                .collect();
            table(out, "  ", &rows)?;
        }
        Ok(())
    }

    /// Attacks with the lowest scores, or other texts with the highest, as far as they are errors at all.
    fn errors_of(&self, attack: bool) -> Vec<&'s Scored> {
        let at = threshold(&self.labelled, GROUP_RATE).unwrap_or(f32::INFINITY);
        let wrong = |it: &&Scored| it.attack == attack && if attack { it.score < at } else { it.score > 0.0 };
        let mut errors: Vec<&Scored> = self.scored.iter().filter(wrong).collect();
        errors.sort_by(|one, other| {
            let by_score = one.score.total_cmp(&other.score);
            let by_score = if attack { by_score } else { by_score.reverse() };
            by_score.then_with(|| one.id.cmp(&other.id))
        });
        errors.truncate(self.errors);
        errors
    }

    pub(super) fn json(&self) -> Value {
        let attacks = self.scored.iter().filter(|it| it.attack).count();
        let rates: Vec<Value> = RATES
            .iter()
            .map(|rate| {
                let at = threshold(&self.labelled, *rate);
                json!({
                    "false_positives_max": rate, "threshold": at,
                    "recall": at.and_then(|at| recall(&self.labelled, at)),
                    "false_positives": at.and_then(|at| false_positives(&self.labelled, at)),
                })
            })
            .collect();
        let bins: Vec<Value> = self
            .bins
            .iter()
            .map(|bin| json!({"from": bin.from, "texts": bin.count, "mean_score": bin.mean_score, "attacks": bin.attack_share}))
            .collect();
        let speed = Speed::new(self.scored);
        let (scored_windows, encoded_windows) = harmless_windows(self.scored);
        let errors = |attack: bool| -> Vec<Value> {
            let error = |it: &Scored| {
                json!({
                    "id": it.id, "score": it.score, "source": it.family, "origin": it.origin.as_str(),
                    "rule": it.rule, "text": it.text,
                })
            };
            self.errors_of(attack).into_iter().map(error).collect()
        };
        json!({
            "texts": self.scored.len(), "attacks": attacks,
            "auc": area_under_curve(&self.labelled),
            "at": rates,
            "profile": {
                "name": self.profile, "score_min": self.score_min,
                "recall": share(&self.all, true, |it| it.acted),
                "false_positives": share(&self.all, false, |it| it.acted),
            },
            "sources": self.groups_json(&|it| Some(&it.family)),
            "languages": self.groups_json(&|it| it.language.as_deref()),
            "origins": self.groups_json(&|it| Some(it.origin.as_str())),
            "reliability": {"bins": bins, "error": calibration_error(&self.bins, self.scored.len())},
            "windows_without_attack": {"scored": scored_windows, "encoder": encoded_windows},
            "time": {
                "p50_us": speed.p50 / 1000, "p99_us": speed.p99 / 1000, "max_us": speed.max / 1000,
                "bytes": speed.bytes, "mb_per_s": speed.mb_per_s,
            },
            "worst_false_positives": errors(false),
            "worst_false_negatives": errors(true),
        })
    }

    fn groups_json(&self, key: &dyn Fn(&'s Scored) -> Option<&'s str>) -> Value {
        let at = threshold(&self.labelled, GROUP_RATE);
        let groups = grouped(self.scored, key).into_iter().map(|(name, of)| {
            let group = Group::new(&of, at);
            let told = json!({
                "attacks": group.attacks, "found": group.found, "found_at_1_percent": group.found_at,
                "others": group.others, "stopped": group.stopped, "stopped_at_1_percent": group.stopped_at,
            });
            (name.to_owned(), told)
        });
        Value::Object(groups.collect())
    }
}

/// Windows of the texts without an attack that the models scored, and those of them that the encoder read.
fn harmless_windows(scored: &[Scored]) -> (u64, u64) {
    scored.iter().filter(|it| !it.attack).fold((0, 0), |sum, it| {
        let (windows, encoded) = it.windows;
        (sum.0.saturating_add(windows), sum.1.saturating_add(encoded))
    })
}

/// How far the scores are from the shares of attacks, on average over the texts.
pub(super) fn calibration_error(bins: &[ReliabilityBin], texts: usize) -> f64 {
    let off = |bin: &ReliabilityBin| real(bin.count) * (bin.mean_score / 100.0 - bin.attack_share).abs();
    bins.iter().map(off).sum::<f64>() / real(texts.max(1))
}

/// A share as a bar, and where it should end.
fn bar(share: f64, expected: f64) -> String {
    let reaches = |at: usize, share: f64| real(at) < share * real(PICTURE_CHARS);
    let last = PICTURE_CHARS.saturating_sub(1);
    let mark = (0..last)
        .find(|at| !reaches(at.saturating_add(1), expected))
        .unwrap_or(last);
    (0..PICTURE_CHARS)
        .map(|at| match (at == mark, reaches(at, share)) {
            (true, _) => '|',
            (false, true) => '#',
            (false, false) => '.',
        })
        .collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
}

fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(share) if share > 0.0 && share < 0.01 => format!("{:.2} %", share * 100.0),
        Some(share) => format!("{:.1} %", share * 100.0),
    }
}

/// A threshold just above a whole score, as those of rules are, is told by that score.
fn shown_threshold(at: f32) -> String {
    if (at - at.round()).abs() < 1e-3 {
        format!("above {}", at.round())
    } else {
        format!("{at:.3}")
    }
}

fn micros(nanos: u64) -> String {
    let tenths = nanos / 100;
    match tenths {
        0..100_000 => format!("{}.{} µs", tenths / 10, tenths % 10),
        _ => format!("{}.{} ms", tenths / 10_000, tenths / 1000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_mark_what_was_promised() {
        assert_eq!(bar(0.0, 0.0), format!("|{}", ".".repeat(39)));
        assert_eq!(bar(1.0, 1.0), format!("{}|", "#".repeat(39)));
        let half = bar(0.25, 0.5);
        assert_eq!(
            (half.find('|'), half.matches('#').count(), half.len()),
            (Some(19), 10, 40)
        );
        assert_eq!(
            (micros(1_234), micros(12_345_678)),
            ("1.2 µs".to_owned(), "12.3 ms".to_owned())
        );
        assert_eq!(
            (percent(Some(0.0042)), percent(None)),
            ("0.42 %".to_owned(), "-".to_owned())
        );
    }
}
