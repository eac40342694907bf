//! What the tools of an application do, and what each argument is for.

mod document;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

pub use self::document::SpecProblem;
use super::paths::PathPattern;
use crate::actions::SqlDialect;

/// Characters of what a definition says of an argument.
const ABOUT_MAX: usize = 200;

/// What a call does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Looks, and tells nobody.
    Read,
    /// Looks, and sends its arguments outside while doing so: fetching a page.
    EgressRead,
    /// Changes or sends something.
    Write,
    /// Takes something away for good.
    Destroy,
    /// Runs what it is given.
    Execute,
}

impl Effect {
    pub const ALL: [Self; 5] = [Self::Read, Self::EgressRead, Self::Write, Self::Destroy, Self::Execute];

    /// As it is written in a specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::EgressRead => "egress_read",
            Self::Write => "write",
            Self::Destroy => "destroy",
            Self::Execute => "execute",
        }
    }

    /// A call of this effect has consequences.
    #[must_use]
    pub fn is_consequential(self) -> bool {
        self != Self::Read
    }
}

/// What an argument is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// To whom, where, with which right.
    Control,
    /// Which of the things that exist.
    Selector,
    /// What is said or stored.
    Data,
    /// How much.
    Quantity,
    /// When.
    Time,
    /// A statement for a database.
    Sql,
    /// An address that is fetched or written to.
    Url,
    /// A place in a file system.
    Path,
    /// What is run.
    Command,
}

impl Role {
    pub const ALL: [Self; 9] = [
        Self::Control,
        Self::Selector,
        Self::Data,
        Self::Quantity,
        Self::Time,
        Self::Sql,
        Self::Url,
        Self::Path,
        Self::Command,
    ];

    /// As it is written in a specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Selector => "selector",
            Self::Data => "data",
            Self::Quantity => "quantity",
            Self::Time => "time",
            Self::Sql => "sql",
            Self::Url => "url",
            Self::Path => "path",
            Self::Command => "command",
        }
    }

    /// Somebody has to have named a value in this role.
    #[must_use]
    pub fn must_be_named(self) -> bool {
        !matches!(self, Self::Data | Self::Quantity | Self::Time)
    }
}

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSpec {
    pub effect: Effect,
    /// The call can carry content to another party.
    pub external: bool,
    /// A person has looked at this specification. One that nobody looked at counts as the most dangerous.
    pub reviewed: bool,
    /// By argument path; what is not listed has the role of the argument above it, else `control`.
    pub arguments: BTreeMap<String, Role>,
    /// Words that make a short number this argument, as in "file 13".
    pub nouns: BTreeMap<String, Vec<String>>,
    /// Leaves of its result that may name a destination.
    pub authoritative: Vec<PathPattern>,
    /// Leaves of its result that hold ids the platform assigned.
    pub ids: Vec<PathPattern>,
    /// Arguments that take one of a few values its definition lists, with these; none for yes and no.
    pub listed: BTreeMap<String, BTreeSet<String>>,
    /// What the definition says the tool is for.
    pub description: String,
    /// The language of its `sql` arguments.
    pub sql: SqlDialect,
    /// What it says of each argument.
    pub about: BTreeMap<String, String>,
}

impl ToolSpec {
    /// What is assumed of a tool that nobody specified.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            effect: Effect::Destroy,
            external: true,
            reviewed: false,
            arguments: BTreeMap::new(),
            nouns: BTreeMap::new(),
            authoritative: Vec::new(),
            ids: Vec::new(),
            listed: BTreeMap::new(),
            description: String::new(),
            sql: SqlDialect::Any,
            about: BTreeMap::new(),
        }
    }

    /// The role of the argument at a path such as `attachments[*].type`.
    #[must_use]
    pub fn role(&self, path: &str) -> Role {
        let top = path.split(['.', '[']).next().unwrap_or(path);
        let said = self.said(path, top);
        match said {
            Some(role) if self.reviewed => *role,
            // Nobody reviewed what it says, so that it can only make an argument more important.
            Some(Role::Selector) => Role::Selector,
            Some(role) if role.must_be_named() => *role,
            Some(_) => Role::Control,
            None if self.reviewed && (self.listed.contains_key(path) || self.listed.contains_key(top)) => Role::Data,
            None => Role::Control,
        }
    }

    fn said(&self, path: &str, top: &str) -> Option<&Role> {
        let mut at = path;
        loop {
            if let Some(role) = self.arguments.get(at) {
                return Some(role);
            }
            match at.rfind(['.', '[']).and_then(|end| at.get(..end)) {
                Some(above) => at = above,
                None => return self.arguments.get(top),
            }
        }
    }

    /// The value is one of those that the definition lists for the argument.
    #[must_use]
    pub fn is_listed(&self, path: &str, value: &str) -> bool {
        let top = path.split(['.', '[']).next().unwrap_or(path);
        self.reviewed && self.listed.get(top).is_some_and(|values| values.contains(value))
    }

    /// What the call counts as: that of a tool nobody reviewed is the worst.
    #[must_use]
    pub fn effective(&self) -> Effect {
        if self.reviewed { self.effect } else { Effect::Destroy }
    }
}

