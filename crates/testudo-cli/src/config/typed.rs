//! The configuration as typed: every scalar read, no name resolved.

use testudo_detect::pseudonym::PlaceholderStyle;
use testudo_gateway::settings::InjectionModels;
use testudo_types::{Action, ThreatKind};

use super::document::{At, Document, Section, shown};
use super::problem::Problems;
use super::quantity::{self, NotThis};
use super::suggest::did_you_mean;

mod agents;
mod allow;
mod approvals;
mod ledger;
mod mcp;
mod serving;
mod vault;

pub(crate) use agents::Agents;
pub(crate) use allow::{Allow, AllowText};
pub(crate) use approvals::{Approvals, Approver, Webhook};
pub(crate) use ledger::{Ledger, Recording, Retention, Ship, Witness};
pub(crate) use mcp::{EnvironmentValue, Mcp, McpServer};
pub(crate) use serving::{Model, Serves};
pub(crate) use vault::{Former, Gates, Keys, Mlflow, Signer, Vault};

/// A whole file.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub(crate) data_dir: Option<At<String>>,
    pub(crate) listen: Listen,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) routes: Vec<Route>,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) prices: Vec<Price>,
    pub(crate) policy_files: Vec<At<String>>,
    /// The key of keyed digests in allow-lists.
    pub(crate) allow_key: Option<At<SecretSource>>,
    pub(crate) ledger: Ledger,
    pub(crate) bounds: Bounds,
    pub(crate) models: Models,
    pub(crate) mcp: Mcp,
    pub(crate) approvals: Approvals,
    pub(crate) vault: Option<Vault>,
}

/// The trained models.
#[derive(Debug, Default)]
pub(crate) struct Models {
    pub(crate) injection: Option<At<InjectionModels>>,
    pub(crate) encoder_windows_max: Option<At<usize>>,
    pub(crate) cache_entries: Option<At<usize>>,
}

#[derive(Debug, Default)]
pub(crate) struct Listen {
    pub(crate) address: Option<At<String>>,
    pub(crate) admin: Option<At<String>>,
    pub(crate) admin_token: Option<At<SecretSource>>,
    pub(crate) hosts: Vec<At<String>>,
    pub(crate) origins: Vec<At<String>>,
    pub(crate) tls: Option<At<Tls>>,
    pub(crate) dangerous_plaintext: Option<At<bool>>,
}

#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: Option<At<String>>,
    pub(crate) key: Option<At<String>>,
    pub(crate) client_authorities: Option<At<String>>,
}

#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: At<String>,
    pub(crate) family: Option<At<String>>,
    pub(crate) base_url: Option<At<String>>,
    pub(crate) secret: Option<At<SecretSource>>,
    pub(crate) authorities: Option<At<String>>,
    pub(crate) allow_private: Option<At<bool>>,
    pub(crate) retries: Option<At<u64>>,
    pub(crate) connect_ms: Option<At<u64>>,
    pub(crate) first_byte_ms: Option<At<u64>>,
    pub(crate) idle_ms: Option<At<u64>>,
    pub(crate) total_ms: Option<At<u64>>,
    pub(crate) serves: Option<Serves>,
}

/// Where a secret is; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// The name of an environment variable.
    Environment(String),
    File(String),
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: At<String>,
    pub(crate) prefix: Option<At<String>>,
    pub(crate) family: Option<At<String>>,
    pub(crate) upstream: Option<At<String>>,
    pub(crate) model: Option<Model>,
    pub(crate) profile: Option<At<String>>,
    pub(crate) canaries: Option<At<SecretSource>>,
    pub(crate) plant_canary: Option<At<bool>>,
    pub(crate) links: Option<Links>,
    pub(crate) sinks: Vec<At<String>>,
    pub(crate) checks: Vec<At<String>>,
    pub(crate) output_tokens_default: Option<At<u64>>,
    pub(crate) hosted_tools: Option<At<bool>>,
    pub(crate) server_history: Option<At<bool>>,
    pub(crate) spotlight: Option<At<String>>,
    pub(crate) agents: Option<Agents>,
    pub(crate) limits: Limits,
    pub(crate) ledger: Recording,
    pub(crate) allow: Vec<Allow>,
}

