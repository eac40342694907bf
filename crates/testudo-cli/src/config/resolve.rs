//! From the configuration as typed to the settings as used: names resolved, files read, contradictions found.

mod agents;
pub(crate) mod allow;
mod approvals;
mod ledger;
mod listeners;
mod mcp;
mod mlflow;
mod outputs;
mod routes;
mod serving;
mod stores;
mod upstreams;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use testudo_gateway::settings::{
    ApprovalSettings, Bounds, LedgerSettings, ModelSettings, Price, Route, Settings, Timeouts,
};
use testudo_types::{ModelName, RouteName};
use testudo_vault::vault::VaultSettings;

use self::listeners::listen;
use self::routes::Context;
use self::upstreams::{families, upstream};
pub(crate) use self::vault::VaultRules;
use super::document::At;
use super::files::Files;
use super::problem::Problems;
use super::typed::{self, Typed};
use super::{Draft, Places, profiles};

/// Where the gateway listens when nothing else is said.
pub(crate) const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
pub(crate) const DATA_DIR: &str = "testudo-data";
/// Deadlines of an upstream that sets none.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    connect_ms: 5_000,
    first_byte_ms: 60_000,
    idle_ms: 60_000,
    total_ms: 600_000,
};
pub(crate) const RETRIES: u32 = 1;
pub(crate) const OUTPUT_TOKENS: u64 = 4096;

/// Resolves everything that can be resolved; what is wrong is in `problems`.
pub(crate) fn resolve(typed: &Typed, mut files: Files<'_>, problems: &mut Problems) -> Draft {
    let (listen, admin_token) = listen(&typed.listen, &mut files, problems);
    let allow_key = allow::key(typed, &mut files, problems);
    let profiles = profiles::resolve(&typed.profiles, allow_key.as_ref(), problems);
    let families = families(&typed.upstreams, problems);
    let mut upstreams = BTreeMap::new();
    for each in &typed.upstreams {
        if let Some(settings) = upstream(each, &families, &mut files, problems) {
            upstreams.insert(settings.name.clone(), Arc::new(settings));
        }
    }
    let context = Context {
        typed,
        families: &families,
        profiles: &profiles,
        allow_key: allow_key.as_ref(),
    };
    let mut routes = Vec::new();
    for route in &typed.routes {
        if let Some(settings) = context.route(route, &mut files, problems) {
            routes.push(Arc::new(settings));
        }
    }
    let mcp = mcp::mcp(typed, &profiles, allow_key.as_ref(), &mut files, problems);
    ledger::shared(typed, problems);
    let ledger = ledger::ledger(typed, &mut files, problems);
    unbound(typed, problems);
    same_doors(&routes, typed, problems);
    let policies = typed
        .policy_files
        .iter()
        .flat_map(|pattern| files.policies(pattern, problems))
        .collect();
    let mut settings = Settings {
        routes,
        upstreams,
        policies,
        prices: prices(typed, problems),
        bounds: bounds(&typed.bounds),
        models: models(&typed.models),
        mcp,
        approvals: approvals::approvals(typed, Some(&mut files), problems),
        follow: None,
        mlflow: None,
    };
    let data_dir = data_dir(typed, &files);
    let vault = vault_alone(typed, &mut files, problems);
    let rules = vault_rules(typed, &mut files, problems);
    let vault_policies = rules.policies.is_some();
    settings.follow = serving::follow(typed, vault.as_ref(), &rules);
    settings.mlflow = mlflow::mlflow(typed, vault.as_ref(), &rules, problems).map(Arc::new);
    Draft {
        listen,
        admin_token,
        data_dir,
        ledger,
        vault,
        vault_policies,
        settings,
        files: files.into_read(),
        places: Places::of(typed),
    }
}

/// How the ledger is kept, for commands that need nothing else.
pub(crate) fn ledger_alone(typed: &Typed, mut files: Files<'_>, problems: &mut Problems) -> LedgerSettings {
    ledger::ledger(typed, &mut files, problems)
}

/// Which vault, for commands that need nothing else; `None` when the configuration says nothing about one.
pub(crate) fn vault_alone(typed: &Typed, files: &mut Files<'_>, problems: &mut Problems) -> Option<VaultSettings> {
    let data_dir = data_dir(typed, files);
    vault::vault(typed.vault.as_ref()?, &data_dir, files, problems)
}

/// Who may do what in the vault.
pub(crate) fn vault_rules(typed: &Typed, files: &mut Files<'_>, problems: &mut Problems) -> VaultRules {
    let rules = |typed| vault::rules(typed, files, problems);
    typed.vault.as_ref().map(rules).unwrap_or_default()
}

fn data_dir(typed: &Typed, files: &Files<'_>) -> PathBuf {
    files.resolve(typed.data_dir.as_ref().map_or(DATA_DIR, |dir| dir.value.as_str()))
}

