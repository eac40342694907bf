//! Texts that no training sees, written out whole in `training/apart`: some set thresholds, the others measure.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, json};

use crate::generate::lists;
use crate::random::stable_hash;
use crate::row::Row;

/// What the lists hold: their name, label, kind, and how such a text reaches a model.
const LISTS: [(&str, &str, &str, &str); 8] = [
    ("calibrate", "benign", "benign_hard", "result"),
    ("measure", "benign", "benign_hard", "result"),
    ("planted", "injection", "indirect", "result"),
    ("jailbreak", "jailbreak", "direct", ""),
    ("fine", "benign", "benign_hard", ""),
    ("calibrate_tools", "benign", "benign_hard", "tool"),
    ("tool_fine", "benign", "benign_hard", "tool"),
    ("tool_poisoned", "injection", "indirect", "tool"),
];
const FILES: [&str; 3] = ["harmless_results.toml", "harmless_descriptions.toml", "attacks.toml"];

/// Whether rows of this family only measure: thresholds that they set would flatter them.
pub(crate) fn only_measures(family: &str) -> bool {
    family.starts_with("blind/") || family.starts_with("apart/") && !family.starts_with("apart/calibrate")
}

/// Every text in the folder `apart` of the templates.
///
/// # Errors
/// A file is missing or wrong, or has a list that nobody knows.
pub(crate) fn apart(templates: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for file in FILES {
        let path = templates.join("apart").join(file);
        for (name, texts) in lists(&path)? {
            let known = LISTS.iter().find(|it| it.0 == name);
            let (name, label, kind, host) = known.with_context(|| format!("what is the list `{name}` of `{file}`?"))?;
            rows.extend(texts.iter().map(|text| row(text.trim(), (name, label, kind, host))));
        }
    }
    if rows.is_empty() {
        bail!("there are no texts in `{}`", templates.join("apart").display());
    }
    Ok(rows)
}

fn row(text: &str, (name, label, kind, host): (&str, &str, &str, &str)) -> Row {
    let mut meta = Map::new();
    meta.insert("family".to_owned(), json!(format!("apart/{name}")));
    meta.insert("lang".to_owned(), json!("en"));
    if !host.is_empty() {
        meta.insert("host".to_owned(), json!(host));
    }
    let origin = match host {
        "result" => "tool_result",
        "tool" => "tool_description",
        _ => "user",
    };
    meta.insert("origin".to_owned(), json!(origin));
    Row {
        id: format!("apart-{:016x}", stable_hash(text)),
        text: text.to_owned(),
        label: label.to_owned(),
        kind: kind.to_owned(),
        source: format!("testudo:apart/{name}"),
        licence: "Apache-2.0".to_owned(),
        meta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_there_and_none_is_in_a_training() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../training");
        let rows = apart(&templates).unwrap();
        for (name, ..) in LISTS {
            let family = format!("apart/{name}");
            assert!(rows.iter().any(|row| row.meta("family") == Some(&family)), "{family}");
        }
        let trained = crate::generate::generate(&templates).unwrap();
        for row in &rows {
            assert!(trained.iter().all(|it| it.text != row.text), "{}", row.text);
        }
    }

    #[test]
    fn what_sets_thresholds_is_no_measure() {
        assert!(!only_measures("apart/calibrate") && !only_measures("tool_json"));
        assert!(!only_measures("apart/calibrate_tools"));
        assert!(only_measures("apart/measure") && only_measures("apart/fine"));
    }
}
