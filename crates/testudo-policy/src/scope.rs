//! Which routes and models a key is limited to.

use std::fmt;
use std::sync::Arc;

use testudo_types::{ModelName, NameError, RouteName};

/// The routes that a key may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteScope {
    All,
    /// These and no other; an empty list is none.
    Only(Vec<RouteName>),
}

impl RouteScope {
    /// Whether the route is in the scope.
    #[must_use]
    pub fn covers(&self, route: &RouteName) -> bool {
        match self {
            Self::All => true,
            Self::Only(routes) => routes.contains(route),
        }
    }
}

/// The models that a key may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelScope {
    All,
    /// Models that match one of these and no other; an empty list is none.
    Only(Vec<ModelPattern>),
}

impl ModelScope {
    /// Whether the model is in the scope. A request that names no model is
    /// outside of every limited scope: the provider would choose one.
    #[must_use]
    pub fn covers(&self, model: Option<&ModelName>) -> bool {
        match (self, model) {
            (Self::All, _) => true,
            (Self::Only(_), None) => false,
            (Self::Only(patterns), Some(model)) => patterns.iter().any(|pattern| pattern.matches(model)),
        }
    }
}

/// A model's exact name, or the beginning of names followed by `*`; case counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelPattern(Arc<str>);

/// Why a model pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelPatternError {
    #[error("the model pattern `{0}` has a `*` before its end; only one `*`, as the last character, is allowed")]
    StarInside(String),
    #[error(transparent)]
    Name(#[from] NameError),
}

impl ModelPattern {
    /// Checks and takes a pattern.
    ///
    /// # Errors
    /// When a `*` stands anywhere but at the end, or what is left is not a model's name.
    pub fn parse(text: &str) -> Result<Self, ModelPatternError> {
        let stem = text.strip_suffix('*').unwrap_or(text);
        if stem.contains('*') {
            return Err(ModelPatternError::StarInside(text.to_owned()));
        }
        if text != "*" {
            ModelName::parse(stem)?;
        }
        Ok(Self(text.into()))
    }

    /// Whether the model's name fits, byte for byte.
    #[must_use]
    pub fn matches(&self, model: &ModelName) -> bool {
        match self.0.strip_suffix('*') {
            Some(stem) => model.as_str().starts_with(stem),
            None => model.as_str() == &*self.0,
        }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
