//! The answer to each question.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use http::Response;
use serde_json::{Value, json};
use testudo_dialects::mlflow::{Ask, Content, Fault, Field, Filter, Order, Place, Search, orders, page};
use testudo_vault::vault::{Record, StoredFile, VaultName, VersionId};
use tokio::sync::OwnedSemaphorePermit;

use super::registry::in_time;
use super::view::{Told, View};
use super::{SERVER_VERSION, Visit, download, json as answer_json, text};

/// Models and versions on a page when a client does not say how many.
const MODELS_DEFAULT: u64 = 100;
const VERSIONS_DEFAULT: u64 = 1_000;
/// The name of a version's signature, beside its files.
const SIGNATURE: &str = "model.sig";

impl Visit<'_> {
    pub(super) async fn answer(&self, ask: Ask, place: OwnedSemaphorePermit) -> Result<Response<Body>, Fault> {
        let value = match ask {
            Ask::Health => return Ok(text("OK")),
            Ask::ServerVersion => return Ok(text(SERVER_VERSION)),
            Ask::Model { name } => self.model(&name).await?,
            Ask::Models(search) => self.models(&search).await?,
            Ask::Latest { name, stages } => self.latest(&name, &stages).await?,
            Ask::Version { name, number } => self.version(&name, number).await?,
            Ask::Versions(search) => self.versions(&search).await?,
            Ask::DownloadUri { name, number } => self.download_uri(&name, number).await?,
            Ask::Alias { name, alias } => self.alias(&name, &alias).await?,
            Ask::List(wanted) => self.list(&wanted).await?,
            Ask::Download(wanted) => return self.download(&wanted, place).await,
        };
        Ok(answer_json(&value))
    }

    async fn model(&self, name: &str) -> Result<Value, Fault> {
        let view = self.whole(name).await?;
        let readable = view.readable(&self.asking, self.settings());
        if readable.is_empty() && !self.asking.may_read(self.settings(), view.name(), &BTreeSet::new()) {
            return Err(self.forbid(Some(view.name()), None).await);
        }
        Ok(json!({"registered_model": view.model(&readable)}))
    }

    async fn latest(&self, name: &str, stages: &[String]) -> Result<Value, Fault> {
        let view = self.whole(name).await?;
        let readable = view.readable(&self.asking, self.settings());
        if readable.is_empty() && !self.asking.may_read(self.settings(), view.name(), &BTreeSet::new()) {
            return Err(self.forbid(Some(view.name()), None).await);
        }
        let mut found: Vec<&Told> = Vec::new();
        if stages.is_empty() || stages.iter().any(|stage| stage.eq_ignore_ascii_case("none")) {
            found.extend(readable.last());
        }
        for stage in stages {
            // A stage is the alias of the same name.
            let stage = stage.to_ascii_lowercase();
            found.extend(readable.iter().find(|version| version.has_alias(&stage)));
        }
        found.sort_by_key(|version| version.number);
        found.dedup();
        let versions: Vec<Value> = found.into_iter().map(Told::json).collect();
        Ok(json!({"model_versions": versions}))
    }

    async fn version(&self, name: &str, number: u64) -> Result<Value, Fault> {
        let view = self.view(name).await?;
        let version = self.numbered(&view, number).await?;
        self.told(&view, version).await
    }

    async fn alias(&self, name: &str, alias: &str) -> Result<Value, Fault> {
        let view = self.view(name).await?;
        let (alias, version) = self.meant(&view, alias).await?;
        let told = self.told(&view, version).await?;
        self.enter(&format!("resolve:{alias}"), Some(view.name()), Some(version))
            .await?;
        Ok(told)
    }

    async fn told(&self, view: &View, version: VersionId) -> Result<Value, Fault> {
        let record = self.record(view, version).await?;
        let told = view.tell(version, self.settings());
        let told = told.ok_or_else(|| Fault::not_found("there is no such version"))?;
        Ok(json!({"model_version": told.with(&record).json()}))
    }

    async fn record(&self, view: &View, version: VersionId) -> Result<Record, Fault> {
        let failed = match in_time(view.artifact.record(version)).await {
            Ok(Ok(record)) => return Ok(record),
            Ok(Err(error)) => error.into(),
            Err(error) => error,
        };
        Err(self.unanswered(Some(view.name()), Some(version), failed).await)
    }

    async fn download_uri(&self, name: &str, number: u64) -> Result<Value, Fault> {
        let view = self.view(name).await?;
        let version = self.numbered(&view, number).await?;
        self.record(&view, version).await?;
        self.enter("resolve", Some(view.name()), Some(version)).await?;
        let place = format!("{}/{number}", view.name());
        let uri = match &self.settings().url {
            None => format!("mlflow-artifacts:/{place}"),
            Some(url) => {
                let base = url.as_str().trim_end_matches('/');
                let path = &self.settings().path;
                format!("{base}{path}/api/2.0/mlflow-artifacts/artifacts/{place}")
            }
        };
        Ok(json!({"artifact_uri": uri}))
    }

    /// Every model that somebody may see, whose name `wanted` admits.
    async fn every(&self, wanted: impl Fn(&VaultName) -> bool) -> Result<Vec<(View, Vec<Told>)>, Fault> {
        let names = match self.registry.artifacts().await {
            Ok(names) => names,
            Err(error) => return Err(self.unanswered(None, None, error).await),
        };
        let mut found = Vec::new();
        for name in names.iter().filter(|name| wanted(name)) {
            // One artifact that cannot be believed takes no other with it; it is refused when it is asked for.
            let Ok(view) = self.whole(name.as_str()).await else {
                continue;
            };
            let readable = view.readable(&self.asking, self.settings());
            if !readable.is_empty() || self.asking.may_read(self.settings(), name, &BTreeSet::new()) {
                found.push((view, readable));
            }
        }
        Ok(found)
    }

    async fn models(&self, search: &Search) -> Result<Value, Fault> {
        let filter = asked(search)?;
        let orders = orders(search)?;
        let mut found = self.every(|_| true).await?;
        let content = |view: &View, field: &Field| match field {
            Field::Name => Content::Text(view.name().to_string()),
            Field::Created => Content::Number(view.times().0),
            Field::Updated => Content::Number(view.times().1),
            Field::Number | Field::RunId | Field::Source | Field::Tag(_) => Content::Nothing,
        };
        found.retain(|(view, _)| filter.admits(|field| content(view, field)));
        found.sort_by(|(a, _), (b, _)| {
            let by = by_orders(&orders, |field| content(a, field), |field| content(b, field));
            by.then_with(|| a.name().cmp(b.name()))
        });
        let (found, more) = page(found, search, MODELS_DEFAULT)?;
        let models: Vec<Value> = found.iter().map(|(view, readable)| view.model(readable)).collect();
        Ok(paged("registered_models", models, more))
    }

    async fn versions(&self, search: &Search) -> Result<Value, Fault> {
        let filter = asked(search)?;
        let orders = orders(search)?;
        let found = self.every(|name| filter.may_admit_name(name.as_str())).await?;
        let mut found: Vec<Told> = found.into_iter().flat_map(|(_, readable)| readable).collect();
        let content = |version: &Told, field: &Field| match field {
            Field::Name => Content::Text(version.name.clone()),
            Field::Number => Content::Number(version.number),
            Field::RunId => Content::Text(String::new()),
            Field::Source => Content::Text(version.source()),
            Field::Created => Content::Number(version.created),
            Field::Updated => Content::Number(version.updated),
            Field::Tag(key) => version.tag(key).map_or(Content::Nothing, Content::Text),
        };
        found.retain(|version| filter.admits(|field| content(version, field)));
        found.sort_by(|a, b| {
            let by = by_orders(&orders, |field| content(a, field), |field| content(b, field));
            by.then_with(|| a.name.cmp(&b.name)).then(b.number.cmp(&a.number))
        });
        let (found, more) = page(found, search, VERSIONS_DEFAULT)?;
        Ok(paged("model_versions", found.iter().map(Told::json).collect(), more))
    }

    async fn list(&self, wanted: &Place) -> Result<Value, Fault> {
        let view = self.view(&wanted.name).await?;
        let version = self.numbered(&view, wanted.number).await?;
        let record = self.record(&view, version).await?;
        let files = below(&record, &wanted.inside());
        match files {
            Some(files) => Ok(json!({"files": files})),
            None => Err(Fault::not_found("there is no such file or folder in this version")),
        }
    }

    async fn download(&self, wanted: &Place, place: OwnedSemaphorePermit) -> Result<Response<Body>, Fault> {
        let view = self.view(&wanted.name).await?;
        let version = self.numbered(&view, wanted.number).await?;
        let record = self.record(&view, version).await?;
        let inside = wanted.inside();
        let file = all_files(&record).find(|(name, _)| *name == inside);
        let (_, file) = file.ok_or_else(|| Fault::not_found("there is no such file in this version"))?;
        self.enter("download", Some(view.name()), Some(version)).await?;
        let begun = async {
            let mut reading = view.artifact.reading(file).await?;
            let first = reading.next().await?;
            Ok((reading, first))
        };
        let failed = match in_time(begun).await {
            Ok(Ok((reading, first))) => {
                let told = download::Told {
                    ledger: self.gateway.ledger().clone(),
                    metrics: self.gateway.metrics().clone(),
                    entry: super::entry("refuse", Some(view.name()), Some(version)),
                };
                return Ok(download::respond(file, reading, first.unwrap_or_default(), told, place));
            }
            Ok(Err(error)) => testudo_vault::vault::VaultError::into(error),
            Err(error) => error,
        };
        Err(self.unanswered(Some(view.name()), Some(version), failed).await)
    }
}

