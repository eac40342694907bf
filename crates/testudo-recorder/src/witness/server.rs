//! A witness: answers `add-checkpoint` over HTTP, and shows what it has cosigned.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use testudo_ledger::key::KeyError;
use testudo_ledger::witness::{
    AddCheckpoint, Cosigned, NotAWitness, REQUEST_BYTES_MAX, Refusal, WitnessState, monitoring_path,
};
use testudo_ledger::{KeyKind, KeyName, SignedCheckpoint, SigningKey, VerifierKey};
use testudo_types::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::vault::{Vault, VaultError};

/// Connections at a time; the next one waits.
const CONNECTIONS_MAX: usize = 128;
/// For the head of a request, for its body, and at the end for what still runs.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failure to accept, so that a lack of file descriptors does not become a lack of processor time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const TEXT: &str = "text/plain; charset=utf-8";

/// What a witness needs.
#[derive(Debug)]
pub struct Options {
    /// Where it remembers; used by this process alone, never restored from an older copy.
    pub folder: PathBuf,
    /// Its own keys, of the kind for cosignatures.
    pub keys: Vec<SigningKey>,
    /// The logs that it watches; it answers 404 to all others.
    pub logs: Vec<VerifierKey>,
    pub clock: Arc<dyn Clock>,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    #[error("the name cannot be a key's name")]
    Name(#[from] KeyError),
    #[error("the system gives no random bytes")]
    Random,
}

/// A new key for a witness of this name.
///
/// # Errors
/// When the name cannot be a key's name.
pub fn generate_key(name: &str) -> Result<SigningKey, GenerateError> {
    let name = KeyName::parse(name)?;
    let mut seed = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| GenerateError::Random)?;
    Ok(SigningKey::from_seed(name, KeyKind::Cosignature, seed)?)
}

/// A witness that is ready to answer. Clones share everything.
#[derive(Debug, Clone)]
pub struct Witness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vault: Vault,
    clock: Arc<dyn Clock>,
    /// Each log by its origin, on its own, so that one log's disk writes do not hold up another's.
    logs: BTreeMap<String, Mutex<WitnessState>>,
    /// Watches nothing; words the refusals for logs that are not watched.
    nobody: WitnessState,
    /// Origins by the hash in the monitoring path.
    hashes: BTreeMap<String, String>,
}

impl Witness {
    /// Takes the folder and what it remembers.
    ///
    /// # Errors
    /// When a key is of the wrong kind, the folder is used by another process or not readable, or what it
    /// remembers is damaged. Starting without its memory would make it worthless, so it does not.
    pub fn open(options: Options) -> Result<Self, VaultError> {
        Self::open_vault(Vault::open(&options.folder)?, options)
    }

    pub(super) fn open_vault(vault: Vault, options: Options) -> Result<Self, VaultError> {
        if options.logs.is_empty() {
            return Err(VaultError::NoLogs);
        }
        let mut logs: BTreeMap<String, WitnessState> = BTreeMap::new();
        for key in options.logs {
            let origin = key.name().as_str().to_owned();
            let mut state = match logs.remove(&origin) {
                Some(state) => state,
                None => WitnessState::new(copies(&options.keys)?)?,
            };
            state.watch(key)?;
            let _none = logs.insert(origin, state);
        }
        for (origin, state) in &mut logs {
            if let Some(signed) = vault.load(origin)? {
                let path = vault.path(origin);
                state
                    .restore(signed)
                    .map_err(|source| VaultError::Foreign { path, source })?;
            }
        }
        let hash = |origin: &String| {
            let path = monitoring_path(origin);
            let hash = path.split('/').next().unwrap_or_default();
            (hash.to_owned(), origin.clone())
        };
        Ok(Self(Arc::new(Inner {
            vault,
            clock: options.clock,
            hashes: logs.keys().map(hash).collect(),
            logs: logs
                .into_iter()
                .map(|(origin, state)| (origin, Mutex::new(state)))
                .collect(),
            nobody: WitnessState::new(options.keys)?,
        })))
    }

