//! Which store: a folder, or an S3-compatible service.

use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use testudo_types::Secret;
use url::Url;

/// Where and as whom to reach an S3-compatible service. The caller reads them from wherever they are kept.
#[derive(Debug, Clone, Default)]
pub struct S3 {
    /// The service's address; Amazon's own when there is none.
    pub endpoint: Option<Url>,
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub session_token: Option<Secret>,
    /// How often a request that failed is repeated, over minutes; once and soon without it.
    pub retries: Option<usize>,
    /// Lets an `http://` endpoint see the requests in the clear.
    pub dangerous_allow_http: bool,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("`{url}` names no store; write `file:///folder` or `s3://bucket/prefix`")]
    Scheme { url: String },
    #[error("`{url}` has a user, a query or a fragment; give credentials as settings")]
    Parts { url: String },
    #[error("the folder `{}` cannot be made or used", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{url}` is not a usable store; check the bucket, the endpoint and the credentials")]
    Store {
        url: String,
        #[source]
        source: object_store::Error,
    },
    #[error("`{url}` needs a program that was built with the feature `s3`")]
    NotBuilt { url: String },
    #[error("the endpoint `{endpoint}` is not `https`; allow it by name if it is in a private network")]
    Plain { endpoint: String },
}

/// A place for a copy of one ledger.
#[derive(Clone)]
pub struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// Its address, without credentials.
    pub(super) name: String,
    /// Where its objects are files.
    folder: Option<PathBuf>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.name).finish()
    }
}

impl Store {
    /// The store that a URL names: `file:///folder` (made when missing), or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// When the URL names no store, the folder cannot be made, or the service's settings make no sense. Whether the
    /// service answers shows with the first request.
    pub fn open(url: &Url, s3: &S3) -> Result<Self, StoreError> {
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            // Not the URL itself: it may hold a password.
            let url = format!(
                "{}://{}{}",
                url.scheme(),
                url.host_str().unwrap_or_default(),
                url.path()
            );
            return Err(StoreError::Parts { url });
        }
        match url.scheme() {
            "file" => folder(url),
            "s3" => service(url, s3),
            _ => Err(StoreError::Scheme { url: url.to_string() }),
        }
    }

    /// The objects themselves; names in them begin with [`Self::prefix`].
    #[must_use]
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// What all names begin with.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Its address, without credentials.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Any other object store, under a name that stays the same from start to start.
    #[must_use]
    pub fn other(objects: Arc<dyn ObjectStore>, prefix: Path, name: &str) -> Self {
        Self {
            objects,
            prefix,
            name: name.to_owned(),
            folder: None,
        }
    }

    /// The folder in which its objects are files, for those who need them on the disk at a certain time.
    #[must_use]
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_deref()
    }
}

fn folder(url: &Url) -> Result<Store, StoreError> {
    let path = url
        .to_file_path()
        .map_err(|()| StoreError::Scheme { url: url.to_string() })?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(|source| StoreError::Folder {
            path: path.clone(),
            source,
        })?;
    let objects = LocalFileSystem::new_with_prefix(&path).map_err(|source| StoreError::Store {
        url: url.to_string(),
        source,
    })?;
    let mut store = Store::other(Arc::new(objects), Path::default(), url.as_str());
    store.folder = Some(path);
    Ok(store)
}

#[cfg(not(feature = "s3"))]
fn service(url: &Url, _s3: &S3) -> Result<Store, StoreError> {
    Err(StoreError::NotBuilt { url: url.to_string() })
}

#[cfg(feature = "s3")]
fn service(url: &Url, s3: &S3) -> Result<Store, StoreError> {
    use std::time::Duration;

    use object_store::aws::AmazonS3Builder;
    use object_store::{ClientOptions, RetryConfig};

    // The client would bring another library for TLS. Who has chosen one for this process has chosen.
    let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let failed = |source| StoreError::Store {
        url: url.to_string(),
        source,
    };
    let bucket = url.host_str().filter(|it| !it.is_empty());
    let bucket = bucket.ok_or_else(|| StoreError::Scheme { url: url.to_string() })?;
    let prefix = Path::from_url_path(url.path()).map_err(|source| failed(source.into()))?;
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    // Further retries are the caller's, who can tell people about them, unless it wants them here.
    let retry = RetryConfig {
        max_retries: s3.retries.unwrap_or(1),
        retry_timeout: Duration::from_secs(if s3.retries.is_some() { 180 } else { 30 }),
        ..RetryConfig::default()
    };
    let mut client = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(10))
        .with_timeout(Duration::from_secs(300));
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(s3.region.as_deref().unwrap_or("us-east-1"))
        .with_retry(retry);
    if let Some(endpoint) = &s3.endpoint {
        if endpoint.scheme() != "https" && !s3.dangerous_allow_http {
            return Err(StoreError::Plain {
                endpoint: endpoint.to_string(),
            });
        }
        client = client.with_allow_http(s3.dangerous_allow_http);
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    if let Some(id) = &s3.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(secret) = &s3.secret_access_key {
        builder = builder.with_secret_access_key(text(secret));
    }
    if let Some(token) = &s3.session_token {
        builder = builder.with_token(text(token));
    }
    let objects = builder.with_client_options(client).build().map_err(failed)?;
    let name = match &s3.endpoint {
        Some(endpoint) => format!("{url} at {endpoint}"),
        None => url.to_string(),
    };
    Ok(Store::other(Arc::new(objects), prefix, &name))
}
