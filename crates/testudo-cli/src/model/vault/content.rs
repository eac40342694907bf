//! The content of a version, read where it lies: judged and described without a plain copy on any disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use testudo_formats::{About, Options, Source};
use testudo_policy::artifacts::ArtifactAct;
use testudo_vault::attest::Dependency;
use testudo_vault::bill::SignatureEntry;
use testudo_vault::vault::{Artifact, Record, StoredFile, Vault, VaultName, VersionId};
use tokio::runtime::Handle;

use super::opened::{Missing, Opened, version, within};
use crate::arguments::model::attest::Attest;
use crate::arguments::model::bom::Bom;
use crate::environment::Variables;
use crate::model::attest::notes;
use crate::model::bom::{Gathered, in_order};
use crate::model::scan::judge;

/// What is opened at once.
const BLOCK_BYTES: u64 = 4 << 20;

/// A file of a version. Blocks of it are opened as they are needed, so it must not be read from within the runtime.
pub(super) struct Content<'a> {
    artifact: &'a Artifact,
    file: &'a StoredFile,
    runtime: Handle,
    block: Mutex<(u64, Vec<u8>)>,
}

impl<'a> Content<'a> {
    pub(super) fn new(artifact: &'a Artifact, file: &'a StoredFile, runtime: Handle) -> Self {
        Self {
            artifact,
            file,
            runtime,
            block: Mutex::new((u64::MAX, Vec::new())),
        }
    }
}

impl Source for Content<'_> {
    fn size(&self) -> u64 {
        self.file.bytes()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size() {
            return Ok(0);
        }
        let number = offset.checked_div(BLOCK_BYTES).unwrap_or(0);
        let start = number.saturating_mul(BLOCK_BYTES);
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.0 != number {
            let range = start..start.saturating_add(BLOCK_BYTES).min(self.size());
            let read = self.runtime.block_on(self.artifact.read_range(self.file, range));
            *block = (number, read.map_err(io::Error::other)?);
        }
        let skip = usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
        let rest = block.1.get(skip..).unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// Judges and reads a version of an artifact.
pub(crate) async fn gathered(arguments: &Bom, options: Options, variables: &dyn Variables) -> anyhow::Result<Gathered> {
    within(&arguments.place, variables, Missing::Refuse, async |opened| {
        gathered_in(opened, arguments, options).await
    })
    .await
}

async fn gathered_in(opened: &mut Opened, arguments: &Bom, options: Options) -> anyhow::Result<Gathered> {
    let name = arguments.model.to_str().context("the name of an artifact is UTF-8")?;
    let (version, alias) = (arguments.version.as_deref(), arguments.alias.as_deref());
    let chosen = choose(opened, name, version, alias, "bom").await?;
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || read(&chosen, &options, &runtime)).await?
}

/// A version that may be read, by whoever asks, and is in the ledger.
pub(super) struct Chosen {
    pub(super) name: VaultName,
    pub(super) version: VersionId,
    pub(super) artifact: Artifact,
    pub(super) record: Record,
}

/// Finds a version by an alias, or else by its id, and enters into the ledger what is done with it.
pub(super) async fn choose(
    opened: &Opened,
    name: &str,
    text: Option<&str>,
    alias: Option<&str>,
    action: &str,
) -> anyhow::Result<Chosen> {
    let name = VaultName::parse(name)?;
    let standing = opened.standing(&name).await?;
    let artifact = opened.vault().artifact(&name).await?;
    let wanted = match alias {
        Some(alias) => match Vault::resolve(&name, &VaultName::parse(alias)?, &standing) {
            Ok(wanted) => wanted,
            Err(error) => return Err(opened.refused(&name, None, error).await),
        },
        None => version(&artifact, &standing, text.unwrap_or_default()).await?,
    };
    if let Err(error) = Vault::permit(&name, wanted, &standing) {
        return Err(opened.refused(&name, Some(wanted), error).await);
    }
    let meant = standing.stages(wanted);
    opened.permit(ArtifactAct::Read, &name, Some(wanted), &meant).await?;
    if let Some(alias) = alias {
        opened.permit_move(&name, &VaultName::parse(alias)?, &standing).await?;
    }
    let record = match artifact.record(wanted).await {
        Ok(record) => record,
        Err(error) => return Err(opened.refused(&name, Some(wanted), error).await),
    };
    opened.tell(action, &name, wanted, alias).await?;
    Ok(Chosen {
        name,
        version: wanted,
        artifact,
        record,
    })
}

/// Judges the files of a version, and asks them what the model is.
pub(super) fn read(chosen: &Chosen, options: &Options, runtime: &Handle) -> anyhow::Result<Gathered> {
    let Chosen { artifact, record, .. } = chosen;
    let content = |file| Content::new(artifact, file, runtime.clone());
    let mut gathered = Gathered {
        name: chosen.name.to_string(),
        root: record.root().to_owned(),
        ..Gathered::default()
    };
    for file in record.files() {
        let mut judged = judge(&content(file), file.name(), options, false);
        // What is opened was checked against this when it was sealed, and is bound to it.
        judged.sha256 = Some(file.digest().to_owned());
        gathered.files.push(judged);
    }
    let names: Vec<&str> = record.files().iter().map(StoredFile::name).collect();
    let mut about = About::default();
    for name in in_order(&names) {
        if let Some(file) = record.files().iter().find(|file| file.name() == name) {
            about.read(name, &content(file));
        }
    }
    gathered.about = about;
    gathered.signature = record.signature().map(|file| SignatureEntry {
        location: file.name().to_owned(),
        sha256: file.digest().to_owned(),
        signer: record.signer().unwrap_or("nobody known").to_owned(),
    });
    Ok(gathered)
}

/// Versions that go into a run, by `ARTIFACT@VERSION`.
pub(crate) async fn ingredients(arguments: &Attest, variables: &dyn Variables) -> anyhow::Result<Vec<Dependency>> {
    if arguments.artifacts.is_empty() {
        return Ok(Vec::new());
    }
    within(&arguments.place, variables, Missing::Refuse, async |opened| {
        let mut found = Vec::new();
        for text in &arguments.artifacts {
            let (name, wanted) = text.split_once('@').context("say it as ARTIFACT@VERSION")?;
            found.push(ingredient(opened, name, wanted).await?);
        }
        Ok(found)
    })
    .await
}

async fn ingredient(opened: &Opened, name: &str, wanted: &str) -> anyhow::Result<Dependency> {
    let chosen = choose(opened, name, Some(wanted), None, "attest").await?;
    let digits = chosen.record.root().to_owned();
    Ok(Dependency {
        uri: Some(format!("testudo-vault:{}@{}", chosen.name, chosen.version)),
        digest: BTreeMap::from([("sha256".to_owned(), digits)]),
        name: Some(chosen.name.to_string()),
        annotations: notes("artifact", true),
    })
}
