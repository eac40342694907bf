//! What marks suggest: values to allow and thresholds to move, each with what it would change.

use std::collections::{BTreeMap, BTreeSet};

use testudo_types::{Action, Direction, ThreatKind};

use super::marks::Mark;
use crate::evaluate::Scored;

/// Recall that a threshold may cost before it is no longer recommended.
const RECALL_LOST_MAX: f64 = 0.01;
/// Rules whose findings are allowed value by value; more values than this want another rule.
const VALUES_MAX: usize = 200;

/// A value that a rule should not find.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AllowedValue {
    pub(super) rule: String,
    pub(super) sha256: String,
}

/// Another threshold for a kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shift {
    pub(super) direction: Direction,
    pub(super) kind: ThreatKind,
    pub(super) from: u8,
    pub(super) to: u8,
    /// Wrong findings that nothing would be done about any more, of all that something is done about.
    pub(super) cleared: usize,
    pub(super) wrong: usize,
    /// Right ones that would be lost.
    pub(super) lost: usize,
    pub(super) effect: Option<Effect>,
}

impl Shift {
    /// No right finding is lost, and nearly no attack of the evaluation set.
    pub(super) fn recommended(&self) -> bool {
        let costs = self
            .effect
            .as_ref()
            .map_or(0.0, |effect| effect.before.recall_lost(&effect.after));
        self.lost == 0 && costs <= RECALL_LOST_MAX
    }
}

/// Shares of labelled texts in which a profile acts on an injection.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rates {
    pub(super) attacks: u64,
    pub(super) found: u64,
    pub(super) others: u64,
    pub(super) stopped: u64,
}

impl Rates {
    pub(super) fn of(scored: &[Scored], acts: impl Fn(&Scored) -> bool) -> Self {
        let mut rates = Self::default();
        for it in scored {
            let (all, acted) = if it.attack {
                (&mut rates.attacks, &mut rates.found)
            } else {
                (&mut rates.others, &mut rates.stopped)
            };
            *all = all.saturating_add(1);
            *acted = acted.saturating_add(u64::from(acts(it)));
        }
        rates
    }

    fn recall_lost(&self, after: &Self) -> f64 {
        let lost = u32::try_from(self.found.saturating_sub(after.found)).unwrap_or(u32::MAX);
        let attacks = u32::try_from(self.attacks.max(1)).unwrap_or(u32::MAX);
        f64::from(lost) / f64::from(attacks)
    }
}

/// The same texts before and after a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Effect {
    pub(super) before: Rates,
    pub(super) after: Rates,
}

/// Everything that is proposed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Proposal {
    pub(super) allowed: Vec<AllowedValue>,
    /// What allowing all of them changes.
    pub(super) allowed_effect: Option<Effect>,
    /// The lowest first, by direction and kind.
    pub(super) shifts: Vec<Shift>,
    /// Rules with more wrong values than an allow-list should have.
    pub(super) too_many: BTreeSet<String>,
}

/// Values that were found wrongly and never rightly.
pub(super) fn allowed(marks: &[&Mark]) -> (Vec<AllowedValue>, BTreeSet<String>) {
    let right: BTreeSet<(&str, &str)> = values(marks, false).collect();
    let mut by_rule: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (rule, value) in values(marks, true).filter(|it| !right.contains(it)) {
        by_rule.entry(rule).or_default().insert(value);
    }
    let too_many = by_rule.iter().filter(|(_, of)| of.len() > VALUES_MAX);
    let too_many: BTreeSet<String> = too_many.map(|(rule, _)| (*rule).to_owned()).collect();
    let allowed = by_rule
        .into_iter()
        .filter(|(_, of)| of.len() <= VALUES_MAX)
        .flat_map(|(rule, of)| of.into_iter().map(move |value| (rule, value)))
        .map(|(rule, sha256)| AllowedValue {
            rule: rule.to_owned(),
            sha256: sha256.to_owned(),
        });
    (allowed.collect(), too_many)
}

fn values<'m>(marks: &'m [&Mark], wrong: bool) -> impl Iterator<Item = (&'m str, &'m str)> {
    // A leaked prompt is never allowed, and what could not be scanned has no value.
    let can_be_allowed = |mark: &&&Mark| !matches!(mark.kind, ThreatKind::PromptLeak | ThreatKind::Unscannable);
    marks
        .iter()
        .filter(move |mark| mark.wrong == wrong)
        .filter(can_be_allowed)
        .flat_map(|mark| mark.values.iter().map(|value| (mark.rule.as_str(), value.as_str())))
}

