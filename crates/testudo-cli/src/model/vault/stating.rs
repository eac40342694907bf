//! `testudo model promote`, `rollback` and `revoke`.

use std::io::Write;

use anyhow::Context as _;
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;
use testudo_vault::signing::{SigningKey, VerifyingKey};
use testudo_vault::vault::{Act, Approvers, Proposed, Vault, VaultName};

use super::opened::{Missing, Opened, within};
use crate::arguments::vault::{Promote, Revoke, Rollback, Stating, VaultPlace};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::model::key_file;

/// What is to be stated, once the artifact is open.
enum Wanted<'w> {
    Promote { alias: VaultName, version: &'w str },
    RollBack { alias: VaultName, to: Option<&'w str> },
    Revoke { version: &'w str },
}

pub(crate) async fn promote(
    arguments: &Promote,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let wanted = Wanted::Promote {
        alias: VaultName::parse(&arguments.alias)?,
        version: &arguments.version,
    };
    state(
        &arguments.artifact,
        wanted,
        &arguments.stating,
        &arguments.place,
        variables,
        out,
    )
    .await
}

pub(crate) async fn rollback(
    arguments: &Rollback,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let wanted = Wanted::RollBack {
        alias: VaultName::parse(&arguments.alias)?,
        to: arguments.to.as_deref(),
    };
    state(
        &arguments.artifact,
        wanted,
        &arguments.stating,
        &arguments.place,
        variables,
        out,
    )
    .await
}

pub(crate) async fn revoke(
    arguments: &Revoke,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let wanted = Wanted::Revoke {
        version: &arguments.version,
    };
    state(
        &arguments.artifact,
        wanted,
        &arguments.stating,
        &arguments.place,
        variables,
        out,
    )
    .await
}

async fn state(
    artifact: &str,
    wanted: Wanted<'_>,
    stating: &Stating,
    place: &VaultPlace,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    within(place, variables, Missing::Refuse, async |opened| {
        state_in(opened, artifact, wanted, stating, out).await
    })
    .await
}

async fn state_in(
    opened: &mut Opened,
    artifact: &str,
    wanted: Wanted<'_>,
    stating: &Stating,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let name = VaultName::parse(artifact)?;
    let (key, approvers) = keys(stating)?;
    let standing = opened.standing(&name, &approvers).await?;
    let artifact = opened.vault.artifact(&name).await?;
    let (act, version) = match wanted {
        Wanted::Promote { alias, version } => (Act::Promote { alias }, artifact.version(version).await?),
        Wanted::RollBack { alias, to } => {
            let version = match to {
                Some(version) => artifact.version(version).await?,
                None => Vault::before(&name, &alias, &standing)?,
            };
            (Act::RollBack { alias }, version)
        }
        Wanted::Revoke { version } => (Act::Revoke, artifact.version(version).await?),
    };
    let proposed = Proposed {
        act,
        version,
        approver: &stating.approver,
        reason: &stating.reason,
        at: SystemClock::new().wall(),
        key: &key,
    };
    let alias = proposed.act.alias().map(|alias| alias.as_str().to_owned());
    let sequence = match opened.vault.state(&artifact, &standing, &proposed).await {
        Ok(sequence) => sequence,
        Err(error) => return Err(opened.refused(&name, Some(version), error).await),
    };
    opened
        .tell(proposed.act.as_str(), &name, version, alias.as_deref())
        .await
        .context("the statement stands, and is not in the ledger")?;
    // So that this machine does not take an older state from now on.
    opened.standing(&name, &approvers).await?;
    match alias {
        Some(alias) => writeln!(out, "{alias} of {name} means {version}, says statement {sequence}")?,
        None => writeln!(out, "{version} of {name} is revoked, says statement {sequence}")?,
    }
    Ok(Exit::Done)
}

/// The approver's key, and everyone whose statements may be there.
fn keys(stating: &Stating) -> anyhow::Result<(SigningKey, Approvers)> {
    let path = &stating.private_key;
    let key = SigningKey::from_pem(&key_file(path)?)
        .with_context(|| format!("the private key in `{}` cannot be used", path.display()))?;
    let mut all = vec![key.public().clone()];
    for path in &stating.others {
        let other = VerifyingKey::from_pem(&key_file(path)?);
        all.push(other.with_context(|| format!("the public key in `{}` cannot be used", path.display()))?);
    }
    Ok((key, Approvers::new(all)))
}
