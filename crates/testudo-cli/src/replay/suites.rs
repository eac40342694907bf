//! The tools of each suite of traces.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use testudo_policy::provenance::ToolSpecs;

use super::walk::{Suite, name_of};
use crate::arguments::replay::Replay;

const FILE_BYTES_MAX: usize = 32 << 20;

/// By suite, or the same for all.
#[derive(Debug)]
pub(super) enum Suites {
    Each(BTreeMap<String, Suite>),
    Same(Box<Suite>),
}

impl Suites {
    /// Reads the files that the command line names.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub(super) fn load(arguments: &Replay) -> Result<Self, String> {
        let definitions = arguments.tools.as_deref().map(read_json).transpose()?;
        if let Some(path) = &arguments.specs {
            let text = testudo_bounded::read_text(path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
            let specs = ToolSpecs::from_toml(&text).map_err(|problem| format!("{}: {problem}", path.display()))?;
            let all = definitions.as_ref().map(flattened);
            return Ok(Self::Same(Box::new(suite(specs, all.as_ref()))));
        }
        let path = arguments.roles.as_deref().ok_or("--roles or --specs is needed")?;
        let specs =
            ToolSpecs::from_roles(&read_json(path)?).map_err(|problem| format!("{}: {problem}", path.display()))?;
        let suites = specs.into_iter().map(|(name, specs)| {
            let defined = definitions.as_ref().and_then(|definitions| definitions.get(&name));
            let suite = suite(specs, defined);
            (name, suite)
        });
        Ok(Self::Each(suites.collect()))
    }

    pub(super) fn of(&self, name: &str) -> Option<&Suite> {
        match self {
            Self::Each(suites) => suites.get(name),
            Self::Same(suite) => Some(suite),
        }
    }
}

fn suite(mut specs: ToolSpecs, definitions: Option<&Value>) -> Suite {
    let mut known = BTreeMap::new();
    if let Some(definitions) = definitions {
        specs.describe(definitions);
        for definition in definitions.as_array().into_iter().flatten() {
            if let Some(name) = name_of(definition) {
                known.insert(name.to_owned(), definition.clone());
            }
        }
    }
    Suite {
        specs,
        definitions: known,
    }
}

/// A list of definitions, or those of all suites in one.
fn flattened(definitions: &Value) -> Value {
    match definitions {
        Value::Object(suites) => {
            let all = suites.values().filter_map(Value::as_array).flatten();
            Value::Array(all.cloned().collect())
        }
        other => other.clone(),
    }
}

fn read_json(path: &Path) -> Result<Value, String> {
    let text = testudo_bounded::read_text(path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{}: is not JSON ({error})", path.display()))
}
