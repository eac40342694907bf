//! Whole attacks that prose reports are not stopped by rules alone, and those that only look so are.

use serde::Deserialize;
use testudo_types::{Direction, Origin, Score, ThreatKind};

use super::packs::detector;
use crate::{Budget, Scope};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    reported: Vec<String>,
    hostile: Vec<String>,
}

/// The highest score of what is found in a document.
fn highest(text: &str) -> Option<Score> {
    let selection = detector().select(&Scope {
        direction: Direction::Request,
        origin: Origin::Document,
        kinds: [ThreatKind::Injection].into(),
    });
    let scan = selection.scan(text, &mut Budget::unlimited());
    scan.hits.iter().map(|hit| hit.score).max()
}

#[test]
fn attacks_that_prose_reports_are_left_to_the_model() {
    let cases: Cases = toml::from_str(include_str!("../../cases/quotations.toml")).unwrap();
    let stops = Score::new(70).unwrap();
    let mut failures = Vec::new();
    for text in &cases.reported {
        if highest(text).is_none_or(|score| score >= stops) {
            failures.push(format!("{:?} for the report {text:?}", highest(text)));
        }
    }
    for text in &cases.hostile {
        if highest(text).is_none_or(|score| score < stops) {
            failures.push(format!("{:?} for the attack {text:?}", highest(text)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
