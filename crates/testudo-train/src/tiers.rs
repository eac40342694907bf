//! What both tiers together make of labelled rows: the encoder's thresholds for each channel, and how much they find.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use testudo_detect::Budget;
use testudo_detect::model::metrics::{Labelled, false_positives, recall, recall_at, reliability, threshold};
use testudo_detect::model::{CalibratedEncoder, Calibration, Channel, InjectionModel, ModelVerdict, Thresholds};
use testudo_encoder::{Transformer, Weights};
use testudo_types::Origin;

use crate::apart::only_measures;
use crate::lengths::length;
use crate::row::{Row, read};
use crate::{say, source};

/// The largest file of an encoder.
const WEIGHTS_BYTES_MAX: usize = 64 << 20;
const PIECES_BYTES_MAX: usize = 4 << 20;
/// Where vectors are read from.
const ALIGNMENT: usize = 64;
/// Windows of one row that the encoder is asked about, the most suspect first: what the gateway asks about at most.
const WINDOWS_MAX: usize = 32;
/// Rows between two lines of progress.
const PROGRESS_ROWS: usize = 500;
/// The logit of a row of which no window reached the encoder.
const UNREAD: f32 = -30.0;
/// No lower, where fewer than one row in twenty reaches the encoder at all.
const FIVE_PERCENT_MIN: f32 = -3.0;
/// How far apart thresholds are where too few rows tell them apart.
const APART: f32 = 0.01;

/// A row and what both tiers said about its windows that reached the encoder.
#[derive(Debug, Serialize)]
struct Judged {
    source: String,
    family: String,
    language: String,
    channel: Channel,
    is_attack: bool,
    /// All windows of the row.
    windows: usize,
    /// Those that the encoder read.
    encoded: usize,
    /// Those of them that it read for a second look.
    again: usize,
    /// What the program would score: the highest of those it read, the mean where it looked again.
    logit: f32,
    text: String,
}

/// Reads rows with the shipped n-grams and the encoder in a folder; writes `windows.jsonl`, `calibration.toml` and
/// `tiers.md` to `out`.
pub(crate) fn tiers(encoder: &Path, out: &Path, files: &[&str]) -> anyhow::Result<String> {
    let ngrams = InjectionModel::builtin()?;
    // Logits are wanted, which no threshold changes; what the length of a text takes off them does.
    let measured = Channel::ALL.map(|channel| Thresholds {
        length: length(channel),
        ..*ngrams.calibration().thresholds(channel)
    });
    let encoder = Arc::new(load(encoder)?);
    let model = ngrams.with_encoder(CalibratedEncoder {
        encoder,
        calibration: Calibration::new(measured)?,
    });
    let mut rows = Vec::new();
    for file in files {
        rows.append(&mut read(Path::new(file))?);
    }
    let (first, second) = rows.split_at(rows.len().div_ceil(2));
    let judged = std::thread::scope(|scope| {
        let first = scope.spawn(|| pass(first, &model));
        let mut rest = pass(second, &model)?;
        let mut judged = first.join().ok().context("a thread failed")??;
        judged.append(&mut rest);
        Ok::<_, anyhow::Error>(judged)
    })?;
    std::fs::create_dir_all(out)?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(out.join("windows.jsonl"))?);
    for it in &judged {
        serde_json::to_writer(&mut file, it)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    let calibration = calibration(&judged)?;
    std::fs::write(out.join("calibration.toml"), calibration.to_toml()?)?;
    let tables = tables(&judged, &calibration)?;
    std::fs::write(out.join("tiers.md"), &tables)?;
    Ok(tables)
}

