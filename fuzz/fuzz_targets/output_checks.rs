//! Answers under everything a route can declare: any cut gives the hits of the whole, and a review ends.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use testudo_detect::output::{
    Context, Declared, HostList, LinkJudge, LinkPolicy, Review, Sink, identify, pattern_matches, review,
};
use testudo_detect::{Budget, Canaries, Detector, GuardScanner, Scope, Selection, scan_all};
use testudo_types::{Direction, Origin, ThreatKind};

static DETECTOR: LazyLock<Arc<Detector>> =
    LazyLock::new(|| Arc::new(Detector::builtin().expect("the shipped packs load")));

fn select(sinks: &[Sink]) -> Selection {
    let scope = Scope {
        direction: Direction::Response,
        origin: Origin::Model,
        kinds: ThreatKind::ALL.into_iter().collect(),
    };
    let declared = Declared {
        sinks: sinks.iter().copied().collect(),
        refusals: true,
        links: true,
    };
    DETECTOR.select_declared(&scope, &declared)
}

static ALL: LazyLock<Selection> = LazyLock::new(|| select(&Sink::ALL));
static MARKDOWN: LazyLock<Selection> = LazyLock::new(|| select(&[Sink::Markdown]));

// Loading the rules takes longer than an input may.
fuzz_target!(init: { LazyLock::force(&ALL); LazyLock::force(&MARKDOWN); }, |input: (&str, &str, &str, &str, u8)| {
    let (system, document, host, text, size) = input;
    let mut context = Context::for_review();
    context.add(&Origin::System, system);
    context.add(&Origin::Document, document);
    let context = Arc::new(context);
    let policy = Arc::new(LinkPolicy {
        hosts: HostList::new([host]).ok(),
        context: true,
    });
    let judge = LinkJudge::new(&policy, &context);
    let canaries = Canaries::default();
    let mut budget = Budget::unlimited();
    for selection in [&*ALL, &*MARKDOWN] {
        let whole = scan_all(selection, None, &canaries, Some(&judge), text, &mut budget);
        let mut guard = GuardScanner::with_links(selection, None, &canaries, Some(&judge));
        let mut hits = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.ceil_char_boundary(usize::from(size).max(1).min(rest.len())));
            hits.extend(guard.push(piece, &mut budget).hits);
            rest = after;
        }
        hits.extend(guard.finish(&mut budget).hits);
        assert_eq!(whole.hits, hits);
    }
    let what = Review {
        language: true,
        grounding: true,
    };
    for hit in review(text, &context, what, &mut budget).hits {
        assert!(text.get(hit.start..hit.end).is_some());
    }
    let _guess = identify(text);
    let _matched = pattern_matches(host, text);
});
