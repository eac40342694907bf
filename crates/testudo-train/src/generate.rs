//! Composes training rows from the templates under `training/`: each family of attacks has a benign twin with the same words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::disguise;
use crate::grammar::{Bound, Grammar};
use crate::random::{SplitMix64, stable_hash};
use crate::row::Row;
use crate::scenes;

const SEED: u64 = 0x7E57_0D00;
const TEMPLATE_BYTES_MAX: usize = 4 << 20;
/// A family that finds no new text this often in a row is exhausted.
const MISSES_MAX: usize = 400;
/// The place in a host where the planted text goes.
pub(crate) const PLANT: &str = "@@PLANT@@";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    family: Vec<Family>,
    /// The same for every language file.
    per_language: Vec<Family>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    name: String,
    label: String,
    kind: String,
    count: usize,
    /// Lists of hosts with `@@PLANT@@` in them; none for texts that stand alone.
    #[serde(default)]
    hosts: Vec<String>,
    /// Lists of the texts, or of what is planted in a host.
    texts: Vec<String>,
    /// Share of rows, in percent, whose text is written in leet, mixed case, spaced letters or with typing mistakes.
    #[serde(default)]
    disguised_percent: usize,
}

const TEMPLATES: [&str; 16] = [
    "words.toml",
    "actions.toml",
    "indirect.toml",
    "hosts.toml",
    "direct.toml",
    "hard_negatives.toml",
    "twins.toml",
    "ordinary.toml",
    "scenarios.toml",
    "results.toml",
    "errands.toml",
    "personas.toml",
    "descriptions.toml",
    "voices.toml",
    "coaxing.toml",
    "shared_languages.toml",
];

/// Writes every family of the plan.
///
/// # Errors
/// A template file is missing or wrong; the message names the list.
pub(crate) fn generate(folder: &Path) -> anyhow::Result<Vec<Row>> {
    let (mut grammar, plan) = templates(folder)?;
    let mut maker = Maker::default();
    for family in &plan.family {
        maker.family(&grammar, family, "en")?;
    }
    maker.languages(&mut grammar, &plan, &folder.join("languages"))?;
    maker.rows.append(&mut scenes::scenes(folder)?);
    Ok(maker.rows)
}

/// Writes the families of the languages that are in no training.
///
/// # Errors
/// A template file is missing or wrong; the message names the list.
pub(crate) fn held_out(folder: &Path) -> anyhow::Result<Vec<Row>> {
    let (mut grammar, plan) = templates(folder)?;
    let mut maker = Maker::default();
    maker.languages(&mut grammar, &plan, &folder.join("held_out"))?;
    Ok(maker.rows)
}

fn templates(folder: &Path) -> anyhow::Result<(Grammar, Plan)> {
    let mut grammar = Grammar::default();
    for name in TEMPLATES {
        grammar.add(lists(&folder.join(name))?)?;
    }
    let plan = toml::from_str(&text(&folder.join("plan.toml"))?).context("training/plan.toml")?;
    Ok((grammar, plan))
}

/// The files of a folder with this ending, in the order of their names.
pub(crate) fn files(folder: &Path, extension: &str) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("`{}` cannot be listed", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The named lists of a file.
///
/// # Errors
/// It is missing, too large or not TOML.
pub(crate) fn lists(path: &Path) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    toml::from_str(&text(path)?).with_context(|| format!("`{}`", path.display()))
}

pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    testudo_bounded::read_text(path, TEMPLATE_BYTES_MAX).with_context(|| format!("`{}` cannot be read", path.display()))
}

#[derive(Default)]
struct Maker {
    rows: Vec<Row>,
    seen: BTreeSet<u64>,
}

impl Maker {
    fn languages(&mut self, grammar: &mut Grammar, plan: &Plan, folder: &Path) -> anyhow::Result<()> {
        for path in files(folder, "toml")? {
            let language = path.file_stem().and_then(|it| it.to_str()).unwrap_or("").to_owned();
            for (name, items) in lists(&path)? {
                grammar.set(&format!("lang_{name}"), items);
            }
            for family in &plan.per_language {
                self.family(grammar, family, &language)
                    .with_context(|| format!("language `{language}`"))?;
            }
        }
        Ok(())
    }

    fn family(&mut self, grammar: &Grammar, family: &Family, language: &str) -> anyhow::Result<()> {
        // Each family has a stream of its own: a change to one leaves the others as they were.
        let mut rng = SplitMix64::new(SEED ^ stable_hash(&format!("{}/{language}", family.name)));
        let (mut made, mut misses) = (0_usize, 0_usize);
        while made < family.count && misses < MISSES_MAX {
            let draft = draft(grammar, family, &mut rng)?;
            if !self.seen.insert(stable_hash(&draft.text)) {
                misses = misses.saturating_add(1);
                continue;
            }
            misses = 0;
            made = made.saturating_add(1);
            self.rows.push(draft.into_row(family, language));
        }
        if made == 0 {
            bail!("the family `{}` makes nothing", family.name);
        }
        Ok(())
    }
}

struct Draft {
    text: String,
    /// The planted text as it stands in `text`.
    planted: Option<String>,
    host: Option<String>,
    position: &'static str,
}

fn draft(grammar: &Grammar, family: &Family, rng: &mut SplitMix64) -> anyhow::Result<Draft> {
    let mut bound = Bound::new();
    let list = rng.pick(&family.texts).context("a family without texts")?;
    let mut plant = grammar.draw(list, rng, &mut bound)?;
    if rng.chance(family.disguised_percent) {
        plant = disguise::disguise(&plant, rng);
    }
    let Some(host) = rng.pick(&family.hosts) else {
        return Ok(Draft {
            text: plant,
            planted: None,
            host: None,
            position: "whole",
        });
    };
    let mut bound = Bound::new();
    let carrier = grammar.draw(host, rng, &mut bound)?;
    let plant = escaped(host, &plant);
    let at = carrier
        .find(PLANT)
        .with_context(|| format!("a host without its place: `{carrier}`"))?;
    let position = match at.saturating_mul(3).checked_div(carrier.len().max(1)) {
        Some(0) => "start",
        Some(1) => "middle",
        _ => "end",
    };
    Ok(Draft {
        text: carrier.replacen(PLANT, &plant, 1),
        planted: Some(plant),
        host: Some(host.clone()),
        position,
    })
}

/// As the host's format wants it.
pub(crate) fn escaped(host: &str, plant: &str) -> String {
    if host.starts_with("json") {
        let quoted = Value::from(plant).to_string();
        quoted
            .strip_prefix('"')
            .and_then(|it| it.strip_suffix('"'))
            .unwrap_or(&quoted)
            .to_owned()
    } else if host.starts_with("line") {
        plant.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        plant.to_owned()
    }
}

impl Draft {
    fn into_row(self, family: &Family, language: &str) -> Row {
        let mut meta = Map::new();
        meta.insert("family".to_owned(), json!(format!("generated/{}", family.name)));
        meta.insert("lang".to_owned(), json!(language));
        meta.insert("position".to_owned(), json!(self.position));
        if let Some(host) = self.host {
            meta.insert("host".to_owned(), json!(host));
        }
        if let Some(planted) = self.planted {
            let key = if family.label == "benign" { "planted" } else { "attack" };
            meta.insert(key.to_owned(), json!(planted));
        }
        Row {
            id: format!("gen-{:016x}", stable_hash(&self.text)),
            text: self.text,
            label: family.label.clone(),
            kind: family.kind.clone(),
            source: format!("testudo:generated/{}", family.name),
            licence: "Apache-2.0".to_owned(),
            meta,
        }
    }
}
