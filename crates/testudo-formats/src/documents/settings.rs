//! Settings that name what programs import, call or make: of hydra, YAML, MLflow, sentence-transformers and diffusers.

use testudo_bounded::json::Node;

use super::TEXT_BYTES_MAX;
use crate::graphs;
use crate::pickle::{self, Known};
use crate::scan::{Place, Scan};
use crate::source::{Source, read_up_to};
use crate::verdict::{Verdict, shown};

/// A graph that is written as text, with its weights.
const GRAPH_BYTES_MAX: usize = 64 << 20;
/// Libraries whose classes pipelines of diffusers are made of, and folders of its own pipelines.
const PIPELINES: [&str; 16] = [
    "diffusers",
    "transformers",
    "onnxruntime",
    "optimum",
    "audioldm2",
    "deepfloyd_if",
    "flux",
    "kandinsky",
    "latent_diffusion",
    "paint_by_example",
    "shap_e",
    "stable_cascade",
    "stable_diffusion",
    "unidiffuser",
    "versatile_diffusion",
    "wuerstchen",
];

/// What a program does with something that it is told by name, outside a list of what is usual.
fn named(scan: &mut Scan<'_>, path: &str, who: &str, at: Option<u64>, place: &Place) {
    let (module, name) = path.rsplit_once('.').unwrap_or((path, ""));
    let (verdict, why) = match pickle::known(module, name, &scan.options.also_allowed) {
        Known::Dangerous(why) => (Verdict::Malicious, format!(": {why}")),
        Known::Allowed | Known::Unlisted => match pickle::reason_against(path, "") {
            Some(why) => (Verdict::Malicious, format!(": {why}")),
            None => (Verdict::Suspicious, String::new()),
        },
    };
    let reason = format!("{who} {}{why}", shown(path));
    scan.find(place, "config.import", verdict, reason, at);
}

/// What a value of a JSON document names.
pub(super) fn value(scan: &mut Scan<'_>, node: Node<'_>, key: Option<&str>, place: &Place) {
    let at = u64::try_from(node.range().start).ok();
    match (key, node.as_str()) {
        (Some("_target_"), Some(path)) => named(scan, &path, "has hydra call", at, place),
        (Some("loader_module"), Some(path)) if place.file_name() == "mlmodel" => loader(scan, &path, at, place),
        (Some("type"), Some(path))
            if place.file_name() == "modules.json" && !path.starts_with("sentence_transformers.") =>
        {
            named(scan, &path, "has sentence-transformers import", at, place);
        }
        _ => {}
    }
    if place.file_name() == "model_index.json"
        && let (Some(library), Some(class)) = (text_at(node, 0), text_at(node, 1))
        && key.is_some_and(|key| !key.starts_with('_'))
        && node.items().count() == 2
        && !PIPELINES.contains(&library.split('.').next().unwrap_or_default())
    {
        named(scan, &format!("{library}.{class}"), "has diffusers import", at, place);
    }
}

fn text_at(node: Node<'_>, index: usize) -> Option<String> {
    node.items()
        .nth(index)
        .and_then(|item| item.as_str().map(std::borrow::Cow::into_owned))
}

/// What MLflow imports to load a model as a function.
fn loader(scan: &mut Scan<'_>, path: &str, at: Option<u64>, place: &Place) {
    if !path.starts_with("mlflow.") {
        named(scan, path, "has MLflow import", at, place);
    }
}

/// What a text that is no JSON names.
pub(super) fn text(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    let is_graph = place.ends_with(&[".pbtxt"]);
    let is_mlflow = place.file_name() == "mlmodel";
    if !is_graph && !is_mlflow && !place.ends_with(&[".yaml", ".yml"]) {
        return;
    }
    let bytes_max = if is_graph { GRAPH_BYTES_MAX } else { TEXT_BYTES_MAX };
    let bytes = read_up_to(source, 0, bytes_max).unwrap_or_default();
    if u64::try_from(bytes.len()).unwrap_or(0) < source.size() {
        let reason = "only its beginning was read";
        scan.find(place, "config.long", Verdict::Unknown, reason, None);
    }
    // UTF-16, as far as names are written in it.
    let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&bytes);
    if is_graph {
        for operator in operators(&text) {
            graphs::operator(scan, &operator, place);
        }
        return;
    }
    tags(scan, &text, place);
    for path in values(&text, "_target_") {
        named(scan, &path, "has hydra call", None, place);
    }
    if is_mlflow {
        for path in values(&text, "loader_module") {
            loader(scan, &path, None, place);
        }
    }
}

/// Tags with which YAML asks for objects of Python.
fn tags(scan: &mut Scan<'_>, text: &str, place: &Place) {
    // A tag may be written with escapes, or with a handle of its own for its beginning.
    let text = unescaped(text);
    let has = |needle: &str| text.contains(needle);
    let makes = ["python/object", "python/name:", "python/module:"];
    if makes.iter().any(|tag| has(tag)) && (has("!") || has("tag:yaml.org")) {
        let reason = "a tag has YAML import, call or make something of Python";
        scan.find(place, "yaml.tag", Verdict::Malicious, reason, None);
    } else if has("!!python/") || has("tag:yaml.org,2002:python") {
        let reason = "a tag asks YAML for a type of Python";
        scan.find(place, "yaml.tag", Verdict::Suspicious, reason, None);
    }
}

/// Undoes `%70`, as tags may be written.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What stands behind each place of a key, up to the end of its line.
fn values(text: &str, key: &str) -> Vec<String> {
    let after = text.split(key).skip(1).take(1_000);
    after
        .filter_map(|after| after.trim_start_matches(['"', '\'', ' ', '\t']).strip_prefix(':'))
        .map(|value| {
            let value = value.trim_start();
            let end = value.find(|sign: char| !sign.is_alphanumeric() && !"_.\"'".contains(sign));
            let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
            value.trim_matches(['"', '\'']).to_owned()
        })
        .collect()
}

/// Names of operators in a graph that is written as text: `op: "Py" 'Func'`.
fn operators(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices("op").take(1_000_000) {
        let is_inside = text.get(..at).and_then(|before| before.chars().next_back());
        if is_inside.is_some_and(|sign| sign.is_alphanumeric() || sign == '_') {
            continue;
        }
        let after = text.get(at.saturating_add(2)..).unwrap_or_default();
        let Some(mut rest) = after.trim_start().strip_prefix(':').map(str::trim_start) else {
            continue;
        };
        let mut name = String::new();
        while let Some(quote) = rest.chars().next().filter(|sign| matches!(sign, '"' | '\'')) {
            let Some((literal, after)) = rest.get(1..).and_then(|inner| inner.split_once(quote)) else {
                break;
            };
            name.push_str(literal);
            rest = after.trim_start();
        }
        out.push(name);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_operators_are_found_however_they_are_written() {
        assert_eq!(values("a:\n  _target_: os.system\n", "_target_"), ["os.system"]);
        assert_eq!(values("{\"_target_\" : 'a.b', c: 1}", "_target_"), ["a.b"]);
        assert_eq!(values("no_target_here", "_target_"), Vec::<String>::new());
        let text = "node { name: \"op\" op: \"Py\" 'Func' } node { op : 'Relu' stop: \"X\" }";
        assert_eq!(operators(text), ["PyFunc", "Relu"]);
        assert_eq!(unescaped("!!%70ython/%zz%"), "!!python/%zz%");
    }
}
