//! Makes training rows, trains the small injection model, and measures it; `cargo xtask train` runs all of it.

mod apart;
mod card;
mod disguise;
mod evade;
mod fit;
mod folds;
mod framed;
mod generate;
mod grammar;
mod lengths;
mod probe;
mod quiet;
mod random;
mod row;
mod scenes;
mod source;
mod strays;
mod tables;
mod tiers;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

/// Attacks that are disguised.
const EVADED: usize = 40;

const HELP: &str = "\
testudo-train <task>

  generate TEMPLATES OUT.jsonl    rows composed from the templates in the folder TEMPLATES
  unseen TEMPLATES OUT.jsonl      rows in the languages that are kept out of every training, to measure with
  apart TEMPLATES OUT.jsonl       texts of `TEMPLATES/apart`, which no training sees: to set thresholds and to measure with
  evade DATA OUT.jsonl            attacks of DATA/dev.jsonl plain and under twenty evasions
  frame TEMPLATES DATA OUT.jsonl  requests of the corpora in the folder DATA, put into frames
  ngram DATA OUT ROWS.jsonl...    fits the n-gram model on DATA/train.jsonl and ROWS, cross-fitted thresholds and tables
  tiers ENCODER OUT ROWS.jsonl... both tiers on labelled rows, with the encoder in a folder: its thresholds and tables
  card DATA OUT SECONDS           the model card, from the tables in OUT and the time they took
  fold NUMBER DATA ROWS.jsonl...  the attacks that one fold leaves out, and nothing written
  tier DATA OUT                   which windows of DATA/dev.jsonl go on to the encoder
  probe OUT ORIGIN LINES          what the model in the folder OUT thinks of each line of a file
  quiet WHERE ROWS.jsonl...       how often each rule finds something in harmless rows; WHERE is `request`,
                                  `response`, or a sink of answers as `html`
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("testudo-train: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn say(text: &str) {
    // Nobody left to tell when this fails.
    let _ignored = std::io::stderr().write_all(text.as_bytes());
}

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help"] => Ok(HELP.to_owned()),
        [task @ ("generate" | "unseen" | "apart"), templates, out] => {
            let templates = Path::new(templates);
            let rows = match *task {
                "generate" => generate::generate(templates)?,
                "apart" => apart::apart(templates)?,
                _ => generate::held_out(templates)?,
            };
            row::write(Path::new(out), &rows)?;
            let attacks = rows.iter().filter(|it| it.is_attack()).count();
            Ok(format!("{} rows, {attacks} of them attacks\n", rows.len()))
        }
        ["evade", data, out] => {
            let rows = evade::evaded(&row::read(&Path::new(data).join("dev.jsonl"))?, EVADED);
            row::write(Path::new(out), &rows)?;
            Ok(format!("{} rows\n", rows.len()))
        }
        ["frame", templates, data, out] => {
            let rows = framed::framed(Path::new(templates), Path::new(data))?;
            row::write(Path::new(out), &rows)?;
            Ok(format!("{} rows\n", rows.len()))
        }
        ["quiet", direction, files @ ..] => quiet::quiet(direction, files),
        ["probe", out, origin, lines] => probe::probe(Path::new(out), origin, Path::new(lines)),
        ["tier", data, out] => {
            let rows = row::read(&Path::new(data).join("dev.jsonl"))?;
            let dev: Vec<fit::Prepared<'_>> = rows.iter().map(fit::prepare).collect();
            let (model, calibration) = probe::fitted(Path::new(out))?;
            tables::second_tier(&dev, &model, &calibration)
        }
        ["tiers", encoder, out, files @ ..] => tiers::tiers(Path::new(encoder), Path::new(out), files),
        ["card", data, out, seconds] => {
            let out = Path::new(out);
            std::fs::write(out.join("MODEL_CARD.md"), card::card(Path::new(data), out, seconds)?)?;
            Ok(String::new())
        }
        ["fold", fold, data, more @ ..] => one_fold(fold, Path::new(data), more),
        ["ngram", data, out, more @ ..] => ngram(Path::new(data), Path::new(out), more),
        _ => bail!(
            "`{}` is not a task; without arguments the tasks are listed",
            arguments.join(" ")
        ),
    }
}

fn one_fold(fold: &str, data: &Path, more: &[&str]) -> anyhow::Result<String> {
    let fold: usize = fold.parse()?;
    let (train, dev) = corpora(data, more)?;
    let train: Vec<fit::Prepared<'_>> = train.iter().map(fit::prepare).collect();
    let dev: Vec<fit::Prepared<'_>> = dev.iter().map(fit::prepare).collect();
    let scored = folds::cross_fitted(&train, &dev, fold..fold.saturating_add(1))?;
    let mut out = String::new();
    tables::attacks(&mut out, &scored, &testudo_detect::model::Calibration::builtin()?)?;
    Ok(out)
}

fn corpora(data: &Path, more: &[&str]) -> anyhow::Result<(Vec<row::Row>, Vec<row::Row>)> {
    let mut train = row::read(&data.join("train.jsonl"))?;
    for path in more {
        train.append(&mut row::read(Path::new(path))?);
    }
    Ok((train, row::read(&data.join("dev.jsonl"))?))
}

fn ngram(data: &Path, out: &Path, more: &[&str]) -> anyhow::Result<String> {
    let (train, dev) = corpora(data, more)?;
    let train: Vec<fit::Prepared<'_>> = train.iter().map(fit::prepare).collect();
    let dev: Vec<fit::Prepared<'_>> = dev.iter().map(fit::prepare).collect();
    say(&format!(
        "{} rows to learn from, {} kept apart\n",
        train.len(),
        dev.len()
    ));
    std::fs::create_dir_all(out)?;
    let (asked, read) = folds::fit_both(&train, None)?;
    let model = fit::model(&asked, &read)?;
    std::fs::write(out.join("ngram.bin"), model.to_bytes())?;
    say("the shipped model is fitted\n");
    let mut scored = folds::cross_fitted(&train, &dev, 0..source::FOLDS)?;
    let calibration = folds::calibration(&scored)?;
    folds::apply(&calibration, &mut scored);
    folds::write(&out.join("scores.jsonl"), &scored)?;
    let tables = tables::tables(&scored, &calibration)? + &tables::second_tier(&dev, &model, &calibration)?;
    std::fs::write(out.join("tables.md"), tables)?;
    std::fs::write(out.join("calibration.toml"), calibration.to_toml()?)?;
    Ok(format!(
        "weights, thresholds, scores and tables are in `{}`\n",
        out.display()
    ))
}
