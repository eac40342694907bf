//! `testudo finding propose`: what the marks suggest, measured, as TOML to paste.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use testudo_types::{Direction, ThreatKind};

use super::marks::{Mark, Marks};
use super::proposal::{Effect, Proposal, Rates, Shift, allowed, shifts};
use crate::arguments::finding::Propose;
use crate::arguments::{Format, Store};
use crate::environment::Variables;
use crate::evaluate::{Scored, Scoring, measure, processors};
use crate::exit::Exit;
use crate::inspect::{complain, detector, profile};
use crate::output::{counted, printable};
use crate::scanner::{Scanner, models};

pub(super) fn run(arguments: &Propose, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let profile = match profile(&arguments.profile, variables) {
        Ok(profile) => profile,
        Err(problem) => {
            complain(&format!("{problem:#}"))?;
            return Ok(Exit::BadInput);
        }
    };
    let store = Store {
        config: arguments.profile.config.clone(),
        data_dir: arguments.data_dir.clone(),
    };
    let marks = Marks::read(&crate::key::data_dir(&store)?)?;
    let latest = marks.latest();
    let (allowed, too_many) = allowed(&latest);
    let scanner = Scanner::new(detector()?, profile, models(arguments.profile.models.asked())?);
    let scoring = Scoring {
        threads: arguments.threads.map_or_else(processors, usize::from),
        origin: None,
        keep_text: false,
        allowed: allowed.iter().map(|it| (it.rule.clone(), it.sha256.clone())).collect(),
    };
    let measured = measure(&scanner, &scoring, &arguments.data)?;
    let guard = |direction: Direction, kind: ThreatKind| scanner.guard(direction, kind);
    let proposal = Proposal {
        shifts: shifts(&latest, &guard, &measured.scored),
        allowed_effect: allowed_effect(&scanner, &measured.scored),
        allowed,
        too_many,
    };
    let told = Told {
        profile: scanner.profile().name.as_str(),
        marks: &latest,
        proposal: &proposal,
        texts: measured.scored.len(),
    };
    match arguments.format {
        Format::Table => told.table(out)?,
        Format::Json => writeln!(out, "{}", told.json())?,
    }
    Ok(if measured.bad > 0 { Exit::BadInput } else { Exit::Done })
}

/// What the profile acts on with and without the allowed values.
fn allowed_effect(scanner: &Scanner, scored: &[Scored]) -> Option<Effect> {
    let from = scanner.score_min(Direction::Request, ThreatKind::Injection)?;
    let acts = |score: f32| score > 0.0 && score >= f32::from(from);
    (!scored.is_empty()).then(|| Effect {
        before: Rates::of(scored, |it| acts(it.found)),
        after: Rates::of(scored, |it| acts(it.found_allowing)),
    })
}

/// A proposal, for people and for programs.
struct Told<'p> {
    profile: &'p str,
    marks: &'p [&'p Mark],
    proposal: &'p Proposal,
    /// With labels, to measure with.
    texts: usize,
}

