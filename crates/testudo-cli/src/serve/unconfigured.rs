//! What runs when nothing is configured: real services whose keys are in the environment, else practice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use testudo_detect::Canaries;
use testudo_dialects::Family;
use testudo_gateway::settings::{
    ApprovalSettings, Bounds, LedgerSettings, Limits, ListenSettings, ModelSettings, OutputSettings, Profile,
    Recording, Route, Settings, UpstreamBase, UpstreamSettings,
};
use testudo_types::{RouteName, Secret, UpstreamName};
use url::Url;

use crate::config::{Configuration, Places, profiles, resolve};
use crate::environment::Variables;

/// The path prefix in practice mode under which everything is seen and nothing is stopped.
pub(super) const OBSERVED: &str = "/observe";
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);
const SERVICES: [(Family, &str, &str); 2] = [
    (Family::OpenAi, "OPENAI_API_KEY", "https://api.openai.com"),
    (Family::Anthropic, "ANTHROPIC_API_KEY", "https://api.anthropic.com"),
];

pub(super) fn configuration(variables: &dyn Variables) -> anyhow::Result<Configuration> {
    let mut routes = Vec::new();
    let mut upstreams = BTreeMap::new();
    for (family, variable, url) in SERVICES {
        if let Some(secret) = variables.variable(variable).filter(|secret| !secret.trim().is_empty()) {
            let base = UpstreamBase::Url(Url::parse(url)?);
            let upstream = upstream(family, base, Some(Secret::new(secret.trim())))?;
            routes.push(route(family, family.as_str(), "", profiles::DEFAULT)?);
            upstreams.insert(upstream.name.clone(), Arc::new(upstream));
        }
    }
    if upstreams.is_empty() {
        for (family, _, _) in SERVICES {
            let upstream = upstream(family, UpstreamBase::Practice, None)?;
            routes.push(route(family, family.as_str(), "", profiles::DEFAULT)?);
            routes.push(route(
                family,
                &format!("{}-observe", family.as_str()),
                OBSERVED,
                "observe",
            )?);
            upstreams.insert(upstream.name.clone(), Arc::new(upstream));
        }
    }
    Ok(Configuration {
        listen: ListenSettings {
            address: resolve::ADDRESS,
            hosts: Vec::new(),
            origins: Vec::new(),
            tls: None,
            admin: Some(ADMIN),
        },
        admin_token: None,
        data_dir: PathBuf::from(resolve::DATA_DIR),
        ledger: LedgerSettings::default(),
        settings: Settings {
            routes,
            upstreams,
            policies: Vec::new(),
            prices: BTreeMap::new(),
            bounds: Bounds::DEFAULT,
            models: ModelSettings::DEFAULT,
            mcp: None,
            approvals: ApprovalSettings::none(),
            follow: None,
            mlflow: None,
        },
        files: Vec::new(),
        places: Places::default(),
    })
}

fn upstream(family: Family, base: UpstreamBase, secret: Option<Secret>) -> anyhow::Result<UpstreamSettings> {
    Ok(UpstreamSettings {
        name: UpstreamName::parse(family.as_str())?,
        base,
        family,
        secret,
        authorities: None,
        allow_private: false,
        timeouts: resolve::TIMEOUTS,
        retries_max: resolve::RETRIES,
        serves: None,
    })
}

fn route(family: Family, name: &str, prefix: &str, profile: &str) -> anyhow::Result<Arc<Route>> {
    let profile: Profile = profiles::built_in(profile).context("a shipped profile is missing")??;
    Ok(Arc::new(Route {
        name: RouteName::parse(name)?,
        prefix: prefix.to_owned(),
        family,
        upstream: UpstreamName::parse(family.as_str())?,
        model: None,
        profile: Arc::new(profile),
        limits: Limits::default(),
        output_tokens_default: resolve::OUTPUT_TOKENS,
        hosted_tools: false,
        server_history: false,
        spotlight: None,
        agents: None,
        canaries: Canaries::default(),
        plant: false,
        output: OutputSettings::default(),
        recording: Recording::DEFAULT,
        allow: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&'static str, &'static str)]) -> Configuration {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        configuration(&variables).unwrap()
    }

    #[test]
    fn practice_only_without_any_service_key() {
        let practice = with(&[("OPENAI_API_KEY", " ")]);
        assert_eq!(practice.settings.routes.len(), 4);
        assert!(
            practice
                .settings
                .upstreams
                .values()
                .all(|it| it.base == UpstreamBase::Practice)
        );
        let real = with(&[("ANTHROPIC_API_KEY", "secret")]);
        assert_eq!(real.settings.routes.len(), 1);
        assert!(
            real.settings
                .upstreams
                .values()
                .all(|it| it.base != UpstreamBase::Practice && it.secret.is_some())
        );
        assert!(real.listen.address.ip().is_loopback());
    }
}
