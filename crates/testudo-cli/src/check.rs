//! `testudo check`: every mistake of a configuration, or what it makes of each route.

mod vault;

use std::io::{self, Write};

use serde_json::{Value, json};
use testudo_detect::Allowed;
use testudo_detect::structure::special::TokenLevel;
use testudo_detect::structure::spotlight::Style;
use testudo_gateway::settings::{
    Afterwards, AgentSettings, Content, FollowedModel, GuardSetting, InjectionModels, LedgerSettings, Limits,
    McpServer, McpTransport, ModelSettings, OnFailure, OnHold, OutputSettings, Recording, Route, Serves, Trust,
    UpstreamBase,
};
use testudo_policy::Question;
use testudo_recorder::RecordClass;
use testudo_types::{Action, HoldWay, ThreatKind};

use crate::arguments::{Check, Format};
use crate::config::problem::Problem;
use crate::config::{self, Proven};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::output::{counted, dollars, table};

pub(crate) fn run(arguments: &Check, variables: &dyn Variables, out: &mut impl Write) -> io::Result<Exit> {
    let file = arguments.file.display().to_string();
    let outcome = config::prove(&arguments.file, variables);
    match (&outcome, arguments.format) {
        (Ok(proven), Format::Table) => sound(&file, proven, out)?,
        (Ok(proven), Format::Json) => writeln!(
            out,
            "{}",
            json!({"sound": true, "models": models_json(&proven.models), "routes": proven.routes.iter().map(|route| route_json(route, proven)).collect::<Vec<Value>>(), "mcp_servers": proven.servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>()})
        )?,
        (Err(problems), Format::Table) => mistakes(problems, out)?,
        (Err(problems), Format::Json) => {
            let problems: Vec<Value> = problems.iter().map(problem_json).collect();
            writeln!(out, "{}", json!({"sound": false, "problems": problems}))?;
        }
    }
    Ok(if outcome.is_ok() { Exit::Done } else { Exit::Found })
}

/// Prints each mistake on a line of its own, and how many there are.
pub(crate) fn mistakes(problems: &[Problem], out: &mut impl Write) -> io::Result<()> {
    for problem in problems {
        writeln!(out, "{problem}")?;
    }
    writeln!(out, "{}", counted(problems.len(), "mistake"))
}

fn problem_json(problem: &Problem) -> Value {
    json!({"file": problem.file, "line": problem.line, "what": problem.what, "remedy": problem.remedy})
}

fn sound(file: &str, proven: &Proven, out: &mut impl Write) -> io::Result<()> {
    let admin = proven
        .listen
        .admin
        .map_or("no admin listener".to_owned(), |admin| format!("admin on {admin}"));
    writeln!(
        out,
        "{file} is sound: {}, {}, listening on {} ({}), {admin}",
        counted(proven.routes.len(), "route"),
        counted(proven.upstreams.len(), "upstream"),
        proven.listen.address,
        if proven.listen.tls.is_some() {
            "TLS"
        } else {
            "plaintext"
        },
    )?;
    writeln!(out, "{}", kept(&proven.ledger))?;
    if let Some(settings) = &proven.vault {
        writeln!(out, "{}", vault::kept(settings, proven.vault_policies))?;
        for line in vault::believed(&settings.approvers) {
            writeln!(out, "{line}")?;
        }
    }
    if let Some(settings) = &proven.mlflow {
        writeln!(out, "{}", vault::read(settings))?;
    }
    writeln!(out, "{}", models(&proven.models))?;
    for route in &proven.routes {
        writeln!(out)?;
        self::route(route, proven, out)?;
    }
    for server in &proven.servers {
        writeln!(out)?;
        self::server(server, proven, out)?;
    }
    Ok(())
}

