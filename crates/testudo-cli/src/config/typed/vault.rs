//! What the configuration says of the vault, as typed.

use super::super::document::{At, Section};
use super::super::problem::Problems;
use super::super::quantity;
use super::ledger::{Ship, address};
use super::serving::{Follow, follow};
use super::{SecretSource, secret};

/// `[vault]`.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) place: Ship,
    pub(crate) keys: Option<Keys>,
    /// The files of their public keys, by name.
    pub(crate) approvers: Vec<(At<String>, At<String>)>,
    pub(crate) former: Vec<Former>,
    pub(crate) follow: Follow,
    pub(crate) mlflow: Option<Mlflow>,
    pub(crate) policies: Vec<At<String>>,
    /// The aliases that two people move.
    pub(crate) two_people: Vec<At<String>>,
    pub(crate) keep_ms: Option<At<u64>>,
    pub(crate) gates: Option<Gates>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) artifacts: Vec<Artifact>,
}

/// `[vault.mlflow]`.
#[derive(Debug)]
pub(crate) struct Mlflow {
    pub(crate) line: usize,
    pub(crate) path: Option<At<String>>,
    pub(crate) roles: Vec<At<String>>,
    pub(crate) url: Option<At<String>>,
}

/// One of `[vault.former_approvers]`.
#[derive(Debug)]
pub(crate) struct Former {
    pub(crate) name: At<String>,
    /// The file of their public key; may be left out of somebody who is still in `[vault.approvers]`.
    pub(crate) key: Option<At<String>>,
    /// By artifact, up to which statement theirs count.
    pub(crate) until: Vec<(At<String>, At<u64>)>,
    /// By artifact, up to which statement theirs stand without effect.
    pub(crate) void_until: Vec<(At<String>, At<u64>)>,
}

/// One of `[vault.operators]`.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) name: At<String>,
    pub(crate) uid: Option<At<u64>>,
    pub(crate) groups: Vec<At<String>>,
}

/// One of `[vault.artifacts]`.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) name: At<String>,
    /// Those of `[vault.approvers]` who are its approvers; all of them when it is not said.
    pub(crate) approvers: Option<Vec<At<String>>>,
    pub(crate) labels: Vec<At<String>>,
    pub(crate) keep_ms: Option<At<u64>>,
    pub(crate) gates: Option<Gates>,
}

/// `gates` of the vault or of an artifact.
#[derive(Debug)]
pub(crate) struct Gates {
    pub(crate) scan: Option<At<String>>,
    pub(crate) signed_by: Vec<Signer>,
    pub(crate) bom: Option<At<bool>>,
    pub(crate) licences: Vec<At<String>>,
    /// `NAME >= NUMBER`.
    pub(crate) metrics: Vec<At<String>>,
}

/// One of `signed_by`; a text is the file of a public key.
#[derive(Debug, Default)]
pub(crate) struct Signer {
    pub(crate) line: usize,
    pub(crate) key: Option<At<String>>,
    pub(crate) certificate_chain: Vec<At<String>>,
    pub(crate) timestamp_chain: Vec<At<String>>,
    pub(crate) trust_root: Option<At<String>>,
    pub(crate) identity: Option<At<String>>,
    pub(crate) identity_provider: Option<At<String>>,
}

/// `[vault.keys]`.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) line: usize,
    pub(crate) folder: Option<At<String>>,
    pub(crate) module: Option<At<String>>,
    pub(crate) token: Option<At<String>>,
    pub(crate) pin: Option<At<SecretSource>>,
    pub(crate) label: Option<At<String>>,
}

