//! The gateway: takes a request through its phases and always gives an answer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use axum::body::Body;
use http::{HeaderMap, Request, Response};
use moka::sync::Cache;
use testudo_detect::pseudonym::Pseudonyms;
use testudo_detect::{Detector, Fingerprint};
use testudo_dialects::{Family, RequestView};
use testudo_ledger::entry::ConfigurationAction;
use testudo_policy::labels::{LabelKey, LabelLimits, LabelStore};
use testudo_recorder::{OnFailure, Recorder};
use testudo_types::{Clock, ExchangeId, Principal};

use crate::agent::Counted;
use crate::approvals::{Approvals, StoredAnswer};
use crate::delivery::{deliver, deliver_kept};
use crate::exchange::{Forwarded, Received, system_text, view, watches_leaks};
use crate::guard::Structuring;
use crate::guard::model::{ModelProblem, Models};
use crate::heavy;
use crate::host::{HostRules, check};
use crate::keys::KeyRing;
use crate::ledger::Ledger;
use crate::limits::Limiter;
use crate::mcp::released::ReleasedCalls;
use crate::mcp::{self, State};
use crate::metrics::Metrics;
use crate::mlflow;
use crate::record::{Record, Surroundings};
use crate::refusal::Refusal;
use crate::runtime::{BuildProblem, RouteRuntime, Runtime};
use crate::serving::Serving;
use crate::settings::{ModelSettings, Settings};

/// Shortest stretch of a system prompt, in bytes, whose appearance in an answer is a leak.
const LEAK_BYTES_MIN: usize = 48;
/// Different values that may be hidden in one request.
const PLACEHOLDERS_MAX: usize = 4096;
/// System prompts whose fingerprints are kept.
const FINGERPRINTS_MAX: u64 = 256;

/// What a gateway is made of.
#[derive(Debug)]
pub struct Parts {
    pub detector: Arc<Detector>,
    pub keys: Arc<KeyRing>,
    pub limiter: Arc<Limiter>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
    pub hosts: HostRules,
    /// Where every exchange is entered.
    pub recorder: Recorder,
    /// Where approvals of tools are kept.
    pub state_folder: PathBuf,
    /// Calls that wait for a person.
    pub approvals: Approvals,
}

/// Takes requests; shared by all connections.
#[derive(Debug)]
pub struct Gateway {
    runtime: ArcSwap<Runtime>,
    detector: Arc<Detector>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) limiter: Arc<Limiter>,
    metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    hosts: HostRules,
    random: SystemRandom,
    fingerprints: Cache<[u8; 32], Arc<Fingerprint>>,
    /// What agents have read, by key.
    labels: Arc<Mutex<LabelStore>>,
    counted: Arc<Counted>,
    mcp: Arc<State>,
    approvals: Approvals,
    serving: Arc<Serving>,
}

impl Gateway {
    /// A gateway that runs `runtime`.
    #[must_use]
    pub fn new(parts: Parts, runtime: Runtime) -> Self {
        parts.metrics.configure(&runtime.metered());
        let ledger = Arc::new(Ledger::new(
            parts.recorder,
            Arc::clone(&parts.clock),
            Arc::clone(parts.metrics.ledger()),
        ));
        ledger.configuration(ConfigurationAction::Load, runtime.digest, 0);
        let mcp = Arc::new(State::new(&parts.state_folder, Arc::clone(&parts.clock)));
        let serving = Serving::new(
            Arc::clone(&parts.clock),
            Arc::clone(&ledger),
            Arc::clone(&parts.metrics),
        );
        serving.follow(runtime.following.clone());
        let labels = LabelStore::new(label_key(&parts.keys), LabelLimits::default());
        Self {
            mcp,
            labels: Arc::new(Mutex::new(labels)),
            counted: Arc::new(Counted::new(Arc::clone(&parts.clock))),
            runtime: ArcSwap::from_pointee(runtime),
            detector: parts.detector,
            keys: parts.keys,
            limiter: parts.limiter,
            metrics: parts.metrics,
            clock: parts.clock,
            ledger,
            hosts: parts.hosts,
            random: SystemRandom::new(),
            fingerprints: Cache::new(FINGERPRINTS_MAX),
            approvals: parts.approvals,
            serving: Arc::new(serving),
        }
    }

