//! Asks the process that holds a ledger's lock.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::custodian::{
    Added, Addition, Custodian, Erased, Erasure, Failure, FailureKind, Flushed, LegalHold, Opened, Opening, Retained,
    Retention, Rotated, Rotation, Status,
};
use super::socket;
use super::wire::{self, Answer, Request};

/// A custodian in another process.
#[derive(Debug, Clone)]
pub struct Client {
    folder: PathBuf,
    deadline: Duration,
}

impl Client {
    /// A client of the process that serves the ledger in `folder`; each operation may take
    /// `deadline`.
    #[must_use]
    pub fn new(folder: impl AsRef<Path>, deadline: Duration) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            deadline,
        }
    }

    fn ask<T: Answer + Send + 'static>(&self, request: Request) -> BoxFuture<'_, Result<T, Failure>> {
        async move {
            match tokio::time::timeout(self.deadline, exchange(&self.folder, request)).await {
                Ok(answer) => answer,
                Err(_) => Err(Failure::new(
                    FailureKind::Late,
                    format!("the ledger did not answer within {} s", self.deadline.as_secs()),
                    "it may still carry out the request: look at the latest entries before asking again",
                )),
            }
        }
        .boxed()
    }
}

async fn exchange<T: Answer>(folder: &Path, request: Request) -> Result<T, Failure> {
    let line = request.encode().map_err(|error| protocol(&error.to_string()))?;
    if line.len() > wire::REQUEST_BYTES_MAX {
        return Err(Failure::new(
            FailureKind::Refused,
            "the content is larger than 12 MiB",
            "split it, or keep it elsewhere and add its digest as evidence",
        ));
    }
    let mut stream = connect(folder).await?;
    let answer = converse(&mut stream, &line).await.map_err(|error| {
        Failure::new(
            FailureKind::Unavailable,
            format!("the connection to the ledger broke ({error})"),
            "see whether the process that serves the ledger still runs, and look at the latest entries before asking again",
        )
    })?;
    let answer = answer
        .strip_suffix(b"\n")
        .ok_or_else(|| protocol("the answer has no end"))?;
    wire::decode_answer(answer).map_err(|error| protocol(&error.to_string()))?
}

async fn connect(folder: &Path) -> Result<UnixStream, Failure> {
    let reach = socket::reach(folder)
        .map_err(|error| Failure::new(FailureKind::Unserved, error.to_string(), "check the ledger's folder"))?;
    UnixStream::connect(&reach.address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Failure::new(
                FailureKind::Refused,
                format!("this user may not use `{}`", reach.path.display()),
                "run the command as the user that runs the gateway",
            ),
            _ => Failure::new(
                FailureKind::Unserved,
                format!("no process serves `{}` ({error})", reach.path.display()),
                "start the gateway, or check the ledger's folder",
            ),
        })
}

async fn converse(stream: &mut UnixStream, line: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    stream.write_all(line).await?;
    stream.write_all(b"\n").await?;
    stream.shutdown().await?;
    let cap = u64::try_from(wire::ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
    let mut answer = Zeroizing::new(Vec::new());
    stream.take(cap).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn protocol(detail: &str) -> Failure {
    Failure::new(
        FailureKind::Protocol,
        format!("the ledger's process was not understood: {detail}"),
        "use the same version of the program on both sides",
    )
}

impl Custodian for Client {
    fn append(&self, addition: Addition) -> BoxFuture<'_, Result<Added, Failure>> {
        self.ask(Request::Append(addition))
    }

    fn erase(&self, erasure: Erasure) -> BoxFuture<'_, Result<Erased, Failure>> {
        self.ask(Request::Erase(erasure))
    }

    fn hold(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        self.ask(Request::Hold(hold))
    }

    fn release(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        self.ask(Request::Release(hold))
    }

    fn retain(&self, retention: Retention) -> BoxFuture<'_, Result<Retained, Failure>> {
        self.ask(Request::Retain(retention))
    }

    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, Failure>> {
        self.ask(Request::Rotate(rotation))
    }

    fn open(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, Failure>> {
        self.ask(Request::Open(opening))
    }

    fn flush(&self) -> BoxFuture<'_, Result<Flushed, Failure>> {
        self.ask(Request::Flush)
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Failure>> {
        self.ask(Request::Status)
    }
}
