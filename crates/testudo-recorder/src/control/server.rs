//! Serves a ledger's custodian to other processes of the same user.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::custodian::{Custodian, Failure, FailureKind};
use super::socket::{self, Reach, SocketError};
use super::wire::{self, Answer, Request};

/// Connections that are served at a time; the next one waits.
const CONNECTIONS_MAX: usize = 8;
/// For the request to arrive, and again for the answer to be taken.
const TRANSFER: Duration = Duration::from_secs(30);
/// After a failure to accept, so that a lack of file descriptors does not become a lack of processor time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The control socket of one ledger, bound; the caller holds the ledger's lock.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    reach: Reach,
    /// Device and number of our socket's file, so that no other file is removed at the end.
    file: (u64, u64),
    user: u32,
}

impl Server {
    /// Binds `control.sock` in `folder`, readable by its owner only.
    ///
    /// The caller must hold the ledger's lock: a socket that is there already has no server and
    /// is replaced.
    ///
    /// # Errors
    /// When something that is not a socket stands there, the path is too long for the system, or
    /// the folder does not let this user write.
    pub fn bind(folder: &Path) -> Result<Self, SocketError> {
        let reach = socket::reach(folder)?;
        let failed = |source: io::Error| SocketError::Bind {
            path: reach.path.clone(),
            source,
        };
        match fs::symlink_metadata(&reach.path) {
            Ok(there) if there.file_type().is_socket() => fs::remove_file(&reach.path).map_err(failed)?,
            Ok(_) => return Err(SocketError::NotASocket { path: reach.path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(&reach.address).map_err(failed)?;
        fs::set_permissions(&reach.path, Permissions::from_mode(0o600)).map_err(failed)?;
        let metadata = fs::symlink_metadata(&reach.path).map_err(failed)?;
        Ok(Self {
            listener,
            file: (metadata.dev(), metadata.ino()),
            user: metadata.uid(),
            reach,
        })
    }

    /// Serves until `stop`, then lets running operations finish and removes the socket.
    pub async fn serve(self, custodian: Arc<dyn Custodian>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            if !allowed(&stream, self.user) {
                tracing::warn!("a process of another user tried the ledger's control socket");
                continue;
            }
            let custodian = Arc::clone(&custodian);
            tasks.spawn(async move {
                if let Err(error) = serve_one(stream, custodian.as_ref()).await {
                    tracing::debug!(%error, "a control connection broke");
                }
                drop(place);
            });
        }
        tasks.close();
        tasks.wait().await;
        self.remove();
    }

    fn remove(&self) {
        let ours = fs::symlink_metadata(&self.reach.path).is_ok_and(|it| (it.dev(), it.ino()) == self.file);
        if ours && let Err(error) = fs::remove_file(&self.reach.path) {
            tracing::debug!(%error, "the control socket's file stays; the next start replaces it");
        }
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &UnixListener, places: &Arc<Semaphore>) -> Option<(UnixStream, Place)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "the ledger's control socket cannot accept");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// The socket's owner and the system's administrator; the file's mode says the same.
fn allowed(stream: &UnixStream, user: u32) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == user || peer.uid() == 0)
}

/// One request, one answer. A client that leaves does not stop what it asked for.
async fn serve_one(stream: UnixStream, custodian: &dyn Custodian) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let line = tokio::time::timeout(TRANSFER, read_line(reading)).await??;
    let answer = match Request::decode(&line) {
        Ok(request) => carry_out(request, custodian).await,
        Err(error) => answer::<super::Flushed>(Err(Failure::new(
            FailureKind::Protocol,
            error.to_string(),
            "use the same version of the program on both sides",
        ))),
    };
    drop(line);
    let sending = async {
        writing.write_all(&answer).await?;
        writing.write_all(b"\n").await?;
        writing.shutdown().await
    };
    tokio::time::timeout(TRANSFER, sending).await?
}

async fn read_line(reading: impl tokio::io::AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    let cap = u64::try_from(wire::REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    let mut line = Zeroizing::new(Vec::new());
    BufReader::new(reading.take(cap)).read_until(b'\n', &mut line).await?;
    if line.pop() == Some(b'\n') {
        Ok(line)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

async fn carry_out(request: Request, custodian: &dyn Custodian) -> Zeroizing<Vec<u8>> {
    match request {
        Request::Append(it) => answer(custodian.append(it).await),
        Request::Erase(it) => answer(custodian.erase(it).await),
        Request::Hold(it) => answer(custodian.hold(it).await),
        Request::Release(it) => answer(custodian.release(it).await),
        Request::Retain(it) => answer(custodian.retain(it).await),
        Request::Rotate(it) => answer(custodian.rotate(it).await),
        Request::Open(it) => answer(custodian.open(it).await),
        Request::Flush => answer(custodian.flush().await),
        Request::Status => answer(custodian.status().await),
    }
}

fn answer<T: Answer>(result: Result<T, Failure>) -> Zeroizing<Vec<u8>> {
    match wire::encode_answer(result) {
        Ok(line) if line.len() < wire::ANSWER_BYTES_MAX => line,
        Ok(_) => too_large(),
        // Plain maps of texts and numbers always encode.
        Err(_) => Zeroizing::new(Vec::new()),
    }
}

fn too_large() -> Zeroizing<Vec<u8>> {
    let failure = Failure::new(
        FailureKind::Refused,
        "the content is larger than 48 MiB",
        "stop the gateway and run the command on the folder itself",
    );
    wire::encode_answer::<super::Flushed>(Err(failure)).unwrap_or_default()
}