/// Reads `[vault]`.
pub(super) fn vault(mut section: Section<'_>, problems: &mut Problems) -> Vault {
    let vault = Vault {
        place: address(&mut section, problems),
        keys: section.section("keys", problems).map(|section| keys(section, problems)),
        approvers: approvers(&mut section, problems),
        former: section
            .named("former_approvers", problems)
            .into_iter()
            .map(|(name, section)| former(name, section, problems))
            .collect(),
        follow: follow(&mut section, problems),
        mlflow: section
            .section("mlflow", problems)
            .map(|section| mlflow(section, problems)),
        policies: section.texts("policies", problems),
        two_people: section.texts("two_people", problems),
        keep_ms: section.quantity("keep", quantity::duration_ms, problems),
        gates: section
            .section("gates", problems)
            .map(|section| gates(section, problems)),
        operators: section
            .named("operators", problems)
            .into_iter()
            .map(|(name, section)| operator(name, section, problems))
            .collect(),
        artifacts: section
            .named("artifacts", problems)
            .into_iter()
            .map(|(name, section)| artifact(name, section, problems))
            .collect(),
    };
    section.finish(problems);
    vault
}

fn mlflow(mut section: Section<'_>, problems: &mut Problems) -> Mlflow {
    let mlflow = Mlflow {
        line: section.line,
        path: section.text("path", problems),
        roles: section.texts("roles", problems),
        url: section.text("url", problems),
    };
    section.finish(problems);
    mlflow
}

fn operator(name: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Operator {
    let operator = Operator {
        name,
        uid: section.quantity("uid", quantity::count, problems),
        groups: section.texts("groups", problems),
    };
    section.finish(problems);
    operator
}

fn former(name: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Former {
    let former = Former {
        name,
        key: section.text("key", problems),
        until: section.counts("until", problems),
        void_until: section.counts("void_until", problems),
    };
    section.finish(problems);
    former
}

fn artifact(name: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Artifact {
    let own = section.has("approvers");
    let approvers = section.texts("approvers", problems);
    let artifact = Artifact {
        name,
        approvers: own.then_some(approvers),
        labels: section.texts("labels", problems),
        keep_ms: section.quantity("keep", quantity::duration_ms, problems),
        gates: section
            .section("gates", problems)
            .map(|section| gates(section, problems)),
    };
    section.finish(problems);
    artifact
}

fn gates(mut section: Section<'_>, problems: &mut Problems) -> Gates {
    let gates = Gates {
        scan: section.text("scan", problems),
        signed_by: section
            .texts_or_tables("signed_by", problems)
            .into_iter()
            .map(|it| signer(it, problems))
            .collect(),
        bom: section.flag("bom", problems),
        licences: section.texts("licences", problems),
        metrics: section.texts("metrics", problems),
    };
    section.finish(problems);
    gates
}

fn signer(typed: Result<Section<'_>, At<String>>, problems: &mut Problems) -> Signer {
    let mut section = match typed {
        Ok(section) => section,
        Err(key) => {
            return Signer {
                line: key.line,
                key: Some(key),
                ..Signer::default()
            };
        }
    };
    let signer = Signer {
        line: section.line,
        key: section.text("key", problems),
        certificate_chain: section.texts("certificate_chain", problems),
        timestamp_chain: section.texts("timestamp_chain", problems),
        trust_root: section.text("trust_root", problems),
        identity: section.text("identity", problems),
        identity_provider: section.text("identity_provider", problems),
    };
    section.finish(problems);
    signer
}

fn keys(mut section: Section<'_>, problems: &mut Problems) -> Keys {
    let keys = Keys {
        line: section.line,
        folder: section.text("folder", problems),
        module: section.text("module", problems),
        token: section.text("token", problems),
        pin: secret(&mut section, "pin", problems),
        label: section.text("label", problems),
    };
    section.finish(problems);
    keys
}

fn approvers(section: &mut Section<'_>, problems: &mut Problems) -> Vec<(At<String>, At<String>)> {
    let mut approvers = Vec::new();
    for entry in section.entries("approvers", problems) {
        let line = entry.name.line;
        match entry.value {
            Err(value) => approvers.push((entry.name, At { value, line })),
            Ok(_) => problems.at(
                line,
                "an approver is a name with the file of a public key",
                "write alice = \"keys/alice.pub\"",
            ),
        }
    }
    approvers
}