/// Thresholds just above wrong findings; `guard` gives the action and threshold in force.
pub(super) fn shifts(
    marks: &[&Mark],
    guard: &dyn Fn(Direction, ThreatKind) -> Option<(Action, u8)>,
    scored: &[Scored],
) -> Vec<Shift> {
    let mut shifts = Vec::new();
    for direction in [Direction::Request, Direction::Response] {
        for kind in ThreatKind::ALL {
            let Some((action, from)) = guard(direction, kind) else {
                continue;
            };
            if action <= Action::Observe || kind == ThreatKind::Unscannable {
                continue;
            }
            let of = |wrong: bool| -> Vec<u8> {
                let here = |mark: &&&Mark| mark.direction == direction && mark.kind == kind && mark.wrong == wrong;
                let scores = marks.iter().filter(here).filter_map(|mark| mark.score);
                scores.filter(|score| *score >= from).collect()
            };
            let (wrong, right) = (of(true), of(false));
            let steps: BTreeSet<u8> = wrong
                .iter()
                .map(|score| score.saturating_add(1))
                .filter(|to| *to <= 100)
                .collect();
            shifts.extend(steps.into_iter().map(|to| Shift {
                direction,
                kind,
                from,
                to,
                cleared: wrong.iter().filter(|score| **score < to).count(),
                wrong: wrong.len(),
                lost: right.iter().filter(|score| **score < to).count(),
                effect: measured(direction, kind, (from, to), scored),
            }));
        }
    }
    shifts
}

/// Labels tell attacks in requests from other texts; for other kinds there is nothing to measure with.
fn measured(direction: Direction, kind: ThreatKind, (from, to): (u8, u8), scored: &[Scored]) -> Option<Effect> {
    let labelled = direction == Direction::Request && kind == ThreatKind::Injection && !scored.is_empty();
    let acts = |at: u8| move |it: &Scored| it.found > 0.0 && it.found >= f32::from(at);
    labelled.then(|| Effect {
        before: Rates::of(scored, acts(from)),
        after: Rates::of(scored, acts(to)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::marks::tests::mark;
    use super::*;

    fn balanced(direction: Direction, kind: ThreatKind) -> Option<(Action, u8)> {
        match (direction, kind) {
            (Direction::Request, ThreatKind::Injection) => Some((Action::Block, 70)),
            (Direction::Request, ThreatKind::Unscannable) => Some((Action::Block, 0)),
            (Direction::Request, ThreatKind::Secret) => Some((Action::Observe, 0)),
            _ => None,
        }
    }

    fn scored(score: f32, attack: bool) -> Scored {
        Scored {
            id: String::new(),
            attack,
            family: String::new(),
            language: None,
            origin: testudo_types::Origin::User,
            score,
            found: score,
            found_allowing: score,
            rule: None,
            acted: score >= 70.0,
            windows: (0, 0),
            bytes: 1,
            nanos: 1,
            text: None,
        }
    }

    #[test]
    fn thresholds_stand_just_above_wrong_findings() {
        let marks = [
            mark("i.a", 72, true),
            mark("i.b", 90, true),
            mark("i.c", 50, true),
            mark("i.d", 80, false),
            mark("i.e", 100, true),
        ];
        let marks: Vec<&Mark> = marks.iter().collect();
        let texts = [
            scored(75.0, true),
            scored(95.0, true),
            scored(72.0, false),
            scored(0.0, false),
        ];
        let shifts = shifts(&marks, &balanced, &texts);
        let told: Vec<_> = shifts
            .iter()
            .map(|it| (it.to, it.cleared, it.wrong, it.lost, it.recommended()))
            .collect();
        // 50 is below the threshold already, and nothing stands above 100.
        assert_eq!(told, [(73, 1, 3, 0, true), (91, 2, 3, 1, false)]);
        let effect = shifts[1].effect.unwrap();
        assert_eq!(
            (
                effect.before.found,
                effect.after.found,
                effect.before.stopped,
                effect.after.stopped
            ),
            (2, 1, 1, 0)
        );
        assert!(super::shifts(&marks, &|_, _| None, &texts).is_empty());
        let alone = mark("i.b", 94, true);
        let costly = super::shifts(&[&alone], &balanced, &texts);
        assert!(!costly[0].recommended(), "half of the attacks is too much");
        assert!(super::shifts(&[&alone], &balanced, &[])[0].recommended());
    }

    #[test]
    fn only_values_that_are_never_right_are_allowed() {
        let mut leak = mark("leak.canary", 90, true);
        leak.kind = ThreatKind::PromptLeak;
        let marks = [
            mark("p.a", 1, true),
            mark("p.a", 2, true),
            mark("p.a", 2, false),
            mark("p.b", 2, true),
            leak,
        ];
        let (found, too_many) = allowed(&marks.iter().collect::<Vec<_>>());
        let told: Vec<(&str, String)> = found.iter().map(|it| (it.rule.as_str(), it.sha256.clone())).collect();
        assert_eq!(told, [("p.a", format!("{:064x}", 1)), ("p.b", format!("{:064x}", 2))]);
        assert!(too_many.is_empty());
        let many: Vec<Mark> = (0..=200)
            .map(|number| {
                let mut mark = mark("p.c", 1, true);
                mark.values = vec![format!("{number:064x}")];
                mark
            })
            .collect();
        let (found, too_many) = allowed(&many.iter().collect::<Vec<_>>());
        assert!(found.is_empty() && too_many.contains("p.c"));
    }
}
