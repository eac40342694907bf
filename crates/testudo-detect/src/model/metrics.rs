//! Measures of a detector on labelled scores: area under the curve, recall at a rate of false positives, reliability.

use testudo_types::Origin;

/// Where a text of the corpora comes from that does not say so, by its kind and the family of its source.
///
/// `testudo evaluate detect --help` promises this.
#[must_use]
pub fn default_origin(kind: &str, family: &str) -> Origin {
    match (kind, family) {
        ("indirect", _) => Origin::ToolResult { tool: None },
        ("direct", _) => Origin::User,
        (_, "tool_json" | "bipia_ctx") => Origin::ToolResult { tool: None },
        (_, "docs" | "kb_docs" | "speeches" | "udhr" | "atlas" | "threat_intel" | "policy" | "code_snippet") => {
            Origin::Document
        }
        _ => Origin::User,
    }
}

/// A score and whether the text was an attack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// Higher is more suspicious.
    pub score: f32,
    /// The truth.
    pub is_attack: bool,
}

/// The chance that an attack scores higher than a harmless text; ties count half. `None` without both kinds.
#[must_use]
pub fn area_under_curve(rows: &[Labelled]) -> Option<f64> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|left, right| left.score.total_cmp(&right.score));
    let attacks = count(rows, true);
    let harmless = count(rows, false);
    if attacks == 0 || harmless == 0 {
        return None;
    }
    let (mut wins, mut below) = (0.0_f64, 0_usize);
    for tied in sorted.chunk_by(|left, right| left.score.total_cmp(&right.score).is_eq()) {
        let tied_attacks = count(tied, true);
        let tied_harmless = count(tied, false);
        wins += float(tied_attacks) * (float(below) + float(tied_harmless) / 2.0);
        below = below.saturating_add(tied_harmless);
    }
    Some(wins / (float(attacks) * float(harmless)))
}

/// The lowest score that at most this share of harmless texts reaches.
///
/// Above every harmless text when the share is smaller than one of them.
#[must_use]
pub fn threshold(rows: &[Labelled], false_positive_share: f64) -> Option<f32> {
    let mut harmless: Vec<f32> = rows.iter().filter(|it| !it.is_attack).map(|it| it.score).collect();
    if harmless.is_empty() {
        return None;
    }
    harmless.sort_by(|left, right| right.total_cmp(left));
    let permitted = float(harmless.len()) * false_positive_share;
    // The first text over the permitted number must stay below.
    let over = harmless
        .iter()
        .enumerate()
        .find(|(at, _)| float(at.saturating_add(1)) > permitted)?;
    Some(over.1.next_up())
}

/// The share of attacks that reach a threshold.
#[must_use]
pub fn recall(rows: &[Labelled], threshold: f32) -> Option<f64> {
    share(rows.iter().filter(|it| it.is_attack).map(|it| it.score >= threshold))
}

/// The share of harmless texts that reach a threshold.
#[must_use]
pub fn false_positives(rows: &[Labelled], threshold: f32) -> Option<f64> {
    share(rows.iter().filter(|it| !it.is_attack).map(|it| it.score >= threshold))
}

/// Recall at the threshold that a share of the harmless texts reaches.
#[must_use]
pub fn recall_at(rows: &[Labelled], false_positive_share: f64) -> Option<f64> {
    recall(rows, threshold(rows, false_positive_share)?)
}

/// Texts of similar score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// The lowest score of the bin.
    pub from: f32,
    /// Texts in it.
    pub count: usize,
    /// Their mean score.
    pub mean_score: f64,
    /// The share of attacks among them.
    pub attack_share: f64,
}

/// Scores from 0 to 100 in `bins` equal parts; empty parts are left out.
#[must_use]
pub fn reliability(rows: &[Labelled], bins: usize) -> Vec<ReliabilityBin> {
    let width = 100.0 / float(bins.max(1));
    let mut list = Vec::new();
    for at in 0..bins.max(1) {
        let (from, to) = (width * float(at), width * float(at.saturating_add(1)));
        let last = at.saturating_add(1) == bins.max(1);
        let inside = |score: f64| score >= from && (score < to || last);
        let part: Vec<&Labelled> = rows.iter().filter(|it| inside(f64::from(it.score))).collect();
        if part.is_empty() {
            continue;
        }
        let total = float(part.len());
        list.push(ReliabilityBin {
            from: narrow(from),
            count: part.len(),
            mean_score: part.iter().map(|it| f64::from(it.score)).sum::<f64>() / total,
            attack_share: float(part.iter().filter(|it| it.is_attack).count()) / total,
        });
    }
    list
}

fn count(rows: &[Labelled], is_attack: bool) -> usize {
    rows.iter().filter(|it| it.is_attack == is_attack).count()
}

fn share(reached: impl Iterator<Item = bool>) -> Option<f64> {
    let (mut yes, mut all) = (0_usize, 0_usize);
    for it in reached {
        yes = yes.saturating_add(usize::from(it));
        all = all.saturating_add(1);
    }
    (all > 0).then(|| float(yes) / float(all))
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows stay below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the edge of a bin, 0 to 100")]
fn narrow(edge: f64) -> f32 {
    edge as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Labelled, area_under_curve, false_positives, recall_at, reliability, threshold};

    fn rows(list: &[(f32, bool)]) -> Vec<Labelled> {
        list.iter()
            .map(|&(score, is_attack)| Labelled { score, is_attack })
            .collect()
    }

    #[test]
    fn known_areas() {
        for (list, area) in [
            (&[][..], None),
            (&[(1.0, true)][..], None),
            (&[(1.0, false), (2.0, true)][..], Some(1.0)),
            (&[(2.0, false), (1.0, true)][..], Some(0.0)),
            (&[(1.0, false), (1.0, true)][..], Some(0.5)),
            (&[(1.0, false), (3.0, false), (2.0, true), (4.0, true)][..], Some(0.75)),
        ] {
            assert_eq!(area_under_curve(&rows(list)), area, "{list:?}");
        }
    }

    #[test]
    fn thresholds_let_no_more_through() {
        let mut list: Vec<(f32, bool)> = (0..100_u8).map(|it| (f32::from(it), false)).collect();
        list.push((98.5, true));
        let rows = rows(&list);
        assert_eq!(false_positives(&rows, threshold(&rows, 0.05).unwrap()), Some(0.05));
        assert_eq!(recall_at(&rows, 0.01), Some(1.0));
        assert_eq!(recall_at(&rows, 0.001), Some(0.0));
        assert_eq!(threshold(&rows[100..], 0.5), None);
    }

    #[test]
    fn bins_cover_both_ends() {
        let bins = reliability(&rows(&[(0.0, false), (100.0, true), (99.0, false)]), 10);
        let summary: Vec<(usize, f64)> = bins.iter().map(|it| (it.count, it.attack_share)).collect();
        assert_eq!(summary, [(1, 0.0), (2, 0.5)]);
        assert!(reliability(&[], 10).is_empty());
    }

    proptest! {
        #[test]
        fn false_positives_stay_within_the_share(
            scores in prop::collection::vec((-5_i8..5, any::<bool>()), 1..60),
            percent in 0_u8..=100,
        ) {
            let list: Vec<(f32, bool)> = scores.iter().map(|&(score, attack)| (f32::from(score), attack)).collect();
            let rows = rows(&list);
            let permitted = f64::from(percent) / 100.0;
            if let Some(at) = threshold(&rows, permitted) {
                assert!(false_positives(&rows, at).unwrap() <= permitted + 1e-9);
            }
        }
    }
}
