//! What `testudo check` says of the vault.

use testudo_gateway::settings::MlflowSettings;
use testudo_vault::vault::{KeySettings, VaultSettings};

/// Where models are kept, and by whom they are moved.
pub(super) fn kept(settings: &VaultSettings, policies: bool) -> String {
    let keys = match &settings.keys {
        KeySettings::Folder(folder) => format!("keys in {}", folder.display()),
        KeySettings::Token(token) => format!("keys in the token {}", token.token),
    };
    let mut approvers: Vec<&str> = settings.approvers.names().collect();
    approvers.sort_unstable();
    let approvers = if approvers.is_empty() {
        "nobody".to_owned()
    } else {
        approvers.join(", ")
    };
    let policies = if policies {
        "as policies permit"
    } else {
        "without policies"
    };
    format!("vault: {}, {keys}, approved by {approvers}, {policies}", settings.url)
}

/// How MLflow clients read them.
pub(super) fn read(settings: &MlflowSettings) -> String {
    let keys = if settings.roles.is_empty() {
        "every key".to_owned()
    } else {
        let roles: Vec<&str> = settings.roles.iter().map(String::as_str).collect();
        format!("keys with the role {}", roles.join(" or "))
    };
    let policies = if settings.rules.is_some() {
        "as policies permit"
    } else {
        "without policies"
    };
    format!("mlflow: at {}, for {keys}, {policies}", settings.path)
}
