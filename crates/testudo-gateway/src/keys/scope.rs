//! What a key may be used for: routes by name, models by name or prefix.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use testudo_types::{ModelName, NameError, RouteName};

/// Which routes a key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteScope {
    Any,
    Only(BTreeSet<RouteName>),
}

impl RouteScope {
    /// Whether the key opens this route.
    #[must_use]
    pub fn allows(&self, route: &RouteName) -> bool {
        match self {
            Self::Any => true,
            Self::Only(routes) => routes.contains(route),
        }
    }
}

/// Which models a key may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelScope {
    Any,
    Only(BTreeSet<ModelPattern>),
}

impl ModelScope {
    /// Whether the key may ask for this model; compared byte for byte.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| pattern.matches(model)),
        }
    }
}

/// Why a model pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a model name, optionally followed by one `*`")]
pub struct ModelPatternError {
    pattern: String,
    #[source]
    source: NameError,
}

/// A model's name, or the beginning of one followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelPattern {
    stem: Arc<str>,
    open: bool,
}

impl ModelPattern {
    /// Reads `gpt-4o`, `gpt-4o*` or `*`.
    ///
    /// # Errors
    /// When what is before a trailing `*` is not a model name.
    pub fn parse(text: &str) -> Result<Self, ModelPatternError> {
        let (stem, open) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
        if !(open && stem.is_empty()) {
            ModelName::parse(stem).map_err(|source| ModelPatternError {
                pattern: text.chars().take(80).flat_map(char::escape_default).collect(),
                source,
            })?;
        }
        Ok(Self { stem: stem.into(), open })
    }

    /// Whether a model's name is this one or begins like it.
    #[must_use]
    pub fn matches(&self, model: &str) -> bool {
        if self.open { model.starts_with(&*self.stem) } else { model == &*self.stem }
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stem)?;
        f.write_str(if self.open { "*" } else { "" })
    }
}
