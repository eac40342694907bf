//! Asks witnesses for cosignatures, all at the same time.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use testudo_ledger::witness::{AddCheckpoint, Answer, AnswerError, read_answer};
use testudo_ledger::{Hash, Policy, Signature, SignedCheckpoint};
use testudo_types::Clock;

use super::peer::{Peer, Standing};
use crate::control::WitnessStatus;
use crate::ship::{LocalError, Source};
use crate::witnessing::{Cosigned, Witnessing};

/// A size, or some signature lines.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Requests to one witness for one checkpoint: it may have to tell where it stands first.
const REQUESTS_MAX: usize = 3;
/// Rounds for one checkpoint while there is no quorum, and the longest pause between them.
const ROUNDS_MAX: usize = 3;
const PAUSE_MS_MAX: u64 = 2500;

/// Whom to ask, and when that is enough.
#[derive(Debug)]
pub struct Settings {
    /// The ledger's folder: proofs are made from its tiles.
    pub folder: PathBuf,
    pub peers: Vec<Peer>,
    /// Says which witnesses are enough.
    pub policy: Policy,
    pub clock: Arc<dyn Clock>,
    /// For one witness to answer for one checkpoint.
    pub deadline: Duration,
}

/// The witnesses of one log. Used from one runtime only.
#[derive(Debug)]
pub struct Witnesses {
    source: Source,
    peers: Vec<(Peer, Mutex<Standing>)>,
    policy: Policy,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why one witness has not cosigned.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no answer within the deadline")]
    Late,
    #[error("it cannot be reached")]
    Reach(#[source] hyper_util::client::legacy::Error),
    #[error("its answer cannot be read, or is longer than 64 KiB")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("it has cosigned {latest} entries of this log, which has {size}: the log was rolled back")]
    RolledBack { latest: u64, size: u64 },
    #[error("it keeps naming another size than before")]
    Wavering,
    #[error("the proof cannot be made")]
    Proof(#[source] LocalError),
    #[error("the request cannot be made")]
    Request(#[source] http::Error),
}

impl AskError {
    /// Whether it says that this log lost or changed something that the witness has seen.
    fn contradicts(&self) -> bool {
        let proof_refused = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
        match self {
            Self::RolledBack { .. } => true,
            Self::Answer(AnswerError::Status(status)) => *status == proof_refused,
            _ => false,
        }
    }
}

impl Witnesses {
    /// Prepares to ask; nothing is sent yet.
    ///
    /// # Errors
    /// When the TLS library has no protocol in common with itself.
    pub fn new(settings: Settings) -> Result<Self, rustls::Error> {
        let roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        Self::with_roots(settings, roots)
    }

    /// As [`Self::new`], for witnesses whose certificates these authorities sign.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_roots(settings: Settings, roots: rustls::RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.deadline));
        // Whether plain HTTP may be spoken was decided when the peer was made.
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            source: Source {
                folder: settings.folder,
            },
            peers: settings.peers.into_iter().map(|it| (it, Mutex::default())).collect(),
            policy: settings.policy,
            clock: settings.clock,
            deadline: settings.deadline,
            http: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(1)
                .build(connector),
        })
    }

    /// How each witness is doing, in the order of the settings.
    #[must_use]
    pub fn status(&self) -> Vec<WitnessStatus> {
        let now = self.clock.monotonic();
        let status = self
            .peers
            .iter()
            .map(|(peer, it)| standing(it).status(peer.name(), now));
        status.collect()
    }

