//! The profiles that ship, and those that extend them. Why each is as it is: `docs/configuration.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use testudo_detect::pseudonym::PlaceholderStyle;
use testudo_detect::structure::special::TokenLevel;
use testudo_gateway::settings::{GuardSetting, Profile};
use testudo_types::Action::{Block, Mask, Observe};
use testudo_types::{Action, NameError, ProfileName, ThreatKind};

use super::document::{At, shown};
use super::problem::Problems;
use super::resolve::allow::{AllowKey, entry};
use super::suggest::did_you_mean;
use super::typed;

/// Names of the shipped profiles; `none` may be extended and not used by itself.
pub(crate) const BUILT_IN: [&str; 5] = ["balanced", "none", "observe", "strict", "tools"];
/// The profile of an MCP server that names none.
pub(crate) const TOOLS: &str = "tools";
/// The profile of a route that names none.
pub(crate) const DEFAULT: &str = "balanced";
/// Bytes of a stream held back at once; the longest tool call that can be decided.
const HOLD_BYTES_MAX: usize = 256 << 10;
const HOLD_BYTES_MIN: usize = 32 << 10;
const HOLD_BYTES_LIMIT: usize = 16 << 20;
/// Profiles that may extend one another in a row.
const CHAIN_MAX: usize = 8;

type Row = (ThreatKind, Action, u8);

const OBSERVE_REQUEST: &[Row] = &[
    (ThreatKind::Injection, Observe, 0),
    (ThreatKind::Secret, Observe, 0),
    (ThreatKind::PersonalData, Observe, 0),
    (ThreatKind::HiddenText, Observe, 0),
    (ThreatKind::Unscannable, Observe, 0),
];
const OBSERVE_RESPONSE: &[Row] = &[
    (ThreatKind::Secret, Observe, 0),
    (ThreatKind::PersonalData, Observe, 0),
    (ThreatKind::HiddenText, Observe, 0),
    (ThreatKind::Exfiltration, Observe, 0),
    (ThreatKind::PromptLeak, Observe, 0),
    (ThreatKind::UnsafeOutput, Observe, 0),
    (ThreatKind::Quality, Observe, 0),
    (ThreatKind::Unscannable, Observe, 0),
];
const BALANCED_REQUEST: &[Row] = &[
    (ThreatKind::Injection, Block, 70),
    (ThreatKind::Secret, Mask, 60),
    (ThreatKind::PersonalData, Mask, 70),
    (ThreatKind::HiddenText, Mask, 70),
    (ThreatKind::Unscannable, Block, 0),
];
const BALANCED_RESPONSE: &[Row] = &[
    (ThreatKind::Secret, Mask, 60),
    (ThreatKind::PersonalData, Observe, 0),
    (ThreatKind::HiddenText, Mask, 70),
    (ThreatKind::Exfiltration, Mask, 60),
    (ThreatKind::PromptLeak, Block, 0),
    (ThreatKind::UnsafeOutput, Block, 70),
    (ThreatKind::Quality, Observe, 0),
    (ThreatKind::Unscannable, Block, 0),
];
const STRICT_REQUEST: &[Row] = &[
    (ThreatKind::Injection, Block, 50),
    (ThreatKind::Secret, Block, 60),
    (ThreatKind::PersonalData, Mask, 50),
    (ThreatKind::HiddenText, Block, 70),
    (ThreatKind::Unscannable, Block, 0),
];
const STRICT_RESPONSE: &[Row] = &[
    (ThreatKind::Secret, Block, 60),
    (ThreatKind::PersonalData, Mask, 50),
    (ThreatKind::HiddenText, Block, 70),
    (ThreatKind::Exfiltration, Block, 50),
    (ThreatKind::PromptLeak, Block, 0),
    (ThreatKind::UnsafeOutput, Block, 50),
    (ThreatKind::Quality, Observe, 0),
    (ThreatKind::Unscannable, Block, 0),
];

