//! MCP servers: where each is, what it may do, and the doors to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use testudo_dialects::Family;
use testudo_dialects::mcp::ServerName;
use testudo_gateway::settings::{
    AgentSettings, Asks, Limits, McpServer, McpSettings, McpTransport, OnHold, Profile, Recording, StdioSettings,
    Timeouts, Trust, UpstreamBase, UpstreamSettings, mcp_route,
};
use testudo_types::{Secret, UpstreamName};
use url::Url;

use super::allow::{AllowKey, entry};
use super::ledger::recording_of;
use super::{RETRIES, TIMEOUTS, agents};
use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::profiles;
use crate::config::suggest::did_you_mean;
use crate::config::typed::{self, EnvironmentValue, Typed};

/// The door to all servers when nothing else is said.
const PATH: &str = "/mcp";

/// All servers; `None` when there are none.
pub(super) fn mcp(
    typed: &Typed,
    profiles: &BTreeMap<String, Arc<Profile>>,
    key: Option<&AllowKey>,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<McpSettings> {
    if typed.mcp.servers.is_empty() {
        if let Some(path) = &typed.mcp.path {
            problems.at(
                path.line,
                "there is no MCP server behind `mcp.path`",
                "add [[mcp.server]] or remove it",
            );
        }
        return None;
    }
    let mut names = BTreeSet::new();
    let mut servers = Vec::new();
    for each in &typed.mcp.servers {
        let server = server(each, typed, (profiles, key), files, problems);
        if let Some(server) = server {
            if !names.insert(server.name.clone()) {
                let what = format!("there are two MCP servers called `{}`", server.name);
                problems.at(each.line, what, "rename one of them");
            }
            servers.push(Arc::new(server));
        }
    }
    let recording = recording_of(
        &typed::Recording::default(),
        "ledger",
        &typed.ledger,
        &mut Problems::new(""),
    );
    let profile = profiles.get(profiles::TOOLS)?;
    let hub = mcp_route(None, Arc::clone(profile), Limits::default(), recording).ok()?;
    Some(McpSettings {
        path: typed
            .mcp
            .path
            .as_ref()
            .map_or(PATH.to_owned(), |path| door(path, problems)),
        servers,
        hub: Arc::new(hub),
    })
}

fn door(path: &At<String>, problems: &mut Problems) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let segments = |rest: &str| {
        rest.split('/')
            .all(|part| !part.is_empty() && !matches!(part, "." | "..") && part.chars().all(plain))
    };
    match path.value.strip_prefix('/') {
        Some(rest) if segments(rest) => path.value.clone(),
        _ => {
            let what = format!("`mcp.path` cannot be `{}`", shown(&path.value));
            problems.at(path.line, what, "write a path such as \"/mcp\"");
            PATH.to_owned()
        }
    }
}

