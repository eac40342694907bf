//! Proposes specifications of tools from their definitions, for a person to review.
//!
//! What is proposed comes from names, descriptions and schemas alone, and where they leave it open it is the more
//! dangerous reading: a call with consequences, an argument that somebody must have named. What a server says of its
//! own tool can only make a proposal stricter.

mod arguments;
mod definitions;
mod effects;
mod writing;

use serde_json::Value;

pub use self::definitions::{Definition, DefinitionProblem, Hints, definitions};
pub use self::writing::to_toml;
use crate::provenance::{Effect, Role};

/// What is proposed for one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDraft {
    pub name: String,
    pub effect: Effect,
    /// Why this effect, for the reviewer.
    pub effect_why: String,
    /// The call can carry content to somebody else.
    pub external: bool,
    pub arguments: Vec<ArgumentDraft>,
    /// The beginning of what the definition says the tool is for.
    pub description: String,
}

/// What is proposed for one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentDraft {
    /// `attachments[*].type`
    pub path: String,
    pub role: Role,
    pub why: String,
}

/// Proposes a specification for each definition.
///
/// # Errors
/// When nothing that looks like a definition of a tool is in the document.
pub fn draft(document: &Value) -> Result<Vec<ToolDraft>, DefinitionProblem> {
    Ok(definitions(document)?.iter().map(of_tool).collect())
}

/// Proposes a specification for one definition.
#[must_use]
pub fn of_tool(definition: &Definition) -> ToolDraft {
    let effect = effects::effect(definition);
    let arguments = arguments::arguments(definition, effect.effect);
    // A look that is given an address, or says what is asked to somebody outside, is one that others can see.
    let goes_out = arguments.iter().any(|argument| argument.role == Role::Url);
    let (effect, effect_why) = match effect.effect {
        Effect::Read if goes_out => (Effect::EgressRead, format!("{}, and fetches an address", effect.why)),
        other => (other, effect.why),
    };
    ToolDraft {
        name: definition.name.clone(),
        external: effect > Effect::EgressRead && effects::reaches_others(definition, &arguments),
        effect,
        effect_why,
        arguments,
        description: definition.description.clone(),
    }
}

/// The words of a name: `sendMail`, `send_mail` and `send-mail` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && before.is_lowercase() {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}
