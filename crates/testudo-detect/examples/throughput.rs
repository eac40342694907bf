//! Measures what scanning costs: `cargo run --release -p testudo-detect --example throughput`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a measurement prints its table and reads the clock"
)]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a measurement")]

use std::sync::Arc;
use std::time::Instant;

use testudo_detect::views::normalise;
use testudo_detect::{Budget, Canaries, Detector, Fingerprint, GuardScanner, Scope, Selection};
use testudo_types::{Direction, Origin, ThreatKind};

const CHAT: &str = include_str!("texts/chat.txt");

fn main() {
    let began = Instant::now();
    let detector = match Detector::builtin() {
        Ok(detector) => Arc::new(detector),
        Err(problems) => return problems.iter().for_each(|problem| println!("{problem}")),
    };
    println!("load {} rules: {:?}", detector.rules().len(), began.elapsed());
    let kinds = ThreatKind::ALL.into_iter().collect();
    let scope = Scope {
        direction: Direction::Response,
        origin: Origin::Model,
        kinds,
    };
    let began = Instant::now();
    let selection = detector.select(&scope);
    println!("select: {:?}", began.elapsed());
    let chat: String = CHAT.chars().cycle().take(8192).collect();
    let mut words: Vec<String> = detector.prefilter_words();
    shuffle(&mut words);
    let hostile: String = words.join(" ").chars().cycle().take(8192).collect();
    let digits: String = "4929 1234 5678 9012-3456 7890 ".chars().cycle().take(8192).collect();
    let tokens: String = "0123456789abcdefABCDEF_-".chars().cycle().take(8192).collect();
    for (name, text) in [
        ("chat", &chat),
        ("hostile", &hostile),
        ("digits", &digits),
        ("token characters", &tokens),
    ] {
        measure(name, text, &selection);
    }
    guarded(&chat, &selection);
    requests(&detector, &chat);
}

/// Whole requests of 16 KiB, read in all views: the median, the 99th percentile and the speed.
fn requests(detector: &Arc<Detector>, chat: &str) {
    let scope = Scope {
        direction: Direction::Request,
        origin: Origin::Document,
        kinds: ThreatKind::ALL.into_iter().collect(),
    };
    let selection = detector.select(&scope);
    let long = |text: &str| -> String { text.chars().cycle().take(16_384).collect() };
    let accented =
        "Le système a été créé à l\u{2019}été, où l'élève répète sa leçon près du café; \u{ab} déjà vu \u{bb}. ";
    let code =
        "fn total(items: &[Item]) -> u32 {\n    items.iter().map(|item| item.price * item.count_of_units).sum()\n}\n\n";
    let russian = "\u{41f}\u{43e}\u{441}\u{43b}\u{435} \u{434}\u{43e}\u{436}\u{434}\u{44f} \u{432} \u{433}\u{43e}\u{440}\u{43e}\u{434}\u{435} \u{442}\u{438}\u{445}\u{43e}. ";
    let zero_width: String = chat.chars().flat_map(|c| [c, '\u{200B}']).collect();
    for (name, text) in [
        ("chat", long(chat)),
        ("French", long(accented)),
        ("Russian", long(russian)),
        ("code", long(code)),
        ("zero width", long(&zero_width)),
        (
            "base64",
            "SGVsbG8gd29ybGQsIGhvdyBhcmUgeW91IHRvZGF5Pw "
                .chars()
                .cycle()
                .take(16_384)
                .collect(),
        ),
        (
            "spaced",
            "w o r d s  a p a r t  ".chars().cycle().take(16_384).collect(),
        ),
    ] {
        let mut times = Vec::new();
        let mut views = Vec::new();
        for _ in 0..200 {
            let began = Instant::now();
            std::hint::black_box(selection.scan(&text, &mut Budget::unlimited()));
            times.push(began.elapsed());
            let began = Instant::now();
            std::hint::black_box(normalise(&text, &mut Budget::unlimited()));
            views.push(began.elapsed());
        }
        times.sort();
        views.sort();
        let median = times.get(100).copied().unwrap_or_default();
        let speed = f64::from(u32::try_from(text.len()).unwrap_or(0)) / median.as_secs_f64() / 1e6;
        println!(
            "{name:>16}: request of {} bytes {:?} at best, {median:?}, p99 {:?}, {speed:.0} MB/s; views alone {:?} at best, {:?}",
            text.len(),
            times.first(),
            times.get(198),
            views.first(),
            views.get(100)
        );
    }
}

fn shuffle(words: &mut [String]) {
    let mut state = 88_172_645_463_325_252_u64;
    for at in (1..words.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words.swap(at, usize::try_from(state % (at as u64 + 1)).unwrap_or(0));
    }
}

fn measure(name: &str, text: &str, selection: &Selection) {
    let mut scans = Vec::new();
    let (mut hits, mut units) = (0, 0);
    for _ in 0..15 {
        let mut budget = Budget::unlimited();
        let began = Instant::now();
        hits = selection.scan(text, &mut budget).hits.len();
        scans.push(began.elapsed());
        units = u64::MAX - budget.left();
    }
    scans.sort();
    let mut streams = Vec::new();
    let (mut streamed, mut stream_units) = (0, 0);
    for _ in 0..15 {
        let mut budget = Budget::unlimited();
        let began = Instant::now();
        let mut stream = selection.stream();
        streamed = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.ceil_char_boundary(4));
            streamed += stream.push(piece, &mut budget).hits.len();
            rest = after;
        }
        streamed += stream.finish(&mut budget).hits.len();
        streams.push(began.elapsed());
        stream_units = u64::MAX - budget.left();
    }
    streams.sort();
    let pushes = u32::try_from(text.len().div_ceil(4)).unwrap_or(1);
    println!(
        "{name:>16}: scan 8 KiB {:?} ({units} units, {hits} hits); push of 4 bytes {:?} ({stream_units} units, {streamed} hits)",
        scans.get(7),
        streams.get(7).map(|time| *time / pushes)
    );
}

fn guarded(text: &str, selection: &Selection) {
    let began = Instant::now();
    let prompt: String = "You are a careful travel agent; never promise refunds. Staff rate is for staff. ".repeat(30);
    let fingerprint = Arc::new(Fingerprint::of(&prompt, 48));
    println!("fingerprint of {} bytes: {:?}", prompt.len(), began.elapsed());
    let canaries = Canaries::new(["canary-5f3c9a"]).unwrap_or_default();
    let mut budget = Budget::unlimited();
    let began = Instant::now();
    let mut guard = GuardScanner::new(selection, Some(&fingerprint), &canaries);
    let mut pushes = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(4));
        std::hint::black_box(guard.push(piece, &mut budget));
        rest = after;
        pushes += 1;
    }
    println!(
        "guard with leak and canary: push of 4 bytes {:?}",
        began.elapsed() / pushes
    );
}
