//! `testudo model promote`, `rollback`, `approve`, `revoke`, `hold` and `release`.

use std::io::Write;

use anyhow::{Context as _, bail};
use testudo_gateway::settings::act_of;
use testudo_gateway::system_clock::SystemClock;
use testudo_policy::artifacts::ArtifactAct;
use testudo_types::{Clock as _, UnixMillis};
use testudo_vault::signing::SigningKey;
use testudo_vault::vault::{Act, Artifact, Proposed, Standing, Sweep, Vault, VaultName, VaultSettings, VersionId};

use super::asking::Asking;
use super::opened::{Missing, Opened, configured, within_configured};
use crate::arguments::vault::{Approve, Hold, Promote, Release, Revoke, Rollback, Stating};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::model::trusted::{place, private};

/// What is to be stated about which artifact, and by whom.
pub(crate) struct Wanted<'w> {
    artifact: &'w str,
    act: WantedAct<'w>,
    stating: &'w Stating,
}

/// What is to be stated, once the artifact is open.
enum WantedAct<'w> {
    Promote { alias: VaultName, version: &'w str },
    RollBack { alias: VaultName, to: Option<&'w str> },
    Approve { alias: VaultName, version: &'w str },
    Revoke { version: &'w str, delete: bool },
    Hold { version: &'w str },
    Release { version: &'w str },
}

/// What each command wants stated.
pub(crate) trait States {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>>;
}

impl States for Promote {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>> {
        let (alias, version) = (VaultName::parse(&self.alias)?, self.which.version.as_str());
        let act = WantedAct::Promote { alias, version };
        Ok(Wanted::new(&self.which.artifact, act, &self.stating))
    }
}

impl States for Rollback {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>> {
        let (alias, to) = (VaultName::parse(&self.alias)?, self.to.as_deref());
        Ok(Wanted::new(
            &self.artifact,
            WantedAct::RollBack { alias, to },
            &self.stating,
        ))
    }
}

impl States for Approve {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>> {
        let (alias, version) = (VaultName::parse(&self.alias)?, self.version.as_str());
        let act = WantedAct::Approve { alias, version };
        Ok(Wanted::new(&self.artifact, act, &self.stating))
    }
}

impl States for Revoke {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>> {
        let act = WantedAct::Revoke {
            version: &self.which.version,
            delete: self.delete,
        };
        Ok(Wanted::new(&self.which.artifact, act, &self.stating))
    }
}

impl States for Hold {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>> {
        let version = self.which.version.as_str();
        Ok(Wanted::new(
            &self.which.artifact,
            WantedAct::Hold { version },
            &self.stating,
        ))
    }
}

impl States for Release {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>> {
        let version = self.which.version.as_str();
        Ok(Wanted::new(
            &self.which.artifact,
            WantedAct::Release { version },
            &self.stating,
        ))
    }
}

/// Makes the statement that a command asks for.
pub(crate) async fn state(
    command: &(impl States + Sync),
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    command.wanted()?.state(variables, out).await
}

impl<'w> Wanted<'w> {
    fn new(artifact: &'w str, act: WantedAct<'w>, stating: &'w Stating) -> Self {
        Self { artifact, act, stating }
    }

    async fn state(&self, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
        let place = &self.stating.place;
        let mut configured = configured(place, variables)?;
        let signer = Signer::of(self.artifact, self.stating, &mut configured.settings)?;
        configured.signer = Some(Asking::signer(&signer.name, signer.known));
        within_configured(place, configured, variables, Missing::Refuse, async |opened| {
            self.state_in(opened, &signer, out).await
        })
        .await
    }

    async fn state_in(&self, opened: &mut Opened, signer: &Signer, out: &mut impl Write) -> anyhow::Result<Exit> {
        let name = VaultName::parse(self.artifact)?;
        let standing = opened.standing(&name).await?;
        let artifact = opened.vault().artifact(&name).await?;
        let (act, version) = self.act.resolve(&artifact, &standing).await?;
        let stages = act
            .alias()
            .map_or_else(|| standing.stages(version), |it| [it.to_string()].into());
        opened.permit(act_of(&act), &name, Some(version), &stages).await?;
        if matches!(act, Act::Promote { .. } | Act::Approve { .. }) {
            // What was pushed before the gates were there has to pass them, too.
            let record = artifact.record(version).await?;
            let evidence = record.evidence().cloned().unwrap_or_default();
            let signers = &opened.gates(&name).signed_by;
            let signed = !signers.is_empty()
                && artifact
                    .is_signed_by(signers, &record, SystemClock::new().wall())
                    .await?;
            opened.pass(&name, Some(version), &evidence, signed).await?;
        }
        let proposed = Proposed {
            act,
            version,
            approver: &signer.name,
            reason: &self.stating.reason,
            at: SystemClock::new().wall(),
            key: &signer.key,
        };
        let alias = proposed.act.alias().map(|alias| alias.as_str().to_owned());
        let sequence = match opened.vault().state(&artifact, &standing, &proposed).await {
            Ok(sequence) => sequence,
            Err(error) => return Err(opened.refused(&name, Some(version), error).await),
        };
        // So that this machine does not take an older state from now on; the ledger is told of the new one.
        let untold = "the statement stands, and is not in the ledger";
        let standing = opened.standing(&name).await.context(untold)?;
        opened
            .tell(proposed.act.as_str(), &name, version, alias.as_deref())
            .await
            .context(untold)?;
        let what = said(&proposed.act, &name, version, &standing);
        writeln!(out, "{what}, says statement {sequence}")?;
        if let WantedAct::Revoke { delete: true, .. } = self.act {
            delete(opened, &artifact, &standing, version, out).await?;
        }
        Ok(Exit::Done)
    }
}

/// What a statement has come to.
fn said(act: &Act, name: &VaultName, version: VersionId, standing: &Standing) -> String {
    match act {
        Act::Promote { alias } if standing.waiting(alias).is_some() => {
            format!("{alias} of {name} will mean {version} when somebody else approves")
        }
        Act::Promote { alias } | Act::RollBack { alias } | Act::Approve { alias, .. } => {
            format!("{alias} of {name} means {version}")
        }
        Act::Revoke => format!("{version} of {name} is revoked"),
        Act::Hold => format!("{version} of {name} is held"),
        Act::Release => format!("{version} of {name} may be deleted again"),
    }
}

/// Deletes a version that was revoked.
async fn delete(
    opened: &Opened,
    artifact: &Artifact,
    standing: &Standing,
    version: VersionId,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let name = artifact.name();
    opened
        .permit(ArtifactAct::Delete, name, Some(version), &standing.stages(version))
        .await?;
    let sweep = Sweep {
        standing,
        // Its content goes with `gc`: a push that relies on it may be under way.
        before: UnixMillis(0),
        revoked: true,
        versions_before: opened.deletable_before(name, SystemClock::new().wall()),
        only: Some(version),
        dry_run: true,
    };
    if artifact.sweep(sweep).await?.versions.is_empty() {
        bail!("it is revoked and stays: it is held, younger than versions are kept, or an alias means it");
    }
    // Before anything is deleted: what is not in the ledger stays.
    opened.tell("delete", name, version, None).await?;
    artifact
        .sweep(Sweep {
            dry_run: false,
            ..sweep
        })
        .await?;
    writeln!(out, "{version} of {name} is gone")?;
    Ok(())
}

impl WantedAct<'_> {
    async fn resolve(&self, artifact: &Artifact, standing: &Standing) -> anyhow::Result<(Act, VersionId)> {
        Ok(match self {
            Self::Promote { alias, version } => {
                let alias = alias.clone();
                (Act::Promote { alias }, artifact.version(version).await?)
            }
            Self::RollBack { alias, to } => {
                let version = match to {
                    Some(version) => artifact.version(version).await?,
                    None => Vault::before(artifact.name(), alias, standing)?,
                };
                let alias = alias.clone();
                (Act::RollBack { alias }, version)
            }
            Self::Approve { alias, version } => {
                let version = artifact.version(version).await?;
                let of = standing.waiting(alias).map_or(0, |it| it.sequence);
                let alias = alias.clone();
                (Act::Approve { alias, of }, version)
            }
            Self::Revoke { version, .. } => (Act::Revoke, artifact.version(version).await?),
            Self::Hold { version } => (Act::Hold, artifact.version(version).await?),
            Self::Release { version } => (Act::Release, artifact.version(version).await?),
        })
    }
}

/// Who makes a statement.
struct Signer {
    key: SigningKey,
    name: String,
    /// Whether it is the configuration that says so.
    known: bool,
}

impl Signer {
    /// The holder of a private key, who has to be one of those that the configuration names, if it names any. Where it
    /// does not, the key's own statements are believed by this command beside those of `--approver-key`.
    fn of(artifact: &str, stating: &Stating, settings: &mut VaultSettings) -> anyhow::Result<Self> {
        let key = private(&stating.key)?;
        let place = place(&stating.key);
        let configured = settings.approvers.names().next().is_some();
        let artifact = VaultName::parse(artifact)?;
        if configured && !settings.approvers.may_state(&artifact, key.public()) {
            match settings.approvers.name(&key.public().hint()) {
                Some(name) => bail!("`{name}` is no approver of `{artifact}`; nobody would believe the statement"),
                None => bail!("the key in {place} is of none of [vault.approvers]; nobody would believe the statement"),
            }
        }
        let known = settings.approvers.name(&key.public().hint()).map(ToOwned::to_owned);
        if let Some(said) = stating
            .place
            .operator
            .as_ref()
            .filter(|said| known.as_ref() != Some(said))
        {
            bail!("`{said}` does not hold the key in {place}");
        }
        let by_name = known.is_some();
        let name = match (known, &stating.approver) {
            (Some(known), Some(said)) if known != *said => {
                bail!("the key in {place} is of `{known}`, not of `{said}`")
            }
            (Some(known), _) => known,
            (None, Some(said)) => said.clone(),
            (None, None) => bail!("say who approves with --approver, or name the key in [vault.approvers]"),
        };
        if !configured {
            settings.approvers = settings.approvers.clone().and(key.public().clone());
        }
        Ok(Self {
            key,
            name,
            known: by_name,
        })
    }
}
