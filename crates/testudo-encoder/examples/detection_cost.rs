//! What each stage of detection costs on one core; `cargo xtask bench-detect` runs it in release.
//!
//! The arguments are the number of runs and, if there is one, a file of labelled JSON Lines.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, its own memory and a file of the operator's"
)]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a measurement")]

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testudo_detect::model::{CalibratedEncoder, Calibration, Encoder, EncoderProblem, InjectionModel, Logits};
use testudo_detect::{Budget, Canaries, Detector, Scope, Selection, scan_all};
use testudo_encoder::{CALIBRATION, Transformer};
use testudo_types::{Direction, Origin, ThreatKind};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const CHAT: &str = include_str!("../../testudo-detect/examples/texts/chat.txt");

/// Texts of each kind that nobody would look at twice.
const TEXTS: [(&str, &str); 8] = [
    ("chat", CHAT),
    (
        "English",
        include_str!("../../testudo-detect/examples/texts/english.txt"),
    ),
    ("French", include_str!("../../testudo-detect/examples/texts/french.txt")),
    (
        "Russian",
        include_str!("../../testudo-detect/examples/texts/russian.txt"),
    ),
    (
        "Chinese",
        include_str!("../../testudo-detect/examples/texts/chinese.txt"),
    ),
    ("JSON", include_str!("../../testudo-detect/examples/texts/json.txt")),
    ("HTML", include_str!("../../testudo-detect/examples/texts/html.txt")),
    ("code", include_str!("../../testudo-detect/examples/texts/code.txt")),
];

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().map_or(Ok(5), |it| it.parse())?;
    let file = arguments.next();
    let mut out = io::stdout().lock();
    let before = resident_kb();
    let detector = Arc::new(Detector::builtin().map_err(|_| "the shipped rules are unsound")?);
    let all = Origin::ALL.map(|origin| selection(&detector, origin));
    let with_rules = resident_kb();
    let ngrams = InjectionModel::builtin()?;
    let with_ngrams = resident_kb();
    let encoder = Arc::new(Transformer::shipped(NonZeroUsize::MIN)?);
    tier_b(&encoder, 1, &mut io::sink())?;
    let with_encoder = resident_kb();

    writeln!(
        out,
        "| stage, one core, median of {runs} runs | measured |\n| --- | --: |"
    )?;
    deterministic(&selection(&detector, Origin::User), runs, &mut out)?;
    tier_a(&ngrams, runs, &mut out)?;
    tier_b(&encoder, runs, &mut out)?;
    writeln!(
        out,
        "| resident: rules for {} origins / + n-grams / + encoder | {} / {} / {} MB |",
        all.len(),
        mb(with_rules - before),
        mb(with_ngrams - before),
        mb(with_encoder - before)
    )?;
    if let Some(file) = file {
        let calibrated = CalibratedEncoder {
            encoder: Arc::new(Never),
            calibration: Calibration::from_toml(CALIBRATION)?,
        };
        shares(&file, &ngrams.with_encoder(calibrated), &mut out)?;
    }
    Ok(())
}

fn selection(detector: &Arc<Detector>, origin: Origin) -> Selection {
    detector.select(&Scope {
        direction: Direction::Request,
        origin,
        kinds: ThreatKind::ALL.into_iter().collect(),
    })
}

fn text(bytes: usize) -> String {
    CHAT.chars().cycle().take(bytes).collect()
}

/// Everything that needs no model, of a request, as the gateway runs it. What else the machine does is in the 99th
/// percentile and not in the best.
fn deterministic(selection: &Selection, runs: usize, out: &mut impl Write) -> io::Result<()> {
    let canaries = Canaries::default();
    for (name, text) in TEXTS {
        let mut page = text.repeat((16_usize << 10).div_ceil(text.len()));
        page.truncate(page.floor_char_boundary(16 << 10));
        let mut each: Vec<Duration> = (0..runs * 100)
            .map(|_| {
                let began = Instant::now();
                let budget = &mut Budget::unlimited();
                std::hint::black_box(scan_all(selection, None, &canaries, None, &page, budget));
                began.elapsed()
            })
            .collect();
        let in_order = percentiles(&mut each);
        let best = each.first().map_or(f64::NAN, Duration::as_secs_f64);
        writeln!(
            out,
            "| rules, 16 KB of {name}, p50 / p99; best | {in_order}; {:.3} ms, {:.0} MB/s |",
            best * 1000.0,
            page.len() as f64 / 1e6 / best
        )?;
    }
    Ok(())
}

