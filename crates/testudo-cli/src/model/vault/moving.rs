//! `testudo model push`, `pull` and `gc`.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::bail;
use serde_json::json;
use testudo_gateway::system_clock::SystemClock;
use testudo_policy::artifacts::ArtifactAct;
use testudo_types::{Clock as _, UnixMillis};
use testudo_vault::signing::{
    Bundle, HashKind, Links, Lookup, Manifest, Method, Model, ResourceName, Scope, SignOptions, Unlisted, Verified,
    digest,
};
use testudo_vault::vault::{Artifact, Push as Pushing, PushedSignature, Record, Sweep, Vault, VaultName, VersionId};

use super::opened::{Missing, Opened, version, within};
use super::shown::evidence;
use crate::arguments::Format;
use crate::arguments::vault::{Gc, Pull, Push};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::model::measured::{scope, watching};
use crate::model::trusted::{self, Trusted};
use crate::model::verify::list;
use crate::output::{counted, printable, size};

pub(crate) async fn push(arguments: &Push, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    within(&arguments.asked.place, variables, Missing::Make, async |opened| {
        push_in(opened, arguments, out).await
    })
    .await
}

async fn push_in(opened: &mut Opened, arguments: &Push, out: &mut impl Write) -> anyhow::Result<Exit> {
    let name = VaultName::parse(&arguments.artifact)?;
    opened.permit(ArtifactAct::Push, &name, None, &BTreeSet::new()).await?;
    let signature = signature(arguments)?;
    let now = SystemClock::new().wall();
    let model = Model::open(&arguments.model, Links::Refuse)?;
    let own: Vec<_> = arguments.signature.iter().map(std::path::PathBuf::as_path).collect();
    let options = SignOptions {
        scope: scope(&model, false, &arguments.ignore_paths, &own)?,
        method: Method::Files,
        hash: HashKind::Sha256,
        links: Links::Refuse,
        reference_names: false,
        earlier: None,
        now,
    };
    let measured = watching(|watch| digest(&model, &options, watch))?;
    if let Some(signature) = &signature {
        signature.covers(&model, options.scope.clone(), &measured.manifest)?;
    }
    let gates = opened.gates(&name);
    let shown = evidence(arguments, gates, &measured.manifest)?;
    let signed = signature.as_ref().is_some_and(|signature| {
        let mut signers = gates.signed_by.iter();
        signers.any(|signer| signer.verify(&signature.bundle, now).is_some())
    });
    opened
        .pass(&name, None, &shown.clone().unwrap_or_default(), signed)
        .await?;
    let artifact = opened.vault().artifact_or_make(&name).await?;
    let pushing = Pushing {
        model: &model,
        manifest: &measured.manifest,
        signature: signature.as_ref().map(|it| PushedSignature {
            bundle: &it.bytes,
            verified: &it.verified,
            signer: trusted::by(it.verified.by()),
        }),
        evidence: shown.as_ref(),
    };
    let pushed = artifact.push(&pushing, &|_| {}).await?;
    opened.tell("push", &name, pushed.version, None).await?;
    if arguments.asked.format == Format::Json {
        let value = json!({
            "artifact": name.as_str(),
            "version": pushed.version.to_string(),
            "root": measured.manifest.root_hex(),
            "known": pushed.known,
            "bytes": pushed.bytes,
            "bytes_known": pushed.bytes_known,
        });
        writeln!(out, "{value}")?;
    } else {
        writeln!(
            out,
            "{name} {} ({}, {} of it in the vault before)",
            pushed.version,
            size(pushed.bytes),
            size(pushed.bytes_known)
        )?;
    }
    Ok(Exit::Done)
}

/// The signature to push with, and what it says once it is verified.
fn signature(arguments: &Push) -> anyhow::Result<Option<Signature>> {
    let Some(path) = &arguments.signature else {
        return Ok(None);
    };
    let (bytes, verified) = Trusted::of(&arguments.trusting)?.signature(path)?;
    let bundle = Bundle::parse(&bytes)?;
    Ok(Some(Signature {
        bytes,
        bundle,
        verified,
    }))
}

/// A signature that was verified.
struct Signature {
    bytes: Vec<u8>,
    bundle: Bundle,
    verified: Verified,
}

