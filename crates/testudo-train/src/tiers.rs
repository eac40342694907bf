//! What both tiers together make of labelled rows: the encoder's thresholds for each channel, and how much they find.

use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use testudo_detect::model::{Channel, Encoder as _, Head, InjectionModel, Logits, NgramModel, UncertainBand, windows};
use testudo_encoder::{Transformer, Weights};

use crate::row::{Row, read};
use crate::{say, source};

/// The largest file of an encoder.
const WEIGHTS_BYTES_MAX: usize = 64 << 20;
const PIECES_BYTES_MAX: usize = 4 << 20;
/// Where vectors are read from.
const ALIGNMENT: usize = 64;
/// Windows of one row that the encoder is asked about, the most suspect first.
const WINDOWS_MAX: usize = 32;
/// Rows between two lines of progress.
const PROGRESS_ROWS: usize = 500;

/// A row and what both tiers said about its windows that reached the encoder.
#[derive(Debug, Serialize)]
struct Read {
    source: String,
    family: String,
    kind: String,
    language: String,
    channel: Channel,
    is_attack: bool,
    /// All windows of the row.
    windows: usize,
    /// The logits of the n-grams and of the encoder.
    pairs: Vec<(f32, f32)>,
    text: String,
}

/// Reads rows with the shipped n-grams and the encoder in a folder; writes `windows.jsonl` to `out`.
///
/// `shift` widens the band of the n-grams downwards, to see what a wider one would find.
pub(crate) fn tiers(encoder: &Path, out: &Path, shift: f32, files: &[&str]) -> anyhow::Result<String> {
    let encoder = load(encoder)?;
    let model = InjectionModel::builtin()?;
    let mut rows = Vec::new();
    for file in files {
        rows.append(&mut read(Path::new(file))?);
    }
    let half = rows.len().div_ceil(2);
    let (first, second) = rows.split_at(half.min(rows.len()));
    let parts = std::thread::scope(|scope| {
        let first = scope.spawn(|| pass(first, &model, &encoder, shift));
        let second = pass(second, &model, &encoder, shift);
        Ok::<_, anyhow::Error>((first.join().ok().context("a thread failed")??, second?))
    })?;
    std::fs::create_dir_all(out)?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(out.join("windows.jsonl"))?);
    for it in parts.0.iter().chain(&parts.1) {
        serde_json::to_writer(&mut file, it)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(String::new())
}

/// An encoder as `pack.py` leaves it.
fn load(folder: &Path) -> anyhow::Result<Transformer> {
    let read = |name: &str| testudo_bounded::read_file(folder.join(name), WEIGHTS_BYTES_MAX);
    let tensors = read("weights.data")?;
    let mut padded = Vec::with_capacity(tensors.len().saturating_add(ALIGNMENT));
    padded.resize(ALIGNMENT, 0);
    let start = padded.as_ptr().align_offset(ALIGNMENT);
    padded.truncate(start);
    padded.extend_from_slice(&tensors);
    // One encoder for the life of the program.
    let tensors: &'static [u8] = Vec::leak(padded).get(start..).context("the tensors are empty")?;
    let pieces = testudo_bounded::read_text(folder.join("pieces.tsv"), PIECES_BYTES_MAX)?;
    let weights = Weights {
        graph: Vec::leak(read("graph.onnx")?),
        tensors,
        pieces: String::leak(pieces),
    };
    Ok(Transformer::new(weights, NonZeroUsize::MIN.saturating_add(1))?)
}

fn pass(rows: &[Row], model: &InjectionModel, encoder: &Transformer, shift: f32) -> anyhow::Result<Vec<Read>> {
    let mut all = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let channel = source::channel(row);
        let mut band = model.calibration().band(channel);
        band.low -= shift;
        band.high = f32::INFINITY;
        let (windows, pairs) = pairs(&row.text, Head::of(channel), band, model.ngram(), encoder)?;
        all.push(Read {
            source: source::source(row),
            family: row.meta("family").unwrap_or("").to_owned(),
            kind: row.kind.clone(),
            language: row.meta("lang").unwrap_or("").to_owned(),
            channel,
            is_attack: row.is_attack(),
            windows,
            pairs,
            text: row.text.chars().take(200).collect(),
        });
        if number.checked_rem(PROGRESS_ROWS) == Some(0) {
            let mut line = String::new();
            writeln!(line, "{number} of {} rows", rows.len())?;
            say(&line);
        }
    }
    Ok(all)
}

/// How many windows a text has, and the logits of those that reach the encoder.
fn pairs(
    text: &str,
    head: Head,
    band: UncertainBand,
    ngram: &NgramModel,
    encoder: &Transformer,
) -> anyhow::Result<(usize, Vec<(f32, f32)>)> {
    let mut count: usize = 0;
    let mut asked: Vec<(f32, &str)> = Vec::new();
    for window in windows(text).filter_map(|range| text.get(range)) {
        count = count.saturating_add(1);
        let logit = ngram.score(head, window);
        if band.contains(logit) || ngram.is_foreign(head, window) {
            asked.push((logit, window));
        }
    }
    asked.sort_by(|left, right| right.0.total_cmp(&left.0));
    asked.truncate(WINDOWS_MAX);
    let texts: Vec<&str> = asked.iter().map(|(_, text)| *text).collect();
    let logits: Vec<Logits> = encoder.score(&texts)?;
    let pairs = asked.iter().zip(logits).map(|((ngram, _), it)| (*ngram, it.of(head)));
    Ok((count, pairs.collect()))
}
