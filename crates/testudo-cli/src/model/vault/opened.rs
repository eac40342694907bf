//! The vault that a command means, what this machine has seen of it, and the ledger that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};
use testudo_gateway::settings::Denied;
use testudo_ledger::entry::{Artifact as ArtifactEntry, Chain, Digest};
use testudo_policy::artifacts::ArtifactAct;
use testudo_recorder::control::{AddedBody, Addition, Custodian as _};
use testudo_types::UnixMillis;
use testudo_vault::signing::VerifyingKey;
use testudo_vault::vault::{
    Approvers, Artifact, ChainHead, Evidence, Followed, Gates, OpenVault, Standing, Vault, VaultError, VaultName,
    VaultSettings, VersionId,
};

use super::asking::Asking;
use crate::arguments::vault::VaultPlace;
use crate::config::VaultRules;
use crate::environment::Variables;
use crate::ledger::Keeper;

/// A vault in use.
pub(super) struct Opened {
    open: OpenVault,
    rules: VaultRules,
    /// Whoever runs this program.
    asking: Asking,
    ledger: Option<Keeper>,
    /// How far the statements about artifacts have come, by what was seen since the vault was opened.
    heads: Mutex<BTreeMap<VaultName, Seen>>,
}

/// How far the statements about an artifact have come, and whether the ledger says so.
#[derive(Debug, Clone, Copy)]
struct Seen {
    head: ChainHead,
    told: bool,
}

impl Opened {
    /// Opens the vault, and the ledger before anything is done in it.
    async fn open(
        place: &VaultPlace,
        configured: Configured,
        variables: &dyn Variables,
        missing: Missing,
    ) -> anyhow::Result<Self> {
        let Configured { settings, rules, .. } = configured;
        let asking = match configured.signer {
            Some(signer) => signer,
            None => Asking::process(place.operator.as_deref(), &rules)?,
        };
        let ledger = if place.without_ledger {
            None
        } else {
            let found = Keeper::find(&place.store, variables).await;
            let keeper = found.context("the vault tells a ledger what is done; --without-ledger does without")?;
            if let Keeper::Asked(client) = &keeper {
                // What others told it just now is to be read below.
                client.flush().await?;
            }
            Some(keeper)
        };
        let open = match missing {
            Missing::Make => settings.open_or_make().await?,
            Missing::Refuse => settings.open().await?,
        };
        Ok(Self {
            open,
            rules,
            asking,
            ledger,
            heads: Mutex::default(),
        })
    }

    /// Asks policies; what they do not permit is told to the ledger.
    pub(super) async fn permit(
        &self,
        act: ArtifactAct,
        name: &VaultName,
        version: Option<VersionId>,
        stages: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        match self.asking.refusal(&self.rules, act, name, version, stages) {
            None => Ok(()),
            Some(denied) => self.deny(denied).await,
        }
    }

    /// Whether whoever moved an alias to where it is might do so, in the eyes of this machine.
    pub(super) async fn permit_move(
        &self,
        name: &VaultName,
        alias: &VaultName,
        standing: &Standing,
    ) -> anyhow::Result<()> {
        let moves = self.rules.moves();
        let denied = moves.and_then(|rules| rules.refusal(self.open.approvers(), name, alias, standing));
        match denied {
            None => Ok(()),
            Some(denied) => self.deny(denied).await,
        }
    }

    async fn deny(&self, denied: Denied) -> anyhow::Result<()> {
        let act = Some(denied.act.as_str());
        let told = self.entry("refuse", &denied.artifact, denied.version, act).await;
        let error = anyhow::anyhow!("{denied}");
        match told {
            Ok(()) => Err(error),
            Err(untold) => Err(untold.context(format!("the refusal is not in the ledger: {error}"))),
        }
    }

    /// What is asked of the versions of an artifact.
    pub(super) fn gates(&self, name: &VaultName) -> &Gates {
        self.rules.gates(name)
    }

    /// Lets a version pass the gates of its artifact; what does not pass is told to the ledger.
    pub(super) async fn pass(
        &self,
        name: &VaultName,
        version: Option<VersionId>,
        evidence: &Evidence,
        signed: bool,
    ) -> anyhow::Result<()> {
        let refusals = self.gates(name).refusals(evidence, signed);
        if refusals.is_empty() {
            return Ok(());
        }
        let error = anyhow::anyhow!("`{name}` does not pass its gates: {}", refusals.join("; "));
        match self.entry("refuse", name, version, Some("gates")).await {
            Ok(()) => Err(error),
            Err(untold) => Err(untold.context(format!("the refusal is not in the ledger: {error}"))),
        }
    }

    /// Versions that were pushed later are not deleted yet.
    pub(super) fn deletable_before(&self, name: &VaultName, now: UnixMillis) -> UnixMillis {
        match self.rules.keep_ms(name) {
            // The store's clock may be ahead of ours.
            0 => UnixMillis(u64::MAX),
            keep => UnixMillis(now.0.saturating_sub(keep)),
        }
    }

    /// Whether somebody may look at an artifact at all.
    pub(super) fn may_look(&self, name: &VaultName) -> bool {
        let nowhere = BTreeSet::new();
        self.asking
            .refusal(&self.rules, ArtifactAct::Read, name, None, &nowhere)
            .is_none()
    }

    pub(super) fn vault(&self) -> &Vault {
        self.open.vault()
    }

    /// What is stated about an artifact, by those who are believed; remembered before it is used.
    pub(super) async fn standing(&self, name: &VaultName) -> anyhow::Result<Standing> {
        if self.open.approvers().is_empty() {
            bail!("nobody's statements are believed; name approvers in [vault.approvers], or give --approver-key");
        }
        match self.open.standing(name).await {
            Ok(Followed { standing, told }) => {
                if let Some(head) = standing.head() {
                    let told = told.is_some_and(|told| told.sequence >= head.sequence);
                    self.heads().insert(name.clone(), Seen { head, told });
                }
                Ok(standing)
            }
            Err(error) => Err(self.refused(name, None, error).await),
        }
    }

