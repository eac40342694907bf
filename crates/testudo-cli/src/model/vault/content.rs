//! The content of a version, read where it lies: judged and described without a plain copy on any disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use testudo_formats::{About, Options, Source};
use testudo_vault::attest::Dependency;
use testudo_vault::bill::SignatureEntry;
use testudo_vault::vault::{Artifact, Record, StoredFile, Vault, VaultName};
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
    let name = VaultName::parse(arguments.model.to_str().context("the name of an artifact is UTF-8")?)?;
    let standing = opened.standing(&name).await?;
    let artifact = opened.vault().artifact(&name).await?;
    let text = arguments
        .version
        .as_deref()
        .or(arguments.alias.as_deref())
        .unwrap_or_default();
    let wanted = version(&artifact, &standing, text).await?;
    if let Err(error) = Vault::permit(&name, wanted, &standing) {
        return Err(opened.refused(&name, Some(wanted), error).await);
    }
    let record = match artifact.record(wanted).await {
        Ok(record) => record,
        Err(error) => return Err(opened.refused(&name, Some(wanted), error).await),
    };
    opened.tell("bom", &name, wanted, arguments.alias.as_deref()).await?;
    let runtime = Handle::current();
    let called = name.to_string();
    let reading = move || read(&called, &artifact, &record, &options, &runtime);
    tokio::task::spawn_blocking(reading).await?
}

/// Judges the files of a version, and asks them what the model is.
fn read(
    name: &str,
    artifact: &Artifact,
    record: &Record,
    options: &Options,
    runtime: &Handle,
) -> anyhow::Result<Gathered> {
    let content = |file| Content::new(artifact, file, runtime.clone());
    let mut gathered = Gathered {
        name: name.to_owned(),
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
    let name = VaultName::parse(name)?;
    let standing = opened.standing(&name).await?;
    let artifact = opened.vault().artifact(&name).await?;
    let wanted = version(&artifact, &standing, wanted).await?;
    if let Err(error) = Vault::permit(&name, wanted, &standing) {
        return Err(opened.refused(&name, Some(wanted), error).await);
    }
    let record = artifact.record(wanted).await?;
    Ok(Dependency {
        uri: Some(format!("testudo-vault:{name}@{wanted}")),
        digest: BTreeMap::from([("sha256".to_owned(), record.root().to_owned())]),
        name: Some(name.to_string()),
        annotations: notes("artifact", true),
    })
}
