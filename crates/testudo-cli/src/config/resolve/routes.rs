//! Routes: every name that one mentions has to lead somewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use testudo_detect::Canaries;
use testudo_detect::structure::spotlight::Style;
use testudo_dialects::Family;
use testudo_gateway::settings::{Limits, Profile, Route};
use testudo_types::{RouteName, UpstreamName};

use super::allow::{AllowKey, entry};
use super::outputs::output;
use super::upstreams::family;
use super::{OUTPUT_TOKENS, agents, ledger, serving};
use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::profiles;
use crate::config::suggest::did_you_mean;
use crate::config::typed::{self, Typed};

/// What routes are resolved against.
pub(super) struct Context<'c> {
    pub(super) typed: &'c Typed,
    pub(super) families: &'c BTreeMap<String, Option<Family>>,
    pub(super) profiles: &'c BTreeMap<String, Arc<Profile>>,
    pub(super) allow_key: Option<&'c AllowKey>,
}

impl Context<'_> {
    /// One route; `None` when nothing can be made of it.
    pub(super) fn route(&self, typed: &typed::Route, files: &mut Files<'_>, problems: &mut Problems) -> Option<Route> {
        let At { value: name, line } = &typed.name;
        let parsed = RouteName::parse(name).map_err(|error| problems.at(*line, error.to_string(), "rename the route"));
        let prefix = typed
            .prefix
            .as_ref()
            .map_or(String::new(), |prefix| prefix_of(prefix, name, problems));
        let model = typed.model.as_ref();
        let model = model.map(|it| serving::model(it, name, self.typed, problems));
        let upstream = self.upstream(typed, problems);
        let family = self.family(typed, problems);
        let profile = self.profile(typed, problems);
        let canaries = self.canaries(typed, files, problems);
        let limits = self.limits(typed, problems);
        let recording = ledger::recording(typed, &self.typed.ledger, problems);
        let spotlight = spotlight(typed, problems);
        let agents = agents::agents(typed.agents.as_ref(), &format!("routes.{name}"), files, problems);
        Some(Route {
            name: parsed.ok()?,
            prefix,
            family: family.unwrap_or(Family::OpenAi),
            upstream: upstream?,
            model: match model {
                None => None,
                Some(model) => Some(model?),
            },
            profile: profile?,
            limits,
            output_tokens_default: typed
                .output_tokens_default
                .as_ref()
                .map_or(OUTPUT_TOKENS, |it| it.value),
            hosted_tools: typed.hosted_tools.as_ref().is_some_and(|it| it.value),
            server_history: typed.server_history.as_ref().is_some_and(|it| it.value),
            canaries,
            plant: typed.plant_canary.as_ref().is_some_and(|it| it.value),
            output: output(typed, problems),
            recording,
            spotlight,
            agents,
            allow: typed.allow.iter().filter_map(|it| entry(it, self.allow_key)).collect(),
        })
    }

    fn upstream(&self, typed: &typed::Route, problems: &mut Problems) -> Option<UpstreamName> {
        let At { value: name, line } = &typed.name;
        let named: Vec<_> = match (&typed.upstream, &typed.model) {
            (Some(upstream), Some(_)) => {
                problems.at(
                    upstream.line,
                    format!("the route `{name}` has an upstream, and a model that says which upstream it is"),
                    "move it into the upstreams of `model`",
                );
                return None;
            }
            (None, Some(model)) => model.upstreams.iter().collect(),
            (upstream, None) => upstream.iter().collect(),
        };
        let names: Vec<_> = named.iter().map(|it| self.configured(it, name, problems)).collect();
        if typed.model.is_none() && names.is_empty() {
            problems.at(
                *line,
                format!("the route `{name}` has no upstream"),
                "add upstream = \"NAME\" of one of [upstreams]",
            );
        }
        names.into_iter().next()?
    }

    /// An upstream that has to be there.
    fn configured(&self, upstream: &At<String>, name: &str, problems: &mut Problems) -> Option<UpstreamName> {
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
        let own = typed
            .family
            .as_ref()
            .map(|text| (family(text, &format!("routes.{name}.family"), problems), text.line));
        let of_model = typed.model.iter().flat_map(|it| &it.upstreams);
        let mut families = typed.upstream.iter().chain(of_model).filter_map(|it| {
            let family = self.families.get(&it.value).copied().flatten()?;
            Some((family, it.line))
        });
        let theirs = families.next().map(|(family, _)| family);
        if let Some((other, line)) = families.find(|(family, _)| Some(*family) != theirs) {
            let what = format!(
                "the upstreams of route `{name}` speak different dialects, one of them {}",
                other.as_str()
            );
            problems.at(line, what, "choose upstreams of one family");
        }
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
        let name = typed.profile.as_ref().map_or(profiles::DEFAULT, |it| it.value.as_str());
        let route = &typed.name.value;
        let line = typed.profile.as_ref().map_or(typed.name.line, |it| it.line);
        if name == "none" {
            problems.at(
                line,
                format!("the route `{route}` has no guard: the profile `none` is there to be extended"),
                "choose `observe` to let everything pass and see it, or extend `none` under a name of your own",
            );
        }
        let found = self.profiles.get(name);
        if found.is_none() && !self.typed.profiles.iter().any(|profile| profile.name.value == name) {
            let what = format!(
                "the route `{route}` names the profile `{}`, which is not configured",
                shown(name)
            );
            problems.at(line, what, did_you_mean(name, self.profiles.keys().map(String::as_str)));
        }
        // The rest of the route is checked all the same.
        found.or_else(|| self.profiles.get(profiles::DEFAULT)).cloned()
    }

    fn canaries(&self, typed: &typed::Route, files: &mut Files<'_>, problems: &mut Problems) -> Canaries {
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
            problems.at(source.line, format!("{name}: {error}"), "give one canary a line");
            Canaries::default()
        })
    }

    fn limits(&self, typed: &typed::Route, problems: &mut Problems) -> Limits {
        let value = |it: &Option<At<u64>>| it.as_ref().map(|it| it.value);
        if let Some(cost) = &typed.limits.cost_micros_per_day
            && self.typed.prices.is_empty()
        {
            problems.at(
                cost.line,
                format!(
                    "the route `{}` limits cost and no model has a price, so every request would be refused",
                    typed.name.value
                ),
                "add [prices.\"MODEL\"] with input and output",
            );
        }
        Limits {
            requests_per_minute: value(&typed.limits.requests_per_minute),
            tokens_per_minute: value(&typed.limits.tokens_per_minute),
            cost_micros_per_day: value(&typed.limits.cost_micros_per_day),
            concurrent: value(&typed.limits.concurrent),
        }
    }
}

