//! Injections: area under the curve, recall at rates of false positives, per source, and speed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;
use testudo_detect::model::metrics::{Labelled, area_under_curve, default_origin, recall, recall_at, threshold};

use super::{Answers, Bench, Options, blind, install, percent, table};
use crate::output;

/// Families with fewer attacks are summed up.
const FAMILY_ROWS_MIN: usize = 25;

pub(super) fn compare(bench: &Bench, options: &Options) -> anyhow::Result<()> {
    let rows = read(options)?;
    output::step(&format!("{} rows of {}", rows.len(), options.data.display()));
    let path = bench.work.join("injection.jsonl");
    blind(&rows, &path)?;
    let all = sides(bench, &path)?;
    let harmless: Vec<Value> = rows.iter().filter(|row| !is_attack(row)).cloned().collect();
    output::step(&format!("speed on the {} harmless rows alone", harmless.len()));
    let path = bench.work.join("harmless.jsonl");
    blind(&harmless, &path)?;
    let calm: BTreeMap<&str, f64> = sides(bench, &path)?
        .iter()
        .map(|it| (it.name, it.texts_per_second))
        .collect();
    summary(&rows, &all, &calm);
    families(&rows, &all);
    Ok(())
}

/// What every side says about the rows of a file; ours come first.
fn sides(bench: &Bench, path: &Path) -> anyhow::Result<Vec<Answers>> {
    let mut all = vec![
        bench.ours("testudo, both models", "score", path)?,
        bench.ours("testudo, n-grams", "score-ngrams", path)?,
    ];
    let peers = [
        ("jailguard", "jailguard_scores.py", install::python(&install::JAILGUARD)),
        (
            "prompt-guardrail",
            "prompt_guardrail_scores.py",
            install::python(&install::PROMPT_GUARDRAIL),
        ),
        ("llm_guardrail", "llm_guardrail_scores.mjs", install::node()),
        (
            "aicordon picket",
            "aicordon_scores.py",
            install::python(&install::AICORDON),
        ),
    ];
    for (name, program, runner) in peers {
        all.extend(bench.peer(name, program, runner, path));
    }
    Ok(all)
}

fn read(options: &Options) -> anyhow::Result<Vec<Value>> {
    let file = File::open(&options.data).with_context(|| {
        format!(
            "{} cannot be read; give labelled JSON Lines with --data",
            options.data.display()
        )
    })?;
    let mut rows: Vec<Value> = Vec::new();
    for line in BufReader::new(file).lines() {
        let mut row: Value = serde_json::from_str(&line?).context("a row is no JSON object")?;
        let kind = row.get("kind").and_then(Value::as_str).unwrap_or_default();
        let origin = default_origin(kind, &family(&row)).as_str();
        let object = row.as_object_mut().context("a row is no JSON object")?;
        object.entry("origin").or_insert_with(|| origin.into());
        rows.push(row);
    }
    // Ids are hashes of texts, so their order is a fair draw.
    rows.sort_by(|left, right| left["id"].as_str().cmp(&right["id"].as_str()));
    rows.truncate(options.rows.unwrap_or(usize::MAX));
    if rows.is_empty() {
        bail!("there is no row in {}", options.data.display());
    }
    Ok(rows)
}

fn is_attack(row: &Value) -> bool {
    row["label"].as_str() != Some("benign")
}

fn labelled<'r>(rows: impl IntoIterator<Item = &'r Value>, answers: &Answers) -> Vec<Labelled> {
    rows.into_iter()
        .filter_map(|row| {
            let score = answers.rows.get(row["id"].as_str()?)?["score"].as_f64()?;
            #[expect(clippy::cast_possible_truncation, reason = "a score needs few digits")]
            let score = score as f32;
            Some(Labelled {
                score,
                is_attack: is_attack(row),
            })
        })
        .collect()
}

/// One line for each side; `calm` has its speed on harmless rows.
fn summary(rows: &[Value], all: &[Answers], calm: &BTreeMap<&str, f64>) {
    let heads = [
        "",
        "AUC",
        "recall at 0.1 %",
        "at 1 %",
        "at 5 %",
        "texts/s",
        "both are faster by",
        "n-grams by",
        "harmless texts/s",
        "both are faster by",
        "n-grams by",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let mixed: BTreeMap<&str, f64> = all.iter().map(|it| (it.name, it.texts_per_second)).collect();
    // The speed of one side, and by which factors ours are faster.
    let speed = |of: &BTreeMap<&str, f64>, name: &str| {
        let one = of.get(name).copied().unwrap_or(0.0);
        let ours = all.iter().take(2).map(|it| of.get(it.name).copied().unwrap_or(0.0));
        std::iter::once(format!("{one:.0}"))
            .chain(ours.map(|ours| format!("{:.1}", ours / one.max(1e-9))))
            .collect::<Vec<_>>()
    };
    for answers in all {
        let scored = labelled(rows, answers);
        let at = |share| percent(recall_at(&scored, share));
        let mut line = vec![
            answers.name.to_owned(),
            area_under_curve(&scored).map_or("-".to_owned(), |area| format!("{area:.3}")),
            at(0.001),
            at(0.01),
            at(0.05),
        ];
        line.extend(speed(&mixed, answers.name));
        line.extend(speed(calm, answers.name));
        lines.push(line);
    }
    table(&lines);
}

/// Where a row comes from.
fn family(row: &Value) -> String {
    let family = row.get("meta").and_then(|meta| meta.get("family")?.as_str());
    if let Some(family) = family {
        return family.to_owned();
    }
    let source = row["source"].as_str().unwrap_or("unknown");
    let last = source.rsplit(" + ").next().unwrap_or(source);
    last.split(':').next().unwrap_or(last).to_owned()
}

/// Recall by family of attacks, each peer at its own threshold for one false positive in a hundred.
fn families(rows: &[Value], all: &[Answers]) {
    let mut by_family: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_attack(row)) {
        by_family.entry(family(row)).or_default().push(row);
    }
    let small: BTreeSet<String> = by_family
        .iter()
        .filter(|(_, rows)| rows.len() < FAMILY_ROWS_MIN)
        .map(|(name, _)| name.clone())
        .collect();
    for name in small {
        let rows = by_family.remove(&name).unwrap_or_default();
        by_family.entry("other sources".to_owned()).or_default().extend(rows);
    }
    let mut lines = vec![vec!["recall at 1 %".to_owned(), "attacks".to_owned()]];
    if let Some(head) = lines.first_mut() {
        head.extend(all.iter().map(|answers| answers.name.to_owned()));
    }
    let thresholds: Vec<Option<f32>> = all.iter().map(|it| threshold(&labelled(rows, it), 0.01)).collect();
    for (name, rows) in by_family {
        let mut line = vec![name, rows.len().to_string()];
        for (answers, threshold) in all.iter().zip(&thresholds) {
            let scored = labelled(rows.iter().copied(), answers);
            line.push(percent(threshold.and_then(|threshold| recall(&scored, threshold))));
        }
        lines.push(line);
    }
    table(&lines);
}
