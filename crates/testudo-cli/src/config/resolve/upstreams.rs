//! Model services: where they are, what they speak, which secret opens them.

use std::collections::BTreeMap;

use testudo_dialects::Family;
use testudo_gateway::settings::{Timeouts, UpstreamBase, UpstreamSettings};
use testudo_types::UpstreamName;
use url::Url;

use super::{RETRIES, TIMEOUTS, serving};
use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;
use crate::config::typed;

/// The family of each upstream by name, even when the rest of the upstream is wrong.
pub(super) fn families(typed: &[typed::Upstream], problems: &mut Problems) -> BTreeMap<String, Option<Family>> {
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

/// A family by its name.
pub(super) fn family(text: &At<String>, name: &str, problems: &mut Problems) -> Option<Family> {
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

/// One upstream; `None` when nothing can be made of it.
pub(super) fn upstream(
    typed: &typed::Upstream,
    families: &BTreeMap<String, Option<Family>>,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<UpstreamSettings> {
    let At { value: name, line } = &typed.name;
    let parsed =
        UpstreamName::parse(name).map_err(|error| problems.at(*line, error.to_string(), "rename the upstream"));
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
    let secret = typed
        .secret
        .as_ref()
        .and_then(|source| files.secret(source, &format!("the secret of upstream `{name}`"), problems));
    let authorities = typed
        .authorities
        .as_ref()
        .and_then(|file| files.authorities(file, &format!("the authorities of upstream `{name}`"), problems));
    if let (Some(file), Some(base)) = (&typed.authorities, &base)
        && !matches!(base, UpstreamBase::Url(url) if url.scheme() == "https")
    {
        problems.at(
            file.line,
            format!("the authorities of upstream `{name}` verify nothing: its base_url is not https"),
            "use https or remove the setting",
        );
    }
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
        problems.at(
            line,
            format!("the total deadline of upstream `{name}` is shorter than its connect or first_byte deadline"),
            "raise `total` or lower the others",
        );
    }
    let serves = typed.serves.as_ref();
    let serves = serves.and_then(|it| serving::serves(it, name, problems));
    Some(UpstreamSettings {
        name: parsed.ok()?,
        base: base?,
        // A missing family is reported; the rest is checked all the same.
        family: families.get(name).copied().flatten().unwrap_or(Family::OpenAi),
        secret,
        authorities,
        allow_private: typed.allow_private.as_ref().is_some_and(|it| it.value),
        timeouts,
        retries_max: typed
            .retries
            .as_ref()
            .and_then(|it| u32::try_from(it.value).ok())
            .unwrap_or(RETRIES),
        serves,
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
