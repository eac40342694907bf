//! A door for MLflow clients: registered models, versions, aliases and files of the vault, for reading only.
//!
//! Who may read what is decided by the sender's virtual key and the policies of the vault, as for `testudo model pull`.
//! What an alias means comes from statements that are verified for every question; content is verified piece by piece
//! before any of it is sent. What is given out or refused is in the ledger first.

mod answers;
mod download;
mod registry;
mod rights;
mod told;
mod view;

use std::collections::BTreeSet;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use serde_json::Value;
use testudo_dialects::mlflow::{Ask, BODY_BYTES_MAX, Code, Fault, read, takes_body};
use testudo_ledger::entry::{ActorProof, Artifact as ArtifactEntry, Digest};
use testudo_recorder::Draft;
use testudo_vault::vault::{Vault, VaultError, VaultName, VersionId};

pub(crate) use self::registry::Registry;

use self::registry::{Unanswered, in_time};
use self::rights::{Asking, may_follow};
use self::view::View;
use crate::auth::presented_key;
use crate::exchange::collect;
use crate::gateway::Gateway;
use crate::host::check;
use crate::limits::{AppliedLimits, Estimate};
use crate::settings::{Limits, MlflowSettings, Price};

/// The version of MLflow's server whose registry this is like; clients of later ones ask for nothing newer then.
const SERVER_VERSION: &str = "2.22.0";
const FREE: Price = Price {
    input_micros_per_mtok: 0,
    output_micros_per_mtok: 0,
};

/// Answers one request at the door; `path` is what follows the door's own.
pub(crate) async fn handle(
    gateway: &Gateway,
    registry: &Registry,
    path: &str,
    request: Request<Body>,
) -> Response<Body> {
    let mut operation = "none";
    let outcome = answer(gateway, registry, path, request, &mut operation).await;
    let said = outcome.as_ref().err().map_or("answered", |fault| fault.code.as_str());
    gateway.metrics().mlflow(operation, said);
    outcome.unwrap_or_else(|fault| told::respond(&fault))
}

async fn answer(
    gateway: &Gateway,
    registry: &Registry,
    path: &str,
    request: Request<Body>,
    operation: &mut &'static str,
) -> Result<Response<Body>, Fault> {
    let (parts, body) = request.into_parts();
    check(parts.version, &parts.uri, &parts.headers, gateway.hosts())
        .map_err(|refusal| Fault::denied(refusal.to_string()))?;
    let asking = authenticate(gateway, &parts.headers)?;
    let visit = Visit {
        gateway,
        registry,
        asking,
    };
    if !visit.asking.may_ask(visit.settings()) {
        visit.enter("refuse:read", None, None).await?;
        return Err(Fault::denied(
            "this key may not ask for models; ask the operator for one that may",
        ));
    }
    let _reserved = visit.reserve()?;
    let body = if takes_body(parts.method.as_str(), path) {
        let bounds = gateway.client_idle_ms();
        let body = collect(body, BODY_BYTES_MAX, bounds).await;
        body.map_err(|_| Fault::invalid("the body is too long, or did not come to its end"))?
    } else {
        bytes::Bytes::new()
    };
    let ask = read(parts.method.as_str(), path, parts.uri.query(), &body)?;
    *operation = ask.as_str();
    let place = registry.place(matches!(ask, Ask::Download(_)))?;
    visit.answer(ask, place).await
}

/// Who sent the key; the ledger is told of those who have none, as far as there are not too many.
fn authenticate(gateway: &Gateway, headers: &http::HeaderMap) -> Result<Asking, Fault> {
    let presented = presented_key(headers);
    let caller = presented.and_then(|key| gateway.keys.authenticate(key, gateway.clock.wall()));
    match caller {
        Ok(caller) => Ok(Asking::new(caller)),
        Err(error) => {
            let nobody = ArtifactEntry {
                proof: None,
                ..entry("refuse:key", None, None)
            };
            let draft = Draft::new(nobody);
            gateway.ledger().enter_unauthenticated(draft);
            Err(told::of_key(error))
        }
    }
}

/// A question of somebody who is known.
struct Visit<'g> {
    gateway: &'g Gateway,
    registry: &'g Registry,
    asking: Asking,
}

