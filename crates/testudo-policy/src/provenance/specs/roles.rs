//! Tool tables in the exchange format of recorded traces: `roles.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::document::{SpecProblem, effect, lower, pattern, role, secret_of};
use super::{IdNames, PathPattern, ToolSpec, ToolSpecs};

#[derive(Debug, Deserialize)]
struct Suite {
    tools: BTreeMap<String, Tool>,
    #[serde(default)]
    authoritative: Vec<Place>,
    /// Where the platform's own ids are, path by path.
    #[serde(default)]
    system_ids: Vec<Place>,
    #[serde(default)]
    system_id_keys: Option<String>,
    #[serde(default)]
    secrets: Vec<Secrets>,
}

#[derive(Debug, Deserialize)]
struct Tool {
    effect: String,
    #[serde(default)]
    external: bool,
    #[serde(default = "yes")]
    reviewed: bool,
    #[serde(default)]
    args: BTreeMap<String, String>,
    #[serde(default)]
    nouns: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Place {
    tool: String,
    path: String,
}

impl Place {
    fn find<'s>(
        self,
        what: &'static str,
        specs: &'s mut ToolSpecs,
    ) -> Result<(PathPattern, &'s mut ToolSpec), SpecProblem> {
        let path = pattern(&self.tool, &self.path)?;
        let unknown = SpecProblem::ToolUnknown {
            what,
            tool: self.tool.clone(),
        };
        Ok((path, specs.tools.get_mut(&self.tool).ok_or(unknown)?))
    }
}

#[derive(Debug, Deserialize)]
struct Secrets {
    tool: String,
    path: String,
    asked: Vec<String>,
}

fn yes() -> bool {
    true
}

impl ToolSpecs {
    /// Reads the tables of all suites of a `roles.json`. A table counts as reviewed, since a person wrote it.
    ///
    /// # Errors
    /// The first mistake; whoever wrote the file mends it.
    pub fn from_roles(roles: &Value) -> Result<BTreeMap<String, Self>, SpecProblem> {
        let wrong = |message: String| SpecProblem::Syntax { message, line: None };
        let Some(suites) = roles.as_object() else {
            return Err(wrong("is not an object of suites".to_owned()));
        };
        let mut all = BTreeMap::new();
        for (name, suite) in suites {
            let suite: Suite = Deserialize::deserialize(suite)
                .map_err(|error: serde_json::Error| wrong(format!("suite `{name}`: {error}")))?;
            all.insert(name.clone(), suite.specs()?);
        }
        Ok(all)
    }
}

impl Suite {
    fn specs(self) -> Result<ToolSpecs, SpecProblem> {
        let mut specs = ToolSpecs {
            id_names: id_names(self.system_id_keys.as_deref())?,
            ..ToolSpecs::default()
        };
        for (name, tool) in self.tools {
            let mut spec = ToolSpec {
                effect: effect(&name, &tool.effect)?,
                external: tool.external,
                reviewed: tool.reviewed,
                nouns: tool
                    .nouns
                    .into_iter()
                    .map(|(path, nouns)| (path, lower(nouns)))
                    .collect(),
                ..ToolSpec::unknown()
            };
            for (path, word) in tool.args {
                spec.arguments.insert(path, role(&name, &word)?);
            }
            for path in tool.ids {
                spec.ids.push(pattern(&name, &path)?);
            }
            specs.tools.insert(name, spec);
        }
        for place in self.authoritative {
            let (path, spec) = place.find("authoritative", &mut specs)?;
            spec.authoritative.push(path);
        }
        for place in self.system_ids {
            let (path, spec) = place.find("system_ids", &mut specs)?;
            spec.ids.push(path);
        }
        for secret in self.secrets {
            specs.secrets.push(secret_of(&secret.tool, &secret.path, secret.asked)?);
        }
        Ok(specs)
    }
}

/// The names of members that hold ids: a regular expression of bounded size.
fn id_names(written: Option<&str>) -> Result<IdNames, SpecProblem> {
    let written = written.unwrap_or("(^|_)id_?$");
    let pattern = regex::RegexBuilder::new(written).size_limit(1 << 20).build();
    let pattern = pattern.map_err(|error| SpecProblem::Syntax {
        message: format!("`system_id_keys` is not a regular expression ({error})"),
        line: None,
    })?;
    Ok(IdNames(Some(pattern)))
}
