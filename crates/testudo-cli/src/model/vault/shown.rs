//! What is shown about a model when it is pushed: its scan, its bill of materials, its licences and its evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Number, Value, json};
use sha2::{Digest as _, Sha256};
use testudo_formats::{Options, Verdict};
use testudo_vault::signing::Manifest;
use testudo_vault::vault::{Evidence, Gates, Scanned};

use crate::arguments::vault::Push;
use crate::model::files::Candidate;
use crate::model::scan::judge_file;

/// The largest bill or report that is read.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;
const CARD_BYTES_MAX: usize = 4 << 20;
/// Bills that are looked for in the model.
const BILLS: [&str; 4] = ["bom.json", "bom.cdx.json", "sbom.cdx.json", "ml-bom.cdx.json"];
const CARD: &str = "README.md";

/// What can be shown about a model that is asked for, or was given; `None` when that is nothing.
pub(super) fn evidence(arguments: &Push, gates: &Gates, manifest: &Manifest) -> anyhow::Result<Option<Evidence>> {
    let mut evidence = Evidence::default();
    if gates.scan.is_some() {
        evidence.scan = Some(scanned(&arguments.model, manifest)?);
    }
    let own = |name: &str| Some(arguments.model.join(name)).filter(|path| path.is_file());
    let bill = arguments
        .bom
        .clone()
        .or_else(|| BILLS.iter().find_map(|name| own(name)));
    let wanted = gates.bill || !gates.licences.is_empty() || arguments.bom.is_some();
    if let Some(path) = bill.filter(|_| wanted) {
        let bytes = testudo_bounded::read_file(&path, DOCUMENT_BYTES_MAX)?;
        let bill: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the bill of materials `{}` is no JSON", path.display()))?;
        if bill.get("bomFormat").and_then(Value::as_str) != Some("CycloneDX") {
            bail!("`{}` is no bill of materials in CycloneDX", path.display());
        }
        licences_of(&bill, &mut evidence.licences);
        evidence.bill = Some(sha256(&bytes));
    }
    if !gates.licences.is_empty()
        && let Some(card) = own(CARD)
    {
        evidence.licences.extend(licences_of_card(&card)?);
    }
    if let Some(path) = &arguments.report {
        let bytes = testudo_bounded::read_file(path, DOCUMENT_BYTES_MAX)?;
        let report: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the evaluation report `{}` is no JSON", path.display()))?;
        evidence.metrics = metrics(&report);
        evidence.report = Some(sha256(&bytes));
    }
    Ok((evidence != Evidence::default()).then_some(evidence))
}

/// Judges every file of a model, and makes sure that they are those that were measured.
fn scanned(model: &Path, manifest: &Manifest) -> anyhow::Result<Scanned> {
    let mut worst = Verdict::Allowed;
    let mut hasher = Sha256::new();
    for resource in &manifest.resources {
        let name = resource.place.file();
        let candidate = Candidate {
            path: if model.is_dir() {
                model.join(name.as_str())
            } else {
                model.to_owned()
            },
            leads_outside: false,
        };
        let judged = judge_file(&candidate, &Options::default(), true);
        if judged.sha256.as_deref() != Some(resource.digest.to_hex().as_str()) {
            bail!(
                "`{}` changed while it was scanned; run again when nothing writes to it",
                candidate.path.display()
            );
        }
        worst = worst.max(judged.report.verdict);
        let findings: Vec<_> = judged
            .report
            .findings
            .iter()
            .map(|it| json!([it.rule, it.verdict.word(), it.offset]))
            .collect();
        let line = json!([name.as_str(), judged.report.verdict.word(), findings]);
        hasher.update(format!("{line}\n"));
    }
    Ok(Scanned {
        verdict: worst.word().to_owned(),
        sha256: hex(&hasher.finalize()),
    })
}

/// Every licence of a bill, of the whole and of each component.
fn licences_of(bill: &Value, licences: &mut BTreeSet<String>) {
    let whole = bill.get("metadata").and_then(|it| it.get("component"));
    let parts = bill.get("components").and_then(Value::as_array);
    for component in whole.into_iter().chain(parts.into_iter().flatten()) {
        let named = component.get("licenses").and_then(Value::as_array);
        for choice in named.into_iter().flatten() {
            let licence = choice.get("license");
            let text = choice
                .get("expression")
                .or_else(|| licence.and_then(|it| it.get("id")))
                .or_else(|| licence.and_then(|it| it.get("name")));
            licences.extend(text.and_then(Value::as_str).map(ToOwned::to_owned));
        }
    }
}

/// What `license:` in the front matter of a model card says.
fn licences_of_card(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = testudo_bounded::read_text(path, CARD_BYTES_MAX)?;
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some("---") {
        return Ok(Vec::new());
    }
    let front: Vec<&str> = lines.take_while(|line| line.trim() != "---").collect();
    let mut found = Vec::new();
    let mut listing = false;
    for line in front {
        let item = line.trim().strip_prefix("- ").filter(|_| listing);
        listing = listing && item.is_some();
        let value = match (item, line.strip_prefix("license:")) {
            (Some(item), _) => item,
            (None, Some(value)) => {
                listing = value.trim().is_empty();
                value
            }
            (None, None) => continue,
        };
        let values = value.trim().trim_start_matches('[').trim_end_matches(']').split(',');
        found.extend(
            values
                .map(|it| it.trim().trim_matches(['"', '\'']).to_owned())
                .filter(|it| !it.is_empty()),
        );
    }
    Ok(found)
}

/// The numbers of a report: those of its `metrics`, or its own.
fn metrics(report: &Value) -> BTreeMap<String, Number> {
    let numbers = report.get("metrics").unwrap_or(report).as_object();
    let number = |(name, value): (&String, &Value)| match value {
        Value::Number(number) => Some((name.clone(), number.clone())),
        _ => None,
    };
    numbers.into_iter().flatten().filter_map(number).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
