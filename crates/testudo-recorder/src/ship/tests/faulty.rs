//! A store, in memory or another, that counts, and fails when it is told to.

use std::collections::BTreeMap;
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
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) inner: Arc<dyn ObjectStore>,
    /// How often each object was put.
    puts: Mutex<BTreeMap<String, u64>>,
    /// Requests that still succeed; all of them when it is 0.
    left: AtomicU64,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl Default for Faulty {
    fn default() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }
}

impl Faulty {
    /// Another store that fails in the same way.
    pub(super) fn over(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            puts: Mutex::default(),
            left: AtomicU64::new(0),
        }
    }

    /// Lets `requests` succeed, and then fails until this is called again; 0 lets all succeed.
    pub(super) fn fail_after(&self, requests: u64) {
        let left = if requests == 0 { 0 } else { requests + 1 };
        self.left.store(left, Ordering::SeqCst);
    }

    /// Fails from the first request on.
    pub(super) fn fail(&self) {
        self.left.store(1, Ordering::SeqCst);
    }

    /// How often objects were put since the last call.
    pub(super) fn take_puts(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.puts.lock().unwrap())
    }

    pub(super) async fn content(&self, path: &str) -> Option<Bytes> {
        let got = self.inner.get(&Path::from(path)).await.ok()?;
        Some(got.bytes().await.unwrap())
    }

    pub(super) async fn paths(&self) -> Vec<String> {
        let listed = self.inner.list(None).map(|it| it.unwrap().location.to_string());
        let mut paths: Vec<String> = listed.collect().await;
        paths.sort();
        paths
    }

    fn request(&self) -> Result<()> {
        match self.left.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(Error::Generic {
                store: "faulty",
                source: "the network is down".into(),
            }),
            left => {
                self.left.store(left - 1, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

/// The store, shared with the test.
#[derive(Debug, Clone)]
pub(super) struct Shared(pub(super) Arc<Faulty>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// The trait's methods are what `async_trait` makes of them.
impl ObjectStore for Shared {
    fn put_opts<'a, 'b, 'c>(&'a self, location: &'b Path, payload: PutPayload, opts: PutOptions) -> Boxed<'c, PutResult>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.0.request()?;
            *self.0.puts.lock().unwrap().entry(location.to_string()).or_default() += 1;
            self.0.inner.put_opts(location, payload, opts).await
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
            self.0.request()?;
            *self.0.puts.lock().unwrap().entry(location.to_string()).or_default() += 1;
            self.0.inner.put_multipart_opts(location, opts).await
        }
        .boxed()
    }

    fn get_opts<'a, 'b, 'c>(&'a self, location: &'b Path, options: GetOptions) -> Boxed<'c, GetResult>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.0.request()?;
            self.0.inner.get_opts(location, options).await
        }
        .boxed()
    }

    fn get_ranges<'a, 'b, 'r, 'c>(&'a self, location: &'b Path, ranges: &'r [Range<u64>]) -> Boxed<'c, Vec<Bytes>>
    where
        'a: 'c,
        'b: 'c,
        'r: 'c,
    {
        self.0.inner.get_ranges(location, ranges)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.0.request() {
            Ok(()) => self.0.inner.delete_stream(locations),
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.inner.list(prefix)
    }

    fn list_with_delimiter<'a, 'b, 'c>(&'a self, prefix: Option<&'b Path>) -> Boxed<'c, ListResult>
    where
        'a: 'c,
        'b: 'c,
    {
        self.0.inner.list_with_delimiter(prefix)
    }

    fn copy_opts<'a, 'b, 'r, 'c>(&'a self, from: &'b Path, to: &'r Path, options: CopyOptions) -> Boxed<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        'r: 'c,
    {
        self.0.inner.copy_opts(from, to, options)
    }
}