impl Told<'_> {
    fn table(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let wrong = self.marks.iter().filter(|mark| mark.wrong).count();
        let right = self.marks.len().saturating_sub(wrong);
        writeln!(out, "{} marked wrong, {right} right", counted(wrong, "finding"))?;
        if self.proposal.allowed.is_empty() && self.proposal.shifts.is_empty() {
            writeln!(out, "nothing follows from that for the profile `{}`", self.profile)?;
            return Ok(());
        }
        if self.texts == 0 {
            writeln!(out, "name labelled texts with --data FILE, and the effect is measured")?;
        } else {
            writeln!(out, "measured with {}", counted(self.texts, "labelled text"))?;
        }
        if !self.proposal.allowed.is_empty() {
            writeln!(out, "\n{} to allow", counted(self.proposal.allowed.len(), "value"))?;
            effect(self.proposal.allowed_effect.as_ref(), out)?;
        }
        for shift in &self.proposal.shifts {
            self.shift(shift, out)?;
        }
        for rule in &self.proposal.too_many {
            writeln!(
                out,
                "\n`{}` finds too many wrong values for an allow-list; watch its kind or raise the threshold",
                printable(rule)
            )?;
        }
        writeln!(
            out,
            "\nNothing is changed by this. To take it over, put it into testudo.toml and name the profile in a route:\n"
        )?;
        write!(out, "{}", self.toml())?;
        Ok(())
    }

    fn shift(&self, shift: &Shift, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "\n{}.{}: act from {} instead of {}",
            shift.direction.as_str(),
            shift.kind.as_str(),
            shift.to,
            shift.from
        )?;
        writeln!(
            out,
            "  clears {} of {} marked wrong, loses {} marked right",
            shift.cleared,
            counted(shift.wrong, "finding"),
            shift.lost
        )?;
        effect(shift.effect.as_ref(), out)?;
        if !shift.recommended() {
            writeln!(out, "  not recommended: it costs more than it mends")?;
        }
        Ok(())
    }

    /// The highest recommended threshold of each kind.
    fn taken(&self) -> BTreeMap<(&'static str, &'static str), &Shift> {
        let recommended = self.proposal.shifts.iter().filter(|shift| shift.recommended());
        recommended
            .map(|shift| ((shift.direction.as_str(), shift.kind.as_str()), shift))
            .collect()
    }

    fn toml(&self) -> String {
        let name = format!("{}-corrected", self.profile);
        let mut toml = format!("[profiles.{name}]\nextends = \"{}\"\n", self.profile);
        for ((direction, kind), shift) in self.taken() {
            toml.push_str(&format!("{direction}.{kind} = {{ score_min = {} }}\n", shift.to));
        }
        for allowed in &self.proposal.allowed {
            toml.push_str(&format!(
                "\n[[profiles.{name}.allow]]\nrule = {}\nsha256 = \"{}\"\nreason = \"marked wrong\"\n",
                Value::from(allowed.rule.as_str()),
                allowed.sha256
            ));
        }
        toml
    }

    fn json(&self) -> Value {
        let shifts: Vec<Value> = self
            .proposal
            .shifts
            .iter()
            .map(|shift| {
                json!({
                    "direction": shift.direction.as_str(), "kind": shift.kind.as_str(),
                    "from": shift.from, "to": shift.to, "wrong": shift.wrong, "cleared": shift.cleared,
                    "right_lost": shift.lost, "recommended": shift.recommended(),
                    "effect": shift.effect.as_ref().map(effect_json),
                })
            })
            .collect();
        let allowed: Vec<Value> = self
            .proposal
            .allowed
            .iter()
            .map(|it| json!({"rule": it.rule, "sha256": it.sha256}))
            .collect();
        json!({
            "profile": self.profile, "marks": self.marks.len(), "texts": self.texts,
            "allow": allowed, "allow_effect": self.proposal.allowed_effect.as_ref().map(effect_json),
            "thresholds": shifts, "too_many_values": self.proposal.too_many, "toml": self.toml(),
        })
    }
}

fn effect(effect: Option<&Effect>, out: &mut impl Write) -> std::io::Result<()> {
    let Some(Effect { before, after }) = effect else {
        return writeln!(out, "  effect not measured: there are no labels for it");
    };
    writeln!(
        out,
        "  attacks found {} -> {}, false positives {} -> {}",
        share(before.found, before.attacks),
        share(after.found, after.attacks),
        share(before.stopped, before.others),
        share(after.stopped, after.others)
    )
}

fn share(part: u64, all: u64) -> String {
    let per_ten_thousand = part.saturating_mul(10_000).checked_div(all).unwrap_or(0);
    let (whole, hundredths) = (per_ten_thousand / 100, per_ten_thousand % 100);
    format!("{part} of {all} ({whole}.{hundredths:02} %)")
}

fn effect_json(effect: &Effect) -> Value {
    let rates = |rates: &Rates| json!({"attacks": rates.attacks, "found": rates.found, "others": rates.others, "stopped": rates.stopped});
    json!({"before": rates(&effect.before), "after": rates(&effect.after)})
}