/// What a route says about links in its answers.
#[derive(Debug)]
pub(crate) struct Links {
    /// Whether a list was written at all: an empty one allows no host.
    pub(crate) listed: bool,
    pub(crate) hosts: Vec<At<String>>,
    pub(crate) context: Option<At<bool>>,
}

#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) requests_per_minute: Option<At<u64>>,
    pub(crate) tokens_per_minute: Option<At<u64>>,
    pub(crate) cost_micros_per_day: Option<At<u64>>,
    pub(crate) concurrent: Option<At<u64>>,
}

#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) name: At<String>,
    pub(crate) extends: Option<At<String>>,
    pub(crate) request: Vec<Guard>,
    pub(crate) response: Vec<Guard>,
    pub(crate) neutralise: Option<At<String>>,
    pub(crate) hold_bytes_max: Option<At<usize>>,
    pub(crate) placeholder: Option<PlaceholderStyle>,
    pub(crate) allow: Vec<Allow>,
}

#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) kind: ThreatKind,
    pub(crate) line: usize,
    pub(crate) action: Option<Action>,
    pub(crate) score_min: Option<u8>,
}

#[derive(Debug)]
pub(crate) struct Price {
    pub(crate) model: At<String>,
    pub(crate) input_micros: Option<At<u64>>,
    pub(crate) output_micros: Option<At<u64>>,
}

#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) request_bytes_max: Option<At<usize>>,
    pub(crate) response_bytes_max: Option<At<usize>>,
    pub(crate) sse_event_bytes_max: Option<At<usize>>,
    pub(crate) json_depth_max: Option<At<u64>>,
    pub(crate) json_nodes_max: Option<At<u64>>,
    pub(crate) connections_max: Option<At<u64>>,
    pub(crate) client_idle_ms: Option<At<u64>>,
    pub(crate) drain_ms: Option<At<u64>>,
}

impl Typed {
    /// Reads a file's text; everything that could be read comes back, whatever else is wrong.
    pub(crate) fn read(text: &str, problems: &mut Problems) -> Self {
        let document = Document::parse(text, problems);
        let mut root = document.root();
        let typed = Self {
            data_dir: root.text("data_dir", problems),
            listen: root
                .section("listen", problems)
                .map(|section| listen(section, problems))
                .unwrap_or_default(),
            upstreams: each(&mut root, "upstreams", problems, upstream),
            routes: each(&mut root, "routes", problems, route),
            profiles: each(&mut root, "profiles", problems, profile),
            prices: each(&mut root, "prices", problems, price),
            policy_files: root
                .section("policies", problems)
                .map(|section| policies(section, problems))
                .unwrap_or_default(),
            allow_key: secret(&mut root, "allow_key", problems),
            ledger: root
                .section("ledger", problems)
                .map(|section| ledger::ledger(section, problems))
                .unwrap_or_default(),
            bounds: root
                .section("bounds", problems)
                .map(|section| bounds(section, problems))
                .unwrap_or_default(),
            models: root
                .section("models", problems)
                .map(|section| models(section, problems))
                .unwrap_or_default(),
            mcp: root
                .section("mcp", problems)
                .map(|section| mcp::mcp(section, problems))
                .unwrap_or_default(),
            approvals: root
                .section("approvals", problems)
                .map(|section| approvals::approvals(section, problems))
                .unwrap_or_default(),
            vault: root
                .section("vault", problems)
                .map(|section| vault::vault(section, problems)),
        };
        root.finish(problems);
        typed
    }
}