impl Visit<'_> {
    fn settings(&self) -> &MlflowSettings {
        &self.registry.settings
    }

    /// Counts the question against the limits of its key.
    fn reserve(&self) -> Result<crate::limits::Reservation, Fault> {
        let estimate = Estimate {
            input_tokens: 0,
            output_tokens: 0,
            price: Some(FREE),
        };
        let caller = &self.asking.caller;
        let limits = AppliedLimits {
            key: caller.limits,
            route: Limits::default(),
        };
        let key = &caller.principal.key;
        let reserved = self
            .gateway
            .limiter
            .reserve_under(key, &self.settings().route, &limits, &estimate);
        reserved.map_err(|error| Fault::new(Code::RequestLimitExceeded, error.to_string()))
    }

    /// Enters into the ledger what is done, and waits until it is on the disk.
    async fn enter(&self, action: &str, name: Option<&VaultName>, version: Option<VersionId>) -> Result<(), Fault> {
        let principal = &self.asking.caller.principal;
        let body = entry(action, name, version);
        let entered = self.gateway.ledger().enter(principal, body.into()).await;
        entered.map_err(|_| Fault::unrecorded())
    }

    /// What a client is told of a vault that gave no answer; the ledger is told when it is a refusal.
    async fn unanswered(&self, name: Option<&VaultName>, version: Option<VersionId>, error: Unanswered) -> Fault {
        let fault = told::of_vault(&error);
        if fault.code != Code::ResourceDoesNotExist {
            let reason = crate::serving::chain(&error);
            tracing::warn!(target: "testudo::mlflow", model = name.map(VaultName::as_str), reason, "not given out");
        }
        if error.is_denial()
            && let Err(unrecorded) = self.enter("refuse", name, version).await
        {
            return unrecorded;
        }
        fault
    }

    /// An artifact that is there, with what is stated about it. Whether there is one is told to those who may know.
    async fn view(&self, name: &str) -> Result<View, Fault> {
        let unknown = || Fault::not_found("there is no such model, or no version of it that this key may read");
        let name = VaultName::parse(name).map_err(|_| unknown())?;
        let artifact = match self.registry.artifact(&name).await {
            Ok(artifact) => artifact,
            Err(Unanswered::Vault(VaultError::NoArtifact { .. })) => {
                if self.asking.may_read(self.settings(), &name, &BTreeSet::new()) {
                    return Err(unknown());
                }
                // The name is the client's, and stands in no entry.
                return Err(self.forbid(None, None).await);
            }
            Err(error) => return Err(self.unanswered(None, None, error).await),
        };
        let standing = match self.registry.standing(&artifact).await {
            Ok((standing, news)) => {
                if news.is_some() {
                    let told = ArtifactEntry {
                        chain: news,
                        proof: None,
                        ..entry("follow", Some(&name), None)
                    };
                    self.gateway.ledger().note(told.into());
                }
                standing
            }
            Err(error) => return Err(self.unanswered(Some(&name), None, error).await),
        };
        Ok(View {
            artifact,
            standing,
            kept: BTreeSet::new(),
        })
    }

    /// As [`Self::view`], with the versions that are in the vault.
    async fn whole(&self, name: &str) -> Result<View, Fault> {
        let mut view = self.view(name).await?;
        let kept = match in_time(view.artifact.versions()).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => return Err(self.unanswered(Some(view.name()), None, error.into()).await),
            Err(error) => return Err(self.unanswered(Some(view.name()), None, error).await),
        };
        view.kept = kept.into_iter().collect();
        Ok(view)
    }

    async fn forbid(&self, name: Option<&VaultName>, version: Option<VersionId>) -> Fault {
        match self.enter("refuse:read", name, version).await {
            Ok(()) => Fault::denied("this key may not read this model"),
            Err(unrecorded) => unrecorded,
        }
    }

    /// Whether a version may be had: not revoked, and permitted. A refusal is in the ledger.
    async fn permit(&self, view: &View, version: VersionId) -> Result<(), Fault> {
        let name = view.name();
        let meant = view.standing.stages(version);
        if !self.asking.may_read(self.settings(), name, &meant) {
            return Err(self.forbid(Some(name), Some(version)).await);
        }
        match Vault::permit(name, version, &view.standing) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.unanswered(Some(name), Some(version), error.into()).await),
        }
    }

    /// The version that a number means, when it may be had.
    async fn numbered(&self, view: &View, number: u64) -> Result<VersionId, Fault> {
        let Some(version) = view.numbered(number) else {
            let nothing = BTreeSet::new();
            if view.readable_at_all(&self.asking, self.settings())
                || self.asking.may_read(self.settings(), view.name(), &nothing)
            {
                let name = view.name();
                return Err(Fault::not_found(format!("`{name}` has no version {number}")));
            }
            return Err(self.forbid(Some(view.name()), None).await);
        };
        self.permit(view, version).await?;
        Ok(version)
    }

    /// The version that an alias means, when it may be had, and whoever moved the alias might do so.
    async fn meant(&self, view: &View, alias: &str) -> Result<(VaultName, VersionId), Fault> {
        let name = view.name();
        let known = VaultName::parse(alias).ok();
        let Some((alias, version)) = known.and_then(|alias| {
            let version = view.standing.meaning(&alias)?;
            Some((alias, version))
        }) else {
            if view.readable_at_all(&self.asking, self.settings())
                || self.asking.may_read(self.settings(), name, &BTreeSet::new())
            {
                return Err(Fault::not_found(format!("`{name}` has no such alias")));
            }
            return Err(self.forbid(Some(name), None).await);
        };
        self.permit(view, version).await?;
        if !may_follow(self.settings(), name, &alias, &view.standing) {
            self.enter("refuse:promote", Some(name), Some(version)).await?;
            let message = format!("`{alias}` of `{name}` was moved by somebody who may not do so");
            return Err(Fault::denied(message));
        }
        Ok((alias, version))
    }
}

/// What happened to an artifact, for the ledger.
fn entry(action: &str, name: Option<&VaultName>, version: Option<VersionId>) -> ArtifactEntry {
    ArtifactEntry {
        action: action.to_owned(),
        chain: None,
        digest: Digest::from_bytes(version.map_or([0; 32], |version| *version.as_bytes())),
        name: name.map(ToString::to_string),
        proof: Some(ActorProof::Token),
        version: version.map(|version| version.short()),
    }
}

fn text(body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn json(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
