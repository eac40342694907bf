//! Who works with the vault, how that is known, and whether policies permit it.

use std::collections::BTreeSet;

use anyhow::bail;
use testudo_gateway::settings::Denied;
use testudo_ledger::entry::ActorProof;
use testudo_policy::artifacts::{ArtifactAct, ArtifactFacts, Proof};
use testudo_vault::vault::{VaultName, VersionId};

use crate::config::VaultRules;

/// Somebody, and how it is known that it is them.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    name: String,
    proof: Proof,
}

impl Asking {
    /// Whoever runs this program.
    pub(super) fn process(said: Option<&str>, rules: &VaultRules) -> anyhow::Result<Self> {
        let own = rustix::process::getuid().as_raw();
        let Some(said) = said else {
            let found = rules.operators.iter().find(|(_, it)| it.uid == Some(own));
            return Ok(Self {
                name: found.map_or_else(|| format!("uid-{own}"), |(name, _)| name.clone()),
                proof: Proof::User,
            });
        };
        let Some(operator) = rules.operators.get(said) else {
            bail!("`{said}` is none of [vault.operators]");
        };
        let proof = match operator.uid {
            Some(uid) if uid == own => Proof::User,
            Some(uid) => bail!("`{said}` is the user {uid}, and this program runs as {own}"),
            None => Proof::Said,
        };
        let name = said.to_owned();
        Ok(Self { name, proof })
    }

    /// The holder of a key.
    pub(super) fn signer(name: &str, known: bool) -> Self {
        let proof = if known { Proof::Key } else { Proof::Said };
        let name = name.to_owned();
        Self { name, proof }
    }

    /// What they are called; the ledger keeps it sealed.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is known that it is them, for the ledger.
    pub(super) fn proof(&self) -> ActorProof {
        match self.proof {
            Proof::Key => ActorProof::Key,
            Proof::User => ActorProof::User,
            Proof::Token => ActorProof::Token,
            Proof::Said => ActorProof::Said,
        }
    }

    /// Why policies do not permit it, if they do not.
    pub(super) fn refusal(
        &self,
        rules: &VaultRules,
        act: ArtifactAct,
        artifact: &VaultName,
        version: Option<VersionId>,
        stages: &BTreeSet<String>,
    ) -> Option<Denied> {
        let policies = rules.policies.as_ref()?;
        let (nowhere, nothing) = (BTreeSet::new(), BTreeSet::new());
        let decision = policies.decide(&ArtifactFacts {
            act,
            operator: &self.name,
            groups: rules.operators.get(&self.name).map_or(&nowhere, |it| &it.groups),
            proof: self.proof,
            artifact: artifact.as_str(),
            labels: rules.labels.get(artifact).unwrap_or(&nothing),
            stages,
        });
        if decision.permitted {
            return None;
        }
        let mut why = decision.policies;
        why.extend(decision.reasons);
        Some(Denied {
            who: self.name.clone(),
            act,
            artifact: artifact.clone(),
            version,
            why: why.join("; "),
        })
    }
}