fn spotlight(typed: &typed::Route, problems: &mut Problems) -> Option<Style> {
    let At { value, line } = typed.spotlight.as_ref()?;
    let style = Style::from_name(value);
    if style.is_none() && value != "off" {
        problems.at(
            *line,
            format!("`routes.{}.spotlight` cannot be `{}`", typed.name.value, shown(value)),
            did_you_mean(value, ["off", "delimit", "datamark"]),
        );
    }
    style
}

fn prefix_of(text: &At<String>, route: &str, problems: &mut Problems) -> String {
    let prefix = text.value.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let segments = || prefix.split('/').skip(1);
    let remedy = if prefix.is_empty() {
        return String::new();
    } else if !prefix.starts_with('/') {
        "begin it with a slash, for example \"/team-a\", or leave it empty"
    } else if prefix.ends_with('/') {
        "leave out the slash at the end"
    } else if !segments()
        .all(|segment| !segment.is_empty() && !segment.chars().all(|c| c == '.') && segment.chars().all(plain))
    {
        "use letters, digits, `-`, `_` and `.` between single slashes"
    } else if segments().any(|segment| segment == "v1") {
        "leave out `v1`: it belongs to the dialect's own paths"
    } else {
        return prefix.to_owned();
    };
    problems.at(
        text.line,
        format!("the prefix of route `{route}` cannot be `{}`", shown(prefix)),
        remedy,
    );
    prefix.trim_end_matches('/').to_owned()
}
