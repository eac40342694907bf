//! Properties of the engine over random rules, texts and cuts.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of a test are of lengths that it chose; one that overflows fails it"
)]

mod contract;
mod evasions;
mod following;
mod guarding;
mod holding;
mod hostile;
mod loading;
mod packs;
mod quotations;
mod views;
mod work;

use std::sync::Arc;

use crate::{Budget, Detector, Hit, Progress, RuleSource, Selection};

/// A rule of one pattern, `extra` being further lines of its table.
fn rule_text(id: &str, pattern: &str, extra: &str) -> String {
    format!(
        "[[rule]]\nid = \"test.{id}\"\ntitle = \"test\"\nkind = \"secret\"\nseverity = \"high\"\nscore = 90\n\
         label = \"TEST\"\npattern = '''{pattern}'''\n{extra}\n"
    )
}

fn pack(text: String) -> Vec<RuleSource> {
    vec![RuleSource {
        name: "test".into(),
        text: text.into(),
    }]
}

/// A selection of all rules of a pack.
fn selection(text: String) -> Selection {
    select_all(&Arc::new(Detector::new(&pack(text)).unwrap()))
}

fn select_all(detector: &Arc<Detector>) -> Selection {
    detector.select_where(vec![true; detector.rules().len()])
}

/// A selection of rules that are always tried.
fn always(patterns: &[&str]) -> Selection {
    let rules = patterns
        .iter()
        .enumerate()
        .map(|(n, pattern)| rule_text(&n.to_string(), pattern, "always = true"));
    selection(rules.collect())
}

fn scan(selection: &Selection, text: &str) -> Vec<Hit> {
    let scan = selection.scan(text, &mut Budget::unlimited());
    assert!(!scan.exhausted);
    scan.hits
}

/// The pieces of a text cut at every offset that `cut` chooses.
fn pieces(text: &str, mut cut: impl FnMut(usize) -> bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, _) in text.char_indices() {
        if at > from && cut(at) {
            pieces.push(text.get(from..at).unwrap());
            from = at;
        }
    }
    pieces.push(text.get(from..).unwrap());
    pieces
}

/// Runs a stream and checks everything that a [`Progress`] promises.
fn collect(text: &str, pieces: &[&str], mut step: impl FnMut(Option<&str>) -> Progress) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut safe = 0;
    let mut read = 0;
    for piece in pieces.iter().map(|piece| Some(*piece)).chain([None]) {
        read += piece.map_or(0, str::len);
        let progress = step(piece);
        assert!(!progress.exhausted);
        assert!(progress.safe >= safe, "safe fell from {safe} to {}", progress.safe);
        assert!(
            progress.safe <= read && text.is_char_boundary(progress.safe),
            "safe {}",
            progress.safe
        );
        for hit in &progress.hits {
            assert!(hit.start >= safe, "{hit:?} was reported late, {safe} was safe");
            assert!(
                hit.end <= progress.safe,
                "{hit:?} reaches over the safe {}",
                progress.safe
            );
            assert!(text.is_char_boundary(hit.start) && text.is_char_boundary(hit.end) && hit.start < hit.end);
        }
        hits.extend(progress.hits);
        safe = progress.safe;
    }
    assert_eq!(safe, text.len(), "everything is released at the end");
    hits
}

fn stream(selection: &Selection, text: &str, pieces: &[&str]) -> Vec<Hit> {
    let mut budget = Budget::unlimited();
    let mut scanner = selection.stream();
    collect(text, pieces, |piece| match piece {
        Some(piece) => scanner.push(piece, &mut budget),
        None => scanner.finish(&mut budget),
    })
}
