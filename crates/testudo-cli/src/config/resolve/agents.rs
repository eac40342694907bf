//! The tools of a route's agents: their specifications, and which policy decides about their calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use testudo_gateway::settings::{AgentSettings, OnHold};
use testudo_policy::provenance::{Knobs, PolicyName, ToolSpecs, VerbatimGet};

use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;
use crate::config::typed::Agents;

const SPECS_BYTES_MAX: usize = 4 << 20;
const DEFINITIONS_BYTES_MAX: usize = 16 << 20;

/// How addresses from texts may be fetched, by name.
const FETCH: [(&str, VerbatimGet); 3] = [
    ("never", VerbatimGet::Never),
    ("quiet", VerbatimGet::Quiet),
    ("always", VerbatimGet::Always),
];

/// What the agents of a route or server are held to; mistakes are in `problems`. `place` is where it stands.
pub(super) fn agents(
    typed: Option<&Agents>,
    place: &str,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<Arc<AgentSettings>> {
    let typed = typed?;
    let name = |key: &str| format!("{place}.agents.{key}");
    let policy = chosen(
        typed.policy.as_ref(),
        &name("policy"),
        PolicyName::ALL.map(|it| (it.as_str(), it)),
        PolicyName::Default,
        problems,
    );
    let on_hold = chosen(
        typed.on_hold.as_ref(),
        &name("on_hold"),
        OnHold::ALL.map(|it| (it.as_str(), it)),
        OnHold::Deny,
        problems,
    );
    let mut knobs = Knobs::from(policy);
    knobs.trust_system = typed.trust_system.as_ref().is_some_and(|it| it.value);
    knobs.freeze_plan = typed.freeze_plan.as_ref().is_some_and(|it| it.value);
    if let Some(fetch) = &typed.fetch {
        knobs.verbatim_get = chosen(Some(fetch), &name("fetch"), FETCH, VerbatimGet::Never, problems);
    }
    let specs = typed
        .tools
        .as_ref()
        .and_then(|file| specs(file, &name("tools"), files, problems));
    let (definitions_text, definitions) = match &typed.definitions {
        Some(file) => definitions(file, &name("definitions"), files, problems)?,
        None => Default::default(),
    };
    let (specs_text, mut specs) = specs?;
    specs.describe(&Value::Array(definitions.values().cloned().collect()));
    Some(Arc::new(AgentSettings {
        digest: AgentSettings::digest_of(&[specs_text.as_bytes(), definitions_text.as_bytes()]),
        specs: Arc::new(specs),
        definitions: Arc::new(definitions),
        policy,
        knobs,
        on_hold,
    }))
}

/// The value that a name stands for.
fn chosen<T: Copy, const N: usize>(
    written: Option<&At<String>>,
    name: &str,
    known: [(&'static str, T); N],
    otherwise: T,
    problems: &mut Problems,
) -> T {
    let Some(At { value, line }) = written else {
        return otherwise;
    };
    let found = known.iter().find(|(word, _)| word == value);
    if found.is_none() {
        let remedy = did_you_mean(value, known.map(|(word, _)| word));
        problems.at(*line, format!("`{name}` cannot be `{}`", shown(value)), remedy);
    }
    found.map_or(otherwise, |(_, value)| *value)
}

fn specs(file: &At<String>, name: &str, files: &mut Files<'_>, problems: &mut Problems) -> Option<(String, ToolSpecs)> {
    let text = files.text(file, SPECS_BYTES_MAX, name, problems)?;
    let path = shown(&file.value);
    match ToolSpecs::from_toml(&text) {
        Ok(specs) if specs.tools().next().is_none() => {
            problems.at(
                file.line,
                format!("`{name}`: `{path}` specifies no tool, so that every call would count as the most dangerous"),
                "write a table [tools.NAME] for each tool, see docs/agents.md",
            );
            None
        }
        Ok(specs) => Some((text, specs)),
        Err(problem) => {
            problems.at(
                file.line,
                format!("`{name}`: `{path}`: {problem}"),
                "correct the specification, see docs/agents.md",
            );
            None
        }
    }
}

/// Definitions by name, from a list of them, or from lists by suite.
fn definitions(
    file: &At<String>,
    name: &str,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<(String, BTreeMap<String, Value>)> {
    let text = files.text(file, DEFINITIONS_BYTES_MAX, name, problems)?;
    let value: Value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(error) => {
            let what = format!("`{name}`: `{}` is not JSON ({error})", shown(&file.value));
            problems.at(file.line, what, "give the `tools` of a request as they were reviewed");
            return None;
        }
    };
    let lists: Vec<&Value> = match &value {
        Value::Object(suites) => suites.values().collect(),
        list => vec![list],
    };
    let each = lists.into_iter().filter_map(Value::as_array).flatten();
    let named = each.filter_map(|definition| {
        let name = definition.get("function").unwrap_or(definition).get("name")?.as_str()?;
        Some((name.to_owned(), definition.clone()))
    });
    let found: BTreeMap<String, Value> = named.collect();
    if found.is_empty() {
        let what = format!("`{name}`: `{}` defines no tool", shown(&file.value));
        problems.at(file.line, what, "give the `tools` of a request as they were reviewed");
        return None;
    }
    Some((text, found))
}