fn server(
    typed: &typed::McpServer,
    all: &Typed,
    (profiles, key): (&BTreeMap<String, Arc<Profile>>, Option<&AllowKey>),
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<McpServer> {
    let name = typed.name.as_ref()?;
    let parsed =
        ServerName::parse(&name.value).map_err(|error| problems.at(name.line, error.to_string(), "rename the server"));
    let shown_name = shown(&name.value);
    let timeouts = timeouts(typed, &shown_name, problems);
    let transport = transport(typed, &shown_name, timeouts, files, problems);
    let profile = profile(typed, &shown_name, all, profiles, problems);
    let label = format!("ledger of the MCP server `{shown_name}`");
    let recording: Recording = recording_of(&typed.ledger, &label, &all.ledger, problems);
    let server = parsed.ok()?;
    let mut route = mcp_route(Some(&server), profile?, limits(&typed.limits), recording).ok()?;
    route.allow = typed.allow.iter().filter_map(|it| entry(it, key)).collect();
    route.agents = judged(typed, files, problems);
    Some(McpServer {
        tools: tools(typed, problems),
        results: results(typed, problems),
        asks: asks(typed, problems),
        released_only: only_released(typed, all, problems),
        name: server,
        route: Arc::new(route),
        transport: transport?,
    })
}

/// By what calls are judged that no route to a model has let go.
fn judged(typed: &typed::McpServer, files: &mut Files<'_>, problems: &mut Problems) -> Option<Arc<AgentSettings>> {
    let written = typed.agents.as_ref()?;
    let dead = [
        (
            written.definitions.as_ref().map(|it| it.line),
            "definitions",
            "definitions are approved with `testudo mcp approve`",
        ),
        (
            written.trust_system.as_ref().map(|it| it.line),
            "trust_system",
            "there are no messages in a session with a server",
        ),
    ];
    for (line, key, why) in dead {
        if let Some(line) = line {
            problems.at(
                line,
                format!("`mcp.server.agents.{key}` says nothing: {why}"),
                "remove it",
            );
        }
    }
    if let Some(only) = typed.only_released.as_ref().filter(|only| only.value) {
        problems.at(
            only.line,
            "`mcp.server.only_released` is set, so that `agents` would have nothing to judge",
            "remove one of them",
        );
    }
    let settings = agents::agents(Some(written), "mcp.server", files, problems)?;
    if let (OnHold::Question, Some(on_hold)) = (settings.on_hold, &written.on_hold) {
        problems.at(
            on_hold.line,
            "`mcp.server.agents.on_hold` cannot be `question`: there is no user in a session with a server",
            "write \"deny\" or \"approval\"",
        );
    }
    Some(settings)
}

/// Whether only calls that a route with agents let go are executed. Without such a route none would be.
fn only_released(typed: &typed::McpServer, all: &Typed, problems: &mut Problems) -> bool {
    let Some(only) = typed.only_released.as_ref().filter(|only| only.value) else {
        return false;
    };
    if all.routes.iter().all(|route| route.agents.is_none()) {
        problems.at(
            only.line,
            "`mcp.server.only_released` is set and no route has `agents`, so every call would be refused",
            "add agents = { tools = \"tools.toml\" } to the route of the model, or remove it",
        );
    }
    true
}

fn limits(typed: &typed::Limits) -> Limits {
    let value = |it: &Option<At<u64>>| it.as_ref().map(|it| it.value);
    Limits {
        requests_per_minute: value(&typed.requests_per_minute),
        // What servers of tools do costs no tokens that are counted here.
        tokens_per_minute: None,
        cost_micros_per_day: None,
        concurrent: value(&typed.concurrent),
    }
}

fn timeouts(typed: &typed::McpServer, name: &str, problems: &mut Problems) -> Timeouts {
    let [connect, first_byte, idle, total] = &typed.deadlines_ms;
    let or = |value: &Option<At<u64>>, default| value.as_ref().map_or(default, |it| it.value);
    let timeouts = Timeouts {
        connect_ms: or(connect, TIMEOUTS.connect_ms),
        first_byte_ms: or(first_byte, TIMEOUTS.first_byte_ms),
        idle_ms: or(idle, TIMEOUTS.idle_ms),
        total_ms: or(total, TIMEOUTS.total_ms),
    };
    if timeouts.total_ms < timeouts.connect_ms.max(timeouts.first_byte_ms) {
        let what =
            format!("the total deadline of the MCP server `{name}` is shorter than its connect or first_byte deadline");
        let line = total.as_ref().map_or(typed.line, |it| it.line);
        problems.at(line, what, "raise `total` or lower the others");
    }
    for (unused, value) in [
        ("tokens_per_minute", &typed.limits.tokens_per_minute),
        ("cost_per_day", &typed.limits.cost_micros_per_day),
    ] {
        if let Some(value) = value {
            let what = format!("`{unused}` limits nothing at an MCP server");
            problems.at(value.line, what, "use requests_per_minute and concurrent");
        }
    }
    timeouts
}

fn transport(
    typed: &typed::McpServer,
    name: &str,
    timeouts: Timeouts,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<McpTransport> {
    match (&typed.url, &typed.command) {
        (Some(url), None) => {
            for (line, what) in typed
                .args
                .first()
                .map(|it| (it.line, "args"))
                .into_iter()
                .chain(typed.env.first().map(|(it, _)| (it.line, "env")))
            {
                let what = format!("the MCP server `{name}` is behind a url, so `{what}` has no use");
                problems.at(line, what, "remove it");
            }
            http(typed, url, name, timeouts, files, problems)
        }
        (None, Some(command)) => stdio(typed, command, name, timeouts, files, problems),
        _ => {
            let what = format!("the MCP server `{name}` needs a url or a command, and not both");
            problems.at(
                typed.line,
                what,
                "add url = \"https://…/mcp\" or command = \"/usr/bin/…\"",
            );
            None
        }
    }
}

fn http(
    typed: &typed::McpServer,
    url: &At<String>,
    name: &str,
    timeouts: Timeouts,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<McpTransport> {
    let base = Url::parse(&url.value).map_err(|error| {
        // The address is not shown: it may carry a password.
        let what = format!("the url of the MCP server `{name}` is not a URL ({error})");
        problems.at(
            url.line,
            what,
            "write it whole, for example \"https://mail.example.com/mcp\"",
        );
    });
    let whose = |what: &str| format!("the {what} of the MCP server `{name}`");
    let secret = typed
        .secret
        .as_ref()
        .and_then(|it| files.secret(it, &whose("secret"), problems));
    let authorities = typed
        .authorities
        .as_ref()
        .and_then(|it| files.authorities(it, &whose("authorities"), problems));
    Some(McpTransport::Http(Arc::new(UpstreamSettings {
        name: UpstreamName::parse(&typed.name.as_ref()?.value).ok()?,
        base: UpstreamBase::Url(base.ok()?),
        family: Family::OpenAi,
        secret,
        authorities,
        allow_private: typed.allow_private.as_ref().is_some_and(|it| it.value),
        timeouts,
        serves: None,
        retries_max: RETRIES,
    })))
}

fn stdio(
    typed: &typed::McpServer,
    command: &At<String>,
    name: &str,
    timeouts: Timeouts,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<McpTransport> {
    let unused = [
        ("secret", typed.secret.as_ref().map(|it| it.line)),
        ("authorities", typed.authorities.as_ref().map(|it| it.line)),
        ("allow_private", typed.allow_private.as_ref().map(|it| it.line)),
    ];
    for (what, line) in unused {
        if let Some(line) = line {
            let what = format!("the MCP server `{name}` is a program, so `{what}` has no use");
            problems.at(line, what, "give it what it needs in `env`");
        }
    }
    if !command.value.contains('/') {
        let what = format!("the command of the MCP server `{name}` is looked for in no folder");
        problems.at(
            command.line,
            what,
            "write its whole path, for example \"/usr/bin/python3\"",
        );
        return None;
    }
    let mut env = BTreeMap::new();
    for (key, value) in &typed.env {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.value.is_empty() || !key.value.chars().all(plain) {
            problems.at(
                key.line,
                format!("`{}` is no name of a variable", shown(&key.value)),
                "rename it",
            );
            continue;
        }
        let label = format!("`{}` of the MCP server `{name}`", key.value);
        let value = match value {
            EnvironmentValue::Text(text) => Some(Secret::new(text.as_str())),
            EnvironmentValue::Secret(source) => files.secret(source, &label, problems),
        };
        env.extend(value.map(|value| (key.value.clone(), value)));
    }
    let path = files.resolve(&command.value);
    runnable(&path, command, name, problems);
    Some(McpTransport::Stdio(StdioSettings {
        command: path,
        args: typed.args.iter().map(|it| it.value.clone()).collect(),
        env,
        timeouts,
    }))
}

fn runnable(path: &Path, command: &At<String>, name: &str, problems: &mut Problems) {
    if !path.is_file() {
        let what = format!(
            "the command of the MCP server `{name}` is not there: `{}`",
            path.display()
        );
        problems.at(command.line, what, "install it, or correct the path");
    }
}

fn profile(
    typed: &typed::McpServer,
    name: &str,
    all: &Typed,
    profiles: &BTreeMap<String, Arc<Profile>>,
    problems: &mut Problems,
) -> Option<Arc<Profile>> {
    let Some(wanted) = &typed.profile else {
        return profiles.get(profiles::TOOLS).cloned();
    };
    let found = profiles.get(&wanted.value).filter(|_| wanted.value != "none");
    if found.is_none() && !all.profiles.iter().any(|it| it.name.value == wanted.value) {
        let what = format!(
            "the MCP server `{name}` names the profile `{}`, which guards nothing",
            shown(&wanted.value)
        );
        problems.at(
            wanted.line,
            what,
            did_you_mean(&wanted.value, profiles.keys().map(String::as_str)),
        );
    }
    found.or_else(|| profiles.get(profiles::TOOLS)).cloned()
}

fn tools(typed: &typed::McpServer, problems: &mut Problems) -> Vec<String> {
    if !typed.lists_tools {
        return vec!["*".to_owned()];
    }
    if typed.tools.is_empty() {
        problems.at(
            typed.line,
            "an MCP server without tools is of no use",
            "name its tools, or remove `tools`",
        );
    }
    for tool in &typed.tools {
        let stem = tool.value.strip_suffix('*').unwrap_or(&tool.value);
        if stem.contains('*') || (stem.is_empty() && tool.value != "*") {
            let what = format!("`{}` names no tools", shown(&tool.value));
            problems.at(tool.line, what, "write a name, or the beginning of names and `*`");
        }
    }
    typed.tools.iter().map(|it| it.value.clone()).collect()
}

fn results(typed: &typed::McpServer, problems: &mut Problems) -> Trust {
    match typed.results.as_ref().map(|it| it.value.as_str()) {
        None | Some("third_party") => Trust::ThirdParty,
        Some("own") => Trust::Own,
        Some(other) => {
            let line = typed.results.as_ref().map_or(typed.line, |it| it.line);
            let remedy = did_you_mean(other, ["third_party", "own"]);
            problems.at(line, format!("`results` cannot be `{}`", shown(other)), remedy);
            Trust::ThirdParty
        }
    }
}

fn asks(typed: &typed::McpServer, problems: &mut Problems) -> Asks {
    let mut asks = Asks::default();
    for ask in &typed.asks {
        match ask.value.as_str() {
            "sampling" => asks.sampling = true,
            "elicitation" => asks.elicitation = true,
            "roots" => asks.roots = true,
            other => {
                let remedy = did_you_mean(other, ["sampling", "elicitation", "roots"]);
                problems.at(
                    ask.line,
                    format!("an MCP server cannot ask for `{}`", shown(other)),
                    remedy,
                );
            }
        }
    }
    asks
}
