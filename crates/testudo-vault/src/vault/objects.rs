//! What the vault does with a store: whole small objects, large ones in parts, and never over one that is there.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use testudo_recorder::ship::Store;

use tokio::task::{JoinError, JoinSet};

use super::VaultError;
use super::beside::beside;
use super::durable::{Durable, Unfinished};

/// What is sent at once; S3 takes no smaller parts but the last.
const PART_BYTES: usize = 8 << 20;
/// Parts that S3 takes for one object, with room to spare.
const PARTS_MAX: u64 = 9_000;
/// Parts of one object on their way at once.
const SENDING: usize = 4;
/// What is written to a file at once.
const WRITE_BYTES: usize = 1 << 20;

/// Whether something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Now,
    Before,
}

/// One object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Below the folder that was listed.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) modified_ms: i64,
}

/// The objects of one vault.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Writes where objects are files.
    durable: Option<Durable>,
}

impl Objects {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            store: Arc::clone(store.objects()),
            prefix: store.prefix().clone(),
            durable: store.folder().map(Durable::new),
        }
    }

    fn at(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// A whole object of at most `bytes_max` bytes; `None` when there is none.
    pub(crate) async fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Bytes>, VaultError> {
        match self.store.get(&self.at(name)).await {
            Ok(found) if found.meta.size > bytes_max => Err(VaultError::TooLarge { name: name.to_owned() }),
            Ok(found) => found.bytes().await.map(Some).map_err(|error| failed(name, error)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(name, error)),
        }
    }

    /// The length of an object, if it is there.
    pub(crate) async fn bytes(&self, name: &str) -> Result<Option<u64>, VaultError> {
        match self.store.head(&self.at(name)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(name, error)),
        }
    }

    /// Part of an object.
    pub(crate) async fn range(&self, name: &str, range: Range<u64>) -> Result<Bytes, VaultError> {
        let wanted = range.end.saturating_sub(range.start);
        let bytes = self
            .store
            .get_range(&self.at(name), range)
            .await
            .map_err(|error| failed(name, error))?;
        if u64::try_from(bytes.len()).ok() == Some(wanted) {
            Ok(bytes)
        } else {
            Err(VaultError::Sealed {
                name: name.to_owned(),
                source: crate::sealing::SealError::Truncated,
            })
        }
    }

    /// Makes an object whole, unless it is there.
    pub(crate) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<Made, VaultError> {
        if let Some(durable) = self.durable.clone() {
            let own = name.to_owned();
            let made = beside(move || durable.create(&own, &bytes)).await;
            return made.map_err(|error| failed(name, local(error)));
        }
        let options = PutOptions::from(PutMode::Create);
        let at = self.at(name);
        match self.store.put_opts(&at, PutPayload::from(bytes), options).await {
            Ok(_) => Ok(Made::Now),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Made::Before),
            Err(error) => Err(failed(name, error)),
        }
    }

    /// Makes or replaces an object whole.
    pub(crate) async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), VaultError> {
        if let Some(durable) = self.durable.clone() {
            let own = name.to_owned();
            let replaced = beside(move || durable.replace(&own, &bytes)).await;
            return replaced.map_err(|error| failed(name, local(error)));
        }
        let put = self.store.put(&self.at(name), PutPayload::from(bytes)).await;
        put.map(drop).map_err(|error| failed(name, error))
    }

    /// How long the parts of an object of so many bytes are, but for the last.
    pub(crate) fn part_bytes(&self, bytes: u64) -> usize {
        if self.durable.is_some() {
            return WRITE_BYTES;
        }
        let least = bytes.checked_div(PARTS_MAX).unwrap_or(0);
        usize::try_from(least).unwrap_or(usize::MAX).max(PART_BYTES)
    }

    /// Begins a large object, which is there when the upload is complete and not before.
    pub(crate) async fn upload(&self, name: &str) -> Result<Upload, VaultError> {
        let parts = match &self.durable {
            Some(durable) => Parts::File(Some(durable.begin(name).map_err(|error| failed(name, local(error)))?)),
            None => {
                let upload = self.store.put_multipart(&self.at(name)).await;
                let upload = upload.map_err(|error| failed(name, error))?;
                Parts::Sent(upload, JoinSet::new())
            }
        };
        let name = name.to_owned();
        Ok(Upload { name, parts })
    }

    /// Removes what was begun before a time and never completed, where that can be seen.
    pub(crate) fn remove_unfinished(&self, below: &str, before_ms: i64) -> Result<(), VaultError> {
        let Some(durable) = &self.durable else {
            return Ok(());
        };
        let removed = durable.remove_unfinished(below, before_ms);
        removed.map_err(|error| failed(below, local(error)))
    }

    /// Everything below a folder.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<Listed>, VaultError> {
        let at = self.at(folder);
        let listed: Vec<_> = self
            .store
            .list(Some(&at))
            .try_collect()
            .await
            .map_err(|error| failed(folder, error))?;
        let mut below: Vec<Listed> = listed
            .into_iter()
            .filter_map(|meta| {
                let parts: Vec<_> = meta
                    .location
                    .prefix_match(&at)?
                    .map(|it| it.as_ref().to_owned())
                    .collect();
                Some(Listed {
                    name: parts.join("/"),
                    bytes: meta.size,
                    modified_ms: meta.last_modified.timestamp_millis(),
                })
            })
            .collect();
        below.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(below)
    }

    /// The folders directly below a folder, without what is in them.
    pub(crate) async fn folders(&self, folder: &str) -> Result<Vec<String>, VaultError> {
        let listed = self.store.list_with_delimiter(Some(&self.at(folder))).await;
        let listed = listed.map_err(|error| failed(folder, error))?;
        let mut folders: Vec<String> = listed
            .common_prefixes
            .iter()
            .filter_map(|prefix| prefix.filename().map(str::to_owned))
            .collect();
        folders.sort_unstable();
        Ok(folders)
    }

    pub(crate) async fn remove(&self, name: &str) -> Result<(), VaultError> {
        match self.store.delete(&self.at(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(name, error)),
        }
    }
}

