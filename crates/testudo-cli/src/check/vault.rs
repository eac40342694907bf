//! What `testudo check` says of the vault.

use testudo_gateway::settings::MlflowSettings;
use testudo_vault::vault::{Approvers, KeySettings, Until, VaultName, VaultSettings};

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

/// Whose statements hold beside those of the approvers of all artifacts, a line for each.
pub(super) fn believed(approvers: &Approvers) -> Vec<String> {
    let mut lines = Vec::new();
    for (artifact, names) in approvers.of_one() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        lines.push(format!("  {artifact}: approved by {} only", names.join(", ")));
    }
    let mut former: Vec<_> = approvers.former().collect();
    former.sort_unstable_by_key(|(name, _)| *name);
    for (name, until) in former {
        let held: Vec<String> = until.iter().map(|(artifact, until)| held(artifact, *until)).collect();
        let held = if held.is_empty() {
            "nothing holds".to_owned()
        } else {
            held.join(", ")
        };
        lines.push(format!("  {name}, no approver any more: {held}"));
    }
    lines
}

fn held(artifact: &VaultName, until: Until) -> String {
    let Until { counts, void } = until;
    match (counts, void > counts) {
        (0, _) => format!("{artifact} up to {void} without effect"),
        (_, false) => format!("{artifact} up to {counts}"),
        (_, true) => format!("{artifact} up to {counts}, and up to {void} without effect"),
    }
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
