//! What the configuration says of the vault, as typed.

use super::super::document::{At, Section};
use super::super::problem::Problems;
use super::ledger::{Ship, address};
use super::{SecretSource, secret};

/// `[vault]`.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) place: Ship,
    pub(crate) keys: Option<Keys>,
    /// The files of their public keys, by name.
    pub(crate) approvers: Vec<(At<String>, At<String>)>,
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
    };
    section.finish(problems);
    vault
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
