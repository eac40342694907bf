//! What is known about a key, without the key.

use std::sync::Arc;

use testudo_policy::{ModelScope, RouteScope};
use testudo_types::{KeyId, Principal, PrincipalKind, Role, TenantId, UnixMillis};

use crate::settings::Limits;

const NAME_BYTES_MAX: usize = 128;
const ROLES_MAX: usize = 32;
const SCOPE_ENTRIES_MAX: usize = 256;

/// What to make a key from.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it; at most 128 bytes, no control characters.
    pub name: String,
    pub tenant: TenantId,
    pub kind: PrincipalKind,
    /// At most 32, each of letters, digits, `-`, `_` and `.`.
    pub roles: Vec<Role>,
    pub routes: RouteScope,
    pub models: ModelScope,
    /// Limits over all routes together; a route's own limits apply besides.
    pub limits: Limits,
    /// From this moment on the key is refused.
    pub expires: Option<UnixMillis>,
}

impl NewKey {
    /// A key for one tenant that may use every route and model, without limits or expiry.
    #[must_use]
    pub fn unrestricted(name: &str, tenant: TenantId, kind: PrincipalKind) -> Self {
        Self {
            name: name.to_owned(),
            tenant,
            kind,
            roles: Vec::new(),
            routes: RouteScope::All,
            models: ModelScope::All,
            limits: Limits::default(),
            expires: None,
        }
    }

    /// Checks what types alone do not.
    pub(super) fn check(&self, now: UnixMillis) -> Result<(), NewKeyError> {
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || self.name.chars().any(char::is_control) {
            return Err(NewKeyError::Name);
        }
        let sound = |role: &Role| {
            (1..=64).contains(&role.0.len()) && role.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if self.roles.len() > ROLES_MAX || !self.roles.iter().all(sound) {
            return Err(NewKeyError::Roles);
        }
        let routes = match &self.routes {
            RouteScope::All => 1,
            RouteScope::Only(routes) => routes.len(),
        };
        let models = match &self.models {
            ModelScope::All => 1,
            ModelScope::Only(models) => models.len(),
        };
        if !(1..=SCOPE_ENTRIES_MAX).contains(&routes) || !(1..=SCOPE_ENTRIES_MAX).contains(&models) {
            return Err(NewKeyError::Scope);
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(NewKeyError::Expired);
        }
        Ok(())
    }
}

/// Why a key was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NewKeyError {
    #[error("the key's name must have 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    #[error("a key has at most {ROLES_MAX} roles, each 1 to 64 letters, digits, `-`, `_` or `.`")]
    Roles,
    #[error("a scope names 1 to {SCOPE_ENTRIES_MAX} routes or models; leave it out to allow all")]
    Scope,
    #[error("the expiry is not in the future; give a later one")]
    Expired,
    #[error("a limit or a time is greater than can be stored ({})", i64::MAX)]
    Number,
}

/// A stored key as people see it: everything but the secret and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub id: KeyId,
    pub name: Arc<str>,
    pub tenant: TenantId,
    pub kind: PrincipalKind,
    pub roles: Vec<Role>,
    pub routes: RouteScope,
    pub models: ModelScope,
    pub limits: Limits,
    pub created: UnixMillis,
    pub expires: Option<UnixMillis>,
    pub revoked: Option<UnixMillis>,
}

/// Who a valid key belongs to and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub principal: Principal,
    pub routes: RouteScope,
    pub models: ModelScope,
    /// Limits over all routes together; a route's own limits apply besides.
    pub limits: Limits,
    pub expires: Option<UnixMillis>,
}

impl Caller {
    pub(super) fn of(record: &KeyRecord) -> Self {
        Self {
            principal: Principal {
                tenant: record.tenant.clone(),
                kind: record.kind,
                key: record.id.clone(),
                name: Arc::clone(&record.name),
                roles: record.roles.clone(),
            },
            routes: record.routes.clone(),
            models: record.models.clone(),
            limits: record.limits,
            expires: record.expires,
        }
    }
}
