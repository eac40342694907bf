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
    pub(crate) labels: Vec<At<String>>,
    pub(crate) keep_ms: Option<At<u64>>,
    pub(crate) gates: Option<Gates>,
}

/// `gates` of the vault or of an artifact.
#[derive(Debug)]
pub(crate) struct Gates {
    pub(crate) scan: Option<At<String>>,
    /// Files of public keys.
    pub(crate) signed_by: Vec<At<String>>,
    pub(crate) bom: Option<At<bool>>,
    pub(crate) licences: Vec<At<String>>,
    /// `NAME >= NUMBER`.
    pub(crate) metrics: Vec<At<String>>,
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

fn artifact(name: At<String>, mut section: Section<'_>, problems: &mut Problems) -> Artifact {
    let artifact = Artifact {
        name,
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
        signed_by: section.texts("signed_by", problems),
        bom: section.flag("bom", problems),
        licences: section.texts("licences", problems),
        metrics: section.texts("metrics", problems),
    };
    section.finish(problems);
    gates
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
