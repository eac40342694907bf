//! Rows from texts that were written out by hand, in `training/scenes`: each place in a text holds orders once and harmless words once.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::generate::{PLANT, escaped, files, text};
use crate::random::stable_hash;
use crate::row::Row;

/// A file of such texts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    #[serde(default)]
    scene: Vec<Scene>,
    #[serde(default)]
    turn: Vec<Turn>,
    #[serde(default)]
    tool: Vec<Tool>,
}

/// What a tool gave back, or a document, with a place in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scene {
    channel: SceneChannel,
    /// Holds `@@PLANT@@` once.
    text: String,
    /// What somebody puts there who wants to misuse the agent that reads it.
    orders: Vec<String>,
    /// What honest people or programs put there.
    fine: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SceneChannel {
    ToolResult,
    Document,
}

/// What users say about one theme.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    theme: String,
    attacks: Vec<String>,
    fine: Vec<String>,
}

/// Descriptions of tools for one purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    topic: String,
    poisoned: Vec<String>,
    fine: Vec<String>,
}

/// What is the same of the rows of one list.
#[derive(Clone, Copy)]
struct Kind {
    family: &'static str,
    label: &'static str,
    kind: &'static str,
    host: &'static str,
}

/// Every row of the folder `scenes` of the templates.
///
/// # Errors
/// A file is not of this form, a scene has no place or no words for it; the message names the file and the text.
pub(crate) fn scenes(templates: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for path in files(&templates.join("scenes"), "toml")? {
        let name = || format!("`{}`", path.display());
        let sheet: Sheet = toml::from_str(&text(&path)?).with_context(name)?;
        for scene in &sheet.scene {
            scene.rows(&mut rows).with_context(name)?;
        }
        for it in &sheet.turn {
            let (attack, fine) = (kind("turn", ""), kind("turn_fine", ""));
            whole(&it.theme, [(&it.attacks, attack), (&it.fine, fine)], &mut rows).with_context(name)?;
        }
        for it in &sheet.tool {
            let (attack, fine) = (kind("tool_written", "tool"), kind("twin_written", "tool"));
            whole(&it.topic, [(&it.poisoned, attack), (&it.fine, fine)], &mut rows).with_context(name)?;
        }
    }
    Ok(rows)
}

/// The rows of one family; attacks are direct in what users say.
fn kind(family: &'static str, host: &'static str) -> Kind {
    let (label, kind) = match family {
        "turn" => ("jailbreak", "direct"),
        "planted_scene" | "tool_written" => ("injection", "indirect"),
        _ => ("benign", "benign_hard"),
    };
    Kind {
        family,
        label,
        kind,
        host,
    }
}

fn whole(theme: &str, lists: [(&Vec<String>, Kind); 2], rows: &mut Vec<Row>) -> anyhow::Result<()> {
    for (texts, kind) in lists {
        if texts.is_empty() {
            bail!("`{theme}` has no texts of the kind `{}`", kind.family);
        }
        rows.extend(texts.iter().map(|text| row(text.trim().to_owned(), None, kind)));
    }
    Ok(())
}

impl Scene {
    fn rows(&self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let place = || format!("the scene `{}`", self.text.chars().take(60).collect::<String>());
        if self.text.matches(PLANT).count() != 1 {
            bail!("{} needs `{PLANT}` exactly once", place());
        }
        if self.orders.is_empty() || self.fine.is_empty() {
            bail!("{} needs orders and harmless words for its place", place());
        }
        let host = match self.channel {
            SceneChannel::ToolResult => "result_scene",
            SceneChannel::Document => "text_scene",
        };
        let (order, fine) = (kind("planted_scene", host), kind("twin_scene", host));
        for (words, kind) in [(&self.orders, order), (&self.fine, fine)] {
            rows.extend(words.iter().map(|it| self.row(it, kind)));
        }
        Ok(())
    }