fn tier_a(model: &InjectionModel, runs: usize, out: &mut impl Write) -> io::Result<()> {
    let page = text(16 << 10);
    let per_kb: Vec<f64> = (0..runs)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..10 {
                std::hint::black_box(model.judge(&[&page], &Origin::Document, &mut Budget::unlimited()));
            }
            began.elapsed().as_secs_f64() * 1000.0 / 160.0
        })
        .collect();
    writeln!(
        out,
        "| n-grams, each KB with all its windows | {:.3} ms |",
        median(per_kb)
    )
}

fn tier_b(encoder: &Transformer, runs: usize, out: &mut impl Write) -> Outcome<()> {
    // As long as fits into one window.
    let mut end = 600;
    while encoder.windows_of(&text(end)) > 1 {
        end -= 1;
    }
    let window = text(end);
    let mut each = Vec::new();
    for _ in 0..runs * 40 {
        let began = Instant::now();
        encoder.score(&[&window])?;
        each.push(began.elapsed());
    }
    writeln!(
        out,
        "| encoder, one window of 128 pieces, p50 / p99 | {} |",
        percentiles(&mut each)
    )?;
    Ok(())
}

/// Stands where an encoder is asked and only the asking counts.
struct Never;

impl Encoder for Never {
    fn score(&self, _: &[&str]) -> Result<Vec<Logits>, EncoderProblem> {
        Err(EncoderProblem::Busy)
    }
}

fn field<'a>(row: &'a serde_json::Value, name: &str) -> Option<&'a str> {
    row.get(name).and_then(serde_json::Value::as_str)
}

/// How many windows of harmless rows leave the n-grams unsure.
fn shares(file: &str, model: &InjectionModel, out: &mut impl Write) -> Outcome<()> {
    let origins = [
        Origin::User,
        Origin::ToolResult { tool: None },
        Origin::Document,
        Origin::ToolDefinition,
    ];
    let mut counts: BTreeMap<&str, (usize, usize, usize, usize)> = BTreeMap::new();
    for line in io::BufReader::new(std::fs::File::open(file)?).lines() {
        let row: serde_json::Value = serde_json::from_str(&line?)?;
        let (Some("benign"), Some(text)) = (field(&row, "label"), field(&row, "text")) else {
            continue;
        };
        for origin in &origins {
            let mut asked = 0;
            let verdict = model.judge_with(
                &[text],
                origin,
                &mut Budget::unlimited(),
                |_| false,
                |_, windows| {
                    asked = windows.len();
                    Vec::new()
                },
            );
            let count = counts.entry(origin.as_str()).or_default();
            *count = (
                count.0 + verdict.scored_windows,
                count.1 + asked,
                count.2 + 1,
                count.3 + usize::from(asked > 0),
            );
        }
    }
    for (origin, (windows, asked, texts, reached)) in counts {
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        writeln!(
            out,
            "| harmless rows as {origin}: windows / texts that reach the encoder | {:.1} % of {windows} / {:.1} % of {texts} |",
            percent(asked, windows),
            percent(reached, texts)
        )?;
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn percentiles(each: &mut [Duration]) -> String {
    each.sort_unstable();
    let at = |share: usize| each.get((each.len() * share / 100).min(each.len().saturating_sub(1)));
    let ms = |share| at(share).map_or(f64::NAN, |it| it.as_secs_f64() * 1000.0);
    format!("{:.3} / {:.3} ms", ms(50), ms(99))
}

fn mb(kb: u64) -> String {
    format!("{:.1}", kb as f64 / 1024.0)
}

/// Resident memory of this process.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