/// An encoder as `pack.py` leaves it.
fn load(folder: &Path) -> anyhow::Result<Transformer> {
    let read = |name: &str| testudo_bounded::read_file(folder.join(name), WEIGHTS_BYTES_MAX);
    let tensors = read("weights.data")?;
    let mut padded = vec![0; tensors.len().saturating_add(ALIGNMENT)];
    let start = padded.as_ptr().align_offset(ALIGNMENT);
    padded.truncate(start);
    padded.extend_from_slice(&tensors);
    // One encoder for the life of the program.
    let tensors: &'static [u8] = padded.leak().get(start..).context("the tensors are empty")?;
    let pieces = testudo_bounded::read_text(folder.join("pieces.tsv"), PIECES_BYTES_MAX)?;
    let weights = Weights {
        graph: read("graph.onnx")?.leak(),
        tensors,
        pieces: pieces.leak(),
    };
    Ok(Transformer::new(weights, NonZeroUsize::MIN.saturating_add(1))?)
}

fn pass(rows: &[Row], model: &InjectionModel) -> anyhow::Result<Vec<Judged>> {
    let mut all = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let channel = source::channel(row);
        let verdict = verdict(&row.text, channel, model)?;
        all.push(Judged {
            source: source::source(row),
            family: row.meta("family").unwrap_or("").to_owned(),
            language: row.meta("lang").unwrap_or("").to_owned(),
            channel,
            is_attack: row.is_attack(),
            windows: verdict.scored_windows,
            encoded: verdict.encoded_windows,
            again: verdict.again_windows,
            logit: verdict.encoder_logit.unwrap_or(UNREAD).max(UNREAD),
            text: row.text.chars().take(200).collect(),
        });
        if number.checked_rem(PROGRESS_ROWS) == Some(0) {
            say(&format!("{number} of {} rows\n", rows.len()));
        }
    }
    Ok(all)
}

/// What both tiers make of a text, as the gateway asks them.
fn verdict(text: &str, channel: Channel, model: &InjectionModel) -> anyhow::Result<ModelVerdict> {
    let origin = match channel {
        Channel::User => Origin::User,
        Channel::ToolResult => Origin::ToolResult { tool: None },
        Channel::Document => Origin::Document,
        Channel::ToolDescription => Origin::ToolDefinition,
    };
    let (mut left, mut failed) = (WINDOWS_MAX, None);
    let whole = |_| false;
    let verdict = model.judge_with(&[text], &origin, &mut Budget::unlimited(), whole, |encoder, windows| {
        let asked: Vec<&str> = windows.iter().copied().take(left).collect();
        left = left.saturating_sub(asked.len());
        match encoder.score(&asked) {
            Ok(logits) => logits.into_iter().map(Some).collect(),
            Err(problem) => {
                failed = Some(problem);
                Vec::new()
            }
        }
    });
    match failed {
        Some(problem) => Err(problem.into()),
        None => Ok(verdict),
    }
}

/// The share of harmless rows of a channel that a score of 70 stands for. Those of tools are few and hard on purpose: most of the 99
/// descriptions tell a model what to do, and what four of them reach, fewer than one in a hundred of published ones do. Of users' turns
/// more than a tenth are instructions to personas; at 1 % those alone cost a tenth of the attacks in languages that no training saw. Of documents
/// those that people keep are many times as long as those of the corpora. Most harmless tool results that set the threshold are hard, too: of the 138
/// everyday ones of `training/blind` two reach it.
fn stopped_share(channel: Channel) -> f64 {
    match channel {
        Channel::ToolDescription => 0.04,
        Channel::ToolResult => 0.025,
        Channel::User => 0.015,
        Channel::Document => 0.005,
    }
}

/// Thresholds at shares of the harmless rows of each channel; one without such rows gets those of documents.
fn calibration(judged: &[Judged]) -> anyhow::Result<Calibration> {
    let of = |channel: Channel| {
        let rows: Vec<Labelled> = judged
            .iter()
            .filter(|it| it.channel == channel && !it.is_attack && !only_measures(&it.family))
            .map(labelled)
            .collect();
        let five_percent = threshold(&rows, 0.05)?.max(FIVE_PERCENT_MIN);
        let half = threshold(&rows, 0.5)?.min(five_percent - 1.0);
        let one_percent = threshold(&rows, stopped_share(channel))?.max(five_percent + APART);
        let one_permille = threshold(&rows, 0.001)?.max(one_percent + APART);
        Some(Thresholds {
            half,
            five_percent,
            one_percent,
            one_permille,
            certain: one_permille + (one_permille - five_percent).max(1.0) / 2.0,
            unsure_from: five_percent,
            length: length(channel),
        })
    };
    let document = of(Channel::Document).context("there are no harmless documents")?;
    let all = Channel::ALL.map(|channel| of(channel).unwrap_or(document));
    Ok(Calibration::new(all)?)
}

