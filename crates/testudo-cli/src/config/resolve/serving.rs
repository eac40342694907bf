//! Models that routes follow, and which version an upstream serves.

use std::collections::BTreeMap;

use testudo_gateway::settings::{
    Afterwards, Ask, AskWhat, FollowSettings, FollowedModel, Place, Serves, VersionBeginning,
};
use testudo_types::UpstreamName;
use testudo_vault::vault::{VaultName, VaultSettings};
use url::Url;

use super::vault::VaultRules;
use crate::config::document::{At, shown};
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;
use crate::config::typed::{self, Typed};

/// The model that a route follows; `None` when nothing can be made of it.
pub(super) fn model(typed: &typed::Model, route: &str, all: &Typed, problems: &mut Problems) -> Option<FollowedModel> {
    let artifact = name(typed.artifact.as_ref(), "artifact", problems);
    let alias = name(typed.alias.as_ref(), "alias", problems);
    if typed.upstreams.is_empty() {
        problems.at(
            typed.line,
            format!("the model of route `{route}` has no upstream"),
            "add upstreams = [\"NAME\", …] of [upstreams]",
        );
    }
    let mut upstreams: Vec<UpstreamName> = Vec::new();
    for upstream in &typed.upstreams {
        other_artifact(upstream, typed, all, problems);
        match UpstreamName::parse(&upstream.value) {
            Ok(name) if upstreams.contains(&name) => {
                let what = format!("the route `{route}` names the upstream `{name}` twice");
                problems.at(upstream.line, what, "name it once");
            }
            Ok(name) => upstreams.push(name),
            // An upstream that is not configured is reported with the others.
            Err(_) => {}
        }
    }
    let afterwards = match &typed.afterwards {
        None => Afterwards::Refuse,
        Some(At { value, line }) => Afterwards::from_name(value).unwrap_or_else(|| {
            let what = format!("`routes.{route}.model.afterwards` cannot be `{}`", shown(value));
            problems.at(
                *line,
                what,
                did_you_mean(value, Afterwards::ALL.map(Afterwards::as_str)),
            );
            Afterwards::Refuse
        }),
    };
    Some(FollowedModel {
        artifact: artifact?,
        alias: alias?,
        upstreams,
        keep_ms: typed.keep_ms.as_ref().map_or(FollowedModel::KEEP_MS, |it| it.value),
        afterwards,
    })
}

fn name(text: Option<&At<String>>, what: &str, problems: &mut Problems) -> Option<VaultName> {
    let At { value, line } = text?;
    VaultName::parse(value)
        .map_err(|error| problems.at(*line, error.to_string(), format!("correct the {what}")))
        .ok()
}

/// An upstream may say of which artifact its version is.
fn other_artifact(upstream: &At<String>, model: &typed::Model, all: &Typed, problems: &mut Problems) {
    let Some(artifact) = &model.artifact else { return };
    let configured = all.upstreams.iter().find(|it| it.name.value == upstream.value);
    let version = configured.and_then(|it| it.serves.as_ref()?.version.as_ref());
    let named = version.and_then(|it| Some(it.value.split_once('@')?.0));
    if let Some(named) = named.filter(|named| *named != artifact.value) {
        problems.at(
            upstream.line,
            format!(
                "the route follows `{}` and the upstream `{}` serves `{}`",
                shown(&artifact.value),
                shown(&upstream.value),
                shown(named)
            ),
            "choose an upstream that serves the same artifact",
        );
    }
}

/// How it is known which version an upstream serves.
pub(super) fn serves(typed: &typed::Serves, upstream: &str, problems: &mut Problems) -> Option<Serves> {
    let stated = match &typed.version {
        Some(text) => Some(version(text, problems)?),
        None => None,
    };
    let Some(ask) = &typed.ask else {
        unasked(typed, problems);
        if stated.is_none() {
            problems.at(
                typed.line,
                format!("`upstreams.{upstream}.serves` says neither a version nor how to ask for it"),
                "add version = \"874230e7\" or ask = \"vllm\"",
            );
        }
        return stated.map(Serves::Stated);
    };
    let what = ask_what(ask, typed, upstream, problems)?;
    let mut means = BTreeMap::new();
    for (said, meant) in &typed.means {
        means.insert(said.value.clone(), version(meant, problems)?);
    }
    let ask = Ask { what, means };
    Some(Serves::Asked { ask, stated })
}