// What a tool returns goes to a model: that is the request. Arguments come from one: the response.
const TOOLS_REQUEST: &[Row] = &[
    (ThreatKind::Injection, Block, 70),
    (ThreatKind::Secret, Mask, 60),
    (ThreatKind::PersonalData, Observe, 0),
    (ThreatKind::HiddenText, Mask, 70),
    (ThreatKind::Unscannable, Block, 0),
];
const TOOLS_RESPONSE: &[Row] = &[
    (ThreatKind::Secret, Block, 60),
    (ThreatKind::PersonalData, Observe, 0),
    (ThreatKind::HiddenText, Mask, 70),
    (ThreatKind::Exfiltration, Observe, 0),
    (ThreatKind::Unscannable, Block, 0),
];

/// A shipped profile; `None` when no such profile ships.
pub(crate) fn built_in(name: &str) -> Option<Result<Profile, NameError>> {
    let (request, response): (&[Row], &[Row]) = match name {
        "none" => (&[], &[]),
        "observe" => (OBSERVE_REQUEST, OBSERVE_RESPONSE),
        "balanced" => (BALANCED_REQUEST, BALANCED_RESPONSE),
        "strict" => (STRICT_REQUEST, STRICT_RESPONSE),
        "tools" => (TOOLS_REQUEST, TOOLS_RESPONSE),
        _ => return None,
    };
    let neutralise = match name {
        "balanced" => Some(TokenLevel::Tokens),
        "strict" => Some(TokenLevel::All),
        _ => None,
    };
    Some(ProfileName::parse(name).map(|name| Profile {
        name,
        request: guards(request),
        response: guards(response),
        hold_bytes_max: HOLD_BYTES_MAX,
        neutralise,
        allow: Vec::new(),
        placeholder: PlaceholderStyle::Bracket,
    }))
}

fn guards(rows: &[Row]) -> BTreeMap<ThreatKind, GuardSetting> {
    rows.iter()
        .map(|(kind, action, score_min)| {
            (
                *kind,
                GuardSetting {
                    action: *action,
                    score_min: *score_min,
                },
            )
        })
        .collect()
}

/// Resolves the profiles of a configuration, shipped ones included.
///
/// A profile whose base is missing or circular is reported and stands on the default one, so that
/// the rest can still be checked.
pub(crate) fn resolve(
    typed: &[typed::Profile],
    key: Option<&AllowKey>,
    problems: &mut Problems,
) -> BTreeMap<String, Arc<Profile>> {
    let mut resolved = BTreeMap::new();
    for name in BUILT_IN {
        if let Some(Ok(profile)) = built_in(name) {
            resolved.insert(name.to_owned(), Arc::new(profile));
        }
    }
    let own = named(typed, problems);
    for (name, profile) in &own {
        let (chain, base) = chain(profile, &own, problems);
        if let (Some(Ok(base)), Ok(parsed)) = (built_in(base), ProfileName::parse(name)) {
            let profile = layered(parsed, base, &chain, (profile, key), problems);
            resolved.insert((*name).to_owned(), Arc::new(profile));
        }
    }
    resolved
}

/// Whether a profile, or one that it extends, allows values by a keyed digest.
pub(crate) fn needs_key(typed: &[typed::Profile], name: &str) -> bool {
    let mut silent = Problems::new("");
    let own = named(typed, &mut silent);
    let layers = own.get(name).map(|profile| chain(profile, &own, &mut silent).0);
    let mut allow = layers.iter().flatten().flat_map(|layer| &layer.allow);
    allow.any(|entry| matches!(entry.what, typed::AllowText::Keyed(_)))
}

type Own<'t> = BTreeMap<&'t str, &'t typed::Profile>;

/// The profiles whose names can be used.
fn named<'t>(typed: &'t [typed::Profile], problems: &mut Problems) -> Own<'t> {
    let mut own = BTreeMap::new();
    for profile in typed {
        let At { value: name, line } = &profile.name;
        if BUILT_IN.contains(&name.as_str()) {
            problems.at(
                *line,
                format!("the profile `{name}` ships and cannot be redefined"),
                "choose another name and extend it",
            );
        } else if let Err(error) = ProfileName::parse(name) {
            problems.at(*line, error.to_string(), "rename the profile");
        } else {
            own.insert(name.as_str(), profile);
        }
    }
    own
}

