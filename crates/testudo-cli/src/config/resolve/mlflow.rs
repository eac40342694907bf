//! The door for MLflow clients.

use std::collections::BTreeSet;

use testudo_gateway::settings::{MLFLOW_PATH, MlflowSettings};
use testudo_types::{RouteName, UpstreamName};
use testudo_vault::vault::VaultSettings;
use url::Url;

use super::vault::VaultRules;
use crate::config::document::{At, shown};
use crate::config::problem::Problems;
use crate::config::typed::{self, Typed};

/// What keys that are limited to routes call the door.
const ROUTE: &str = "mlflow";

/// How MLflow clients read the vault; `None` when nothing says that they do.
pub(super) fn mlflow(
    all: &Typed,
    vault: Option<&VaultSettings>,
    rules: &VaultRules,
    problems: &mut Problems,
) -> Option<MlflowSettings> {
    let vault_section = all.vault.as_ref()?;
    let typed = vault_section.mlflow.as_ref()?;
    let path = path(typed, all, problems);
    if rules.policies.is_none() && typed.roles.is_empty() && vault_section.policies.is_empty() {
        problems.at(
            typed.line,
            "every virtual key could read every model",
            "add roles = [\"NAME\"] to [vault.mlflow], or policies to [vault]",
        );
    }
    if vault_section.approvers.is_empty() {
        problems.at(
            typed.line,
            "nobody's statements are believed, so MLflow clients would find no version",
            "name those who promote in [vault.approvers]",
        );
    }
    let roles: BTreeSet<String> = typed.roles.iter().map(|it| it.value.clone()).collect();
    let url = typed.url.as_ref().and_then(|text| url(text, problems));
    Some(MlflowSettings {
        path,
        route: RouteName::parse(ROUTE).ok()?,
        vault: vault?.clone(),
        roles,
        rules: rules.moves(),
        url,
    })
}

/// Where the door is: a path of its own, below which there is no route and no MCP server.
fn path(typed: &typed::Mlflow, all: &Typed, problems: &mut Problems) -> String {
    let line = typed.path.as_ref().map_or(typed.line, |it| it.line);
    let path = typed.path.as_ref().map_or(MLFLOW_PATH, |it| it.value.as_str());
    let plain = |part: &str| UpstreamName::parse(part).is_ok();
    let sound = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    if !sound {
        problems.at(
            line,
            format!("`vault.mlflow.path` cannot be `{}`", shown(path)),
            "write a path without a slash at its end, for example \"/mlflow\"",
        );
    }
    let below = |other: &str| {
        other
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let prefixes = all.routes.iter().filter_map(|route| route.prefix.as_ref());
    for prefix in prefixes.filter(|prefix| below(&prefix.value)) {
        problems.at(
            prefix.line,
            format!("a route and MLflow clients both claim `{}`", shown(path)),
            "give one of them another path",
        );
    }
    let mcp = all
        .mcp
        .path
        .as_ref()
        .filter(|mcp| !all.mcp.servers.is_empty() && below(&mcp.value));
    if let Some(mcp) = mcp {
        problems.at(
            mcp.line,
            format!("MCP servers and MLflow clients both claim `{}`", shown(path)),
            "give one of them another path",
        );
    }
    if let Some(name) = all
        .routes
        .iter()
        .map(|route| &route.name)
        .find(|name| name.value == ROUTE)
    {
        problems.at(
            name.line,
            "a route is called as keys call the door for MLflow clients",
            "give the route another name",
        );
    }
    path.to_owned()
}

fn url(text: &At<String>, problems: &mut Problems) -> Option<Url> {
    let url = Url::parse(&text.value).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if url.is_none() {
        problems.at(
            text.line,
            format!("`vault.mlflow.url` cannot be `{}`", shown(&text.value)),
            "write where clients reach the gateway, for example \"https://testudo.example\"",
        );
    }
    url
}
