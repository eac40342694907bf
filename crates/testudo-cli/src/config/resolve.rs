//! From the configuration as typed to the settings as used: names resolved, files read, contradictions found.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use testudo_detect::Canaries;
use testudo_dialects::Family;
use testudo_gateway::admin::AdminAccess;
use testudo_gateway::host::HostRules;
use testudo_gateway::listener::server_config;
use testudo_gateway::settings::{
    Bounds, Limits, ListenSettings, Price, Profile, Route, Settings, Timeouts, TlsSettings,
    UpstreamBase, UpstreamSettings,
};
use testudo_types::{ModelName, RouteName, Secret, UpstreamName};
use url::Url;

use super::document::{At, shown};
use super::files::Files;
use super::problem::Problems;
use super::suggest::did_you_mean;
use super::typed::{self, Typed};
use super::{Draft, Places, profiles};

/// Where the gateway listens when nothing else is said.
pub(crate) const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
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
    let profiles = profiles::resolve(&typed.profiles, problems);
    let families = families(&typed.upstreams, problems);
    let mut upstreams = BTreeMap::new();
    for upstream in &typed.upstreams {
        if let Some(settings) = self::upstream(upstream, &families, &mut files, problems) {
            upstreams.insert(settings.name.clone(), Arc::new(settings));
        }
    }
    let context = Context {
        typed,
        families: &families,
        profiles: &profiles,
    };
    let mut routes = Vec::new();
    for route in &typed.routes {
        if let Some(settings) = context.route(route, &mut files, problems) {
            routes.push(Arc::new(settings));
        }
    }
    unbound(typed, problems);
    same_doors(&routes, typed, problems);
    let policies = typed
        .policy_files
        .iter()
        .flat_map(|pattern| files.policies(pattern, problems))
        .collect();
    let settings = Settings {
        routes,
        upstreams,
        policies,
        prices: prices(typed, problems),
        bounds: bounds(&typed.bounds),
    };
    let data_dir = files.resolve(
        typed
            .data_dir
            .as_ref()
            .map_or(DATA_DIR, |dir| dir.value.as_str()),
    );
    Draft {
        listen,
        admin_token,
        data_dir,
        settings,
        files: files.into_read(),
        routes_complete: typed.routes.len(),
        places: Places::of(typed),
    }
}

