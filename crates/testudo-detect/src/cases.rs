//! Runs the cases that stand beside the rules in their packs.

use std::sync::Arc;

use crate::load::{Cases, PackText};
use crate::output::{Context, HostList, LinkJudge, LinkPolicy};
use crate::{Budget, Canaries, Detector, GuardScanner, Hit, Rule, RuleIndex, RuleSource, Selection, scan_all};

/// A case whose outcome is not what its rule says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseFailure {
    #[error("rule `{rule}` does not find `{text}`")]
    Missed { rule: String, text: String },
    #[error("rule `{rule}` finds something in `{text}`, which is a miss case")]
    Found { rule: String, text: String },
    #[error("rule `{rule}` decides differently when `{text}` arrives in pieces")]
    Streamed { rule: String, text: String },
    #[error("rule `{rule}` has no {what} case")]
    None { rule: String, what: &'static str },
}

/// Runs all cases of `packs`, whole and character by character; returns what failed.
///
/// `packs` must be those that `detector` was made of.
#[must_use]
pub fn check_cases(detector: &Arc<Detector>, packs: &[RuleSource]) -> Vec<CaseFailure> {
    let mut failures = Vec::new();
    for rule in packs
        .iter()
        .filter_map(|pack| toml::from_str::<PackText>(&pack.text).ok())
        .flat_map(|pack| pack.rule)
    {
        let position = detector.rules().iter().position(|known| known.id.as_str() == rule.id);
        if let Some(index) = position.and_then(|position| u32::try_from(position).ok()) {
            check_rule(detector, RuleIndex(index), &rule.id, &rule.cases, &mut failures);
        }
    }
    failures
}

fn check_rule(detector: &Arc<Detector>, index: RuleIndex, id: &str, cases: &Cases, failures: &mut Vec<CaseFailure>) {
    let mask = (0..detector.rules().len())
        .map(|position| position == index.position())
        .collect();
    let declared = detector.rule(index).is_some_and(Rule::is_declared);
    let selection = if declared {
        detector.select_besides(mask)
    } else {
        detector.select_where(mask)
    };
    let judge = no_host_allowed();
    for (what, texts) in [("hit", &cases.hit), ("miss", &cases.miss)] {
        if texts.is_empty() {
            failures.push(CaseFailure::None {
                rule: id.to_owned(),
                what,
            });
        }
        for text in texts {
            let text = text.replace('¦', "");
            let none = Canaries::default();
            let whole = scan_all(&selection, None, &none, Some(&judge), &text, &mut Budget::unlimited()).hits;
            let rule = id.to_owned();
            match (what, whole.is_empty()) {
                ("hit", true) => failures.push(CaseFailure::Missed {
                    rule,
                    text: text.clone(),
                }),
                ("miss", false) => failures.push(CaseFailure::Found {
                    rule,
                    text: text.clone(),
                }),
                _ => {}
            }
            if streamed(&selection, &judge, &text) != whole {
                failures.push(CaseFailure::Streamed {
                    rule: id.to_owned(),
                    text,
                });
            }
        }
    }
}

/// For rules that collect links: every address is found.
fn no_host_allowed() -> LinkJudge {
    let policy = LinkPolicy {
        hosts: Some(HostList::default()),
        context: false,
    };
    LinkJudge::new(&Arc::new(policy), &Arc::new(Context::new()))
}

fn streamed(selection: &Selection, judge: &LinkJudge, text: &str) -> Vec<Hit> {
    let mut budget = Budget::unlimited();
    let mut stream = GuardScanner::with_links(selection, None, &Canaries::default(), Some(judge));
    let mut hits = Vec::new();
    let mut buffer = [0; 4];
    for c in text.chars() {
        hits.extend(stream.push(c.encode_utf8(&mut buffer), &mut budget).hits);
    }
    hits.extend(stream.finish(&mut budget).hits);
    hits
}