fn server(server: &McpServer, proven: &Proven, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "MCP server {} (at {} and {}/{}, profile {})",
        server.name, proven.mcp_path, proven.mcp_path, server.name, server.route.profile.name
    )?;
    let place = match &server.transport {
        McpTransport::Http(_) => "a url, streamable HTTP".to_owned(),
        McpTransport::Stdio(program) => format!("the program {}", program.command.display()),
    };
    let results = match server.results {
        Trust::ThirdParty => "anybody's",
        Trust::Own => "the operator's own",
    };
    let asks = [
        ("sampling", server.asks.sampling),
        ("elicitation", server.asks.elicitation),
        ("roots", server.asks.roots),
    ];
    let asks: Vec<&str> = asks.iter().filter(|(_, may)| *may).map(|(what, _)| *what).collect();
    let asks = if asks.is_empty() {
        "nothing".to_owned()
    } else {
        asks.join(", ")
    };
    let mut facts = vec![
        ["where".to_owned(), place],
        [
            "tools".to_owned(),
            format!("{}, each once it is approved", server.tools.join(", ")),
        ],
        ["results".to_owned(), format!("read as {results}")],
        ["may ask for".to_owned(), asks],
        ["limits".to_owned(), limits(&server.route.limits)],
        ["recorded".to_owned(), recorded(&server.route.recording)],
        ["calls".to_owned(), calls(server)],
    ];
    let act = server.route.agents.is_some().then_some(Question::Act);
    for question in [Question::Use, Question::Call, Question::Release]
        .into_iter()
        .chain(act)
    {
        let policies = policies(&server.route, proven, question).join(", ");
        facts.push([format!("policies on {}", question.as_str()), policies]);
    }
    table(out, "  ", &facts)
}

/// Which calls are made.
fn calls(server: &McpServer) -> String {
    match &server.route.agents {
        Some(settings) => format!("those that a route let go; others by {}", agents(settings)),
        None if server.released_only => "only those that a route with `agents` let go".to_owned(),
        None => "all that policies permit".to_owned(),
    }
}

/// Where exchanges of a route go.
fn served(route: &Route, proven: &Proven) -> [String; 2] {
    match &route.model {
        None => ["upstream".to_owned(), upstream(route, proven)],
        Some(model) => ["model".to_owned(), followed(model, proven)],
    }
}

/// What decides where exchanges of a route go that follows a model.
fn followed(model: &FollowedModel, proven: &Proven) -> String {
    let upstreams = model.upstreams.iter().map(|name| {
        let serves = proven.upstreams.get(name).and_then(|it| it.serves.as_ref());
        match serves {
            Some(Serves::Stated(version)) => format!("{name} (serves {})", version.as_str()),
            Some(Serves::Asked { stated: None, .. }) => format!("{name} (is asked)"),
            Some(Serves::Asked { stated: Some(it), .. }) => format!("{name} (serves {}, and is asked)", it.as_str()),
            None => name.to_string(),
        }
    });
    let kept = match model.afterwards {
        Afterwards::Refuse => format!("kept {} s without the vault, then refused", model.keep_ms / 1000),
        Afterwards::Continue => "kept without the vault, however long".to_owned(),
    };
    let (artifact, alias) = (&model.artifact, &model.alias);
    format!(
        "{artifact} as `{alias}` says, at {}; {kept}",
        upstreams.collect::<Vec<_>>().join(" or ")
    )
}

fn route(route: &Route, proven: &Proven, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "route {} ({} at {}/v1, profile {})",
        route.name,
        route.family.as_str(),
        route.prefix,
        route.profile.name
    )?;
    let mut rows = vec![["guard".to_owned(), "request".to_owned(), "response".to_owned()]];
    let answers = route.response_guards();
    for kind in ThreatKind::ALL {
        let request = route.profile.request.get(&kind);
        let response = answers.get(&kind);
        if request.is_some() || response.is_some() {
            rows.push([kind.as_str().to_owned(), guard(request), guard(response)]);
        }
    }
    if rows.len() > 1 {
        table(out, "  ", &rows)?;
    } else {
        writeln!(out, "  no guard runs on this route")?;
    }
    if watches_injection(route) && proven.models.injection == InjectionModels::Off {
        writeln!(
            out,
            "  no trained model looks for injections here: models.injection is \"off\", so rules alone do"
        )?;
    }
    let yes = |allowed| if allowed { "allowed" } else { "refused" };
    let mut facts = vec![
        served(route, proven),
        ["limits".to_owned(), limits(&route.limits)],
        ["answers".to_owned(), answers_of(&route.output)],
        ["recorded".to_owned(), recorded(&route.recording)],
        ["placeholders".to_owned(), route.profile.placeholder.as_str().to_owned()],
        ["allowed".to_owned(), allowed(route)],
        ["hosted tools".to_owned(), yes(route.hosted_tools).to_owned()],
        ["server history".to_owned(), yes(route.server_history).to_owned()],
        ["template tokens".to_owned(), template_tokens(route).to_owned()],
        ["spotlight".to_owned(), spotlight(route).to_owned()],
    ];
    facts.extend(
        route
            .agents
            .as_deref()
            .map(|settings| ["agents".to_owned(), agents(settings)]),
    );
    for question in [Question::Use, Question::Release, Question::Call, Question::Act] {
        let unasked = question == Question::Act && route.agents.is_none();
        if unasked || question == Question::Call && policies(route, proven, question).is_empty() {
            continue;
        }
        facts.push([
            format!("policies on {}", question.as_str()),
            policies(route, proven, question).join(", "),
        ]);
    }
    table(out, "  ", &facts)
}