fn listen(
    typed: &typed::Listen,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> (ListenSettings, Option<Secret>) {
    let address = typed
        .address
        .as_ref()
        .and_then(|it| socket_address(it, "listen.address", problems))
        .unwrap_or(ADDRESS);
    let admin = typed
        .admin
        .as_ref()
        .and_then(|it| socket_address(it, "listen.admin", problems));
    let admin_token = typed
        .admin_token
        .as_ref()
        .and_then(|source| files.secret(source, "`listen.admin_token`", problems));
    let tls = typed
        .tls
        .as_ref()
        .and_then(|tls| self::tls(tls, files, problems));
    exposed(typed, address, admin, problems);
    if admin == Some(address) && address.port() != 0 {
        let line = typed.admin.as_ref().map(|it| it.line);
        problems.add(
            line,
            "`listen.admin` is the address of the gateway itself",
            "give the admin listener its own port",
        );
    }
    if let (Some(source), Some(admin), Some(token)) = (&typed.admin_token, admin, &admin_token)
        && let Err(error) = AdminAccess::for_listener(admin, Some(token))
    {
        problems.at(source.line, error.to_string(), "");
    }
    if let (Some(token), None) = (&typed.admin_token, &typed.admin) {
        problems.at(
            token.line,
            "`listen.admin_token` protects nothing: there is no `listen.admin`",
            "add `listen.admin` or remove the token",
        );
    }
    let texts = |all: &[At<String>]| {
        all.iter()
            .map(|it| it.value.clone())
            .collect::<Vec<String>>()
    };
    for host in &typed.hosts {
        if let Err(error) = HostRules::new(std::slice::from_ref(&host.value), &[], address) {
            problems.at(host.line, error.to_string(), "");
        }
    }
    for origin in &typed.origins {
        if let Err(error) = HostRules::new(&[], std::slice::from_ref(&origin.value), address) {
            problems.at(origin.line, error.to_string(), "");
        }
    }
    let listen = ListenSettings {
        address,
        hosts: texts(&typed.hosts),
        origins: texts(&typed.origins),
        tls,
        admin,
    };
    (listen, admin_token)
}

/// Reaching beyond this machine needs protection, or the word `dangerous`.
fn exposed(
    typed: &typed::Listen,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    problems: &mut Problems,
) {
    let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    let dangerous = typed
        .dangerous_plaintext
        .as_ref()
        .is_some_and(|it| it.value);
    let line = typed.address.as_ref().map(|it| it.line);
    if !loopback(address) && typed.tls.is_none() && !dangerous {
        problems.add(line, format!("keys and texts would cross the network in the clear: `{address}` is not loopback and there is no [listen.tls]"), "add [listen.tls], listen on 127.0.0.1, or set dangerous_plaintext = true where another proxy encrypts");
    }
    if !loopback(address) && typed.hosts.is_empty() {
        problems.add(line, format!("`{address}` is not loopback and `listen.hosts` names no host, so every request would be refused"), "list the host names that clients use in `listen.hosts`");
    }
    if let Some(flag) = typed.dangerous_plaintext.as_ref().filter(|it| it.value)
        && (typed.tls.is_some() || loopback(address))
    {
        problems.at(
            flag.line,
            "`dangerous_plaintext` has no effect here",
            "remove it",
        );
    }
    if let (Some(admin), None) = (admin.filter(|it| !loopback(*it)), &typed.admin_token) {
        let line = typed.admin.as_ref().map(|it| it.line);
        problems.add(
            line,
            format!(
                "the admin address `{admin}` is not loopback and there is no `listen.admin_token`"
            ),
            "add admin_token = { env = \"NAME\" }, or listen on 127.0.0.1",
        );
    }
}

fn socket_address(text: &At<String>, name: &str, problems: &mut Problems) -> Option<SocketAddr> {
    let parsed = text.value.parse().ok();
    if parsed.is_none() {
        problems.at(
            text.line,
            format!("`{name}` cannot be `{}`", shown(&text.value)),
            "write an IP address and a port, for example \"127.0.0.1:8080\"",
        );
    }
    parsed
}

fn tls(
    typed: &At<typed::Tls>,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<TlsSettings> {
    let mut path = |text: &Option<At<String>>, name: &str, problems: &mut Problems| match text {
        Some(text) => {
            let path = files.resolve(&text.value);
            files.note(path.clone());
            Some(path)
        }
        None => {
            problems.at(
                typed.line,
                format!("[listen.tls] has no `{name}`"),
                format!("add {name} = \"PATH\" of a PEM file"),
            );
            None
        }
    };
    let certificate = path(&typed.value.certificate, "certificate", problems);
    let key = path(&typed.value.key, "key", problems);
    let client_authorities = match &typed.value.client_authorities {
        Some(text) => path(&Some(text.clone()), "client_authorities", problems),
        None => None,
    };
    let settings = TlsSettings {
        certificate: certificate?,
        key: key?,
        client_authorities,
    };
    if let Err(error) = server_config(&settings) {
        problems.at(typed.line, error.to_string(), "");
    }
    Some(settings)
}

/// The family of each upstream by name, even when the rest of the upstream is wrong.
fn families(
    typed: &[typed::Upstream],
    problems: &mut Problems,
) -> BTreeMap<String, Option<Family>> {
    let mut families = BTreeMap::new();
    for upstream in typed {
        let name = &upstream.name.value;
        let family = match &upstream.family {
            Some(text) => family(text, &format!("upstreams.{name}.family"), problems),
            None => {
                problems.at(
                    upstream.name.line,
                    format!("the upstream `{name}` has no family"),
                    "add family = \"openai\" or family = \"anthropic\"",
                );
                None
            }
        };
        families.insert(name.clone(), family);
    }
    families
}

fn family(text: &At<String>, name: &str, problems: &mut Problems) -> Option<Family> {
    let family = Family::from_name(&text.value);
    if family.is_none() {
        let remedy = did_you_mean(&text.value, ["openai", "anthropic"]);
        problems.at(
            text.line,
            format!("`{name}` cannot be `{}`", shown(&text.value)),
            remedy,
        );
    }
    family
}

fn upstream(
    typed: &typed::Upstream,
    families: &BTreeMap<String, Option<Family>>,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<UpstreamSettings> {
    let At { value: name, line } = &typed.name;
    let parsed = UpstreamName::parse(name)
        .map_err(|error| problems.at(*line, error.to_string(), "rename the upstream"));
    let base = match &typed.base_url {
        Some(url) => base(url, name, problems),
        None => {
            problems.at(
                *line,
                format!("the upstream `{name}` has no base_url"),
                "add base_url = \"https://…\"",
            );
            None
        }
    };
    let secret = typed.secret.as_ref().and_then(|source| {
        files.secret(
            source,
            &format!("the secret of upstream `{name}`"),
            problems,
        )
    });
    let or = |value: &Option<At<u64>>, default| value.as_ref().map_or(default, |it| it.value);
    let timeouts = Timeouts {
        connect_ms: or(&typed.connect_ms, TIMEOUTS.connect_ms),
        first_byte_ms: or(&typed.first_byte_ms, TIMEOUTS.first_byte_ms),
        idle_ms: or(&typed.idle_ms, TIMEOUTS.idle_ms),
        total_ms: or(&typed.total_ms, TIMEOUTS.total_ms),
    };
    let shortest = timeouts.connect_ms.max(timeouts.first_byte_ms);
    if timeouts.total_ms < shortest {
        let line = typed.total_ms.as_ref().map_or(*line, |it| it.line);
        problems.at(line, format!("the total deadline of upstream `{name}` is shorter than its connect or first_byte deadline"), "raise `total` or lower the others");
    }
    Some(UpstreamSettings {
        name: parsed.ok()?,
        base: base?,
        family: families.get(name).copied().flatten()?,
        secret,
        allow_private: typed.allow_private.as_ref().is_some_and(|it| it.value),
        timeouts,
        retries_max: typed
            .retries
            .as_ref()
            .and_then(|it| u32::try_from(it.value).ok())
            .unwrap_or(RETRIES),
    })
}

fn base(url: &At<String>, name: &str, problems: &mut Problems) -> Option<UpstreamBase> {
    if url.value == "practice" {
        return Some(UpstreamBase::Practice);
    }
    match Url::parse(&url.value) {
        Ok(url) => Some(UpstreamBase::Url(url)),
        Err(error) => {
            // The address is not shown: it may carry a password.
            problems.at(
                url.line,
                format!("the base_url of upstream `{name}` is not a URL ({error})"),
                "write scheme and host, for example \"https://api.openai.com\"",
            );
            None
        }
    }
}

/// What routes are resolved against.
struct Context<'c> {
    typed: &'c Typed,
    families: &'c BTreeMap<String, Option<Family>>,
    profiles: &'c BTreeMap<String, Arc<Profile>>,
}

impl Context<'_> {
    fn route(
        &self,
        typed: &typed::Route,
        files: &mut Files<'_>,
        problems: &mut Problems,
    ) -> Option<Route> {
        let At { value: name, line } = &typed.name;
        let parsed = RouteName::parse(name)
            .map_err(|error| problems.at(*line, error.to_string(), "rename the route"));
        let prefix = typed
            .prefix
            .as_ref()
            .map_or(String::new(), |prefix| self::prefix(prefix, name, problems));
        let upstream = self.upstream(typed, problems);
        let family = self.family(typed, problems);
        let profile = self.profile(typed, problems);
        let canaries = self.canaries(typed, files, problems);
        let limits = self.limits(typed, problems);
        Some(Route {
            name: parsed.ok()?,
            prefix,
            family: family?,
            upstream: upstream?,
            profile: profile?,
            limits,
            output_tokens_default: typed
                .output_tokens_default
                .as_ref()
                .map_or(OUTPUT_TOKENS, |it| it.value),
            hosted_tools: typed.hosted_tools.as_ref().is_some_and(|it| it.value),
            server_history: typed.server_history.as_ref().is_some_and(|it| it.value),
            canaries,
        })
    }

    fn upstream(&self, typed: &typed::Route, problems: &mut Problems) -> Option<UpstreamName> {
        let At { value: name, line } = &typed.name;
        let Some(upstream) = &typed.upstream else {
            problems.at(
                *line,
                format!("the route `{name}` has no upstream"),
                "add upstream = \"NAME\" of one of [upstreams]",
            );
            return None;
        };
        if !self.families.contains_key(&upstream.value) {
            let what = format!(
                "the route `{name}` names the upstream `{}`, which is not configured",
                shown(&upstream.value)
            );
            let remedy = if self.families.is_empty() {
                format!("add [upstreams.{}]", shown(&upstream.value))
            } else {
                did_you_mean(&upstream.value, self.families.keys().map(String::as_str))
            };
            problems.at(upstream.line, what, remedy);
            return None;
        }
        UpstreamName::parse(&upstream.value).ok()
    }

    fn family(&self, typed: &typed::Route, problems: &mut Problems) -> Option<Family> {
        let name = &typed.name.value;
        let own = typed.family.as_ref().map(|text| {
            (
                family(text, &format!("routes.{name}.family"), problems),
                text.line,
            )
        });
        let theirs = typed
            .upstream
            .as_ref()
            .and_then(|it| self.families.get(&it.value).copied().flatten());
        if let (Some((Some(own), line)), Some(theirs)) = (own, theirs)
            && own != theirs
        {
            problems.at(
                line,
                format!(
                    "the route `{name}` speaks {} and its upstream {}",
                    own.as_str(),
                    theirs.as_str()
                ),
                "choose an upstream of the same family",
            );
        }
        match own {
            Some((own, _)) => own,
            None => theirs,
        }
    }

    fn profile(&self, typed: &typed::Route, problems: &mut Problems) -> Option<Arc<Profile>> {
        let name = typed
            .profile
            .as_ref()
            .map_or(profiles::DEFAULT, |it| it.value.as_str());
        let route = &typed.name.value;
        let line = typed.profile.as_ref().map_or(typed.name.line, |it| it.line);
        if name == "none" {
            problems.at(line, format!("the route `{route}` has no guard: the profile `none` is there to be extended"), "choose `observe` to let everything pass and see it, or extend `none` under a name of your own");
        }
        let found = self.profiles.get(name);
        if found.is_none()
            && !self
                .typed
                .profiles
                .iter()
                .any(|profile| profile.name.value == name)
        {
            let what = format!(
                "the route `{route}` names the profile `{}`, which is not configured",
                shown(name)
            );
            problems.at(
                line,
                what,
                did_you_mean(name, self.profiles.keys().map(String::as_str)),
            );
        }
        // The rest of the route is checked all the same.
        found
            .or_else(|| self.profiles.get(profiles::DEFAULT))
            .cloned()
    }

    fn canaries(
        &self,
        typed: &typed::Route,
        files: &mut Files<'_>,
        problems: &mut Problems,
    ) -> Canaries {
        let Some(source) = &typed.canaries else {
            return Canaries::default();
        };
        let name = format!("`routes.{}.canaries`", typed.name.value);
        let Some(secret) = files.secret(source, &name, problems) else {
            return Canaries::default();
        };
        let text = String::from_utf8_lossy(secret.expose());
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Canaries::new(lines).unwrap_or_else(|error| {
            problems.at(
                source.line,
                format!("{name}: {error}"),
                "give one canary a line",
            );
            Canaries::default()
        })
    }

    fn limits(&self, typed: &typed::Route, problems: &mut Problems) -> Limits {
        let value = |it: &Option<At<u64>>| it.as_ref().map(|it| it.value);
        if let Some(cost) = &typed.limits.cost_micros_per_day
            && self.typed.prices.is_empty()
        {
            problems.at(cost.line, format!("the route `{}` limits cost and no model has a price, so every request would be refused", typed.name.value), "add [prices.\"MODEL\"] with input and output");
        }
        Limits {
            requests_per_minute: value(&typed.limits.requests_per_minute),
            tokens_per_minute: value(&typed.limits.tokens_per_minute),
            cost_micros_per_day: value(&typed.limits.cost_micros_per_day),
            concurrent: value(&typed.limits.concurrent),
        }
    }
}

fn prefix(text: &At<String>, route: &str, problems: &mut Problems) -> String {
    let prefix = text.value.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let segments = || prefix.split('/').skip(1);
    let remedy = if prefix.is_empty() {
        return String::new();
    } else if !prefix.starts_with('/') {
        "begin it with a slash, for example \"/team-a\", or leave it empty"
    } else if prefix.ends_with('/') {
        "leave out the slash at the end"
    } else if !segments().all(|segment| {
        !segment.is_empty() && !segment.chars().all(|c| c == '.') && segment.chars().all(plain)
    }) {
        "use letters, digits, `-`, `_` and `.` between single slashes"
    } else if segments().any(|segment| segment == "v1") {
        "leave out `v1`: it belongs to the dialect's own paths"
    } else {
        return prefix.to_owned();
    };
    problems.at(
        text.line,
        format!(
            "the prefix of route `{route}` cannot be `{}`",
            shown(prefix)
        ),
        remedy,
    );
    prefix.trim_end_matches('/').to_owned()
}

/// A control that is bound to nothing protects nothing, and its owner believes that it does.
fn unbound(typed: &Typed, problems: &mut Problems) {
    if typed.routes.is_empty() {
        problems.add(
            None,
            "there is no route, so every request would be refused",
            "add [routes.NAME] with an upstream",
        );
    }
    let upstreams: BTreeSet<&str> = typed
        .routes
        .iter()
        .filter_map(|route| route.upstream.as_ref())
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
    let mut used: BTreeSet<&str> = typed
        .routes
        .iter()
        .filter_map(|route| route.profile.as_ref())
        .map(|it| it.value.as_str())
        .collect();
    // Once for each profile, since each round may reach one more.
    for _ in &typed.profiles {
        for profile in &typed.profiles {
            if let (true, Some(base)) =
                (used.contains(profile.name.value.as_str()), &profile.extends)
            {
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
        for (side, amount) in [
            ("input", &price.input_micros),
            ("output", &price.output_micros),
        ] {
            if amount.is_none() {
                problems.at(
                    *line,
                    format!("the price of `{}` has no {side}", shown(model)),
                    format!("add {side} = \"0.15\" in US dollars per million tokens"),
                );
            }
        }
        match (
            ModelName::parse(model),
            &price.input_micros,
            &price.output_micros,
        ) {
            (Err(error), _, _) => problems.at(
                *line,
                error.to_string(),
                "write the model as requests name it",
            ),
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