    /// Replaces the configuration for all exchanges that begin from now on.
    ///
    /// # Errors
    /// All problems of `settings`; the running configuration stays.
    pub fn reload(&self, settings: Settings) -> Result<(), Vec<BuildProblem>> {
        let models = self.models(settings.models);
        let approvals = settings.approvals.clone();
        let runtime = match Runtime::build(settings, &self.detector, models) {
            Ok(runtime) => runtime,
            Err(problems) => {
                self.refused(problems.len());
                return Err(problems);
            }
        };
        self.ledger.configuration(ConfigurationAction::Load, runtime.digest, 0);
        self.metrics.configure(&runtime.metered());
        self.approvals.reconfigure(approvals);
        // Before its routes are used, so that they know where to send what they get.
        self.serving.follow(runtime.following.clone());
        let before = self.runtime.swap(Arc::new(runtime));
        let digest = |runtime: &Runtime| runtime.mcp.as_ref().map(|servers| servers.digest);
        if digest(&before) != digest(&self.runtime.load()) {
            self.begin_mcp();
        }
        Ok(())
    }

    /// Those that run already, when the new settings of them are the same; what they remember stays.
    fn models(&self, settings: ModelSettings) -> Result<Option<Arc<Models>>, ModelProblem> {
        match &self.runtime.load().models {
            Some(models) if models.serves(settings) => Ok(Some(Arc::clone(models))),
            _ => Models::load(settings, &self.clock),
        }
    }

    /// Enters that a configuration was refused; what it said is not known here, so the digest is of the one that stays.
    pub(crate) fn refused(&self, problems: usize) {
        let digest = self.runtime.load().digest;
        self.ledger.configuration(ConfigurationAction::Refuse, digest, problems);
    }

    /// Looks at the MCP servers of the running configuration; sessions with those of an earlier one are over.
    pub(crate) fn begin_mcp(&self) {
        let runtime = self.runtime.load_full();
        let mcp = Arc::clone(&self.mcp);
        drop(tokio::spawn(async move {
            mcp.sessions.sweep(None).await;
            mcp.begin(&runtime);
        }));
    }