/// What is no finding on a route: how many entries, of which kinds, for which rules.
fn allowed(route: &Route) -> String {
    let entries: Vec<String> = route
        .profile
        .allow
        .iter()
        .chain(&route.allow)
        .map(|entry| format!("{} {}", entry.rules.join("+"), allowed_what(&entry.what)))
        .collect();
    match entries.as_slice() {
        [] => "nothing".to_owned(),
        entries => entries.join(", "),
    }
}

/// Values may be secrets and are not shown.
fn allowed_what(what: &Allowed) -> String {
    match what {
        Allowed::Pattern(text) | Allowed::Host(text) => format!("{} `{text}`", what.kind()),
        Allowed::Value(_) | Allowed::Sha256(_) | Allowed::Keyed { .. } => format!("({})", what.kind()),
    }
}

fn guard(setting: Option<&GuardSetting>) -> String {
    match setting {
        None => "–".to_owned(),
        Some(GuardSetting {
            action: Action::Pass, ..
        }) => "pass".to_owned(),
        Some(GuardSetting { action, score_min: 0 }) => action.as_str().to_owned(),
        Some(GuardSetting { action, score_min }) => format!("{} from {score_min}", action.as_str()),
    }
}

fn upstream(route: &Route, proven: &Proven) -> String {
    let Some(upstream) = proven.upstreams.get(&route.upstream) else {
        return route.upstream.to_string();
    };
    let base = match &upstream.base {
        UpstreamBase::Url(url) => url.to_string(),
        UpstreamBase::Practice => "practice".to_owned(),
    };
    let secret = if upstream.secret.is_some() {
        "with a secret"
    } else {
        "without a secret"
    };
    let authorities = if upstream.authorities.is_some() {
        ", with authorities of its own"
    } else {
        ""
    };
    format!("{} at {base}, {secret}{authorities}", upstream.name)
}

fn template_tokens(route: &Route) -> &'static str {
    match route.profile.neutralise {
        None => "left as they are",
        Some(TokenLevel::Tokens) => "broken in what users, tools and documents say",
        Some(TokenLevel::All) => "broken in what users, tools and documents say, with closing tags and role lines",
    }
}

fn spotlight(route: &Route) -> &'static str {
    match route.spotlight {
        None => "off",
        Some(Style::Delimit) => "delimiters around results of tools and documents",
        Some(Style::Datamark) => "a mark before each word of results of tools and documents",
    }
}

/// By what the calls of tools are judged on a route, and what becomes of those that are held.
fn agents(agents: &AgentSettings) -> String {
    let (mut tools, mut unreviewed) = (0_usize, Vec::new());
    for (name, spec) in agents.specs.tools() {
        tools = tools.saturating_add(1);
        if !spec.reviewed {
            unreviewed.push(name);
        }
    }
    let held = match agents.on_hold {
        OnHold::Deny => "what is held is taken out",
        OnHold::Question => "what is held becomes a question to the user",
        OnHold::Approval => "what is held waits for an approval",
    };
    let mut text = format!("policy {}, {}; {held}", agents.policy.as_str(), counted(tools, "tool"));
    if agents.knobs.freeze_plan {
        text.push_str("; the plan is frozen once anything but the user's words was read");
    }
    if !unreviewed.is_empty() {
        let names: Vec<&str> = unreviewed.iter().take(8).copied().collect();
        text.push_str(&format!(
            "; not reviewed, so treated as the most dangerous: {}",
            names.join(", ")
        ));
    }
    text
}

