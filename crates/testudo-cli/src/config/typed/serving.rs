//! What the configuration says of models that routes follow, as typed.

use super::super::document::{At, Section};
use super::super::problem::Problems;
use super::super::quantity;

/// `model` of a route.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) line: usize,
    pub(crate) artifact: Option<At<String>>,
    pub(crate) alias: Option<At<String>>,
    pub(crate) upstreams: Vec<At<String>>,
    pub(crate) keep_ms: Option<At<u64>>,
    pub(crate) afterwards: Option<At<String>>,
}

/// `serves` of an upstream.
#[derive(Debug)]
pub(crate) struct Serves {
    pub(crate) line: usize,
    pub(crate) version: Option<At<String>>,
    pub(crate) ask: Option<At<String>>,
    pub(crate) model: Option<At<String>>,
    pub(crate) url: Option<At<String>>,
    pub(crate) pointer: Option<At<String>>,
    /// What the upstream calls a version, and which one that is.
    pub(crate) means: Vec<(At<String>, At<String>)>,
}

/// How often the vault and the upstreams are looked at.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    pub(crate) statements_every_ms: Option<At<u64>>,
    pub(crate) upstreams_every_ms: Option<At<u64>>,
}

pub(super) fn model(section: &mut Section<'_>, problems: &mut Problems) -> Option<Model> {
    let mut model = section.section("model", problems)?;
    for (key, example) in [
        ("artifact", "\"NAME\""),
        ("alias", "\"prod\""),
        ("upstreams", "[\"NAME\", …]"),
    ] {
        model.require(key, example, problems);
    }
    let read = Model {
        line: model.line,
        artifact: model.text("artifact", problems),
        alias: model.text("alias", problems),
        upstreams: model.texts("upstreams", problems),
        keep_ms: model.quantity("keep", quantity::deadline_ms, problems),
        afterwards: model.text("afterwards", problems),
    };
    model.finish(problems);
    Some(read)
}

/// A text in the place of the table names the version.
pub(super) fn serves(section: &mut Section<'_>, problems: &mut Problems) -> Option<Serves> {
    let mut serves = match section.section_or_text("serves", problems)? {
        Ok(serves) => serves,
        Err(version) => {
            return Some(Serves {
                line: version.line,
                version: Some(version),
                ask: None,
                model: None,
                url: None,
                pointer: None,
                means: Vec::new(),
            });
        }
    };
    let mut means = Vec::new();
    for entry in serves.entries("means", problems) {
        let line = entry.name.line;
        match entry.value {
            Err(value) => means.push((entry.name, At { value, line })),
            Ok(_) => problems.at(
                line,
                "what an upstream says is a text, and so is the version that it means",
                "write \"sha256:0a8c…\" = \"874230e7\"",
            ),
        }
    }
    let read = Serves {
        line: serves.line,
        version: serves.text("version", problems),
        ask: serves.text("ask", problems),
        model: serves.text("model", problems),
        url: serves.text("url", problems),
        pointer: serves.text("pointer", problems),
        means,
    };
    serves.finish(problems);
    Some(read)
}

/// Two keys of `[vault]`.
pub(super) fn follow(section: &mut Section<'_>, problems: &mut Problems) -> Follow {
    Follow {
        statements_every_ms: section.quantity("follow_every", quantity::deadline_ms, problems),
        upstreams_every_ms: section.quantity("ask_every", quantity::deadline_ms, problems),
    }
}