    async fn cosign_all(&self, checkpoint: &SignedCheckpoint) -> Cosigned {
        let mut signed = checkpoint.clone();
        let mut signatures = Vec::new();
        let mut done = vec![false; self.peers.len()];
        for round in 1..=ROUNDS_MAX {
            let asked = self.peers.iter().zip(&done).map(|((peer, standing), done)| async move {
                match done {
                    true => None,
                    false => self.ask(peer, standing, checkpoint).await,
                }
            });
            for (found, done) in join_all(asked).await.into_iter().zip(&mut done) {
                let Some(found) = found else { continue };
                *done = true;
                for signature in found {
                    if signed.add(signature.clone()).is_ok() {
                        signatures.push(signature);
                    }
                }
            }
            let Err(refused) = self.policy.check(&signed) else {
                return Cosigned {
                    signatures,
                    quorum: true,
                    reason: String::new(),
                    contradiction: self.contradiction(),
                };
            };
            match self.pause(&done).filter(|_| round < ROUNDS_MAX) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return self.too_few(signatures, &refused.to_string()),
            }
        }
        self.too_few(signatures, "too few witnesses have answered")
    }

    fn too_few(&self, signatures: Vec<Signature>, refused: &str) -> Cosigned {
        let errors = self.status().into_iter();
        let errors = errors.filter_map(|it| Some(format!("; {}: {}", it.name, it.error?)));
        Cosigned {
            signatures,
            quorum: false,
            reason: std::iter::once(refused.to_owned()).chain(errors).collect(),
            contradiction: self.contradiction(),
        }
    }

    /// What the first of the witnesses that contradict this log says.
    fn contradiction(&self) -> Option<String> {
        self.peers.iter().find_map(|(peer, it)| {
            let standing = standing(it);
            let error = standing.contradiction()?;
            Some(format!("the witness {} contradicts this log: {error}", peer.name()))
        })
    }

    /// How long to wait for those who have not signed; none when that is too long, or nobody is left.
    fn pause(&self, done: &[bool]) -> Option<Duration> {
        let now = self.clock.monotonic();
        let left = self.peers.iter().zip(done).filter(|(_, done)| !**done);
        let pause_ms = left.map(|((_, it), _)| standing(it).pause_ms(now)).min()?;
        (pause_ms <= PAUSE_MS_MAX).then(|| Duration::from_millis(pause_ms))
    }

    /// Asks one witness, unless it is to be left alone.
    async fn ask(&self, peer: &Peer, place: &Mutex<Standing>, checkpoint: &SignedCheckpoint) -> Option<Vec<Signature>> {
        let now = self.clock.monotonic();
        if standing(place).pause_ms(now) > 0 {
            return None;
        }
        let asked = tokio::time::timeout(self.deadline, self.converse(peer, place, checkpoint)).await;
        let now = self.clock.monotonic();
        match asked.unwrap_or(Err(AskError::Late)) {
            Ok(signatures) => {
                standing(place).succeed(checkpoint.checkpoint().size(), now);
                Some(signatures)
            }
            Err(error) => {
                let message = crate::ship::chain(&error);
                let contradicts = error.contradicts();
                if contradicts {
                    tracing::error!(witness = peer.name(), error = message, "a witness contradicts this log");
                } else {
                    tracing::warn!(witness = peer.name(), error = message, "a witness has not cosigned");
                }
                standing(place).fail(message, contradicts, now);
                None
            }
        }
    }

    async fn converse(
        &self,
        peer: &Peer,
        place: &Mutex<Standing>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Vec<Signature>, AskError> {
        let size = checkpoint.checkpoint().size();
        for _ in 0..REQUESTS_MAX {
            let old_size = standing(place).size.min(size);
            let request = AddCheckpoint {
                old_size,
                proof: self.proof(old_size, size).await?,
                checkpoint: checkpoint.clone(),
            };
            let (status, body) = self.post(peer, request.to_string()).await?;
            match read_answer(status, &body, checkpoint, &peer.keys)? {
                Answer::Cosigned(signatures) => return Ok(signatures),
                Answer::Latest(latest) if latest > size => return Err(AskError::RolledBack { latest, size }),
                Answer::Latest(latest) => standing(place).size = latest,
            }
        }
        Err(AskError::Wavering)
    }

    async fn proof(&self, old_size: u64, size: u64) -> Result<Vec<Hash>, AskError> {
        let source = self.source.clone();
        let proving = tokio::task::spawn_blocking(move || source.consistency(old_size, size));
        proving
            .await
            .unwrap_or(Err(LocalError::Stopped))
            .map_err(AskError::Proof)
    }

    async fn post(&self, peer: &Peer, body: String) -> Result<(u16, Bytes), AskError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&peer.uri)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(header::USER_AGENT, "testudo")
            .body(Full::from(body))
            .map_err(AskError::Request)?;
        // Redirects are answers like any other: of no use.
        let response = self.http.request(request).await.map_err(AskError::Reach)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(AskError::Read)?.to_bytes()))
    }
}

fn standing(place: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witnessing for Witnesses {
    fn cosign<'a>(&'a self, checkpoint: &'a SignedCheckpoint) -> Pin<Box<dyn Future<Output = Cosigned> + Send + 'a>> {
        Box::pin(self.cosign_all(checkpoint))
    }
}
