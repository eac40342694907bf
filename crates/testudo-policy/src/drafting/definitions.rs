//! Definitions of tools, as the dialects write them.

use serde_json::{Map, Value};

/// One tool as its application or server defines it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definition {
    pub name: String,
    pub description: String,
    /// The members of its parameters' schema.
    pub parameters: Map<String, Value>,
    pub hints: Hints,
}

/// What an MCP server says of its own tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    pub read_only: Option<bool>,
    pub destructive: Option<bool>,
    pub open_world: Option<bool>,
}

/// No definition can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionProblem {
    #[error("there is no definition of a tool; give a list of tools, or a request with `tools`")]
    None,
    #[error("there are more than {max} definitions of tools")]
    TooMany { max: usize },
    #[error("the tool `{0}` is defined twice, and differently")]
    Twice(String),
}

const TOOLS_MAX: usize = 4_096;
const DESCRIPTION_CHARS: usize = 4_000;

/// Finds definitions in a list of tools, a request's body, an answer to `tools/list`, or an object of such lists.
///
/// # Errors
/// When there is none, too many, or two of one name that differ.
pub fn definitions(document: &Value) -> Result<Vec<Definition>, DefinitionProblem> {
    let mut found: Vec<Definition> = Vec::new();
    for list in lists(document) {
        for value in list {
            // Gemini puts its declarations into one entry.
            let inner = value
                .get("functionDeclarations")
                .or_else(|| value.get("function_declarations"));
            let values = inner
                .and_then(Value::as_array)
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            for definition in values.iter().filter_map(definition) {
                match found.iter().find(|known| known.name == definition.name) {
                    Some(known) if *known == definition => continue,
                    Some(_) => return Err(DefinitionProblem::Twice(definition.name)),
                    None => found.push(definition),
                }
                if found.len() > TOOLS_MAX {
                    return Err(DefinitionProblem::TooMany { max: TOOLS_MAX });
                }
            }
        }
    }
    if found.is_empty() {
        Err(DefinitionProblem::None)
    } else {
        Ok(found)
    }
}

fn lists(document: &Value) -> Vec<&Vec<Value>> {
    let inside = |of: &'_ Value| of.get("tools").is_some_and(Value::is_array);
    let object = match document {
        Value::Array(list) => return vec![list],
        Value::Object(_) if inside(document) => document,
        Value::Object(_) => match document.get("result").or_else(|| document.get("body")) {
            Some(inner) if inside(inner) => inner,
            _ => {
                return document
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(_, it)| it.as_array())
                    .collect();
            }
        },
        _ => return Vec::new(),
    };
    object.get("tools").and_then(Value::as_array).into_iter().collect()
}

fn definition(value: &Value) -> Option<Definition> {
    let function = value.get("function").unwrap_or(value);
    let name = function.get("name")?.as_str()?;
    let schema = ["parameters", "input_schema", "inputSchema"]
        .iter()
        .find_map(|key| function.get(key));
    let annotations = value.get("annotations");
    let hint = |name: &str| annotations.and_then(|it| it.get(name)).and_then(Value::as_bool);
    let description = function.get("description").and_then(Value::as_str).unwrap_or_default();
    Some(Definition {
        name: name.to_owned(),
        description: description.chars().take(DESCRIPTION_CHARS).collect(),
        parameters: schema
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
        hints: Hints {
            read_only: hint("readOnlyHint"),
            destructive: hint("destructiveHint"),
            open_world: hint("openWorldHint"),
        },
    })
}
