//! Proof, as a type, that policy allowed a request.

use testudo_types::{Decision, KeyId, ModelName, PolicyName, RouteName};

/// The answer to a request that asked to be let in.
#[derive(Debug)]
#[must_use]
pub struct Admission {
    /// What was decided, and why.
    pub decision: Decision,
    /// Present exactly when the decision lets the request through.
    pub permit: Option<Permit>,
}

/// Proof that policy let one request through one route.
///
/// Only [`crate::PolicyEngine::admit`] makes one, and it cannot be copied:
/// whoever forwards takes it by value, so that one permit forwards once.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    route: RouteName,
    key: KeyId,
    model: Option<ModelName>,
    policies: Vec<PolicyName>,
}

impl Permit {
    pub(crate) fn new(route: RouteName, key: KeyId, model: Option<ModelName>, policies: Vec<PolicyName>) -> Self {
        Self {
            route,
            key,
            model,
            policies,
        }
    }

    /// The route that may be used.
    #[must_use]
    pub fn route(&self) -> &RouteName {
        &self.route
    }

    /// The key that may use it.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// The model that was asked for when the permit was given.
    #[must_use]
    pub fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    /// The policies that permitted it.
    #[must_use]
    pub fn policies(&self) -> &[PolicyName] {
        &self.policies
    }
}

#[cfg(test)]
mod tests;