    /// Tells the ledger how far the statements have come that no other entry told of.
    async fn tell_seen(&self) -> anyhow::Result<()> {
        let untold: Vec<_> = self
            .heads()
            .iter()
            .filter(|(_, it)| !it.told)
            .map(|(name, _)| name.clone())
            .collect();
        for name in untold {
            self.entry("follow", &name, None, None).await?;
        }
        Ok(())
    }

    fn heads(&self) -> MutexGuard<'_, BTreeMap<VaultName, Seen>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the ledger of a denial, and gives the error on.
    pub(super) async fn refused(
        &self,
        name: &VaultName,
        version: Option<VersionId>,
        error: VaultError,
    ) -> anyhow::Error {
        if error.is_denial()
            && let Err(untold) = self.entry("refuse", name, version, None).await
        {
            return untold.context(format!("the refusal is not in the ledger: {error}"));
        }
        error.into()
    }

    /// Makes an entry in the ledger.
    pub(super) async fn tell(
        &self,
        action: &str,
        name: &VaultName,
        version: VersionId,
        alias: Option<&str>,
    ) -> anyhow::Result<()> {
        self.entry(action, name, Some(version), alias).await
    }

    /// An entry may be about an artifact when no version of it is known.
    async fn entry(
        &self,
        action: &str,
        name: &VaultName,
        version: Option<VersionId>,
        alias: Option<&str>,
    ) -> anyhow::Result<()> {
        let Some(keeper) = &self.ledger else {
            return Ok(());
        };
        let action = alias.map_or_else(|| action.to_owned(), |alias| format!("{action}:{alias}"));
        let seen = self.heads().get(name).copied();
        let addition = Addition {
            body: AddedBody::Artifact(ArtifactEntry {
                action,
                chain: seen.map(|seen| Chain {
                    hash: Digest::from_bytes(seen.head.hash),
                    place: Digest::from_bytes(self.open.place()),
                    statements: seen.head.sequence,
                }),
                digest: Digest::from_bytes(version.map_or([0; 32], |version| *version.as_bytes())),
                name: Some(name.to_string()),
                proof: Some(self.asking.proof()),
                version: version.map(|version| version.short()),
            }),
            by: Some(self.asking.name().to_owned()),
            tenant: None,
            subject: None,
            content: None,
        };
        keeper.custodian()?.append(addition).await?;
        if let (Some(seen), Some(now)) = (seen, self.heads().get_mut(name)) {
            now.told |= now.head == seen.head;
        }
        Ok(())
    }
}

/// Whether a vault that is not there is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Refuse,
}

/// Acts on a vault, and lets the ledger go whatever comes of it: so what was refused is under a checkpoint, too.
pub(super) async fn within<T>(
    place: &VaultPlace,
    variables: &dyn Variables,
    missing: Missing,
    act: impl AsyncFnOnce(&mut Opened) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let configured = configured(place, variables)?;
    within_configured(place, configured, variables, missing, act).await
}

/// What is configured of a vault, and who asks when they hold a key.
pub(super) struct Configured {
    pub(super) settings: VaultSettings,
    rules: VaultRules,
    pub(super) signer: Option<Asking>,
}

/// As [`within`], of a vault whose settings are at hand.
pub(super) async fn within_configured<T>(
    place: &VaultPlace,
    configured: Configured,
    variables: &dyn Variables,
    missing: Missing,
    act: impl AsyncFnOnce(&mut Opened) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut opened = Opened::open(place, configured, variables, missing).await?;
    let outcome = act(&mut opened).await;
    let told = opened.tell_seen().await;
    if let Some(keeper) = opened.ledger {
        keeper.close().await;
    }
    let outcome = outcome?;
    told.context("what was seen of the vault is not in the ledger")?;
    Ok(outcome)
}

/// The vault as configured, and as flags say otherwise.
pub(super) fn configured(place: &VaultPlace, variables: &dyn Variables) -> anyhow::Result<Configured> {
    let (settings, rules) = match crate::configuration(place.store.config.as_ref()) {
        Some(path) if place.store.data_dir.is_none() => crate::config::vault(&path, variables).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })?,
        _ => (None, VaultRules::default()),
    };
    let mut settings = match settings {
        Some(settings) => settings,
        None => VaultSettings::in_folder(&crate::key::data_dir(&place.store)?)?,
    };
    if let Some(url) = &place.vault {
        settings.url = url.clone();
    }
    if !place.approver_keys.is_empty() {
        let agreeing = settings.approvers.two_people().clone();
        settings.approvers = approvers(&place.approver_keys)?.agreeing_on(agreeing);
    }
    Ok(Configured {
        settings,
        rules,
        signer: None,
    })
}

/// A version by an alias, by its id, or by how that begins.
pub(super) async fn version(artifact: &Artifact, standing: &Standing, text: &str) -> anyhow::Result<VersionId> {
    let alias = VaultName::parse(text).ok();
    match alias.and_then(|alias| standing.meaning(&alias)) {
        Some(version) => Ok(version),
        None => Ok(artifact.version(text).await?),
    }
}

fn approvers(keys: &[PathBuf]) -> anyhow::Result<Approvers> {
    let keys = keys.iter().map(|path| {
        let key = VerifyingKey::from_pem(&super::super::key_file(path)?);
        key.with_context(|| format!("the public key in `{}` cannot be used", path.display()))
    });
    Ok(Approvers::new(keys.collect::<anyhow::Result<Vec<_>>>()?))
}