fn answers_of(output: &OutputSettings) -> String {
    let joined = |names: Vec<&str>| names.join(", ");
    let mut parts = Vec::new();
    if let Some(hosts) = &output.links.hosts {
        let hosts: Vec<String> = hosts.entries().collect();
        parts.push(match hosts.as_slice() {
            [] => "links to no host".to_owned(),
            hosts => format!("links to {}", hosts.join(", ")),
        });
    }
    parts.push(if output.links.context {
        "links compared with the exchange".to_owned()
    } else {
        "links not compared with the exchange".to_owned()
    });
    if !output.sinks.is_empty() {
        parts.push(format!(
            "go to {}",
            joined(output.sinks.iter().map(|sink| sink.as_str()).collect())
        ));
    }
    if !output.checks.is_empty() {
        let checks = output.checks.iter().map(|check| check.as_str()).collect();
        parts.push(format!("checked for {}", joined(checks)));
    }
    parts.join("; ")
}

fn limits(limits: &Limits) -> String {
    let all = [
        limits.requests_per_minute.map(|n| format!("{n} requests a minute")),
        limits.tokens_per_minute.map(|n| format!("{n} tokens a minute")),
        limits.cost_micros_per_day.map(|n| format!("{} a day", dollars(n))),
        limits.concurrent.map(|n| format!("{n} at a time")),
    ];
    let set: Vec<String> = all.into_iter().flatten().collect();
    if set.is_empty() {
        "none".to_owned()
    } else {
        format!("{} for each key", set.join(", "))
    }
}

fn recorded(recording: &Recording) -> String {
    let content = match recording.content {
        Content::Sealed { bytes_max } => format!("content sealed up to {} each way", size(bytes_max)),
        Content::None => "no content".to_owned(),
    };
    let otherwise = match recording.on_failure {
        OnFailure::Block => "block",
        OnFailure::Degrade => "go on",
    };
    format!("{}, else {otherwise}; {content}", recording.level.as_str())
}

fn size(bytes: usize) -> String {
    [(30, "GiB"), (20, "MiB"), (10, "KiB")]
        .into_iter()
        .find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift)
        .map_or_else(
            || format!("{bytes} bytes"),
            |(shift, unit)| format!("{} {unit}", bytes >> shift),
        )
}

/// The trained models and their limits.
fn models(models: &ModelSettings) -> String {
    let ModelSettings {
        injection,
        encoder_windows_max,
        cache_entries,
    } = models;
    let remembered = format!("verdicts of {} remembered", counted(*cache_entries, "text"));
    match injection {
        InjectionModels::Both => format!(
            "models: n-grams, and the encoder for at most {} an exchange; {remembered}",
            counted(*encoder_windows_max, "window")
        ),
        InjectionModels::Ngram => format!("models: n-grams; {remembered}"),
        InjectionModels::Off => "models: none".to_owned(),
    }
}

fn watches_injection(route: &Route) -> bool {
    let guard = route.profile.request.get(&ThreatKind::Injection);
    guard.is_some_and(|guard| guard.action != Action::Pass)
}

/// How the ledger as a whole is kept.
fn kept(ledger: &LedgerSettings) -> String {
    let witnesses = match ledger.witnesses.len() {
        0 => "no witness".to_owned(),
        all => format!("{} of {}", ledger.quorum, counted(all, "witness")),
    };
    let kept = |class: RecordClass| {
        Some(format!(
            "{} {} days",
            class.as_str(),
            ledger.retention.period(class)?.days
        ))
    };
    let kept: Vec<String> = RecordClass::ALL.into_iter().filter_map(kept).collect();
    let kept = kept.join(", ");
    let shipped = match &ledger.ship {
        Some(ship) => format!("shipped to {}", ship.url),
        None => "not shipped".to_owned(),
    };
    format!(
        "ledger: a checkpoint each {} ms, {witnesses}, {shipped}; content is kept: {kept}",
        ledger.checkpoint_interval_ms
    )
}

fn policies(route: &Route, proven: &Proven, question: Question) -> Vec<String> {
    let effective = proven.policies.get(&route.name).map(Vec::as_slice).unwrap_or_default();
    effective
        .iter()
        .filter(|policy| policy.questions.contains(&question))
        .map(|policy| match (policy.way, &policy.approvers) {
            (HoldWay::Route, _) => policy.name.to_string(),
            (HoldWay::Approval, Some(group)) => format!("{} (approved by {})", policy.name, group.0),
            (HoldWay::Approval, None) => format!("{} (waits for an approval)", policy.name),
            (HoldWay::Question, _) => format!("{} (asks the user)", policy.name),
            (HoldWay::Deny, _) => format!("{} (asks nobody)", policy.name),
        })
        .collect()
}

