//! Measures how fast ordinary texts are read: `cargo run --release -p testudo-detect --example ordinary`.
//!
//! With the name of a text and a number it reads that text so often and prints nothing, for profilers.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a measurement prints its table and reads the clock"
)]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a measurement")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use testudo_detect::views::normalise;
use testudo_detect::{Budget, Canaries, Detector, Scope, Selection, scan_all};
use testudo_types::{Direction, Origin, ThreatKind};

/// Texts of each kind that nobody would look at twice.
const TEXTS: [(&str, &str); 8] = [
    ("chat", include_str!("texts/chat.txt")),
    ("english", include_str!("texts/english.txt")),
    ("french", include_str!("texts/french.txt")),
    ("russian", include_str!("texts/russian.txt")),
    ("chinese", include_str!("texts/chinese.txt")),
    ("json", include_str!("texts/json.txt")),
    ("html", include_str!("texts/html.txt")),
    ("code", include_str!("texts/code.txt")),
];
const PAGE_BYTES: usize = 16 << 10;
const RUNS: usize = 400;

fn main() {
    let detector = match Detector::builtin() {
        Ok(detector) => Arc::new(detector),
        Err(problems) => return problems.iter().for_each(|problem| println!("{problem}")),
    };
    let selection = detector.select(&Scope {
        direction: Direction::Request,
        origin: Origin::User,
        kinds: ThreatKind::ALL.into_iter().collect(),
    });
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    let count = arguments.next().and_then(|count| count.parse().ok());
    for (name, text) in TEXTS {
        let page = page(text);
        match (&only, count) {
            (Some(only), _) if only != name => {}
            (Some(_), Some(count)) => {
                (0..3).for_each(|_| scan_once(&selection, &page));
                (0..count).for_each(|_| scan_counted(&selection, &page));
            }
            _ => measure(name, &page, &selection),
        }
    }
}

/// The text again and again, up to a page.
fn page(text: &str) -> String {
    let mut page = text.repeat(PAGE_BYTES.div_ceil(text.len()));
    page.truncate(page.floor_char_boundary(PAGE_BYTES));
    page
}

/// Named for profilers, which count in this function only.
#[inline(never)]
fn scan_counted(selection: &Selection, text: &str) {
    scan_once(selection, text);
}

fn scan_once(selection: &Selection, text: &str) {
    black_box(scan_all(
        selection,
        None,
        &Canaries::default(),
        None,
        text,
        &mut Budget::unlimited(),
    ));
}

fn measure(name: &str, text: &str, selection: &Selection) {
    let mut all = Vec::new();
    let mut views = Vec::new();
    let mut hits = 0;
    for _ in 0..RUNS {
        let began = Instant::now();
        scan_counted(selection, text);
        all.push(began.elapsed());
        let began = Instant::now();
        black_box(normalise(text, &mut Budget::unlimited()));
        views.push(began.elapsed());
    }
    hits += selection.scan(text, &mut Budget::unlimited()).hits.len();
    all.sort();
    views.sort();
    let rate = |time: Option<&std::time::Duration>| {
        f64::from(u32::try_from(text.len()).unwrap_or(0))
            / time.map_or(f64::NAN, std::time::Duration::as_secs_f64)
            / 1e6
    };
    println!(
        "{name:>10}: {:5.1} MB/s at best, {:5.1} in the middle; 16 KB {:.0?} at best, {:.0?} p50, {:.0?} p99; views alone {:.0?} at best; {hits} hits",
        rate(all.first()),
        rate(all.get(RUNS / 2)),
        all.first().copied().unwrap_or_default(),
        all.get(RUNS / 2).copied().unwrap_or_default(),
        all.get(RUNS * 99 / 100).copied().unwrap_or_default(),
        views.first().copied().unwrap_or_default(),
    );
}
