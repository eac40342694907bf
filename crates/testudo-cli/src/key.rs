//! `testudo key`: makes, lists and revokes virtual keys.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;
use testudo_gateway::keys::{KeyRecord, KeyStore, NewKey};
use testudo_gateway::server::open_keys;
use testudo_gateway::settings::Limits;
use testudo_gateway::system_clock::SystemClock;
use testudo_policy::{ModelPattern, ModelScope, RouteScope};
use testudo_types::{Clock as _, KeyId, PrincipalKind, Role, RouteName, TenantId, UnixMillis};

use crate::arguments::{Format, Key, KeyCreate, KeyList, KeyRevoke, Kind, Store};
use crate::config;
use crate::exit::Exit;
use crate::output::{day_and_time, dollars, table};

pub(crate) async fn run(command: &Key, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Key::Create(arguments) => create(arguments, out).await,
        Key::List(arguments) => list(arguments, out).await,
        Key::Revoke(arguments) => revoke(arguments, out).await,
    }
}

async fn create(arguments: &KeyCreate, out: &mut impl Write) -> anyhow::Result<Exit> {
    let now = SystemClock::new().wall();
    let new = NewKey {
        name: arguments.name.clone(),
        tenant: TenantId::parse(&arguments.tenant)?,
        kind: match arguments.kind {
            Kind::User => PrincipalKind::User,
            Kind::Service => PrincipalKind::Service,
            Kind::Agent => PrincipalKind::Agent,
        },
        roles: arguments.roles.iter().map(|role| Role(role.as_str().into())).collect(),
        routes: routes(&arguments.routes)?,
        models: models(&arguments.models)?,
        limits: Limits {
            requests_per_minute: arguments.requests_per_minute,
            tokens_per_minute: arguments.tokens_per_minute,
            cost_micros_per_day: arguments.cost_per_day,
            concurrent: arguments.concurrent,
        },
        expires: arguments.expires.map(|ms| UnixMillis(now.0.saturating_add(ms))),
    };
    let store = open(&arguments.store).await?;
    let created = store.create(new, now).await?;
    store.close().await;
    match arguments.format {
        Format::Table => {
            writeln!(out, "{}", created.token.expose())?;
            writeln!(out)?;
            writeln!(
                out,
                "This key is shown once; keep it now. Its id is {}.",
                created.record.id
            )?;
        }
        Format::Json => writeln!(
            out,
            "{}",
            json!({"id": created.record.id.as_str(), "key": created.token.expose()})
        )?,
    }
    Ok(Exit::Done)
}

fn routes(names: &[String]) -> anyhow::Result<RouteScope> {
    if names.is_empty() {
        return Ok(RouteScope::All);
    }
    let routes: Result<Vec<RouteName>, _> = names.iter().map(|name| RouteName::parse(name)).collect();
    Ok(RouteScope::Only(routes?))
}

fn models(patterns: &[String]) -> anyhow::Result<ModelScope> {
    if patterns.is_empty() {
        return Ok(ModelScope::All);
    }
    let models: Result<Vec<ModelPattern>, _> = patterns.iter().map(|pattern| ModelPattern::parse(pattern)).collect();
    Ok(ModelScope::Only(models?))
}