/// Text whose values may leave only when the user asked for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub tool: String,
    pub path: PathPattern,
    /// Beginnings of words by which a user asks for this.
    pub asked: Vec<String>,
}

/// The tools of one application.
#[derive(Debug, Clone, Default)]
pub struct ToolSpecs {
    pub(super) tools: BTreeMap<String, ToolSpec>,
    pub(super) secrets: Vec<Secret>,
    pub(super) id_names: IdNames,
}

/// Which members hold ids the platform assigned, by their names, for tables that name no paths.
///
/// A name is weak evidence: whoever fills a record may have chosen what stands in `payout_id`.
#[derive(Debug, Clone, Default)]
pub(super) struct IdNames(pub(super) Option<regex::Regex>);

impl IdNames {
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|pattern| pattern.is_match(name))
    }
}

impl ToolSpecs {
    /// The specification of a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ToolSpec> {
        self.tools.get(name)
    }

    /// All tools by name.
    pub fn tools(&self) -> impl Iterator<Item = (&str, &ToolSpec)> {
        self.tools.iter().map(|(name, spec)| (name.as_str(), spec))
    }

    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Whether a leaf of this tool's result may name a destination.
    pub(super) fn is_authoritative(&self, tool: &str, path: &str) -> bool {
        let patterns = self.tools.get(tool).map(|spec| spec.authoritative.as_slice());
        patterns.unwrap_or_default().iter().any(|pattern| pattern.matches(path))
    }

    /// Somebody said where ids are, so that names need not tell.
    pub(super) fn places_ids(&self) -> bool {
        self.tools.values().any(|spec| !spec.ids.is_empty())
    }

    /// Takes what tool definitions say: what the tool is for, and which arguments are one of a few values.
    /// Definitions are hints; they never make a tool or an argument less important than its specification does.
    pub fn describe(&mut self, definitions: &serde_json::Value) {
        for definition in definitions.as_array().into_iter().flatten() {
            let function = definition.get("function").unwrap_or(definition);
            let Some(spec) = function
                .get("name")
                .and_then(serde_json::Value::as_str)
                .and_then(|name| self.tools.get_mut(name))
            else {
                continue;
            };
            let description = function.get("description").and_then(serde_json::Value::as_str);
            spec.description = description.unwrap_or_default().chars().take(2_000).collect();
            let properties = function.get("parameters").and_then(|it| it.get("properties"));
            let properties = properties.and_then(serde_json::Value::as_object);
            let described = properties.into_iter().flatten().filter_map(|(name, schema)| {
                let about = schema.get("description")?.as_str()?;
                Some((name.clone(), about.chars().take(ABOUT_MAX).collect()))
            });
            spec.about = described.collect();
            let listed = properties.into_iter().flatten();
            spec.listed = listed
                .filter_map(|(name, schema)| Some((name.clone(), listed_values(schema)?)))
                .collect();
        }
    }
}

/// The values that a schema lists; `None` when it lists none.
fn listed_values(schema: &serde_json::Value) -> Option<BTreeSet<String>> {
    let schema = schema.get("items").unwrap_or(schema);
    if schema.get("type").and_then(serde_json::Value::as_str) == Some("boolean") {
        return Some(BTreeSet::new());
    }
    let values = schema.get("enum")?.as_array()?.iter();
    let values = values.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    Some(values.take(256).collect())
}
