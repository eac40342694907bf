//! The door for MLflow clients: which vault, which keys, who may read what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use testudo_policy::artifacts::ArtifactPolicies;
use testudo_types::RouteName;
use testudo_vault::vault::{VaultName, VaultSettings};
use url::Url;

/// What [`MlflowSettings::path`] is when the configuration says nothing.
pub const MLFLOW_PATH: &str = "/mlflow";

/// How MLflow clients read the vault.
#[derive(Debug, Clone)]
pub struct MlflowSettings {
    /// The path before MLflow's own paths, without a trailing slash.
    pub path: String,
    /// What keys that are limited to routes call it.
    pub route: RouteName,
    pub vault: VaultSettings,
    /// A key needs one of these; none means that every key may ask, and policies decide.
    pub roles: BTreeSet<String>,
    /// Who may read what; without policies every key that may ask.
    pub policies: Option<Arc<ArtifactPolicies>>,
    /// Of artifacts, for policies.
    pub labels: BTreeMap<VaultName, BTreeSet<String>>,
    /// The groups of those who make statements, for policies.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Where clients reach the gateway, for those whose tracking server is another one.
    pub url: Option<Url>,
}