/// A large object under way.
#[derive(Debug)]
pub(crate) struct Upload {
    name: String,
    parts: Parts,
}

#[derive(Debug)]
enum Parts {
    /// The parts that are on their way.
    Sent(Box<dyn MultipartUpload>, JoinSet<object_store::Result<()>>),
    /// Nothing while it is written to.
    File(Option<Unfinished>),
}

impl Upload {
    /// Takes the next part. All parts are equally long but the last: there are stores that ask for it.
    pub(crate) async fn part(&mut self, bytes: Vec<u8>) -> Result<(), VaultError> {
        let sent = match &mut self.parts {
            Parts::Sent(upload, sending) => {
                let arrived = if sending.len() < SENDING {
                    Ok(())
                } else {
                    arrived(sending.join_next().await)
                };
                if arrived.is_ok() {
                    sending.spawn(upload.put_part(PutPayload::from(bytes)));
                }
                arrived
            }
            Parts::File(file) => write(file, bytes).await.map_err(local),
        };
        sent.map_err(|error| failed(&self.name, error))
    }

    pub(crate) async fn complete(self) -> Result<(), VaultError> {
        let done = match self.parts {
            Parts::Sent(mut upload, mut sending) => match all(&mut sending).await {
                Ok(()) => upload.complete().await.map(drop),
                Err(error) => {
                    // What cannot be forgotten is the store's to forget.
                    let _aborted = upload.abort().await;
                    Err(error)
                }
            },
            Parts::File(None) => Err(local(gone())),
            Parts::File(Some(file)) => beside(move || file.complete()).await.map_err(local),
        };
        done.map_err(|error| failed(&self.name, error))
    }

    /// Forgets what was sent; what cannot be forgotten is swept later.
    pub(crate) async fn abort(self) {
        match self.parts {
            Parts::Sent(mut upload, sending) => {
                drop(sending);
                drop(upload.abort().await);
            }
            Parts::File(file) => drop(file),
        }
    }
}

async fn write(file: &mut Option<Unfinished>, bytes: Vec<u8>) -> std::io::Result<()> {
    let mut now = file.take().ok_or_else(gone)?;
    let (now, written) = beside(move || {
        let written = now.write(&bytes);
        (now, written)
    })
    .await;
    *file = Some(now);
    written
}

async fn all(sending: &mut JoinSet<object_store::Result<()>>) -> object_store::Result<()> {
    while let Some(one) = sending.join_next().await {
        arrived(Some(one))?;
    }
    Ok(())
}

fn arrived(one: Option<Result<object_store::Result<()>, JoinError>>) -> object_store::Result<()> {
    match one {
        None => Ok(()),
        Some(Ok(sent)) => sent,
        Some(Err(error)) => Err(error.into()),
    }
}

fn gone() -> std::io::Error {
    std::io::Error::other("the file is written to by somebody who went away")
}

fn local(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "folder",
        source: Box::new(error),
    }
}

fn failed(name: &str, source: object_store::Error) -> VaultError {
    VaultError::Store {
        name: name.to_owned(),
        source,
    }
}