fn models_json(models: &ModelSettings) -> Value {
    json!({
        "injection": models.injection.as_str(),
        "encoder_windows_max": models.encoder_windows_max,
        "cache_entries": models.cache_entries,
    })
}

fn recorded_json(recording: &Recording) -> Value {
    let (content, bytes_max) = match recording.content {
        Content::Sealed { bytes_max } => ("sealed", Some(bytes_max)),
        Content::None => ("none", None),
    };
    let (level, on_failure) = (recording.level.as_str(), recording.on_failure.as_str());
    json!({"level": level, "on_failure": on_failure, "content": content, "content_bytes_max": bytes_max})
}

/// The policies of a route, and what becomes of calls that they hold.
fn policies_json(route: &Route, proven: &Proven) -> Vec<Value> {
    let effective = proven.policies.get(&route.name).map(Vec::as_slice).unwrap_or_default();
    effective
        .iter()
        .map(|policy| {
            let questions: Vec<&str> = policy.questions.iter().map(|question| question.as_str()).collect();
            let mut shown = json!({
                "name": policy.name.as_str(),
                "file": policy.file,
                "line": policy.line,
                "questions": questions,
                "action": policy.action.as_str(),
            });
            if let (Some(object), true) = (shown.as_object_mut(), policy.way != HoldWay::Route) {
                object.insert("hold".to_owned(), json!(policy.way.as_str()));
                object.insert(
                    "approvers".to_owned(),
                    json!(policy.approvers.as_ref().map(|it| &*it.0)),
                );
            }
            shown
        })
        .collect()
}

fn route_json(route: &Route, proven: &Proven) -> Value {
    let guards = |guards: &std::collections::BTreeMap<ThreatKind, GuardSetting>| -> Value {
        guards
            .iter()
            .map(|(kind, guard)| {
                (
                    kind.as_str().to_owned(),
                    json!({"action": guard.action.as_str(), "score_min": guard.score_min}),
                )
            })
            .collect::<serde_json::Map<String, Value>>()
            .into()
    };
    let policies = policies_json(route, proven);
    let mut shown = json!({
        "name": route.name.as_str(),
        "prefix": route.prefix,
        "family": route.family.as_str(),
        "upstream": route.upstream.as_str(),
        "profile": route.profile.name.as_str(),
        "request": guards(&route.profile.request),
        "response": guards(&route.response_guards()),
        "answers": {
            "links": {
                "hosts": route.output.links.hosts.as_ref().map(|hosts| hosts.entries().collect::<Vec<_>>()),
                "context": route.output.links.context,
            },
            "sinks": route.output.sinks.iter().map(|sink| sink.as_str()).collect::<Vec<_>>(),
            "checks": route.output.checks.iter().map(|check| check.as_str()).collect::<Vec<_>>(),
        },
        "limits": {
            "requests_per_minute": route.limits.requests_per_minute,
            "tokens_per_minute": route.limits.tokens_per_minute,
            "cost_micros_per_day": route.limits.cost_micros_per_day,
            "concurrent": route.limits.concurrent,
        },
        "ledger": recorded_json(&route.recording),
        "placeholder": route.profile.placeholder.as_str(),
        "allow": route.profile.allow.iter().chain(&route.allow).map(|entry| {
            json!({"rules": entry.rules, "what": allowed_what(&entry.what), "line": entry.line})
        }).collect::<Vec<Value>>(),
        "hosted_tools": route.hosted_tools,
        "server_history": route.server_history,
        "neutralise": route.profile.neutralise.map_or("off", TokenLevel::as_str),
        "spotlight": route.spotlight.map_or("off", Style::as_str),
        "policies": policies,
    });
    if let (Some(model), Some(object)) = (&route.model, shown.as_object_mut()) {
        let upstreams: Vec<&str> = model.upstreams.iter().map(|it| it.as_str()).collect();
        object.insert(
            "model".to_owned(),
            json!({
                "artifact": model.artifact.as_str(),
                "alias": model.alias.as_str(),
                "upstreams": upstreams,
                "keep_ms": model.keep_ms,
                "afterwards": model.afterwards.as_str(),
            }),
        );
    }
    if let (Some(agents), Some(object)) = (&route.agents, shown.as_object_mut()) {
        let (policy, on_hold) = (agents.policy.as_str(), agents.on_hold.as_str());
        let tools = agents.specs.tools().count();
        object.insert(
            "agents".to_owned(),
            json!({"policy": policy, "on_hold": on_hold, "tools": tools}),
        );
    }
    shown
}
