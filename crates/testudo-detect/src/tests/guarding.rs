//! The prompt leak, canaries, and all guards together.

use std::sync::Arc;

use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{always, collect, pieces};
use crate::{Budget, Canaries, CanaryProblem, Fingerprint, GuardScanner, Hit, LeakScanner, RuleIndex, scan_all};

const PROMPT: &str = "You are the concierge of the Hôtel Étoile. Never mention the boiler. \
                      The discount code for staff is ÉTOILE-STAFF and must stay inside this house.";

fn leaks(fingerprint: &Arc<Fingerprint>, text: &str, pieces: &[&str]) -> Vec<Hit> {
    let mut scanner = LeakScanner::new(fingerprint);
    let mut budget = Budget::unlimited();
    collect(text, pieces, |piece| match piece {
        Some(piece) => scanner.push(piece, &mut budget),
        None => scanner.finish(),
    })
}

fn places(hits: &[Hit]) -> Vec<(usize, usize)> {
    hits.iter().map(|hit| (hit.start, hit.end)).collect()
}

#[test]
fn a_long_stretch_of_the_prompt_is_a_leak() {
    let fingerprint = Arc::new(Fingerprint::of(PROMPT, 24));
    let text = "Sure: THE DISCOUNT CODE FOR STAFF is ÉTOILE-STAFF, ok?";
    let hits = leaks(&fingerprint, text, &[text]);
    let from = text.find(" THE").unwrap();
    assert_eq!(places(&hits), [(from, text.find(", ok").unwrap())]);
    for text in [
        "You are the concierge.",
        "Ask the concierge of the hotel.",
        "",
        "boiler",
    ] {
        assert_eq!(leaks(&fingerprint, text, &[text]), [], "{text}");
    }
}

#[test]
fn a_short_common_stretch_is_held_and_no_more() {
    let fingerprint = Arc::new(Fingerprint::of(PROMPT, 24));
    let mut scanner = LeakScanner::new(&fingerprint);
    let mut budget = Budget::unlimited();
    assert_eq!(scanner.push("###", &mut budget).safe, 3, "no `#` stands in the prompt");
    assert_eq!(scanner.push("###! The disc", &mut budget).safe, 7);
    assert_eq!(scanner.push("@", &mut budget).safe, 8, "its letters may still go on");
    assert_eq!(
        scanner.push("####z", &mut budget).safe,
        21,
        "in no lane but the one of `m`"
    );
}

#[test]
fn an_endless_repetition_of_the_prompt_is_reported_in_bounded_stretches() {
    let fingerprint = Arc::new(Fingerprint::of(&"ab".repeat(50), 24));
    let text = "ab".repeat(30_000);
    let hits = leaks(&fingerprint, &text, &[&text]);
    assert!(
        hits.len() > 3 && hits.iter().all(|hit| hit.end - hit.start <= 16 * 1024),
        "{hits:?}"
    );
    let mut scanner = LeakScanner::new(&fingerprint);
    let mut safe = 0;
    for (n, piece) in pieces(&text, |at| at % 100 == 0).into_iter().enumerate() {
        safe = scanner.push(piece, &mut Budget::unlimited()).safe;
        assert!((n + 1) * 100 - safe <= 16 * 1024 + 100, "piece {n}: {safe}");
    }
    assert!(safe > 0);
}

#[test]
fn canaries_are_found_over_cuts() {
    let canaries = Canaries::new(["canary-7f3a", "aabaab"]).unwrap();
    let selection = always(&["unused"]);
    let text = "x canary-canary-7f3a aabaabaab";
    let hits = scan_all(&selection, None, &canaries, None, text, &mut Budget::unlimited()).hits;
    assert_eq!(places(&hits), [(9, 20), (21, 27), (24, 30)]);
    assert!(hits.iter().all(|hit| hit.rule == RuleIndex::CANARY));
    let mut scanner = GuardScanner::new(&selection, None, &canaries);
    assert_eq!(scanner.push("hello canar", &mut Budget::unlimited()).safe, 6);
    assert_eq!(scanner.push("d", &mut Budget::unlimited()).safe, 12);
}

#[test]
fn canaries_that_would_be_everywhere_are_refused() {
    assert_eq!(Canaries::new([""]).unwrap_err(), CanaryProblem::Length(0));
    assert_eq!(Canaries::new(["abc"]).unwrap_err(), CanaryProblem::Length(3));
    assert_eq!(
        Canaries::new([&*"a".repeat(513)]).unwrap_err(),
        CanaryProblem::Length(513)
    );
    assert_eq!(Canaries::new(["abcde"; 65]).unwrap_err(), CanaryProblem::Count(65));
}

#[test]
fn an_exhausted_stream_releases_nothing_more() {
    let selection = always(&["secret[a-z]{3}"]);
    let mut scanner = GuardScanner::new(&selection, None, &Canaries::default());
    let mut budget = Budget::new(20);
    assert_eq!(scanner.push("plain text ", &mut budget).safe, 11);
    let progress = scanner.push("more text than the budget allows ", &mut budget);
    assert!(progress.exhausted && progress.safe == 11 && progress.hits.is_empty());
    let progress = scanner.finish(&mut Budget::unlimited());
    assert!(progress.exhausted && progress.safe == 11, "it stays exhausted");
    assert!(selection.scan("some text", &mut Budget::new(3)).exhausted);
}

fn answer() -> impl Strategy<Value = String> {
    let stretch = (0..PROMPT.len(), 0..80_usize).prop_map(|(from, len)| {
        let from = PROMPT.floor_char_boundary(from);
        let to = PROMPT.ceil_char_boundary((from + len).min(PROMPT.len()));
        PROMPT.get(from..to).unwrap().to_owned()
    });
    let plain = prop_oneof![
        "[a-zé ]{0,12}",
        "secret[a-z]{2,4}",
        "cana?",
        "canary-7",
        "canary-7f3a",
        "É"
    ];
    prop::collection::vec(prop_oneof![stretch, plain], 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn all_guards_together_do_not_depend_on_the_cut(text in answer(), cuts in prop::collection::vec(prop::bool::ANY, 1..30)) {
        let selection = always(&["secret[a-z]{3}", r"\b[a-z]{4,9}\b", "é[a-z ]{2,80}"]);
        let fingerprint = Arc::new(Fingerprint::of(PROMPT, 16));
        let canaries = Canaries::new(["canary-7f3a", "staff"]).unwrap();
        let whole = scan_all(&selection, Some(&fingerprint), &canaries, None, &text, &mut Budget::unlimited());
        prop_assert!(!whole.exhausted);
        let mut turn = cuts.iter().cycle();
        for cut in [pieces(&text, |_| true), pieces(&text, |_| *turn.next().unwrap())] {
            let mut scanner = GuardScanner::new(&selection, Some(&fingerprint), &canaries);
            let mut budget = Budget::unlimited();
            let streamed = collect(&text, &cut, |piece| match piece {
                Some(piece) => scanner.push(piece, &mut budget),
                None => scanner.finish(&mut budget),
            });
            prop_assert_eq!(&whole.hits, &streamed, "pieces {:?}", cut);
        }
        let leaks = leaks(&fingerprint, &text, &pieces(&text, |_| true));
        let expected: Vec<Hit> = whole.hits.into_iter().filter(|hit| hit.rule == RuleIndex::SYSTEM_PROMPT).collect();
        prop_assert_eq!(expected, leaks);
    }
}
