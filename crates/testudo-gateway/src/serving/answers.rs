//! What an upstream says that it serves, out of the documents that real servers answer with.

use std::collections::BTreeMap;

use testudo_dialects::{Served, Unsaid, served};

use crate::settings::{AskWhat, VersionBeginning};

/// Fewest digits by which an upstream names a version in a path.
const DIGITS_MIN: usize = 12;

/// What the upstream calls that which it serves.
pub(crate) fn said(what: &AskWhat, document: &[u8]) -> Result<String, Unsaid> {
    let question = match what {
        AskWhat::Ollama { model } => Served::Ollama { model },
        AskWhat::Tgi => Served::Tgi,
        AskWhat::Vllm { model } => Served::Vllm {
            model: model.as_deref(),
        },
        AskWhat::Json { pointer, .. } => Served::Pointer(pointer),
    };
    served(&question, document)
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