/// What is said only to be asked for must not stand there as if it did something.
fn unasked(typed: &typed::Serves, problems: &mut Problems) {
    let lines = [&typed.model, &typed.url, &typed.pointer].map(|it| it.as_ref().map(|it| it.line));
    let means = typed.means.first().map(|(said, _)| said.line);
    if let Some(line) = lines.into_iter().flatten().chain(means).next() {
        problems.at(
            line,
            "nobody asks the upstream, so this does nothing",
            "add ask = \"ollama\", \"tgi\", \"vllm\" or \"json\", or remove it",
        );
    }
}

fn ask_what(ask: &At<String>, typed: &typed::Serves, upstream: &str, problems: &mut Problems) -> Option<AskWhat> {
    let missing = |key: &str, example: &str, problems: &mut Problems| {
        let what = format!("`upstreams.{upstream}.serves.{key}` is missing");
        problems.at(typed.line, what, format!("add {key} = {example}"));
    };
    let model = typed.model.as_ref().map(|it| it.value.clone());
    match ask.value.as_str() {
        "ollama" => {
            if model.is_none() {
                missing("model", "\"llama3.2:latest\", as `ollama list` shows it", problems);
            }
            model.map(|model| AskWhat::Ollama { model })
        }
        "tgi" => Some(AskWhat::Tgi),
        "vllm" => Some(AskWhat::Vllm { model }),
        "json" => {
            if typed.pointer.is_none() {
                missing("pointer", "\"/model/digest\"", problems);
            }
            if typed.url.is_none() {
                missing("url", "\"/version\"", problems);
            }
            let place = place(typed.url.as_ref()?, problems)?;
            let pointer = typed.pointer.as_ref()?;
            if !pointer.value.is_empty() && !pointer.value.starts_with('/') {
                let what = format!("`{}` is no JSON pointer", shown(&pointer.value));
                problems.at(
                    pointer.line,
                    what,
                    "begin it with a slash, for example \"/model/digest\"",
                );
                return None;
            }
            let pointer = pointer.value.clone();
            Some(AskWhat::Json { place, pointer })
        }
        other => {
            let what = format!("`upstreams.{upstream}.serves.ask` cannot be `{}`", shown(other));
            problems.at(ask.line, what, did_you_mean(other, ["ollama", "tgi", "vllm", "json"]));
            None
        }
    }
}

fn place(url: &At<String>, problems: &mut Problems) -> Option<Place> {
    if url.value.starts_with('/') {
        return Some(Place::Path(url.value.clone()));
    }
    match Url::parse(&url.value) {
        Ok(address) if matches!(address.scheme(), "http" | "https") => Some(Place::Address(address)),
        _ => {
            problems.at(
                url.line,
                "the url of `serves` is neither a path nor an address",
                "write a path at the upstream, for example \"/version\", or https://…",
            );
            None
        }
    }
}

/// `874230e7`, or with its artifact `llama@874230e7`.
fn version(text: &At<String>, problems: &mut Problems) -> Option<VersionBeginning> {
    let digits = text
        .value
        .split_once('@')
        .map_or(text.value.as_str(), |(_, digits)| digits);
    VersionBeginning::parse(digits)
        .map_err(|error| {
            let what = format!("`{}` is no version: {error}", shown(&text.value));
            problems.at(text.line, what, "write \"874230e7\" or \"llama@874230e7\"");
        })
        .ok()
}

/// The vault that routes follow.
pub(super) fn follow(typed: &Typed, vault: Option<&VaultSettings>, rules: &VaultRules) -> Option<FollowSettings> {
    let value = |it: &Option<At<u64>>, default| it.as_ref().map_or(default, |it| it.value);
    let follow = &typed.vault.as_ref()?.follow;
    Some(FollowSettings {
        vault: vault?.clone(),
        moves: rules.moves(),
        statements_every_ms: value(&follow.statements_every_ms, FollowSettings::STATEMENTS_EVERY_MS),
        upstreams_every_ms: value(&follow.upstreams_every_ms, FollowSettings::UPSTREAMS_EVERY_MS),
    })
}