async fn list(arguments: &KeyList, out: &mut impl Write) -> anyhow::Result<Exit> {
    let now = SystemClock::new().wall();
    let store = open_existing(&arguments.store).await?;
    let records = store.list().await?;
    store.close().await;
    if arguments.format == Format::Json {
        for record in &records {
            writeln!(out, "{}", record_json(record, now))?;
        }
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        writeln!(out, "there are no keys; `testudo key create --name NAME` makes one")?;
        return Ok(Exit::Done);
    }
    let header = [
        "id", "name", "tenant", "kind", "state", "created", "expires", "routes", "models", "limits",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(records.iter().map(|record| row(record, now)));
    table(out, "", &rows)?;
    Ok(Exit::Done)
}

async fn revoke(arguments: &KeyRevoke, out: &mut impl Write) -> anyhow::Result<Exit> {
    let id = KeyId::parse(&arguments.id).context("give the id alone, as `testudo key list` shows it")?;
    let store = open_existing(&arguments.store).await?;
    let since = store.revoke(&id, SystemClock::new().wall()).await?;
    store.close().await;
    writeln!(
        out,
        "{id} is revoked since {}; a running gateway refuses it within a second",
        day_and_time(since)
    )?;
    Ok(Exit::Done)
}

fn row(record: &KeyRecord, now: UnixMillis) -> [String; 10] {
    [
        record.id.to_string(),
        record.name.to_string(),
        record.tenant.to_string(),
        record.kind.as_str().to_owned(),
        state(record, now).to_owned(),
        day_and_time(record.created),
        record.expires.map_or("never".to_owned(), day_and_time),
        scope(&route_names(record)),
        scope(&model_names(record)),
        limits(&record.limits),
    ]
}

fn record_json(record: &KeyRecord, now: UnixMillis) -> serde_json::Value {
    let roles: Vec<&str> = record.roles.iter().map(|role| &*role.0).collect();
    json!({
        "id": record.id.as_str(),
        "name": &*record.name,
        "tenant": record.tenant.as_str(),
        "kind": record.kind.as_str(),
        "roles": roles,
        "state": state(record, now),
        "created": day_and_time(record.created),
        "expires": record.expires.map(day_and_time),
        "revoked": record.revoked.map(day_and_time),
        "routes": route_names(record),
        "models": model_names(record),
        "limits": {
            "requests_per_minute": record.limits.requests_per_minute,
            "tokens_per_minute": record.limits.tokens_per_minute,
            "cost_micros_per_day": record.limits.cost_micros_per_day,
            "concurrent": record.limits.concurrent,
        },
    })
}

fn state(record: &KeyRecord, now: UnixMillis) -> &'static str {
    if record.revoked.is_some() {
        "revoked"
    } else if record.expires.is_some_and(|expires| expires <= now) {
        "expired"
    } else {
        "valid"
    }
}

fn route_names(record: &KeyRecord) -> Option<Vec<&str>> {
    match &record.routes {
        RouteScope::All => None,
        RouteScope::Only(routes) => Some(routes.iter().map(RouteName::as_str).collect()),
    }
}

fn model_names(record: &KeyRecord) -> Option<Vec<&str>> {
    match &record.models {
        ModelScope::All => None,
        ModelScope::Only(models) => Some(models.iter().map(ModelPattern::as_str).collect()),
    }
}

fn scope(names: &Option<Vec<&str>>) -> String {
    names.as_ref().map_or("all".to_owned(), |names| names.join(","))
}

fn limits(limits: &Limits) -> String {
    let all = [
        limits.requests_per_minute.map(|n| format!("{n} req/min")),
        limits.tokens_per_minute.map(|n| format!("{n} tok/min")),
        limits.cost_micros_per_day.map(|n| format!("{}/day", dollars(n))),
        limits.concurrent.map(|n| format!("{n} at once")),
    ];
    let set: Vec<String> = all.into_iter().flatten().collect();
    if set.is_empty() {
        "none".to_owned()
    } else {
        set.join(", ")
    }
}

async fn open(store: &Store) -> anyhow::Result<KeyStore> {
    let dir = data_dir(store)?;
    open_keys(&dir)
        .await
        .with_context(|| format!("the data folder `{}` cannot be used", dir.display()))
}

/// Opens a store and never makes one: a wrong path would look like an empty store.
async fn open_existing(store: &Store) -> anyhow::Result<KeyStore> {
    let dir = data_dir(store)?;
    if !dir.is_dir() {
        bail!(
            "there is no data folder `{}`; name it with --data-dir or --config",
            dir.display()
        );
    }
    open_keys(&dir)
        .await
        .with_context(|| format!("the data folder `{}` cannot be used", dir.display()))
}

/// The data folder that a command line names.
pub(crate) fn data_dir(store: &Store) -> anyhow::Result<PathBuf> {
    if let Some(dir) = &store.data_dir {
        return Ok(dir.clone());
    }
    match crate::configuration(store.config.as_ref()) {
        None => Ok(Path::new(config::resolve::DATA_DIR).to_owned()),
        Some(path) => config::data_dir(&path).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        }),
    }
}