    /// What routes that follow a model go by.
    pub(crate) fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }

    /// Calls that wait for a person.
    pub(crate) fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// Answers one request. Dropping the future cancels everything it began.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let Some(id) = self.exchange_id() else {
            return unavailable();
        };
        let runtime = self.runtime.load_full();
        let target = request.uri().path().to_owned();
        let registry = runtime.mlflow.as_deref();
        if let Some((registry, below)) = registry.and_then(|it| Some((it, it.below(&target)?))) {
            return Box::pin(mlflow::handle(self, registry, below, request)).await;
        }
        if let Some(door) = runtime
            .mcp
            .as_ref()
            .and_then(|servers| servers.door(request.uri().path()))
        {
            return Box::pin(mcp::handle(self, runtime, door, id, request)).await;
        }
        let mut record = Record::open(self.surroundings(), id);
        let mut family = family_of(request.headers());
        match self.forward(runtime, request, &mut record, &mut family).await {
            Ok(answered) => match Box::pin(answered.deliver(record)).await {
                Ok(response) => response,
                Err(stopped) => {
                    let (refusal, mut record) = *stopped;
                    refuse(refusal, family, &mut record).await
                }
            },
            Err(refusal) => refuse(refusal, family, &mut record).await,
        }
    }

    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
            ledger: Arc::clone(&self.ledger),
        }
    }

    async fn forward(
        &self,
        runtime: Arc<Runtime>,
        request: Request<Body>,
        record: &mut Record,
        family: &mut Family,
    ) -> Result<Answered, Refusal> {
        record.policy_digest = runtime.digest;
        check(request.version(), request.uri(), request.headers(), &self.hosts)?;
        let received = Received::accept(runtime, request, record)?;
        *family = received.family();
        let mut authenticated = received.authenticate(self, record)?;
        let body = authenticated.read_body(record).await?;
        let permitted = heavy::run(body.len(), || {
            let limits = authenticated.limits();
            let view = view(authenticated.operation(), &body, &limits)?;
            let admitted = authenticated.admit(self, &view, record)?;
            admitted.inspect(self, &view, &body, record)
        })?;
        if let Some(case) = permitted.case()
            && let Some(kept) = case.kept().await?
        {
            return Ok(Answered::Kept(kept));
        }
        Ok(Answered::Upstream(Box::new(
            permitted.forward(self.clock.monotonic(), record).await?,
        )))
    }

    /// Which hosts and origins may be named.
    pub(crate) fn hosts(&self) -> &HostRules {
        &self.hosts
    }

    /// The MCP side.
    pub(crate) fn mcp(&self) -> &Arc<State> {
        &self.mcp
    }

    /// Where the side in front of the model says which calls of tools it has let through.
    #[must_use]
    pub fn released(&self) -> &ReleasedCalls {
        &self.mcp.released
    }

    /// What the calls of each key have come to.
    pub(crate) fn counted(&self) -> &Arc<Counted> {
        &self.counted
    }

    /// What agents have read.
    pub(crate) fn labels(&self) -> &Arc<Mutex<LabelStore>> {
        &self.labels
    }

    pub(crate) fn released_calls(&self) -> &Arc<ReleasedCalls> {
        &self.mcp.released
    }

    /// A name that nobody can guess.
    pub(crate) fn random_name(&self) -> Option<String> {
        let mut random = [0u8; 16];
        self.random.fill(&mut random).ok()?;
        Some(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// How long a client may take between two pieces of what it sends.
    pub(crate) fn client_idle_ms(&self) -> u64 {
        self.runtime.load().bounds().client_idle_ms
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Where exchanges are entered.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether a failing ledger stops exchanges of any route.
    pub(crate) fn blocks_unrecorded(&self) -> bool {
        let runtime = self.runtime.load();
        let mut routes = runtime.settings.routes.iter();
        routes.any(|route| route.recording.on_failure == OnFailure::Block)
    }

    fn exchange_id(&self) -> Option<ExchangeId> {
        let mut random = [0u8; 12];
        self.random.fill(&mut random).ok()?;
        let mut text = String::with_capacity(28);
        text.push_str("ex_");
        for byte in random {
            text.push(char::from_digit(u32::from(byte >> 4), 16)?);
            text.push(char::from_digit(u32::from(byte & 15), 16)?);
        }
        ExchangeId::parse(&text).ok()
    }

    /// Placeholders nobody can guess; none at all when there is no randomness.
    pub(crate) fn pseudonyms(&self) -> Pseudonyms {
        let mut nonce = [0u8; 8];
        match self.random.fill(&mut nonce) {
            Ok(()) => Pseudonyms::new(nonce, PLACEHOLDERS_MAX),
            // With room for nothing every attempt to hide fails, and that blocks.
            Err(_) => Pseudonyms::new(nonce, 0),
        }
    }

    /// What a route does to the structure of this request.
    pub(crate) fn structuring(&self, route: &RouteRuntime, caller: &Principal, view: &RequestView<'_>) -> Structuring {
        let code = |attempt: u32, beginning: &str| {
            self.keys.code(&[
                b"testudo: mark of a conversation",
                &attempt.to_be_bytes(),
                route.settings.name.as_str().as_bytes(),
                caller.key.as_str().as_bytes(),
                beginning.as_bytes(),
            ])
        };
        let canary = |part: u8, beginning: &str| {
            self.keys.code(&[
                b"testudo: canary of a conversation",
                &[part],
                route.settings.name.as_str().as_bytes(),
                caller.key.as_str().as_bytes(),
                beginning.as_bytes(),
            ])
        };
        Structuring::off()
            .breaking(route.tokens.clone())
            .marking(route.settings.spotlight, view, code)
            .planting(route.settings.plant, view, canary)
    }

    /// What the answer must not repeat of the request's system text.
    pub(crate) fn fingerprint(&self, route: &RouteRuntime, view: &RequestView<'_>) -> Option<Arc<Fingerprint>> {
        if !watches_leaks(route) {
            return None;
        }
        let text = system_text(view);
        if text.is_empty() {
            return None;
        }
        // The key is the full hash of exactly what the fingerprint is made from.
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let key: [u8; 32] = hash.as_ref().try_into().ok()?;
        Some(
            self.fingerprints
                .get_with(key, || Arc::new(Fingerprint::of(&text, LEAK_BYTES_MIN))),
        )
    }
}

/// The same after a restart, so that nobody outside can tell which texts have the same hash.
fn label_key(keys: &KeyRing) -> LabelKey {
    let mut secret = [0_u8; 32];
    for (part, number) in secret.chunks_exact_mut(8).zip(0_u8..) {
        if let Some(code) = keys.code(&[b"testudo: labels of what was read", &[number]]) {
            part.copy_from_slice(&code);
        }
    }
    LabelKey::new(&secret)
}

/// Where an answer is from.
enum Answered {
    Upstream(Box<Forwarded>),
    /// It was kept until a person approved it.
    Kept(StoredAnswer),
}

impl Answered {
    async fn deliver(self, record: Record) -> Result<Response<Body>, Box<(Refusal, Record)>> {
        match self {
            Self::Upstream(forwarded) => deliver(*forwarded, record).await,
            Self::Kept(answer) => deliver_kept(answer, record).await,
        }
    }
}

/// The refusal as an answer, once it is recorded as its route asks.
async fn refuse(refusal: Refusal, family: Family, record: &mut Record) -> Response<Body> {
    let response = refusal.respond(family, record);
    match record.settle().await {
        Ok(()) => response,
        Err(unrecorded) => {
            record.withheld();
            Refusal::from(unrecorded).respond(family, record)
        }
    }
}

/// The dialect that a request most likely speaks, before a route says so.
pub(crate) fn family_of(headers: &HeaderMap) -> Family {
    if headers.contains_key("anthropic-version") {
        Family::Anthropic
    } else {
        Family::OpenAi
    }
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    response
}