impl View {
    /// Whether somebody may have any version.
    pub(super) fn readable_at_all(
        &self,
        asking: &super::rights::Asking,
        settings: &crate::settings::MlflowSettings,
    ) -> bool {
        let mut versions = self.standing.numbered().into_iter();
        versions.any(|it| asking.may_read(settings, self.name(), &self.standing.stages(it.version)))
    }
}

/// What a search asks for; everything without a filter.
fn asked(search: &Search) -> Result<Filter, Fault> {
    let read = search.filter.as_deref().map(Filter::read).transpose()?;
    Ok(read.unwrap_or_default())
}

/// Every file by the name that clients see: those of the version, and the signature unless a file has its name.
fn all_files(record: &Record) -> impl Iterator<Item = (&str, &StoredFile)> {
    let own = record.files().iter().any(|file| file.name() == SIGNATURE);
    let signature = record.signature().filter(|_| !own).map(|file| (SIGNATURE, file));
    record.files().iter().map(|file| (file.name(), file)).chain(signature)
}

/// What lies directly in a folder; nothing in a file, and `None` where there is neither.
fn below(record: &Record, folder: &str) -> Option<Vec<Value>> {
    let mut found: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    let mut is_file = false;
    for (name, file) in all_files(record) {
        is_file = is_file || name == folder;
        let inside = match folder {
            "" => Some(name),
            folder => name.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(inside) = inside else { continue };
        match inside.split_once('/') {
            Some((below, _)) => found.insert(below, None),
            None => found.insert(inside, Some(file.bytes())),
        };
    }
    if found.is_empty() && !is_file && !folder.is_empty() {
        return None;
    }
    let files = found.into_iter().map(|(path, bytes)| match bytes {
        None => json!({"path": path, "is_dir": true}),
        Some(bytes) => json!({"path": path, "is_dir": false, "file_size": bytes}),
    });
    Some(files.collect())
}

fn by_orders(orders: &[Order], a: impl Fn(&Field) -> Content, b: impl Fn(&Field) -> Content) -> Ordering {
    let mut found = orders.iter().map(|order| {
        let by = match (a(&order.field), b(&order.field)) {
            (Content::Text(a), Content::Text(b)) => a.cmp(&b),
            (Content::Number(a), Content::Number(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        };
        if order.descending { by.reverse() } else { by }
    });
    found.find(|by| *by != Ordering::Equal).unwrap_or(Ordering::Equal)
}

fn paged(key: &str, found: Vec<Value>, more: Option<String>) -> Value {
    let mut answer = serde_json::Map::new();
    answer.insert(key.to_owned(), Value::Array(found));
    if let Some(token) = more {
        answer.insert("next_page_token".to_owned(), Value::String(token));
    }
    Value::Object(answer)
}