/// A profile and those that it extends, and the shipped one at their end.
fn chain<'t>(
    profile: &'t typed::Profile,
    own: &Own<'t>,
    problems: &mut Problems,
) -> (Vec<&'t typed::Profile>, &'t str) {
    let name = &profile.name.value;
    let mut chain = vec![profile];
    let mut last = profile;
    // A mistake further up the chain is reported for the profile in which it stands.
    while chain.len() <= CHAIN_MAX {
        let first = std::ptr::eq(last, profile);
        let Some(extends) = &last.extends else {
            if first {
                problems.at(
                    profile.name.line,
                    format!("the profile `{name}` extends nothing"),
                    "add extends = \"balanced\", or \"none\" to start with no guard",
                );
            }
            return (chain, DEFAULT);
        };
        if BUILT_IN.contains(&extends.value.as_str()) {
            return (chain, &extends.value);
        }
        let Some(next) = own.get(extends.value.as_str()) else {
            if first {
                let known: Vec<&str> = own.keys().copied().chain(BUILT_IN).collect();
                problems.at(
                    extends.line,
                    format!("there is no profile `{}` to extend", shown(&extends.value)),
                    did_you_mean(&extends.value, known.iter().copied()),
                );
            }
            return (chain, DEFAULT);
        };
        last = next;
        chain.push(next);
    }
    problems.at(
        profile.name.line,
        format!("the profile `{name}` extends itself or more than {CHAIN_MAX} others"),
        "end the chain of `extends` at a shipped profile",
    );
    (vec![profile], DEFAULT)
}

/// `base` with the guards of `chain` over it, nearest last; mistakes are reported for `own` only.
fn layered(
    name: ProfileName,
    base: Profile,
    chain: &[&typed::Profile],
    (own, key): (&typed::Profile, Option<&AllowKey>),
    problems: &mut Problems,
) -> Profile {
    let mut profile = Profile { name, ..base };
    for layer in chain.iter().rev() {
        if let Some(hold) = &layer.hold_bytes_max {
            profile.hold_bytes_max = hold.value;
        }
        profile.placeholder = layer.placeholder.unwrap_or(profile.placeholder);
        profile
            .allow
            .extend(layer.allow.iter().filter_map(|typed| entry(typed, key)));
        let mut silent = Problems::new("");
        let said = if std::ptr::eq(*layer, own) {
            &mut *problems
        } else {
            &mut silent
        };
        if let Some(neutralise) = &layer.neutralise {
            profile.neutralise = level(neutralise, &layer.name.value, said);
        }
        for (guards, settings) in [
            (&layer.request, &mut profile.request),
            (&layer.response, &mut profile.response),
        ] {
            for guard in guards {
                lay(guard, settings, said);
            }
        }
    }
    let hold = &own.hold_bytes_max;
    if let Some(At { line, .. }) = hold
        .as_ref()
        .filter(|hold| !(HOLD_BYTES_MIN..=HOLD_BYTES_LIMIT).contains(&hold.value))
    {
        problems.at(
            *line,
            "`hold_bytes_max` is out of range",
            "write a size from 32 KiB, which the longest secret needs, to 16 MiB",
        );
    }
    profile
}

fn level(text: &At<String>, profile: &str, problems: &mut Problems) -> Option<TokenLevel> {
    let level = TokenLevel::from_name(&text.value);
    if level.is_none() && text.value != "off" {
        problems.at(
            text.line,
            format!("`profiles.{profile}.neutralise` cannot be `{}`", shown(&text.value)),
            did_you_mean(&text.value, ["off", "tokens", "all"]),
        );
    }
    level
}

fn lay(guard: &typed::Guard, settings: &mut BTreeMap<ThreatKind, GuardSetting>, problems: &mut Problems) {
    let before = settings.get(&guard.kind).copied();
    let Some(action) = guard.action.or(before.map(|before| before.action)) else {
        let kind = guard.kind.as_str();
        problems.at(
            guard.line,
            format!("the guard `{kind}` has no action and the extended profile has none either"),
            "add action = \"observe\", \"mask\" or \"block\"",
        );
        return;
    };
    if guard.kind == ThreatKind::Unscannable && action == Mask {
        problems.at(
            guard.line,
            "what cannot be scanned cannot be masked",
            "choose `observe` or `block` for `unscannable`",
        );
    }
    let score_min = guard.score_min.or(before.map(|before| before.score_min)).unwrap_or(0);
    settings.insert(guard.kind, GuardSetting { action, score_min });
}

#[cfg(test)]
mod tests;
