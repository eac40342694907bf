//! Any cut of any text gives the hits of the whole, and nothing is released too early.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use testudo_detect::{Budget, Canaries, Detector, Fingerprint, GuardScanner, Scope, Selection, scan_all};
use testudo_types::{Direction, Origin, ThreatKind};

static SELECTION: LazyLock<Selection> = LazyLock::new(|| {
    let detector = Arc::new(Detector::builtin().expect("the shipped packs load"));
    let kinds = ThreatKind::ALL.into_iter().collect();
    detector.select(&Scope {
        direction: Direction::Response,
        origin: Origin::Model,
        kinds,
    })
});

fuzz_target!(|input: (&str, &str, Vec<u8>)| {
    let (prompt, text, steps) = input;
    let fingerprint = Arc::new(Fingerprint::of(prompt, 8));
    let canaries = Canaries::new(["canary"]).expect("long enough");
    let mut budget = Budget::unlimited();
    let whole = scan_all(&SELECTION, Some(&fingerprint), &canaries, None, text, &mut budget);
    if whole.exhausted {
        return;
    }
    let mut guard = GuardScanner::new(&SELECTION, Some(&fingerprint), &canaries);
    let mut steps = steps.iter().copied().chain([4]).cycle();
    let (mut rest, mut safe, mut hits) = (text, 0, Vec::new());
    loop {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(usize::from(steps.next().unwrap_or(1)).max(1)));
        let progress = if piece.is_empty() {
            guard.finish(&mut budget)
        } else {
            guard.push(piece, &mut budget)
        };
        assert!(progress.safe >= safe && text.is_char_boundary(progress.safe));
        assert!(
            progress
                .hits
                .iter()
                .all(|hit| hit.start >= safe && hit.end <= progress.safe)
        );
        safe = progress.safe;
        hits.extend(progress.hits);
        if piece.is_empty() {
            break;
        }
        rest = after;
    }
    assert_eq!(whole.hits, hits);
    assert_eq!(safe, text.len());
});