    fn row(&self, words: &str, kind: Kind) -> Row {
        let text = self.text.trim();
        let format = if text.starts_with(['{', '[']) { "json" } else { "text" };
        let words = escaped(format, words.trim());
        row(text.replacen(PLANT, &words, 1), Some(&words), kind)
    }
}

fn row(text: String, planted: Option<&str>, it: Kind) -> Row {
    let mut meta = Map::new();
    meta.insert("family".to_owned(), json!(format!("generated/{}", it.family)));
    if !it.host.is_empty() {
        meta.insert("host".to_owned(), json!(it.host));
    }
    if let Some(planted) = planted {
        let key = if it.label == "benign" { "planted" } else { "attack" };
        meta.insert(key.to_owned(), Value::from(planted));
    }
    Row {
        id: format!("gen-{:016x}", stable_hash(&text)),
        text,
        label: it.label.to_owned(),
        kind: it.kind.to_owned(),
        source: format!("testudo:generated/{}", it.family),
        licence: "Apache-2.0".to_owned(),
        meta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(text: &str, orders: &[&str]) -> Scene {
        Scene {
            channel: SceneChannel::ToolResult,
            text: text.to_owned(),
            orders: orders.iter().map(|&it| it.to_owned()).collect(),
            fine: vec!["Bring cake.".to_owned()],
        }
    }

    #[test]
    fn what_is_planted_in_json_keeps_it_json() {
        let mut rows = Vec::new();
        scene(r#"{"note":"@@PLANT@@"}"#, &["Say \"yes\"\nand leave."])
            .rows(&mut rows)
            .unwrap();
        for row in &rows {
            serde_json::from_str::<Value>(&row.text).unwrap();
            let planted = row.meta("attack").or_else(|| row.meta("planted")).unwrap();
            assert!(row.text.contains(planted), "{}", row.text);
        }
        assert_eq!(rows.iter().map(Row::is_attack).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_scene_without_its_place_or_its_words_is_refused() {
        for (text, orders) in [
            ("no place", &["x"][..]),
            ("@@PLANT@@ twice @@PLANT@@", &["x"]),
            ("@@PLANT@@", &[]),
        ] {
            let problem = scene(text, orders).rows(&mut Vec::new()).unwrap_err();
            assert!(
                problem.to_string().contains(text.split(' ').next().unwrap()),
                "{problem}"
            );
        }
    }

    #[test]
    fn every_scene_is_a_row_for_each_of_its_words_and_no_text_is_there_twice() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../training");
        let rows = scenes(&templates).unwrap();
        let texts: std::collections::BTreeSet<&str> = rows.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts.len(), rows.len(), "a text stands in `training/scenes` twice");
        for family in [
            "planted_scene",
            "twin_scene",
            "turn",
            "turn_fine",
            "tool_written",
            "twin_written",
        ] {
            let family = format!("generated/{family}");
            assert!(
                rows.iter().any(|it| it.meta("family") == Some(family.as_str())),
                "{family}"
            );
        }
    }

    /// Every run of ten words.
    fn runs(text: &str) -> std::collections::BTreeSet<String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        words.windows(10).map(|it| it.join(" ")).collect()
    }

    #[test]
    fn what_measures_blindly_shares_no_ten_words_with_a_scene() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../training");
        let learned: std::collections::BTreeSet<String> = scenes(&templates)
            .unwrap()
            .iter()
            .flat_map(|it| runs(&it.text))
            .collect();
        let files = files(&templates.join("blind"), "jsonl").unwrap();
        let measured: Vec<Row> = files.iter().flat_map(|it| crate::row::read(it).unwrap()).collect();
        assert_eq!(measured.len(), 1536);
        for row in measured {
            assert!(crate::apart::only_measures(row.meta("family").unwrap()), "{}", row.id);
            let shared: Vec<_> = runs(&row.text).intersection(&learned).cloned().collect();
            assert!(shared.is_empty(), "{}: {shared:?}", row.id);
        }
    }
}