fn each<'d, T>(
    root: &mut Section<'d>,
    key: &'static str,
    problems: &mut Problems,
    read: fn(At<String>, Section<'d>, &mut Problems) -> T,
) -> Vec<T> {
    let named = root.named(key, problems);
    named
        .into_iter()
        .map(|(name, section)| read(name, section, problems))
        .collect()
}

fn listen(mut section: Section<'_>, problems: &mut Problems) -> Listen {
    let listen = Listen {
        address: section.text("address", problems),
        admin: section.text("admin", problems),
        admin_token: secret(&mut section, "admin_token", problems),
        hosts: section.texts("hosts", problems),
        origins: section.texts("origins", problems),
        tls: section.section("tls", problems).map(|section| tls(section, problems)),
        dangerous_plaintext: section.flag("dangerous_plaintext", problems),
    };
    section.finish(problems);
    listen
}

fn tls(mut section: Section<'_>, problems: &mut Problems) -> At<Tls> {
    let line = section.line;
    let value = Tls {
        certificate: section.text("certificate", problems),
        key: section.text("key", problems),
        client_authorities: section.text("client_authorities", problems),
    };
    section.finish(problems);
    At { value, line }
}

fn upstream(name: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Upstream {
    let mut upstream = Upstream {
        name,
        family: section.text("family", problems),
        base_url: section.text("base_url", problems),
        secret: secret(&mut section, "secret", problems),
        authorities: section.text("authorities", problems),
        allow_private: section.flag("allow_private", problems),
        retries: section.quantity("retries", retries, problems),
        connect_ms: None,
        first_byte_ms: None,
        idle_ms: None,
        total_ms: None,
        serves: serving::serves(&mut section, problems),
    };
    [
        upstream.connect_ms,
        upstream.first_byte_ms,
        upstream.idle_ms,
        upstream.total_ms,
    ] = deadlines(&mut section, problems);
    section.finish(problems);
    upstream
}

/// Connect, first byte, idle, total.
fn deadlines(section: &mut Section<'_>, problems: &mut Problems) -> [Option<At<u64>>; 4] {
    let Some(mut timeouts) = section.section("timeouts", problems) else {
        return [const { None }; 4];
    };
    let read =
        ["connect", "first_byte", "idle", "total"].map(|key| timeouts.quantity(key, quantity::deadline_ms, problems));
    timeouts.finish(problems);
    read
}

fn retries(text: &str) -> Result<u64, NotThis> {
    match text.parse() {
        Ok(retries @ 0..=5) => Ok(retries),
        _ => Err(NotThis("write a number from 0 to 5")),
    }
}

/// `{ env = "NAME" }` or `{ file = "PATH" }`; a text in its place is refused without being shown.
fn secret(section: &mut Section<'_>, key: &'static str, problems: &mut Problems) -> Option<At<SecretSource>> {
    let name = section.name(key);
    let remedy = format!("write {key} = {{ env = \"NAME\" }} or {key} = {{ file = \"PATH\" }}");
    let source = match section.section_or_text(key, problems)? {
        Ok(source) => source,
        Err(At { line, .. }) => {
            problems.at(
                line,
                format!("`{name}` is written into the configuration, where it would be copied and shared"),
                remedy,
            );
            return None;
        }
    };
    source_of(source, &name, &remedy, problems)
}

fn source_of(mut source: Section<'_>, name: &str, remedy: &str, problems: &mut Problems) -> Option<At<SecretSource>> {
    let line = source.line;
    let env = source.text("env", problems);
    let file = source.text("file", problems);
    source.finish(problems);
    let value = match (env, file) {
        (Some(env), None) => SecretSource::Environment(env.value),
        (None, Some(file)) => SecretSource::File(file.value),
        (Some(_), Some(_)) => {
            problems.at(line, format!("`{name}` has two sources"), "keep either `env` or `file`");
            return None;
        }
        (None, None) => {
            problems.at(line, format!("`{name}` has no source"), remedy);
            return None;
        }
    };
    Some(At { value, line })
}

fn route(name: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Route {
    let mut route = Route {
        name,
        prefix: section.text("prefix", problems),
        family: section.text("family", problems),
        upstream: section.text("upstream", problems),
        model: serving::model(&mut section, problems),
        profile: section.text("profile", problems),
        canaries: secret(&mut section, "canaries", problems),
        plant_canary: section.flag("plant_canary", problems),
        links: None,
        sinks: section.texts("sinks", problems),
        checks: section.texts("checks", problems),
        output_tokens_default: section.quantity("output_tokens_default", quantity::count, problems),
        hosted_tools: section.flag("hosted_tools", problems),
        server_history: section.flag("server_history", problems),
        spotlight: section.text("spotlight", problems),
        agents: agents::agents(&mut section, problems),
        limits: Limits::default(),
        ledger: section
            .section("ledger", problems)
            .map(|section| ledger::recording(section, problems))
            .unwrap_or_default(),
        allow: allow::entries(&mut section, problems),
    };
    if let Some(mut links) = section.section("links", problems) {
        route.links = Some(Links {
            listed: links.has("hosts"),
            hosts: links.texts("hosts", problems),
            context: links.flag("context", problems),
        });
        links.finish(problems);
    }
    route.limits = limits(&mut section, problems);
    section.finish(problems);
    route
}

fn limits(section: &mut Section<'_>, problems: &mut Problems) -> Limits {
    let Some(mut limits) = section.section("limits", problems) else {
        return Limits::default();
    };
    let read = Limits {
        requests_per_minute: limits.quantity("requests_per_minute", quantity::count, problems),
        tokens_per_minute: limits.quantity("tokens_per_minute", quantity::count, problems),
        cost_micros_per_day: limits.quantity("cost_per_day", quantity::cost_micros, problems),
        concurrent: limits.quantity("concurrent", quantity::count, problems),
    };
    limits.finish(problems);
    read
}

fn profile(name: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Profile {
    let profile = Profile {
        name,
        extends: section.text("extends", problems),
        request: guards(&mut section, "request", problems),
        response: guards(&mut section, "response", problems),
        neutralise: section.text("neutralise", problems),
        hold_bytes_max: section.quantity("hold_bytes_max", quantity::bytes, problems),
        placeholder: allow::placeholder(&mut section, problems),
        allow: allow::entries(&mut section, problems),
    };
    section.finish(problems);
    profile
}

fn guards(section: &mut Section<'_>, direction: &'static str, problems: &mut Problems) -> Vec<Guard> {
    let Some(mut table) = section.section(direction, problems) else {
        return Vec::new();
    };
    let mut guards = Vec::new();
    for kind in ThreatKind::ALL {
        let key = kind.as_str();
        match table.section_or_text(key, problems) {
            None => {}
            Some(Err(action)) => {
                let name = table.name(key);
                let action_read = read_action(&action, &name, problems);
                guards.push(Guard {
                    kind,
                    line: action.line,
                    action: action_read,
                    score_min: None,
                });
            }
            Some(Ok(mut guard)) => {
                let line = guard.line;
                let name = guard.name("action");
                let action = guard
                    .text("action", problems)
                    .and_then(|it| read_action(&it, &name, problems));
                let score_min = guard.quantity("score_min", score, problems).map(|it| it.value);
                guard.finish(problems);
                guards.push(Guard {
                    kind,
                    line,
                    action,
                    score_min,
                });
            }
        }
    }
    table.finish(problems);
    guards
}

fn read_action(text: &At<String>, name: &str, problems: &mut Problems) -> Option<Action> {
    let action = Action::from_name(&text.value);
    if action.is_none() {
        let remedy = did_you_mean(&text.value, ["pass", "observe", "mask", "hold", "block"]);
        problems.at(
            text.line,
            format!("`{name}` cannot be `{}`", shown(&text.value)),
            remedy,
        );
    }
    action
}

fn score(text: &str) -> Result<u8, NotThis> {
    match text.parse() {
        Ok(score @ 0..=100) => Ok(score),
        _ => Err(NotThis("write a number from 0 to 100")),
    }
}

fn price(model: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Price {
    for side in ["input", "output"] {
        section.require(side, "\"0.15\", in US dollars per million tokens", problems);
    }
    let price = Price {
        model,
        input_micros: section.quantity("input", quantity::price_micros, problems),
        output_micros: section.quantity("output", quantity::price_micros, problems),
    };
    section.finish(problems);
    price
}

fn policies(mut section: Section<'_>, problems: &mut Problems) -> Vec<At<String>> {
    let files = section.texts("files", problems);
    section.finish(problems);
    files
}

fn bounds(mut section: Section<'_>, problems: &mut Problems) -> Bounds {
    let bounds = Bounds {
        request_bytes_max: section.quantity("request_bytes_max", size, problems),
        response_bytes_max: section.quantity("response_bytes_max", size, problems),
        sse_event_bytes_max: section.quantity("sse_event_bytes_max", size, problems),
        json_depth_max: section.quantity("json_depth_max", depth, problems),
        json_nodes_max: section.quantity("json_nodes_max", many, problems),
        connections_max: section.quantity("connections_max", connections, problems),
        client_idle_ms: section.quantity("client_idle", quantity::deadline_ms, problems),
        drain_ms: section.quantity("drain", quantity::deadline_ms, problems),
    };
    section.finish(problems);
    bounds
}

fn models(mut section: Section<'_>, problems: &mut Problems) -> Models {
    let name = section.name("injection");
    let injection = section.text("injection", problems).and_then(|At { value, line }| {
        let known = InjectionModels::from_name(&value);
        if known.is_none() {
            let remedy = did_you_mean(&value, InjectionModels::ALL.map(InjectionModels::as_str));
            problems.at(line, format!("`{name}` cannot be `{}`", shown(&value)), remedy);
        }
        known.map(|value| At { value, line })
    });
    let models = Models {
        injection,
        encoder_windows_max: section.quantity("encoder_windows_max", windows, problems),
        cache_entries: section.quantity("cache_entries", entries, problems),
    };
    section.finish(problems);
    models
}

fn windows(text: &str) -> Result<usize, NotThis> {
    match quantity::count(text).ok().and_then(|count| count.try_into().ok()) {
        Some(windows @ 1..=4096) => Ok(windows),
        _ => Err(NotThis(
            "write a number from 1 to 4096, or set models.injection = \"ngram\"",
        )),
    }
}

fn entries(text: &str) -> Result<usize, NotThis> {
    match quantity::count(text).ok().and_then(|count| count.try_into().ok()) {
        Some(entries @ 1..=1_000_000) => Ok(entries),
        _ => Err(NotThis("write a number from 1 to 1000000")),
    }
}

fn size(text: &str) -> Result<usize, NotThis> {
    match quantity::bytes(text)? {
        size @ 1024..=1_073_741_824 => Ok(size),
        _ => Err(NotThis("write a size from 1 KiB to 1 GiB")),
    }
}

fn depth(text: &str) -> Result<u64, NotThis> {
    match quantity::count(text) {
        Ok(depth @ 8..=512) => Ok(depth),
        _ => Err(NotThis("write a number from 8 to 512")),
    }
}

fn many(text: &str) -> Result<u64, NotThis> {
    match quantity::count(text) {
        Ok(count @ 100..=100_000_000) => Ok(count),
        _ => Err(NotThis("write a number from 100 to 100000000")),
    }
}

fn connections(text: &str) -> Result<u64, NotThis> {
    match quantity::count(text) {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err(NotThis("write a number from 1 to 1000000")),
    }
}
