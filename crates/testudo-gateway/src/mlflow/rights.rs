//! Who asks, and what they may read: by the key's own limits, by its roles, and by the policies of the vault.

use std::collections::BTreeSet;
use std::sync::Arc;

use testudo_policy::artifacts::{ArtifactAct, ArtifactFacts, Proof};
use testudo_types::ModelName;
use testudo_vault::vault::{Standing, VaultName};

use crate::keys::Caller;
use crate::settings::{MlflowSettings, MoveRules};

/// Whoever sent a key.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) caller: Arc<Caller>,
    name: String,
    groups: BTreeSet<String>,
}

impl Asking {
    pub(super) fn new(caller: Arc<Caller>) -> Self {
        let roles = caller.principal.roles.iter().map(|role| role.0.to_string());
        Self {
            name: format!("key:{}", caller.principal.key),
            groups: roles.collect(),
            caller,
        }
    }

    /// Whether the key is for this door at all.
    pub(super) fn may_ask(&self, settings: &MlflowSettings) -> bool {
        let roles = &settings.roles;
        let has_role = roles.is_empty() || self.groups.iter().any(|group| roles.contains(group));
        has_role && self.caller.routes.covers(&settings.route)
    }

    /// Whether a version may be read that these aliases mean; none are named where no version is known.
    pub(super) fn may_read(&self, settings: &MlflowSettings, artifact: &VaultName, stages: &BTreeSet<String>) -> bool {
        let model = ModelName::parse(artifact.as_str()).ok();
        if !self.caller.models.covers(model.as_ref()) {
            return false;
        }
        let Some(rules) = &settings.rules else {
            return true;
        };
        let nothing = BTreeSet::new();
        let facts = ArtifactFacts {
            act: ArtifactAct::Read,
            operator: &self.name,
            groups: &self.groups,
            proof: Proof::Token,
            artifact: artifact.as_str(),
            labels: rules.labels.get(artifact).unwrap_or(&nothing),
            stages,
        };
        rules.policies.decide(&facts).permitted
    }
}

/// Whether whoever moved an alias to where it is might do so: a promotion that was made past the policies is followed
/// by nobody.
pub(super) fn may_follow(
    settings: &MlflowSettings,
    artifact: &VaultName,
    alias: &VaultName,
    standing: &Standing,
) -> bool {
    let refused = |rules: &MoveRules| rules.refusal(&settings.vault.approvers, artifact, alias, standing);
    settings.rules.as_ref().and_then(refused).is_none()
}
