//! Allow-lists: from the entries as typed, and the key of keyed digests, to what the gateway checks.

use std::sync::Arc;

use testudo_detect::{AllowEntry, Allowed};

use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::typed::{Allow, AllowText, Typed};

/// The key of keyed digests.
pub(crate) type AllowKey = Arc<[u8]>;

/// Reads the key; a keyed digest without one is reported.
pub(crate) fn key(typed: &Typed, files: &mut Files<'_>, problems: &mut Problems) -> Option<AllowKey> {
    let key = typed
        .allow_key
        .as_ref()
        .and_then(|source| files.secret(source, "`allow_key`", problems));
    let of_profiles = typed.profiles.iter().flat_map(|profile| &profile.allow);
    let mut all = of_profiles.chain(typed.routes.iter().flat_map(|route| &route.allow));
    if typed.allow_key.is_none()
        && let Some(keyed) = all.find(|entry| matches!(entry.what, AllowText::Keyed(_)))
    {
        problems.at(
            keyed.line,
            "a keyed digest in an allow-list needs a key, and there is none",
            "add allow_key = { env = \"NAME\" } at the top of the file",
        );
    }
    key.map(|key| Arc::from(key.expose()))
}

/// One entry; `None` for a keyed digest without a key, which is reported with the key.
pub(crate) fn entry(typed: &Allow, key: Option<&AllowKey>) -> Option<AllowEntry> {
    let what = match &typed.what {
        AllowText::Value(value) => Allowed::Value(value.clone()),
        AllowText::Sha256(digest) => Allowed::Sha256(*digest),
        AllowText::Keyed(digest) => Allowed::Keyed {
            digest: *digest,
            key: Arc::clone(key?),
        },
        AllowText::Pattern(pattern) => Allowed::Pattern(pattern.clone()),
        AllowText::Host(host) => Allowed::Host(host.clone()),
    };
    Some(AllowEntry {
        rules: typed.rules.clone(),
        what,
        line: Some(typed.line),
    })
}
