//! The door for MLflow clients: which vault, which keys, who may read what.

use std::collections::BTreeSet;

use testudo_types::RouteName;
use testudo_vault::vault::VaultSettings;
use url::Url;

use super::{MoveRules, moves};

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
    /// Who may read what, and who might move aliases; without policies every key that may ask, and every approver.
    pub rules: Option<MoveRules>,
    /// Where clients reach the gateway, for those whose tracking server is another one.
    pub url: Option<Url>,
}

impl MlflowSettings {
    /// What decides who is given what.
    pub(crate) fn lines(&self) -> String {
        let Self {
            path,
            route,
            roles,
            url,
            ..
        } = self;
        let url = url.as_ref().map_or("-", Url::as_str);
        let reading = moves::reading(&self.vault, self.rules.as_ref());
        format!("mlflow {path} {route} {url} {roles:?}\n{reading}")
    }
}
