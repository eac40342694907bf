//! A store in memory that dies after so many requests, counts them, and lets a test change what lies in it.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// Handles to one store.
#[derive(Debug, Clone)]
pub(super) struct Faulty {
    inner: Arc<InMemory>,
    /// Requests that still succeed; all of them when it is the greatest number.
    left: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
    /// How long the parts of uploads were.
    parts: Arc<Mutex<Vec<usize>>>,
    /// Writes over what is there, whatever it is asked.
    careless: bool,
    /// The answer to a write that must not replace anything is lost, and the write repeated.
    repeating: bool,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl Faulty {
    pub(super) fn new() -> Self {
        Self {
            inner: Arc::new(InMemory::new()),
            left: Arc::new(AtomicU64::new(u64::MAX)),
            asked: Arc::default(),
            parts: Arc::default(),
            careless: false,
            repeating: false,
        }
    }

    pub(super) fn careless() -> Self {
        Self {
            careless: true,
            ..Self::new()
        }
    }

    /// The same content, over a network that loses answers.
    pub(super) fn repeating(&self) -> Self {
        Self {
            repeating: true,
            ..self.clone()
        }
    }

    /// The same content, seen by a process that dies after so many requests.
    pub(super) fn dying_after(&self, requests: u64) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            left: Arc::new(AtomicU64::new(requests)),
            asked: Arc::default(),
            ..self.clone()
        }
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn parts(&self) -> Vec<usize> {
        self.parts.lock().unwrap().clone()
    }

    pub(super) async fn paths(&self, beginning: &str) -> Vec<String> {
        let listed = self.inner.list(None).map(|it| it.unwrap().location.to_string());
        let mut paths: Vec<String> = listed
            .filter(|it| std::future::ready(it.contains(beginning)))
            .collect()
            .await;
        paths.sort();
        paths
    }

    pub(super) async fn content(&self, path: &str) -> Vec<u8> {
        self.inner
            .get(&Path::from(path))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec()
    }

    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) {
        self.inner
            .put(&Path::from(path), PutPayload::from(bytes))
            .await
            .unwrap();
    }

    pub(super) async fn remove(&self, path: &str) {
        self.inner.delete(&Path::from(path)).await.unwrap();
    }

    fn request(&self) -> Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let taken = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
                u64::MAX => Some(u64::MAX),
                left => left.checked_sub(1),
            });
        taken.map(drop).map_err(|_| Error::Generic {
            store: "faulty",
            source: "the process is dead".into(),
        })
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

/// An upload that dies with its store.
#[derive(Debug)]
struct Parts {
    inner: Box<dyn MultipartUpload>,
    store: Faulty,
}

impl MultipartUpload for Parts {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.request() {
            Ok(()) => {
                self.store.parts.lock().unwrap().push(data.content_length());
                self.inner.put_part(data)
            }
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    fn complete<'a, 'c>(&'a mut self) -> Boxed<'c, PutResult>
    where
        'a: 'c,
    {
        async move {
            self.store.request()?;
            self.inner.complete().await
        }
        .boxed()
    }

    fn abort<'a, 'c>(&'a mut self) -> Boxed<'c, ()>
    where
        'a: 'c,
    {
        async move {
            self.store.request()?;
            self.inner.abort().await
        }
        .boxed()
    }
}

// The trait's methods are what `async_trait` makes of them.
impl ObjectStore for Faulty {
    fn put_opts<'a, 'b, 'c>(&'a self, location: &'b Path, payload: PutPayload, opts: PutOptions) -> Boxed<'c, PutResult>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.request()?;
            let overwrite = PutOptions::from(PutMode::Overwrite);
            let opts = if self.careless { overwrite } else { opts };
            if self.repeating && opts.mode == PutMode::Create {
                let _lost = self.inner.put_opts(location, payload.clone(), opts.clone()).await;
            }
            self.inner.put_opts(location, payload, opts).await
        }
        .boxed()
    }

    fn put_multipart_opts<'a, 'b, 'c>(
        &'a self,
        location: &'b Path,
        opts: PutMultipartOptions,
    ) -> Boxed<'c, Box<dyn MultipartUpload>>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.request()?;
            let inner = self.inner.put_multipart_opts(location, opts).await?;
            let store = self.clone();
            Ok(Box::new(Parts { inner, store }) as Box<dyn MultipartUpload>)
        }
        .boxed()
    }

    fn get_opts<'a, 'b, 'c>(&'a self, location: &'b Path, options: GetOptions) -> Boxed<'c, GetResult>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.request()?;
            self.inner.get_opts(location, options).await
        }
        .boxed()
    }

    fn get_ranges<'a, 'b, 'r, 'c>(&'a self, location: &'b Path, ranges: &'r [Range<u64>]) -> Boxed<'c, Vec<Bytes>>
    where
        'a: 'c,
        'b: 'c,
        'r: 'c,
    {
        async move {
            self.request()?;
            self.inner.get_ranges(location, ranges).await
        }
        .boxed()
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.request() {
            Ok(()) => self.inner.delete_stream(locations),
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.request() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
    }

    fn list_with_delimiter<'a, 'b, 'c>(&'a self, prefix: Option<&'b Path>) -> Boxed<'c, ListResult>
    where
        'a: 'c,
        'b: 'c,
    {
        self.inner.list_with_delimiter(prefix)
    }

    fn copy_opts<'a, 'b, 'r, 'c>(&'a self, from: &'b Path, to: &'r Path, options: CopyOptions) -> Boxed<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        'r: 'c,
    {
        self.inner.copy_opts(from, to, options)
    }
}
