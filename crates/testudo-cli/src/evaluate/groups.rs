//! Parts of what was measured: by source, language or origin, and the time that it took.

use std::collections::BTreeMap;

use super::scoring::Scored;

/// The texts by what `key` says of them; those of which it says nothing are left out.
pub(super) fn grouped<'s>(
    scored: &'s [Scored],
    key: &dyn Fn(&'s Scored) -> Option<&'s str>,
) -> BTreeMap<&'s str, Vec<&'s Scored>> {
    let mut groups: BTreeMap<&str, Vec<&Scored>> = BTreeMap::new();
    for it in scored {
        if let Some(name) = key(it) {
            groups.entry(name).or_default().push(it);
        }
    }
    groups
}

/// What became of the texts of a group, by the profile and at one threshold.
#[derive(Debug, PartialEq)]
pub(super) struct Group {
    pub(super) attacks: usize,
    pub(super) found: Option<f64>,
    pub(super) found_at: Option<f64>,
    pub(super) others: usize,
    pub(super) stopped: Option<f64>,
    pub(super) stopped_at: Option<f64>,
}

impl Group {
    pub(super) fn new(of: &[&Scored], threshold: Option<f32>) -> Self {
        let reaches = |it: &Scored| threshold.is_some_and(|at| it.score >= at);
        let attacks = of.iter().filter(|it| it.attack).count();
        Self {
            attacks,
            found: share(of, true, |it| it.acted),
            found_at: share(of, true, reaches),
            others: of.len().saturating_sub(attacks),
            stopped: share(of, false, |it| it.acted),
            stopped_at: share(of, false, reaches),
        }
    }
}

/// Of the attacks, or of the other texts, the share for which something holds; `None` when there are none.
pub(super) fn share(of: &[&Scored], attack: bool, holds: impl Fn(&Scored) -> bool) -> Option<f64> {
    let (mut all, mut yes) = (0usize, 0usize);
    for it in of.iter().filter(|it| it.attack == attack) {
        all = all.saturating_add(1);
        yes = yes.saturating_add(usize::from(holds(it)));
    }
    (all > 0).then(|| real(yes) / real(all))
}

/// Time for one text, in nanoseconds, and for all.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Speed {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
    pub(super) bytes: u64,
    pub(super) mb_per_s: f64,
}

impl Speed {
    pub(super) fn new(scored: &[Scored]) -> Self {
        let mut times: Vec<u64> = scored.iter().map(|it| it.nanos).collect();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |percent: usize| times.get(last.saturating_mul(percent) / 100).copied().unwrap_or(0);
        let bytes = scored.iter().map(|it| it.bytes).fold(0, u64::saturating_add);
        let nanos = times.iter().copied().fold(0, u64::saturating_add);
        Self {
            p50: at(50),
            p99: at(99),
            max: at(100),
            bytes,
            mb_per_s: real64(bytes) * 1000.0 / real64(nanos.max(1)),
        }
    }
}

pub(super) fn real(count: usize) -> f64 {
    real64(crate::lines::count(count))
}

#[expect(clippy::cast_precision_loss, reason = "counts and times here stay below 2^53")]
pub(super) fn real64(count: u64) -> f64 {
    count as f64
}
