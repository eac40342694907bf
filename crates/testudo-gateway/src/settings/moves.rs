//! Whether whoever moved an alias might do so, in the eyes of the policies of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use testudo_policy::PolicySource;
use testudo_policy::artifacts::{ArtifactAct, ArtifactFacts, ArtifactPolicies, Proof};
use testudo_vault::vault::{Act, Approvers, Standing, VaultName, VaultSettings, VersionId};

/// Who may move which alias.
#[derive(Debug, Clone)]
pub struct MoveRules {
    pub policies: Arc<ArtifactPolicies>,
    /// The groups of operators.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// What policies can call artifacts.
    pub labels: BTreeMap<VaultName, BTreeSet<String>>,
}

/// What policies do not permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    pub who: String,
    pub act: ArtifactAct,
    pub artifact: VaultName,
    /// Where one is known.
    pub version: Option<VersionId>,
    /// The policies and reasons.
    pub why: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            who,
            artifact,
            why,
            act,
            ..
        } = self;
        write!(f, "`{who}` may not {} `{artifact}`: {why}", act.as_str())
    }
}

impl MoveRules {
    fn lines(&self) -> String {
        let Self {
            policies,
            groups,
            labels,
        } = self;
        let mut lines = format!("groups {groups:?}\nlabels {labels:?}\n");
        for PolicySource { name, text } in policies.sources() {
            lines.push_str(&format!("policy {name:?} {text:?}\n"));
        }
        lines
    }

    /// The first of the statements by which an alias means what it means that was not permitted.
    #[must_use]
    pub fn refusal(
        &self,
        approvers: &Approvers,
        artifact: &VaultName,
        alias: &VaultName,
        standing: &Standing,
    ) -> Option<Denied> {
        let (nowhere, nothing) = (BTreeSet::new(), BTreeSet::new());
        let stages = BTreeSet::from([alias.to_string()]);
        standing.movers(alias).find_map(|statement| {
            let known = approvers.name(&statement.key);
            let operator = known.unwrap_or(&statement.approver);
            let act = act_of(&statement.act);
            let decision = self.policies.decide(&ArtifactFacts {
                act,
                operator,
                groups: self.groups.get(operator).unwrap_or(&nowhere),
                proof: if known.is_some() { Proof::Key } else { Proof::Said },
                artifact: artifact.as_str(),
                labels: self.labels.get(artifact).unwrap_or(&nothing),
                stages: &stages,
            });
            let why = decision.policies.into_iter().chain(decision.reasons);
            (!decision.permitted).then(|| Denied {
                who: operator.to_owned(),
                act,
                artifact: artifact.clone(),
                version: Some(statement.version),
                why: why.collect::<Vec<_>>().join("; "),
            })
        })
    }
}

/// Which vault is read, who is believed about it, and who may do what, as text: equal for equal settings only. Who may
/// open the store is no part of it.
pub(super) fn reading(vault: &VaultSettings, rules: Option<&MoveRules>) -> String {
    let rules = rules.map_or_else(|| "without policies\n".to_owned(), MoveRules::lines);
    format!("vault {}\n{}{rules}", vault.url, vault.approvers.lines())
}

/// What a statement does, to policies.
#[must_use]
pub fn act_of(act: &Act) -> ArtifactAct {
    match act {
        Act::Promote { .. } => ArtifactAct::Promote,
        Act::RollBack { .. } => ArtifactAct::RollBack,
        Act::Approve { .. } => ArtifactAct::Approve,
        Act::Revoke => ArtifactAct::Revoke,
        Act::Hold => ArtifactAct::Hold,
        Act::Release => ArtifactAct::Release,
    }
}
