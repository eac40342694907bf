//! The copy: objects under the paths that the files have in the ledger's folder.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::source::Covered;
use super::store::Store;

/// Larger objects go up in parts of this size; the least that S3 takes is 5 MiB.
const PART_BYTES: u64 = 8 << 20;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a request to the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    #[error("`{path}` cannot be put into the store")]
    Put {
        path: String,
        #[source]
        source: Cause,
    },
    #[error("`{path}` cannot be read from the store")]
    Get {
        path: String,
        #[source]
        source: object_store::Error,
    },
    #[error("`{path}` cannot be deleted from the store")]
    Delete {
        path: String,
        #[source]
        source: object_store::Error,
    },
    #[error("`{path}` in the store is larger than {limit_bytes} bytes, which nothing of its kind is")]
    TooLarge { path: String, limit_bytes: usize },
}

/// One ledger's copy.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    store: Store,
}

impl Remote {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    pub(super) fn name(&self) -> &str {
        &self.store.name
    }

    fn place(&self, path: &str) -> Path {
        self.store.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        let put = self.store.objects.put(&self.place(path), PutPayload::from(bytes)).await;
        put.map(|_| ()).map_err(|source| RemoteError::Put {
            path: path.to_owned(),
            source: source.into(),
        })
    }

    /// Puts a payload file, in parts when it is long.
    pub(super) async fn put_payload(&self, path: &str, payload: Covered) -> Result<(), RemoteError> {
        let failed = |source| RemoteError::Put {
            path: path.to_owned(),
            source,
        };
        let place = self.place(path);
        let mut left = payload.bytes;
        let mut file = File::from_std(payload.file);
        if left <= PART_BYTES {
            let part = read_part(&mut file, &mut left).await.map_err(|it| failed(it.into()))?;
            let put = self.store.objects.put(&place, part).await;
            return put.map(|_| ()).map_err(|it| failed(it.into()));
        }
        let upload = self.store.objects.put_multipart(&place).await;
        let mut upload = upload.map_err(|it| failed(it.into()))?;
        match put_parts(upload.as_mut(), &mut file, left).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // Parts that stay behind would cost money; the failure that matters is the first.
                let _aborted = upload.abort().await;
                Err(failed(error))
            }
        }
    }

    /// An object of at most `limit_bytes`; none when there is none.
    pub(super) async fn get(&self, path: &str, limit_bytes: usize) -> Result<Option<Bytes>, RemoteError> {
        let failed = |source| RemoteError::Get {
            path: path.to_owned(),
            source,
        };
        let got = match self.store.objects.get(&self.place(path)).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let too_large = || RemoteError::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        };
        if usize::try_from(got.meta.size).map_or(true, |size| size > limit_bytes) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let mut stream = got.into_stream();
        while let Some(chunk) = stream.next().await.transpose().map_err(failed)? {
            if bytes.len().saturating_add(chunk.len()) > limit_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes.into()))
    }

    /// The pieces of an object; none when there is none.
    pub(super) async fn stream(
        &self,
        path: &str,
    ) -> Result<Option<impl futures_util::Stream<Item = Result<Bytes, RemoteError>> + use<>>, RemoteError> {
        let path = path.to_owned();
        match self.store.objects.get(&self.place(&path)).await {
            Ok(got) => Ok(Some(got.into_stream().map_err(move |source| RemoteError::Get {
                path: path.clone(),
                source,
            }))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(RemoteError::Get { path, source }),
        }
    }

    /// Deletes an object; it may be gone already.
    pub(super) async fn delete(&self, path: &str) -> Result<(), RemoteError> {
        match self.store.objects.delete(&self.place(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(RemoteError::Delete {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

async fn put_parts(upload: &mut dyn MultipartUpload, file: &mut File, mut left: u64) -> Result<(), Cause> {
    while left > 0 {
        let part = read_part(file, &mut left).await?;
        upload.put_part(part).await?;
    }
    upload.complete().await?;
    Ok(())
}

async fn read_part(file: &mut File, left: &mut u64) -> std::io::Result<PutPayload> {
    let len = PART_BYTES.min(*left);
    let mut part = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact(&mut part).await?;
    *left = left.saturating_sub(len);
    Ok(part.into())
}
