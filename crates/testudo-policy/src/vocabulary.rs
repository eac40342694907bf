//! The schema of policies and the names in it, read once.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use testudo_types::PrincipalKind;

use crate::PolicyFault;

/// The schema's text; also what `docs/policy.md` explains.
const SCHEMA: &str = include_str!("../schema/testudo.cedarschema");

/// The schema and its names in the engine's own form.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    pub(crate) action_use: EntityUid,
    pub(crate) action_release: EntityUid,
    pub(crate) action_call: EntityUid,
    pub(crate) action_act: EntityUid,
    pub(crate) tenant: EntityTypeName,
    pub(crate) role: EntityTypeName,
    pub(crate) profile: EntityTypeName,
    pub(crate) route: EntityTypeName,
    pub(crate) kind: EntityTypeName,
    pub(crate) direction: EntityTypeName,
    pub(crate) origin: EntityTypeName,
    pub(crate) setting: EntityTypeName,
    pub(crate) effect: EntityTypeName,
    pub(crate) why: EntityTypeName,
    user: EntityTypeName,
    service: EntityTypeName,
    agent: EntityTypeName,
}

impl Vocabulary {
    pub(crate) fn new() -> Result<Self, PolicyFault> {
        let (schema, warnings) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|error| PolicyFault::Internal(error.to_string()))?;
        if let Some(warning) = { warnings }.next() {
            return Err(PolicyFault::Internal(warning.to_string()));
        }
        let action = type_name("Action")?;
        Ok(Self {
            schema,
            action_use: entity(&action, "use"),
            action_release: entity(&action, "release"),
            action_call: entity(&action, "call"),
            action_act: entity(&action, "act"),
            tenant: type_name("Tenant")?,
            role: type_name("Role")?,
            profile: type_name("Profile")?,
            route: type_name("Route")?,
            kind: type_name("Kind")?,
            direction: type_name("Direction")?,
            origin: type_name("Origin")?,
            setting: type_name("Setting")?,
            effect: type_name("Effect")?,
            why: type_name("Why")?,
            user: type_name("User")?,
            service: type_name("Service")?,
            agent: type_name("Agent")?,
        })
    }

    /// The entity type of a kind of caller.
    pub(crate) fn caller(&self, kind: PrincipalKind) -> &EntityTypeName {
        match kind {
            PrincipalKind::User => &self.user,
            PrincipalKind::Service => &self.service,
            PrincipalKind::Agent => &self.agent,
        }
    }
}

/// The entity of a type with an id.
pub(crate) fn entity(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn type_name(name: &str) -> Result<EntityTypeName, PolicyFault> {
    name.parse()
        .map_err(|error| PolicyFault::Internal(format!("the type name `{name}`: {error}")))
}