/// Who decides held calls, for commands that need nothing else; without tokens.
pub(crate) fn approvals_alone(typed: &Typed, problems: &mut Problems) -> ApprovalSettings {
    approvals::approvals(typed, None, problems)
}

/// A control that is bound to nothing protects nothing, and its owner believes that it does.
fn unbound(typed: &Typed, problems: &mut Problems) {
    if typed.routes.is_empty() && typed.mcp.servers.is_empty() {
        problems.add(
            None,
            "there is no route, so every request would be refused",
            "add [routes.NAME] with an upstream, or [[mcp.server]]",
        );
    }
    let upstreams: BTreeSet<&str> = typed
        .routes
        .iter()
        .flat_map(|route| {
            let of_model = route.model.iter().flat_map(|it| &it.upstreams);
            route.upstream.iter().chain(of_model)
        })
        .map(|it| it.value.as_str())
        .collect();
    for upstream in &typed.upstreams {
        let At { value: name, line } = &upstream.name;
        if !upstreams.contains(name.as_str()) {
            problems.at(
                *line,
                format!("the upstream `{name}` is used by no route"),
                "name it in a route or remove it",
            );
        }
    }
    let of_servers = typed.mcp.servers.iter().filter_map(|server| server.profile.as_ref());
    let mut used: BTreeSet<&str> = typed
        .routes
        .iter()
        .filter_map(|route| route.profile.as_ref())
        .chain(of_servers)
        .map(|it| it.value.as_str())
        .collect();
    // Once for each profile, since each round may reach one more.
    for _ in &typed.profiles {
        for profile in &typed.profiles {
            if let (true, Some(base)) = (used.contains(profile.name.value.as_str()), &profile.extends) {
                used.insert(&base.value);
            }
        }
    }
    for profile in &typed.profiles {
        let At { value: name, line } = &profile.name;
        if !used.contains(name.as_str()) {
            problems.at(
                *line,
                format!("the profile `{name}` guards no route"),
                "name it in a route or remove it",
            );
        }
    }
}

fn same_doors(routes: &[Arc<Route>], typed: &Typed, problems: &mut Problems) {
    let mut doors: BTreeMap<(&str, &str), &RouteName> = BTreeMap::new();
    for route in routes {
        if let Some(first) = doors.insert((&route.prefix, route.family.as_str()), &route.name) {
            let line = typed
                .routes
                .iter()
                .find(|it| it.name.value == route.name.as_str())
                .map(|it| it.name.line);
            problems.add(
                line,
                format!(
                    "the routes `{first}` and `{}` both claim `{}/` for {}",
                    route.name,
                    route.prefix,
                    route.family.as_str()
                ),
                "give one of them another prefix",
            );
        }
    }
}

fn prices(typed: &Typed, problems: &mut Problems) -> BTreeMap<ModelName, Price> {
    let mut prices = BTreeMap::new();
    for price in &typed.prices {
        let At { value: model, line } = &price.model;
        match (ModelName::parse(model), &price.input_micros, &price.output_micros) {
            (Err(error), _, _) => problems.at(*line, error.to_string(), "write the model as requests name it"),
            (Ok(model), Some(input), Some(output)) => {
                let price = Price {
                    input_micros_per_mtok: input.value,
                    output_micros_per_mtok: output.value,
                };
                prices.insert(model, price);
            }
            (Ok(_), _, _) => {}
        }
    }
    prices
}

fn models(typed: &typed::Models) -> ModelSettings {
    let default = ModelSettings::DEFAULT;
    let number = |value: &Option<At<usize>>, default| value.as_ref().map_or(default, |it| it.value);
    ModelSettings {
        injection: typed.injection.as_ref().map_or(default.injection, |it| it.value),
        encoder_windows_max: number(&typed.encoder_windows_max, default.encoder_windows_max),
        cache_entries: number(&typed.cache_entries, default.cache_entries),
    }
}

fn bounds(typed: &typed::Bounds) -> Bounds {
    let default = Bounds::DEFAULT;
    let size = |value: &Option<At<usize>>, default| value.as_ref().map_or(default, |it| it.value);
    let count = |value: &Option<At<u64>>, default| {
        value
            .as_ref()
            .and_then(|it| usize::try_from(it.value).ok())
            .unwrap_or(default)
    };
    let ms = |value: &Option<At<u64>>, default| value.as_ref().map_or(default, |it| it.value);
    Bounds {
        request_bytes_max: size(&typed.request_bytes_max, default.request_bytes_max),
        response_bytes_max: size(&typed.response_bytes_max, default.response_bytes_max),
        sse_event_bytes_max: size(&typed.sse_event_bytes_max, default.sse_event_bytes_max),
        json_depth_max: count(&typed.json_depth_max, default.json_depth_max),
        json_nodes_max: count(&typed.json_nodes_max, default.json_nodes_max),
        connections_max: count(&typed.connections_max, default.connections_max),
        client_idle_ms: ms(&typed.client_idle_ms, default.client_idle_ms),
        drain_ms: ms(&typed.drain_ms, default.drain_ms),
    }
}
