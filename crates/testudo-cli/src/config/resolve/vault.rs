//! The vault: where it lies, who keeps its keys, and whose statements are believed.

mod approvers;
mod signers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use testudo_gateway::settings::MoveRules;
use testudo_policy::artifacts::ArtifactPolicies;
use testudo_vault::vault::{Gates, KeySettings, TokenSettings, VERDICTS, VaultName, VaultSettings};

use self::approvers::approvers;
use self::signers::signer;
use super::stores::{self, Words};
use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::policy_problem;
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;
use crate::config::typed;

const KEY_BYTES_MAX: usize = 64 << 10;
const WORDS: Words = Words {
    section: "vault",
    without: "the vault cannot be reached",
    instead: "keep it in a folder",
    crosses: "the vault",
};
/// What key-encryption keys in a token are called when nothing else is said.
const LABEL: &str = "testudo-vault";

/// What `[vault]` says, beside what the data folder holds by itself.
pub(super) fn vault(
    typed: &typed::Vault,
    data_dir: &Path,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> Option<VaultSettings> {
    let mut settings = VaultSettings::in_folder(data_dir)
        .map_err(|error| problems.at(typed.place.line, error.to_string(), "choose another data_dir"))
        .ok()?;
    match &typed.place.url {
        Some(text) => {
            if let Some(url) = stores::url(text, WORDS.section, problems) {
                settings.s3 = stores::reached(&typed.place, &url, &WORDS, files, problems);
                settings.url = url;
            }
        }
        None => {
            settings.s3 = stores::reached(&typed.place, &settings.url, &WORDS, files, problems);
        }
    }
    if let Some(keys) = &typed.keys
        && let Some(keys) = self::keys(keys, files, problems)
    {
        settings.keys = keys;
    }
    settings.approvers = approvers(typed, files, problems);
    Some(settings)
}

/// Who may do what to which artifact, as the configuration says.
#[derive(Debug, Default)]
pub(crate) struct VaultRules {
    /// Without policies everything is permitted.
    pub(crate) policies: Option<Arc<ArtifactPolicies>>,
    pub(crate) operators: BTreeMap<String, Operator>,
    pub(crate) labels: BTreeMap<VaultName, BTreeSet<String>>,
    /// How long versions stay at least; of all, and of some.
    keep_ms: u64,
    keep_of_ms: BTreeMap<VaultName, u64>,
    /// What is asked of versions; of all, and of some.
    gates: Gates,
    gates_of: BTreeMap<VaultName, Gates>,
}

impl VaultRules {
    /// Who may move aliases; nothing without policies.
    pub(crate) fn moves(&self) -> Option<MoveRules> {
        let groups = self
            .operators
            .iter()
            .map(|(name, it)| (name.clone(), it.groups.clone()));
        Some(MoveRules {
            policies: Arc::clone(self.policies.as_ref()?),
            groups: groups.collect(),
            labels: self.labels.clone(),
        })
    }

    /// What is asked of the versions of an artifact: its own gates stand in the place of the shared ones.
    pub(crate) fn gates(&self, artifact: &VaultName) -> &Gates {
        self.gates_of.get(artifact).unwrap_or(&self.gates)
    }

    /// How long versions of an artifact stay at least, whoever revokes them.
    pub(crate) fn keep_ms(&self, artifact: &VaultName) -> u64 {
        self.keep_of_ms.get(artifact).copied().unwrap_or(self.keep_ms)
    }
}

/// Somebody who works with the vault.
#[derive(Debug, Default)]
pub(crate) struct Operator {
    /// The user as whom they run programs.
    pub(crate) uid: Option<u32>,
    pub(crate) groups: BTreeSet<String>,
}

/// What `[vault]` says about who may do what.
pub(super) fn rules(typed: &typed::Vault, files: &mut Files<'_>, problems: &mut Problems) -> VaultRules {
    let sources: Vec<_> = typed
        .policies
        .iter()
        .flat_map(|pattern| files.policies(pattern, problems))
        .collect();
    let policies = match ArtifactPolicies::new(&sources) {
        Ok(policies) => (!typed.policies.is_empty()).then(|| Arc::new(policies)),
        Err(found) => {
            found.iter().for_each(|it| problems.push(policy_problem(it)));
            None
        }
    };
    let mut rules = VaultRules {
        policies,
        gates: typed
            .gates
            .as_ref()
            .map(|it| gates(it, files, problems))
            .unwrap_or_default(),
        keep_ms: typed.keep_ms.as_ref().map_or(0, |it| it.value),
        ..VaultRules::default()
    };
    rules.operators = operators(typed, problems);
    for typed in &typed.artifacts {
        match VaultName::parse(&typed.name.value) {
            Ok(name) => {
                if let Some(asked) = &typed.gates {
                    rules.gates_of.insert(name.clone(), gates(asked, files, problems));
                }
                if let Some(keep) = &typed.keep_ms {
                    rules.keep_of_ms.insert(name.clone(), keep.value);
                }
                rules.labels.insert(name, texts(&typed.labels));
            }
            Err(error) => problems.at(
                typed.name.line,
                error.to_string(),
                "name it as `testudo model push` does",
            ),
        }
    }
    if rules.policies.is_none() {
        let idle = typed.operators.first().map(|it| it.name.line);
        if let (Some(line), true) = (idle, typed.policies.is_empty()) {
            problems.at(
                line,
                "operators have no effect without policies",
                "add policies = [\"vault-policy/*.cedar\"] to [vault], or remove them",
            );
        }
    }
    rules
}

fn operators(typed: &typed::Vault, problems: &mut Problems) -> BTreeMap<String, Operator> {
    let mut operators: BTreeMap<String, Operator> = BTreeMap::new();
    for typed in &typed.operators {
        let uid = typed.uid.as_ref().and_then(|uid| match u32::try_from(uid.value) {
            Ok(uid) => Some(uid),
            Err(_) => {
                problems.at(uid.line, "there is no such user number", "write what `id -u` prints");
                None
            }
        });
        if let (Some(uid), Some((other, _))) = (uid, operators.iter().find(|(_, it)| uid.is_some() && it.uid == uid)) {
            problems.at(
                typed.name.line,
                format!(
                    "`{}` and `{}` are both the user {uid}",
                    shown(other),
                    shown(&typed.name.value)
                ),
                "give each operator a user of their own",
            );
        }
        let groups = texts(&typed.groups);
        operators.insert(typed.name.value.clone(), Operator { uid, groups });
    }
    operators
}

fn gates(typed: &typed::Gates, files: &mut Files<'_>, problems: &mut Problems) -> Gates {
    let scan = typed.scan.as_ref().filter(|it| {
        let known = VERDICTS.contains(&it.value.as_str());
        if !known {
            let remedy = did_you_mean(&it.value, VERDICTS);
            problems.at(
                it.line,
                format!("`gates.scan` cannot be `{}`", shown(&it.value)),
                remedy,
            );
        }
        known
    });
    let scan = scan.map(|it| it.value.clone());
    let signed_by = typed.signed_by.iter().filter_map(|it| signer(it, files, problems));
    let signed_by = signed_by.collect();
    let mut metrics = BTreeMap::new();
    for text in &typed.metrics {
        let parts = text
            .value
            .split_once(">=")
            .map(|(name, least)| (name.trim(), least.trim().parse::<f64>()));
        match parts {
            Some((name, Ok(least))) if !name.is_empty() && least.is_finite() => {
                metrics.insert(name.to_owned(), least);
            }
            _ => problems.at(
                text.line,
                format!("`{}` asks for nothing", shown(&text.value)),
                "write \"accuracy >= 0.9\"",
            ),
        }
    }
    Gates {
        scan,
        signed_by,
        bill: typed.bom.as_ref().is_some_and(|it| it.value),
        licences: texts(&typed.licences),
        metrics,
    }
}

fn texts(typed: &[At<String>]) -> BTreeSet<String> {
    typed.iter().map(|it| it.value.clone()).collect()
}

fn keys(typed: &typed::Keys, files: &mut Files<'_>, problems: &mut Problems) -> Option<KeySettings> {
    let of_token = [&typed.module, &typed.token, &typed.label];
    let line = of_token.iter().find_map(|it| it.as_ref().map(|it| it.line));
    let line = line.or(typed.pin.as_ref().map(|it| it.line));
    match (&typed.folder, line) {
        (Some(folder), None) => Some(KeySettings::Folder(files.resolve(&folder.value))),
        (Some(_), Some(line)) => {
            problems.at(
                line,
                "the vault's keys are in a folder and in a token",
                "keep either `folder`, or `module`, `token` and `pin`",
            );
            None
        }
        (None, None) => {
            problems.at(
                typed.line,
                "`vault.keys` says nothing",
                "add folder, or module, token and pin, or remove it",
            );
            None
        }
        (None, Some(line)) => token(typed, line, files, problems),
    }
}

fn token(typed: &typed::Keys, line: usize, files: &mut Files<'_>, problems: &mut Problems) -> Option<KeySettings> {
    if !cfg!(feature = "pkcs11") {
        problems.at(
            line,
            "this testudo was built without PKCS#11, so the vault would not open",
            "build it with `--features pkcs11`, or keep the keys in a folder",
        );
    }
    let missing = [
        ("module", typed.module.is_none()),
        ("token", typed.token.is_none()),
        ("pin", typed.pin.is_none()),
    ];
    for (name, _) in missing.iter().filter(|(_, missing)| *missing) {
        problems.at(
            typed.line,
            format!("`vault.keys.{name}` is missing"),
            "a token needs module, token and pin",
        );
    }
    Some(KeySettings::Token(TokenSettings {
        module: files.resolve(&typed.module.as_ref()?.value),
        token: typed.token.as_ref()?.value.clone(),
        pin: files.secret(typed.pin.as_ref()?, "`vault.keys.pin`", problems)?,
        label: typed
            .label
            .as_ref()
            .map_or_else(|| LABEL.to_owned(), |it| it.value.clone()),
    }))
}
