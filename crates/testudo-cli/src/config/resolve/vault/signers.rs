//! Who must have signed what is pushed and promoted: keys, certificates, identities of a Sigstore.

use testudo_types::UnixMillis;
use testudo_vault::signing::{Expiry, Roots, SigstoreTrust, StampAuthorities, Trust, TrustedRoot, VerifyingKey};
use testudo_vault::vault::Signer;

use super::KEY_BYTES_MAX;
use crate::config::document::At;
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::typed;

/// The largest file of certificates or trusted root.
const ROOTS_BYTES_MAX: usize = 4 << 20;

/// One of `signed_by`; nothing when it cannot be used.
pub(super) fn signer(typed: &typed::Signer, files: &mut Files<'_>, problems: &mut Problems) -> Option<Signer> {
    let ways = [
        typed.key.is_some(),
        !typed.certificate_chain.is_empty(),
        typed.trust_root.is_some(),
    ];
    if ways.iter().filter(|way| **way).count() != 1 {
        problems.at(
            typed.line,
            "a signer is known by a key, by certificates or through Sigstore",
            "write one of key, certificate_chain, or trust_root with identity and identity_provider",
        );
        return None;
    }
    idle(typed, problems);
    let trust = if let Some(file) = &typed.key {
        key(file, files, problems)?
    } else if let Some(file) = &typed.trust_root {
        sigstore(typed, file, files, problems)?
    } else {
        let roots = Roots::from_pems(&pems(&typed.certificate_chain, files, problems)?);
        let roots = usable(roots, typed.line, "name files of root certificates as PEM", problems)?;
        // The time of the judgement stands in its place.
        Trust::Roots(roots, Expiry::Now(UnixMillis(0)))
    };
    let stamps = match typed.timestamp_chain.is_empty() {
        true => None,
        false => {
            let authorities = StampAuthorities::from_pems(&pems(&typed.timestamp_chain, files, problems)?);
            let remedy = "name files of certificates of authorities as PEM";
            Some(usable(authorities, typed.line, remedy, problems)?)
        }
    };
    let is_certified = matches!(trust, Trust::Roots(..));
    Some(Signer {
        trust,
        subject: typed
            .identity
            .as_ref()
            .filter(|_| is_certified)
            .map(|it| it.value.clone()),
        stamps,
    })
}

/// What is said to no effect must not look like a condition.
fn idle(typed: &typed::Signer, problems: &mut Problems) {
    let without = |at: Option<usize>, what: &str, with: &str, problems: &mut Problems| {
        if let Some(line) = at {
            problems.at(
                line,
                format!("`{what}` does nothing without {with}"),
                format!("remove it, or add {with}"),
            );
        }
    };
    if typed.trust_root.is_none() {
        let at = typed.identity_provider.as_ref().map(|it| it.line);
        without(at, "identity_provider", "`trust_root`", problems);
    }
    if typed.key.is_some() {
        let at = typed.identity.as_ref().map(|it| it.line);
        without(at, "identity", "`certificate_chain` or `trust_root`", problems);
    }
    if typed.trust_root.is_some() {
        let at = typed.timestamp_chain.first().map(|it| it.line);
        without(at, "timestamp_chain", "`certificate_chain` or `key`", problems);
    }
}

fn key(file: &At<String>, files: &mut Files<'_>, problems: &mut Problems) -> Option<Trust> {
    let text = files.text(file, KEY_BYTES_MAX, "gates.signed_by", problems)?;
    let key = VerifyingKey::from_pem(text.as_bytes());
    usable(key, file.line, "name files of public keys as PEM", problems).map(Trust::Key)
}

fn sigstore(typed: &typed::Signer, file: &At<String>, files: &mut Files<'_>, problems: &mut Problems) -> Option<Trust> {
    for (name, missing) in [
        ("identity", typed.identity.is_none()),
        ("identity_provider", typed.identity_provider.is_none()),
    ] {
        if missing {
            problems.at(
                typed.line,
                format!("`{name}` of a signer through Sigstore is missing"),
                "say whom you expect, and who must have known them",
            );
        }
    }
    let text = files.text(file, ROOTS_BYTES_MAX, "gates.signed_by.trust_root", problems)?;
    let root = TrustedRoot::parse(text.as_bytes());
    Some(Trust::Sigstore(Box::new(SigstoreTrust {
        root: usable(root, file.line, "name a trusted_root.json", problems)?,
        identity: typed.identity.as_ref()?.value.clone(),
        provider: typed.identity_provider.as_ref()?.value.clone(),
    })))
}

fn pems(names: &[At<String>], files: &mut Files<'_>, problems: &mut Problems) -> Option<Vec<Vec<u8>>> {
    let each = names
        .iter()
        .map(|file| files.text(file, ROOTS_BYTES_MAX, "gates.signed_by", problems));
    let read: Vec<Option<String>> = each.collect();
    read.into_iter().map(|text| text.map(String::into_bytes)).collect()
}

fn usable<T, E: std::error::Error>(
    found: Result<T, E>,
    line: usize,
    remedy: &str,
    problems: &mut Problems,
) -> Option<T> {
    found
        .map_err(|error| problems.at(line, format!("a signer cannot be used: {error}"), remedy))
        .ok()
}