impl Signature {
    /// Refuses a model that was not signed as it is, and names the files that differ.
    fn covers(&self, model: &Model, scope: Scope, measured: &Manifest) -> anyhow::Result<()> {
        let signed = self.verified.manifest();
        let comparison = if signed.hash == HashKind::Sha256 && signed.method == Method::Files {
            signed.called_as(measured).difference(measured)
        } else {
            // What is compared here is compared again while it is sealed; here it is for the names.
            let lookup = Lookup {
                scope,
                unlisted: Unlisted::Refuse,
                links: Links::Refuse,
            };
            watching(|watch| self.verified.compare(model, &lookup, watch))?
        };
        if comparison.is_same() && comparison.excused.is_empty() {
            return Ok(());
        }
        let mut told = Vec::new();
        let names = |names: &[ResourceName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        list(&mut told, "missing", &comparison.missing)?;
        list(&mut told, "changed", &comparison.changed)?;
        list(&mut told, "never signed", &names(&comparison.unsigned))?;
        list(&mut told, "excused by the signer", &names(&comparison.excused))?;
        bail!(
            "the signature is over other files than those in the folder; --ignore-paths leaves files out\n{}",
            String::from_utf8_lossy(&told).trim_end()
        )
    }
}

pub(crate) async fn pull(arguments: &Pull, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    within(&arguments.asked.place, variables, Missing::Refuse, async |opened| {
        pull_in(opened, arguments, out).await
    })
    .await
}

async fn pull_in(opened: &mut Opened, arguments: &Pull, out: &mut impl Write) -> anyhow::Result<Exit> {
    let name = VaultName::parse(&arguments.artifact)?;
    let alias = arguments.alias.as_deref();
    let (artifact, wanted, record) = permitted(opened, &name, alias, arguments.version.as_deref()).await?;
    // Before anything is opened: what is not in the ledger is not read.
    opened.tell("pull", &name, wanted, alias).await?;
    let pulled = match artifact.pull(&record, &arguments.to, &|_| {}).await {
        Ok(pulled) => pulled,
        Err(error) => return Err(opened.refused(&name, Some(wanted), error).await),
    };
    if arguments.asked.format == Format::Json {
        let value = json!({
            "artifact": name.as_str(),
            "version": wanted.to_string(),
            "root": record.root(),
            "signer": record.signer(),
            "bytes": pulled.bytes,
            "bytes_known": pulled.bytes_known,
        });
        writeln!(out, "{value}")?;
    } else {
        writeln!(
            out,
            "{name} {wanted} in {} ({})",
            printable(&arguments.to.display().to_string()),
            size(pulled.bytes)
        )?;
    }
    Ok(Exit::Done)
}

/// The version that an alias means or a beginning names, and what it is made of, if it may be had.
pub(super) async fn permitted(
    opened: &Opened,
    name: &VaultName,
    alias: Option<&str>,
    text: Option<&str>,
) -> anyhow::Result<(Artifact, VersionId, Record)> {
    let standing = opened.standing(name).await?;
    let artifact = opened.vault().artifact(name).await?;
    let (wanted, permitted) = match alias {
        Some(alias) => {
            let alias = VaultName::parse(alias)?;
            (
                standing.meaning(&alias),
                Vault::resolve(name, &alias, &standing).map(drop),
            )
        }
        None => {
            let wanted = version(&artifact, &standing, text.unwrap_or_default()).await?;
            (Some(wanted), Vault::permit(name, wanted, &standing))
        }
    };
    if let Err(error) = permitted {
        return Err(opened.refused(name, wanted, error).await);
    }
    let Some(wanted) = wanted else {
        bail!("there is nothing to have");
    };
    let meant = standing.stages(wanted);
    opened.permit(ArtifactAct::Read, name, Some(wanted), &meant).await?;
    if let Some(alias) = alias {
        opened.permit_move(name, &VaultName::parse(alias)?, &standing).await?;
    }
    match artifact.record(wanted).await {
        Ok(record) => Ok((artifact, wanted, record)),
        Err(error) => Err(opened.refused(name, Some(wanted), error).await),
    }
}

pub(crate) async fn gc(arguments: &Gc, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    within(&arguments.place, variables, Missing::Refuse, async |opened| {
        gc_in(opened, arguments, out).await
    })
    .await
}

async fn gc_in(opened: &mut Opened, arguments: &Gc, out: &mut impl Write) -> anyhow::Result<Exit> {
    let name = VaultName::parse(&arguments.artifact)?;
    let standing = opened.standing(&name).await?;
    opened
        .permit(ArtifactAct::Delete, &name, None, &BTreeSet::new())
        .await?;
    let artifact = opened.vault().artifact(&name).await?;
    let now = SystemClock::new().wall().0;
    let sweep = Sweep {
        standing: &standing,
        before: UnixMillis(now.saturating_sub(arguments.older_than)),
        revoked: arguments.revoked,
        versions_before: opened.deletable_before(&name, SystemClock::new().wall()),
        only: None,
        dry_run: arguments.dry_run,
    };
    // Before anything is deleted: what is not in the ledger stays.
    let due = artifact.sweep(Sweep { dry_run: true, ..sweep }).await?;
    for version in due.versions.iter().filter(|_| !arguments.dry_run) {
        opened.tell("delete", &name, *version, None).await?;
    }
    let swept = artifact.sweep(sweep).await?;
    let done = if arguments.dry_run { "would go" } else { "gone" };
    writeln!(
        out,
        "{done}: {}, {} of content ({})",
        counted(swept.versions.len(), "version"),
        counted(swept.objects, "piece"),
        size(swept.bytes)
    )?;
    if swept.kept > 0 {
        writeln!(out, "held or kept for now: {}", counted(swept.kept, "revoked version"))?;
    }
    if swept.young > 0 {
        writeln!(out, "too young to go: {}", counted(swept.young, "piece"))?;
    }
    Ok(Exit::Done)
}
