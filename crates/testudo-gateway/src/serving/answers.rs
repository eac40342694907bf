//! What an upstream says that it serves, out of the documents that real servers answer with.

use std::collections::BTreeMap;

use testudo_bounded::json::{Document, Limits, Node};

use crate::settings::{AskWhat, VersionBeginning};

/// The longest name that an upstream may give what it serves, in bytes.
const SAID_BYTES_MAX: usize = 1024;
/// Fewest digits by which an upstream names a version in a path.
const DIGITS_MIN: usize = 12;
/// Of a document.
pub(crate) const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    depth_max: 32,
    nodes_max: 50_000,
};

/// Why a document does not say what is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsaid {
    #[error("it answers with something else than JSON")]
    Shape,
    #[error("it does not serve the model that it was asked about")]
    NoModel,
    #[error("it serves several models; say which one is meant")]
    Several,
    #[error("its answer does not say what it serves")]
    NoText,
}

/// What the upstream calls that which it serves.
pub(crate) fn said(what: &AskWhat, document: &[u8]) -> Result<String, Unsaid> {
    let document = Document::parse(document, &LIMITS).map_err(|_| Unsaid::Shape)?;
    let root = document.root();
    let text = match what {
        AskWhat::Ollama { model } => text(ollama(root, model)?, "digest"),
        AskWhat::Tgi => text(root, "model_sha").or_else(|| text(root, "model_id")),
        AskWhat::Vllm { model } => text(vllm(root, model.as_deref())?, "root"),
        AskWhat::Json { pointer, .. } => at(root, pointer).and_then(|node| node.as_str()).map(Into::into),
    };
    text.filter(|text| !text.is_empty() && text.len() <= SAID_BYTES_MAX)
        .ok_or(Unsaid::NoText)
}

fn text(node: Node<'_>, key: &str) -> Option<String> {
    Some(node.get(key)?.as_str()?.into_owned())
}

/// A name without a tag means the tag `latest`.
fn ollama<'d>(root: Node<'d>, model: &str) -> Result<Node<'d>, Unsaid> {
    let models = root.get("models").ok_or(Unsaid::Shape)?;
    let last = model.rsplit('/').next().unwrap_or(model);
    let tagged = if last.contains(':') {
        model.to_owned()
    } else {
        format!("{model}:latest")
    };
    let is_it = |entry: &Node<'d>| {
        let names = [entry.get("model"), entry.get("name")];
        names
            .into_iter()
            .flatten()
            .any(|name| name.as_str().is_some_and(|it| it == tagged))
    };
    only(models.items().filter(is_it))
}

/// Adapters have a parent, and are meant only by name.
fn vllm<'d>(root: Node<'d>, model: Option<&str>) -> Result<Node<'d>, Unsaid> {
    let models = root.get("data").ok_or(Unsaid::Shape)?;
    match model {
        Some(model) => {
            let is_it = |entry: &Node<'d>| {
                entry
                    .get("id")
                    .is_some_and(|id| id.as_str().is_some_and(|it| it == model))
            };
            only(models.items().filter(is_it))
        }
        None => {
            let is_whole = |entry: &Node<'d>| entry.get("parent").is_none_or(|parent| parent.is_null());
            // One model under several names has one root.
            let mut whole = models.items().filter(is_whole);
            let first = whole.next().ok_or(Unsaid::NoModel)?;
            if whole.all(|other| text(other, "root") == text(first, "root")) {
                Ok(first)
            } else {
                Err(Unsaid::Several)
            }
        }
    }
}

fn only<'d>(mut found: impl Iterator<Item = Node<'d>>) -> Result<Node<'d>, Unsaid> {
    match (found.next(), found.next()) {
        (Some(it), None) => Ok(it),
        (None, _) => Err(Unsaid::NoModel),
        (Some(_), Some(_)) => Err(Unsaid::Several),
    }
}

/// By a JSON pointer (RFC 6901).
fn at<'d>(root: Node<'d>, pointer: &str) -> Option<Node<'d>> {
    let mut node = root;
    for token in pointer.split('/').skip(1) {
        let key = token.replace("~1", "/").replace("~0", "~");
        node = match node.get(&key) {
            Some(member) => member,
            None => node.items().nth(index(token)?)?,
        };
    }
    Some(node)
}

/// Without leading zeros, as the pointers' specification has it.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    token.parse().ok().filter(|_| plain)
}

/// The version that an upstream means by what it said: one that the configuration lists, or the one that the last
/// part of a path names by at least 12 digits of its id.
pub(crate) fn meant(said: &str, means: &BTreeMap<String, VersionBeginning>) -> Option<VersionBeginning> {
    let bare = |text: &str| text.strip_prefix("sha256:").unwrap_or(text).to_owned();
    let listed = means.iter().find(|(name, _)| bare(name) == bare(said));
    if let Some((_, version)) = listed {
        return Some(version.clone());
    }
    let last = said.trim_end_matches('/').rsplit('/').next()?;
    let mut runs = last
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|run| run.len() >= DIGITS_MIN)
        .filter_map(|run| VersionBeginning::parse(run).ok());
    match (runs.next(), runs.next()) {
        (Some(version), None) => Some(version),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