fn labelled(it: &Judged) -> Labelled {
    Labelled {
        score: it.logit,
        is_attack: it.is_attack,
    }
}

fn tables(judged: &[Judged], calibration: &Calibration) -> anyhow::Result<String> {
    let mut out = String::new();
    channels(&mut out, judged)?;
    sources(&mut out, judged, calibration)?;
    writeln!(out, "\n| score | rows | attacks among them |\n| --: | --: | --: |")?;
    let rows: Vec<Labelled> = judged
        .iter()
        .map(|it| Labelled {
            score: f32::from(calibration.score(it.channel, it.logit).percent()),
            is_attack: it.is_attack,
        })
        .collect();
    for bin in reliability(&rows, 10) {
        writeln!(
            out,
            "| {:.0} and more | {} | {:.1} % |",
            bin.from,
            bin.count,
            bin.attack_share * 100.0
        )?;
    }
    Ok(out)
}

fn channels(out: &mut String, judged: &[Judged]) -> anyhow::Result<()> {
    writeln!(
        out,
        "| channel | harmless | attacks | windows of harmless rows that the encoder reads | for a second look | recall at 5 % | 2 % | 1 % | 0.1 % |\n\
         | --- | --: | --: | --: | --: | --: | --: | --: | --: |"
    )?;
    for channel in Channel::ALL {
        let rows: Vec<&Judged> = judged.iter().filter(|it| it.channel == channel).collect();
        let harmless = || rows.iter().filter(|it| !it.is_attack);
        let scores: Vec<Labelled> = rows.iter().copied().map(labelled).collect();
        let read: usize = harmless().map(|it| it.encoded).sum();
        let again: usize = harmless().map(|it| it.again).sum();
        let all: usize = harmless().map(|it| it.windows).sum();
        write!(
            out,
            "| {} | {} | {} | {} | {} |",
            channel.as_str(),
            harmless().count(),
            rows.len().saturating_sub(harmless().count()),
            percent(ratio(read, all)),
            percent(ratio(again, all))
        )?;
        for share in [0.05, 0.02, 0.01, 0.001] {
            write!(out, " {} |", percent(recall_at(&scores, share)))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn sources(out: &mut String, judged: &[Judged], calibration: &Calibration) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n| source | channel | rows | kind | score >= 50 | >= 70 | >= 85 |\n| --- | --- | --: | --- | --: | --: | --: |"
    )?;
    let mut groups: BTreeMap<(bool, String, Channel), Vec<Labelled>> = BTreeMap::new();
    for it in judged {
        let source = match it.source.starts_with("generated/lang") {
            true => format!("{} {}", it.source, it.language),
            false => it.source.clone(),
        };
        let score = calibration.score(it.channel, it.logit).percent();
        groups
            .entry((!it.is_attack, source, it.channel))
            .or_default()
            .push(Labelled {
                score: f32::from(score),
                is_attack: it.is_attack,
            });
    }
    for ((harmless, source, channel), rows) in groups {
        let reach = if harmless { false_positives } else { recall };
        let shares = [50.0, 70.0, 85.0].map(|at| percent(reach(&rows, at)));
        let kind = if harmless { "harmless" } else { "attacks" };
        let [fifty, seventy, eighty_five] = shares;
        writeln!(
            out,
            "| {source} | {} | {} | {kind} | {fifty} | {seventy} | {eighty_five} |",
            channel.as_str(),
            rows.len()
        )?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |it| format!("{:.1} %", it * 100.0))
}
