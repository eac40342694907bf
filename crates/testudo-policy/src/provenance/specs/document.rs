//! Tool specifications as people write them, in TOML.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Effect, Role, Secret, ToolSpec, ToolSpecs};
use crate::actions::SqlDialect;
use crate::provenance::paths::{PathPattern, PathPatternError};

/// What is wrong with tool specifications.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecProblem {
    #[error("{message}")]
    Syntax { message: String, line: Option<usize> },
    #[error("tool `{tool}`: {source}")]
    Path {
        tool: String,
        #[source]
        source: PathPatternError,
    },
    #[error("tool `{tool}`: {what} `{found}`; write one of {known}")]
    Word {
        tool: String,
        what: &'static str,
        found: String,
        known: String,
    },
    #[error("tool `{tool}`: the argument path `{path}` has no name")]
    Argument { tool: String, path: String },
    #[error("`{what}` names the tool `{tool}`, which is not specified")]
    ToolUnknown { what: &'static str, tool: String },
    #[error("tool `{tool}`: `asked` of a secret is empty, so that nobody could ever ask for it")]
    AskedEmpty { tool: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    tools: BTreeMap<String, Tool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    effect: String,
    #[serde(default)]
    external: bool,
    #[serde(default)]
    reviewed: bool,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
    #[serde(default)]
    nouns: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    authoritative: Vec<String>,
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    secrets: Vec<Secrets>,
    #[serde(default)]
    description: String,
    sql_dialect: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    path: String,
    asked: Vec<String>,
}

impl ToolSpecs {
    /// Reads the format of `docs/agents.md`.
    ///
    /// # Errors
    /// The first mistake; the operator mends it.
    pub fn from_toml(text: &str) -> Result<Self, SpecProblem> {
        let document: Document = toml::from_str(text).map_err(|error| SpecProblem::Syntax {
            message: error.message().to_owned(),
            line: error.span().map(|span| line_of(text, span.start)),
        })?;
        let mut specs = Self::default();
        for (name, tool) in document.tools {
            let patterns = |written: &[String]| patterns(&name, written);
            let mut spec = ToolSpec {
                effect: effect(&name, &tool.effect)?,
                external: tool.external,
                reviewed: tool.reviewed,
                authoritative: patterns(&tool.authoritative)?,
                ids: patterns(&tool.ids)?,
                nouns: tool
                    .nouns
                    .into_iter()
                    .map(|(path, nouns)| (path, lower(nouns)))
                    .collect(),
                description: tool.description,
                sql: tool
                    .sql_dialect
                    .map_or(Ok(SqlDialect::Any), |word| dialect(&name, &word))?,
                ..ToolSpec::unknown()
            };
            for (path, word) in tool.arguments {
                if path.is_empty() || path.starts_with(['$', '.', '[']) {
                    return Err(SpecProblem::Argument { tool: name, path });
                }
                spec.arguments.insert(path, role(&name, &word)?);
            }
            for secret in tool.secrets {
                specs.secrets.push(secret_of(&name, &secret.path, secret.asked)?);
            }
            specs.tools.insert(name, spec);
        }
        Ok(specs)
    }
}

pub(super) fn secret_of(tool: &str, path: &str, asked: Vec<String>) -> Result<Secret, SpecProblem> {
    if asked.iter().all(|word| word.trim().is_empty()) {
        return Err(SpecProblem::AskedEmpty { tool: tool.to_owned() });
    }
    Ok(Secret {
        tool: tool.to_owned(),
        path: pattern(tool, path)?,
        asked: lower(asked),
    })
}

pub(super) fn pattern(tool: &str, written: &str) -> Result<PathPattern, SpecProblem> {
    PathPattern::parse(written).map_err(|source| SpecProblem::Path {
        tool: tool.to_owned(),
        source,
    })
}

fn patterns(tool: &str, written: &[String]) -> Result<Vec<PathPattern>, SpecProblem> {
    written.iter().map(|written| pattern(tool, written)).collect()
}

pub(super) fn lower(words: Vec<String>) -> Vec<String> {
    words.into_iter().map(|word| word.to_lowercase()).collect()
}

pub(super) fn effect(tool: &str, word: &str) -> Result<Effect, SpecProblem> {
    let known = Effect::ALL.into_iter().find(|effect| effect.as_str() == word);
    known.ok_or_else(|| unknown(tool, "unknown effect", word, &Effect::ALL.map(Effect::as_str)))
}

pub(super) fn role(tool: &str, word: &str) -> Result<Role, SpecProblem> {
    let known = Role::ALL.into_iter().find(|role| role.as_str() == word);
    known.ok_or_else(|| unknown(tool, "unknown role", word, &Role::ALL.map(Role::as_str)))
}

fn dialect(tool: &str, word: &str) -> Result<SqlDialect, SpecProblem> {
    let known = SqlDialect::ALL.into_iter().find(|dialect| dialect.as_str() == word);
    known.ok_or_else(|| {
        unknown(
            tool,
            "unknown SQL dialect",
            word,
            &SqlDialect::ALL.map(SqlDialect::as_str),
        )
    })
}

fn unknown(tool: &str, what: &'static str, found: &str, known: &[&str]) -> SpecProblem {
    SpecProblem::Word {
        tool: tool.to_owned(),
        what,
        found: found.chars().take(60).collect(),
        known: known.join(", "),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}
