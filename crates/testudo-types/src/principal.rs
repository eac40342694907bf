//! Who calls.

use std::sync::Arc;

use crate::{KeyId, TenantId};

/// What kind of caller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    User,
    Service,
    Agent,
}

impl PrincipalKind {
    /// The name used in policies and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Agent => "agent",
        }
    }

    /// The kind that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Service, Self::Agent]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// A named set of rights.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(pub Arc<str>);

/// An authenticated caller; never an anonymous string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantId,
    pub kind: PrincipalKind,
    /// The key that proved it.
    pub key: KeyId,
    /// What people call it.
    pub name: Arc<str>,
    pub roles: Vec<Role>,
}
