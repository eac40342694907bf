//! Whose statements are believed: approvers, those of one artifact, and those who are none any more.

use std::collections::{BTreeMap, BTreeSet};

use testudo_vault::signing::VerifyingKey;
use testudo_vault::vault::{Approvers, Former, Until, VaultName};

use super::KEY_BYTES_MAX;
use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;
use crate::config::typed;

type Keys = BTreeMap<String, VerifyingKey>;

/// Who is believed, by `[vault]`.
pub(super) fn approvers(typed: &typed::Vault, files: &mut Files<'_>, problems: &mut Problems) -> Approvers {
    let keys = keys(typed, files, problems);
    let mut approvers = Approvers::named(&keys).agreeing_on(two_people(typed, problems));
    for (artifact, names) in own(typed, &keys, problems) {
        approvers = approvers.only(artifact, names);
    }
    for former in &typed.former {
        if let Some(former) = self::former(former, &keys, files, problems) {
            idle(&former, &approvers, &typed.former, problems);
            approvers = approvers.after(former);
        }
    }
    approvers
}

fn keys(typed: &typed::Vault, files: &mut Files<'_>, problems: &mut Problems) -> Keys {
    let mut keys = Keys::new();
    for (name, file) in &typed.approvers {
        if name.value.trim().is_empty() || name.value.len() > 64 || name.value.chars().any(char::is_control) {
            problems.at(
                name.line,
                format!("an approver cannot be called `{}`", shown(&name.value)),
                "use 1 to 64 bytes without control characters",
            );
        }
        let setting = format!("vault.approvers.{}", shown(&name.value));
        let Some(key) = key(file, &setting, files, problems) else {
            continue;
        };
        // One key is one person, or two of them would be one where two have to agree.
        if let Some((other, _)) = keys.iter().find(|(_, other)| **other == key) {
            same_key(name, other, problems);
        }
        keys.insert(name.value.clone(), key);
    }
    keys
}

fn same_key(name: &At<String>, other: &str, problems: &mut Problems) {
    problems.at(
        name.line,
        format!("`{}` and `{}` have the same key", shown(other), shown(&name.value)),
        "give each approver a key of their own",
    );
}

fn key(file: &At<String>, setting: &str, files: &mut Files<'_>, problems: &mut Problems) -> Option<VerifyingKey> {
    let text = files.text(file, KEY_BYTES_MAX, setting, problems)?;
    let key = VerifyingKey::from_pem(text.as_bytes());
    key.map_err(|error| {
        problems.at(
            file.line,
            format!("`{setting}` cannot be used: {error}"),
            "name the file of a public key as PEM",
        );
    })
    .ok()
}

/// The aliases that two people move; there have to be two, of each artifact.
fn two_people(typed: &typed::Vault, problems: &mut Problems) -> BTreeSet<VaultName> {
    let mut aliases = BTreeSet::new();
    for alias in &typed.two_people {
        match VaultName::parse(&alias.value) {
            Ok(name) => drop(aliases.insert(name)),
            Err(error) => problems.at(alias.line, error.to_string(), "name aliases as `--alias` does"),
        }
    }
    let Some(alias) = typed.two_people.first() else {
        return aliases;
    };
    if typed.approvers.len() < 2 {
        problems.at(
            alias.line,
            format!(
                "`{}` waits for two people, and there are not two approvers",
                shown(&alias.value)
            ),
            "add another to [vault.approvers]",
        );
    }
    for artifact in &typed.artifacts {
        if artifact.approvers.as_ref().is_some_and(|own| own.len() == 1) {
            problems.at(
                artifact.name.line,
                format!(
                    "`{}` waits for two people, and `{}` has one approver",
                    shown(&alias.value),
                    shown(&artifact.name.value)
                ),
                "add another to its approvers",
            );
        }
    }
    aliases
}

/// The artifacts that have approvers of their own, and who they are.
fn own(typed: &typed::Vault, keys: &Keys, problems: &mut Problems) -> BTreeMap<VaultName, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for artifact in &typed.artifacts {
        let Some(own) = &artifact.approvers else { continue };
        if own.is_empty() {
            problems.at(
                artifact.name.line,
                format!("`{}` has no approver", shown(&artifact.name.value)),
                "name some of [vault.approvers], or remove the list",
            );
        }
        for name in own {
            if !typed.approvers.iter().any(|(known, _)| known.value == name.value) {
                problems.at(
                    name.line,
                    format!("`{}` is none of [vault.approvers]", shown(&name.value)),
                    did_you_mean(&name.value, keys.keys().map(String::as_str)),
                );
            }
        }
        // A name that is none is reported with the other settings of the artifact.
        if let Ok(name) = VaultName::parse(&artifact.name.value) {
            found.insert(name, own.iter().map(|it| it.value.clone()).collect());
        }
    }
    found
}

/// Somebody who is no approver any more; nothing when their key is not known.
fn former(typed: &typed::Former, keys: &Keys, files: &mut Files<'_>, problems: &mut Problems) -> Option<Former> {
    let name = &typed.name;
    let setting = format!("vault.former_approvers.{}", shown(&name.value));
    let key = match (&typed.key, keys.get(&name.value)) {
        (Some(file), _) => key(file, &format!("{setting}.key"), files, problems)?,
        (None, Some(key)) => key.clone(),
        (None, None) => {
            problems.at(
                name.line,
                format!("`{setting}.key` is missing"),
                "name the file of the public key: statements by it are in chains",
            );
            return None;
        }
    };
    if let Some((other, _)) = keys
        .iter()
        .find(|(other, known)| **known == key && **other != name.value)
    {
        same_key(name, other, problems);
    }
    let mut until: BTreeMap<VaultName, Until> = BTreeMap::new();
    for (artifact, number) in typed.until.iter().chain(&typed.void_until) {
        match VaultName::parse(&artifact.value) {
            Ok(artifact) => {
                let until = until.entry(artifact).or_default();
                until.void = until.void.max(number.value);
            }
            Err(error) => problems.at(
                artifact.line,
                error.to_string(),
                "name artifacts as `testudo model list` does",
            ),
        }
    }
    for (artifact, number) in &typed.until {
        let until = VaultName::parse(&artifact.value).ok().and_then(|it| until.get_mut(&it));
        if let Some(until) = until {
            until.counts = number.value;
        }
    }
    Some(Former {
        name: name.value.clone(),
        key,
        until,
    })
}

/// What is said of somebody who still is an approver does nothing, and may be a mistake.
fn idle(former: &Former, approvers: &Approvers, typed: &[typed::Former], problems: &mut Problems) {
    let line = typed.iter().find(|it| it.name.value == former.name);
    let still = former.until.keys().find(|it| approvers.may_state(it, &former.key));
    if let (Some(typed), Some(artifact)) = (line, still) {
        problems.at(
            typed.name.line,
            format!("`{}` still is an approver of `{artifact}`", shown(&former.name)),
            "remove them from [vault.approvers], or from the approvers of the artifact",
        );
    }
}