    /// `POST /add-checkpoint`, and `GET /<hash of the origin>/checkpoint` for monitors.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/{hash}/checkpoint", get(checkpoint))
            .with_state(self.clone())
    }

    /// Answers until `stop`, without TLS: put a proxy in front where the network is not private.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&listener, &places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let service = TowerToHyperService::new(self.router());
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the witness broke");
                }
                drop(place);
            });
        }
        drop(listener);
        if tokio::time::timeout(PATIENCE, graceful.shutdown()).await.is_err() {
            tracing::warn!("the witness stops with connections open");
        }
    }

    /// Decides, stores, and only then answers; one request for a log after the other. Blocks on the disk.
    pub(super) fn add(&self, request: &[u8]) -> Answer {
        let request = match AddCheckpoint::parse(request) {
            Ok(request) => request,
            Err(error) => return Answer::refuse(&Refusal::Malformed(error)),
        };
        let time_s = self.0.clock.wall().0 / 1000;
        let Some(log) = self.0.logs.get(request.checkpoint.checkpoint().origin()) else {
            return match self.0.nobody.decide(&request, time_s) {
                Err(refusal) => Answer::refuse(&refusal),
                // Nobody watches, so nobody cosigns.
                Ok(_) => Answer::failed(),
            };
        };
        // After a panic nobody knows what was stored.
        let Ok(mut log) = log.lock() else {
            return Answer::failed();
        };
        match log.decide(&request, time_s) {
            Ok(cosigned) => self.keep(&mut log, &cosigned),
            Err(refusal) => {
                self.note_fork(&log, &request, &refusal);
                Answer::refuse(&refusal)
            }
        }
    }

    fn keep(&self, log: &mut WitnessState, cosigned: &Cosigned) -> Answer {
        if let Err(error) = self.0.vault.store(cosigned.signed()) {
            tracing::error!(%error, "the witness cannot store a checkpoint, so it does not cosign it");
            return Answer::failed();
        }
        log.advance(cosigned);
        Answer {
            status: StatusCode::OK,
            kind: TEXT,
            body: cosigned.body(),
        }
    }

    /// The log has signed two roots for one size: that is proof, and is kept.
    fn note_fork(&self, log: &WitnessState, request: &AddCheckpoint, refusal: &Refusal) {
        let asked = request.checkpoint.checkpoint();
        let Some(latest) = log.latest(asked.origin()).map(SignedCheckpoint::checkpoint) else {
            return;
        };
        // Whoever is refused for these reasons has the log's signature.
        let signed = matches!(refusal, Refusal::NotConsistent(_) | Refusal::Conflict { .. });
        if signed && asked.size() == latest.size() && asked.root() != latest.root() {
            tracing::error!(
                origin = asked.origin(),
                size = asked.size(),
                "a log has signed two histories of the same length"
            );
            if let Err(error) = self.0.vault.keep_evidence(&request.checkpoint) {
                tracing::error!(%error, "the proof of it cannot be stored");
            }
        }
    }

    fn latest(&self, hash: &str) -> Option<String> {
        let origin = self.0.hashes.get(hash)?;
        let log = self.0.logs.get(origin)?.lock().ok()?;
        log.latest(origin).map(ToString::to_string)
    }
}

/// The same keys for another log's state.
fn copies(keys: &[SigningKey]) -> Result<Vec<SigningKey>, NotAWitness> {
    let copy = |key: &SigningKey| SigningKey::parse(&key.to_text()).map_err(|_| NotAWitness::OwnKey);
    keys.iter().map(copy).collect()
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Place)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "the witness cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Answer {
    fn refuse(refusal: &Refusal) -> Self {
        let (kind, body) = refusal.body();
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, kind, body }
    }

    fn failed() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: TEXT,
            body: "the witness cannot store its state; nothing was cosigned\n".to_owned(),
        }
    }

    fn respond(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, self.kind)], self.body).into_response()
    }
}

async fn add_checkpoint(State(witness): State<Witness>, body: Body) -> Response {
    let body = match tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long or broke off\n"),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time\n"),
    };
    answer(witness, body).await.respond()
}

/// On a thread of its own: a client that leaves must not interrupt between storing and remembering.
async fn answer(witness: Witness, body: Bytes) -> Answer {
    let adding = tokio::task::spawn_blocking(move || witness.add(&body));
    adding.await.unwrap_or_else(|_| Answer::failed())
}

async fn checkpoint(State(witness): State<Witness>, Path(hash): Path<String>) -> Response {
    let looking = tokio::task::spawn_blocking(move || witness.latest(&hash));
    match looking.await.ok().flatten() {
        Some(note) => (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], note).into_response(),
        None => plain(StatusCode::NOT_FOUND, "no checkpoint of such a log was cosigned here\n"),
    }
}

fn plain(status: StatusCode, body: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], body).into_response()
}
