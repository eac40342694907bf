//! The phases of an exchange as types: each is made only by the one before it.
//!
//! `Received → Authenticated → Admitted → Permitted → Forwarded`; what is delivered
//! is made by `delivery`. Whatever stops an exchange is a [`Refusal`].

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use testudo_bounded::json;
use testudo_detect::bait::Baits;
use testudo_detect::output::{Context, LinkJudge, Review};
use testudo_detect::pseudonym::Restorer;
use testudo_dialects::calls::can_call;
use testudo_dialects::{Family, Form, Operation, RequestView, read_request};
use testudo_policy::{AdmitFacts, Permit};
use testudo_recorder::SubjectName;
use testudo_types::{Millis, ModelName, Origin, ThreatKind};

use crate::agent::{Case, Coder, Suspicious, UNTRUSTED_HEADER, Untrusted, Waiting};
use crate::auth::presented_key;
use crate::gateway::Gateway;
use crate::guard::{Answer, BodyOutcome, Exchanger, FindingLog, Inspection, Judge, Leaks, Schema, guard_request};
use crate::keys::Caller;
use crate::limits::{Estimate, estimate_tokens};
use crate::record::{Outcome, Record};
use crate::refusal::{Refusal, SUBJECT_HEADER};
use crate::runtime::{RouteRuntime, Runtime, hash};
use crate::settings::{OnHold, OutputCheck};
use crate::upstream::UpstreamClient;

/// The longest name of a subject that a client may give.
const SUBJECT_BYTES_MAX: usize = 128;

/// The head is read, `Host` and `Origin` are allowed, and a route was found from the path alone.
#[derive(Debug)]
pub(crate) struct Received {
    runtime: Arc<Runtime>,
    route: Arc<RouteRuntime>,
    operation: Operation,
    /// Path and query as the upstream gets them, without the route's prefix.
    target: String,
    parts: Parts,
    body: Body,
}

impl Received {
    pub(crate) fn accept(runtime: Arc<Runtime>, request: Request<Body>, record: &mut Record) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let prefer = crate::gateway::family_of(&parts.headers);
        let (route, operation, rest) = runtime
            .find(parts.method.as_str(), parts.uri.path(), prefer)
            .ok_or_else(Refusal::no_route)?;
        record.route = Some(route.settings.name.clone());
        record.upstream = route.target.is_none().then(|| route.settings.upstream.clone());
        record.operation = operation.as_str();
        record.policy_digest = route.digest;
        record.record_as(route.settings.recording);
        let target = match parts.uri.query() {
            Some(query) => format!("{rest}?{}", plain_query(query)?),
            None => rest,
        };
        Ok(Self {
            runtime,
            route,
            operation,
            target,
            parts,
            body,
        })
    }

    pub(crate) fn family(&self) -> Family {
        self.route.settings.family
    }

    pub(crate) fn authenticate(self, gateway: &Gateway, record: &mut Record) -> Result<Authenticated, Refusal> {
        let presented = presented_key(&self.parts.headers)?;
        let caller = gateway.keys.authenticate(presented, gateway.clock.wall())?;
        record.principal = Some(caller.principal.clone());
        record.reserve()?;
        record.subject = subject(&self.parts.headers)?;
        Ok(Authenticated { received: self, caller })
    }
}

/// Whom the texts are about, as the client says.
pub(crate) fn subject(headers: &HeaderMap) -> Result<Option<SubjectName>, Refusal> {
    let mut values = headers.get_all(SUBJECT_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let sound = |text: &&str| {
        (1..=SUBJECT_BYTES_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:@+".contains(&b))
    };
    let name = value
        .to_str()
        .ok()
        .filter(sound)
        .and_then(|text| SubjectName::parse(text).ok());
    match (name, values.next()) {
        (Some(name), None) => Ok(Some(name)),
        _ => Err(Refusal::new(
            Outcome::Refused,
            400,
            "invalid_request",
            "the header testudo-subject stands once, with 1 to 128 letters, digits and `-_.:@+`",
        )),
    }
}

/// Queries carry switches (`beta=true`), never text: no guard reads them, so text is refused.
fn plain_query(query: &str) -> Result<&str, Refusal> {
    let plain = query.len() <= 256
        && query
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"=&-_.,".contains(&b));
    if plain {
        Ok(query)
    } else {
        Err(Refusal::new(
            Outcome::Refused,
            400,
            "invalid_request",
            "the query may hold at most 256 letters, digits and `=&-_.,`; send other data in the body",
        ))
    }
}

/// A valid virtual key was shown; the body is still unread.
#[derive(Debug)]
pub(crate) struct Authenticated {
    received: Received,
    caller: Arc<Caller>,
}

impl Authenticated {
    /// Reads the body, never more than the bound and never longer than a client may stall.
    pub(crate) async fn read_body(&mut self, record: &mut Record) -> Result<Bytes, Refusal> {
        plain_encoding(&self.received.parts.headers)?;
        let bounds = *self.received.runtime.bounds();
        let body = std::mem::take(&mut self.received.body);
        let bytes = collect(body, bounds.request_bytes_max, bounds.client_idle_ms).await?;
        record.request_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        record.content.request(&bytes);
        Ok(bytes)
    }

    pub(crate) fn limits(&self) -> json::Limits {
        json_limits(&self.received.runtime, self.received.runtime.bounds().request_bytes_max)
    }

    /// Asks policy, then reserves what the request may use.
    pub(crate) fn admit(
        self,
        gateway: &Gateway,
        view: &RequestView<'_>,
        record: &mut Record,
    ) -> Result<Admitted, Refusal> {
        let Self { received, caller } = self;
        let model = match &view.model {
            Some(name) => Some(ModelName::parse(name).map_err(|error| {
                Refusal::new(
                    Outcome::Refused,
                    400,
                    "invalid_request",
                    format!("the field `/model` is refused: {error}"),
                )
            })?),
            None => None,
        };
        let admission = received.runtime.policy.admit(&AdmitFacts {
            principal: &caller.principal,
            route: &received.route.settings.name,
            model: model.as_ref(),
            operation: received.operation.as_str(),
            key_routes: &caller.routes,
            key_models: &caller.models,
            hosted_tools: !view.hosted_tools.is_empty(),
            server_history: view.server_history,
        });
        record.policies.clone_from(&admission.decision.policies);
        let Some(permit) = admission.permit else {
            return Err(Refusal::forbidden(&admission.decision));
        };
        record.model.clone_from(&model);
        let route = &received.route.settings;
        let each = view.output_tokens_max.unwrap_or(route.output_tokens_default);
        let estimate = Estimate {
            input_tokens: estimate_tokens(view.document.bytes().len()),
            output_tokens: each.saturating_mul(view.choices.max(1)),
            price: model
                .as_ref()
                .and_then(|model| received.runtime.settings.prices.get(model).copied()),
        };
        let reservation = gateway.limiter.reserve(&caller, route, &estimate)?;
        record.reservation = Some(reservation);
        record.streamed = view.stream;
        Ok(Admitted {
            received,
            caller,
            permit,
        })
    }
}

pub(crate) fn plain_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(http::header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Refusal::new(
            Outcome::Refused,
            415,
            "invalid_request",
            "compressed request bodies are refused, since every byte is scanned as it is forwarded; send the body without Content-Encoding",
        )),
        _ => Ok(()),
    }
}

/// Reads a body under a bound; each piece may take at most `idle_ms`.
pub(crate) async fn collect(mut body: Body, bytes_max: usize, idle_ms: u64) -> Result<Bytes, Refusal> {
    let idle = std::time::Duration::from_millis(idle_ms);
    let mut first: Option<Bytes> = None;
    let mut rest: Vec<u8> = Vec::new();
    let mut total = 0usize;
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| {
            Refusal::new(
                Outcome::Refused,
                408,
                "timeout",
                "the request body stalled; send it without pauses",
            )
        })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| {
            Refusal::new(
                Outcome::Refused,
                400,
                "invalid_request",
                "the request body could not be read to its end",
            )
        })?;
        let Ok(data) = frame.into_data() else { continue };
        total = total.saturating_add(data.len());
        if total > bytes_max {
            return Err(Refusal::too_large(bytes_max));
        }
        match &first {
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.extend_from_slice(head);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() {
        first.unwrap_or_default()
    } else {
        Bytes::from(rest)
    })
}

pub(crate) fn json_limits(runtime: &Runtime, bytes_max: usize) -> json::Limits {
    let bounds = runtime.bounds();
    json::Limits {
        bytes_max,
        depth_max: bounds.json_depth_max,
        nodes_max: bounds.json_nodes_max,
    }
}

/// Policy lets the caller use the route and model, and what it may use is reserved.
#[derive(Debug)]
pub(crate) struct Admitted {
    received: Received,
    caller: Arc<Caller>,
    permit: Permit,
}

impl Admitted {
    /// Runs the request's guards; what they edit is spliced into the original bytes.
    pub(crate) fn inspect(
        self,
        gateway: &Gateway,
        view: &RequestView<'_>,
        original: &Bytes,
        record: &mut Record,
    ) -> Result<Permitted, Refusal> {
        let Self {
            received,
            caller,
            permit,
        } = self;
        let judge = Judge {
            policy: Arc::clone(&received.runtime.policy),
            principal: Arc::new(caller.principal.clone()),
            route: received.route.settings.name.clone(),
        };
        let structuring = gateway.structuring(&received.route, &caller.principal, view);
        let (canaries, baits) = received.route.canaries_and(structuring.planted());
        let leaks = Leaks {
            fingerprint: gateway.fingerprint(&received.route, view),
            canaries,
            baits: baits.clone(),
            ..answer_checks(&received.route, view)
        };
        let echoes = structuring.echoes();
        let (body, exchanger) = if received.route.request.is_off() && structuring.is_off() {
            (original.clone(), Exchanger::Nothing)
        } else {
            let limits = json_limits(&received.runtime, received.runtime.bounds().request_bytes_max);
            let log = std::mem::take(&mut record.findings);
            let hide = Exchanger::Hide(gateway.pseudonyms().styled(received.route.settings.profile.placeholder));
            let plan = Arc::clone(&received.route.request);
            record.scanned_request = plan.kinds();
            let mut inspection = Inspection::new(plan, judge.clone(), Leaks::default(), hide, log);
            let outcome = guard_request(view, &structuring, &mut inspection, &limits);
            let blocked = inspection.blocked().cloned();
            record.model_work = inspection.model_work();
            let (log, exchanger) = inspection.finish();
            record.findings = log;
            match outcome {
                BodyOutcome::Unchanged => (original.clone(), exchanger),
                BodyOutcome::Edited(edited) => {
                    record.edited = true;
                    (Bytes::from(edited), exchanger)
                }
                BodyOutcome::Blocked => return Err(Refusal::blocked(blocked.as_ref(), &record.findings)),
            }
        };
        let case = case(gateway, &received, (&judge, baits), view, original, record)?;
        Ok(Permitted {
            received,
            permit,
            judge,
            leaks,
            exchanger,
            echoes,
            body,
            case,
        })
    }
}

/// What the calls of the answer will be judged by, where the route has agents.
fn case(
    gateway: &Gateway,
    received: &Received,
    (judge, baits): (&Judge, Baits),
    view: &RequestView<'_>,
    body: &Bytes,
    record: &Record,
) -> Result<Option<Arc<Case>>, Refusal> {
    let route = &received.route;
    let Some(settings) = route.settings.agents.clone().filter(|_| can_call(received.operation)) else {
        return Ok(None);
    };
    let score_min = route.settings.profile.request.get(&ThreatKind::Injection);
    let keys = Arc::clone(&gateway.keys);
    let waits = settings.on_hold == OnHold::Approval || judge.policy.asks_people(&judge.route);
    let coder: Arc<dyn Coder> = keys;
    let case = Case {
        settings,
        operation: received.operation,
        body: body.clone(),
        limits: json_limits(&received.runtime, received.runtime.bounds().request_bytes_max),
        untrusted: Untrusted::read(&received.parts.headers, view)?,
        suspicious: Suspicious::of(&record.findings, score_min.map(|guard| guard.score_min)),
        judge: judge.clone(),
        baits,
        policy: route.digest,
        coder,
        counted: Arc::clone(gateway.counted()),
        labels: Arc::clone(gateway.labels()),
        waiting: waits.then(|| Waiting {
            approvals: gateway.approvals().clone(),
            request: request_digest(received, body),
            subject: record.subject.clone(),
        }),
        released: received
            .runtime
            .binds_calls()
            .then(|| Arc::clone(gateway.released_calls())),
    };
    case.remember(view);
    Ok(Some(Arc::new(case)))
}

/// Of all of a request that makes it the same request, beside its key and route.
fn request_digest(received: &Received, body: &Bytes) -> [u8; 32] {
    let headers = &received.parts.headers;
    let named = [
        UNTRUSTED_HEADER,
        SUBJECT_HEADER,
        "anthropic-version",
        "anthropic-beta",
        "openai-beta",
    ];
    let values = named.iter().flat_map(|name| {
        let values = headers.get_all(*name).iter().map(HeaderValue::as_bytes);
        std::iter::once(name.as_bytes()).chain(values)
    });
    let parts: Vec<&[u8]> = [received.target.as_bytes(), body].into_iter().chain(values).collect();
    hash(&parts)
}

/// What the answer is compared with, as far as the route's guards need it.
fn answer_checks(route: &RouteRuntime, view: &RequestView<'_>) -> Leaks {
    let output = &route.settings.output;
    let links = output.judges_links() && route.response.watches(ThreatKind::Exfiltration);
    let quality = route.response.watches(ThreatKind::Quality);
    let review = if quality { output.review() } else { Review::default() };
    let schema = (quality && output.checks.contains(&OutputCheck::Schema))
        .then(|| Schema::of_request(view.document.root()))
        .flatten();
    if !links && review.is_off() && schema.is_none() {
        return Leaks::default();
    }
    let mut context = if review.is_off() {
        Context::new()
    } else {
        Context::for_review()
    };
    if links || !review.is_off() {
        for span in &view.spans {
            if matches!(span.form, Form::Text | Form::JsonText) {
                context.add(&span.origin, &span.text);
            }
        }
    }
    let context = Arc::new(context);
    let answer = Answer {
        context: Arc::clone(&context),
        review,
        schema,
    };
    Leaks {
        links: links.then(|| LinkJudge::new(&output.links, &context)),
        answer: (!review.is_off() || answer.schema.is_some()).then_some(answer),
        ..Leaks::default()
    }
}

/// The system text of a request, joined, for the comparison with its answer.
pub(crate) fn system_text(view: &RequestView<'_>) -> String {
    let mut text = String::new();
    for span in view
        .spans
        .iter()
        .filter(|span| span.origin == Origin::System && span.form == Form::Text)
    {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&span.text);
    }
    text
}

/// Policy and guards let exactly these bytes go to the upstream.
#[derive(Debug)]
pub(crate) struct Permitted {
    received: Received,
    permit: Permit,
    judge: Judge,
    leaks: Leaks,
    exchanger: Exchanger,
    /// Marks that the answer must not repeat.
    echoes: Vec<String>,
    body: Bytes,
    case: Option<Arc<Case>>,
}

impl Permitted {
    /// What calls of the answer will be judged by.
    pub(crate) fn case(&self) -> Option<Arc<Case>> {
        self.case.clone()
    }

    pub(crate) async fn forward(self, now: Millis, record: &mut Record) -> Result<Forwarded, Refusal> {
        let Self {
            received,
            permit,
            judge,
            leaks,
            exchanger,
            echoes,
            body,
            case,
        } = self;
        let uri: Uri = received.target.parse().map_err(|_| Refusal::no_route())?;
        let mut request = Request::new(body);
        *request.method_mut() = received.parts.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = received.parts.headers;
        let upstream = upstream(&received.route, now, record)?;
        record.forwarded = true;
        let answer = upstream.send(permit, request).await.inspect_err(|error| {
            tracing::warn!(target: "testudo::upstream", class = error.class(), "upstream failed");
        })?;
        let mut response = Response::new(Body::new(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        let restorer = match exchanger {
            Exchanger::Hide(pseudonyms) => pseudonyms.restorer(),
            Exchanger::Nothing | Exchanger::Restore(_) => Restorer::default(),
        };
        let restorer = restorer.removing(echoes);
        let restore = if restorer.is_empty() {
            Exchanger::Nothing
        } else {
            Exchanger::Restore(restorer)
        };
        Ok(Forwarded {
            runtime: received.runtime,
            route: received.route,
            operation: received.operation,
            judge,
            leaks,
            exchanger: restore,
            response,
            case,
        })
    }
}

/// The client of the upstream that an exchange goes to.
fn upstream(route: &RouteRuntime, now: Millis, record: &mut Record) -> Result<Arc<UpstreamClient>, Refusal> {
    let Some(target) = &route.target else {
        return Ok(Arc::clone(&route.upstream));
    };
    let way = target.way(now)?;
    record.upstream = Some(way.upstream);
    record.model_version = Some(way.version);
    Ok(way.client)
}

/// The upstream has answered; nothing of the answer is with the client yet.
#[derive(Debug)]
pub(crate) struct Forwarded {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) route: Arc<RouteRuntime>,
    pub(crate) operation: Operation,
    pub(crate) judge: Judge,
    pub(crate) leaks: Leaks,
    pub(crate) exchanger: Exchanger,
    pub(crate) response: Response<Body>,
    /// What calls of the answer are judged by.
    pub(crate) case: Option<Arc<Case>>,
}

impl Forwarded {
    /// The guards of the answer.
    pub(crate) fn inspection(&mut self, log: FindingLog) -> Inspection {
        let exchanger = std::mem::replace(&mut self.exchanger, Exchanger::Nothing);
        Inspection::new(
            Arc::clone(&self.route.response),
            self.judge.clone(),
            std::mem::take(&mut self.leaks),
            exchanger,
            log,
        )
    }

    /// Whether guards look at the answer but nothing can change or stop it.
    pub(crate) fn only_watched(&self) -> bool {
        self.case.is_none() && !self.route.response.enforces() && matches!(self.exchanger, Exchanger::Nothing)
    }

    /// Whether the answer can pass unread: no guard looks at it and nothing has to be restored in it.
    pub(crate) fn passes_unread(&self) -> bool {
        self.case.is_none() && self.route.response.is_off() && matches!(self.exchanger, Exchanger::Nothing)
    }
}

/// Reads and checks a request body; operations without one give an empty view.
pub(crate) fn view<'a>(
    operation: Operation,
    body: &'a [u8],
    limits: &json::Limits,
) -> Result<RequestView<'a>, Refusal> {
    Ok(read_request(operation, body, limits)?)
}

impl Authenticated {
    pub(crate) fn operation(&self) -> Operation {
        self.received.operation
    }
}

/// Whether a fingerprint of the system text is needed at all.
pub(crate) fn watches_leaks(route: &RouteRuntime) -> bool {
    route.response.watches(ThreatKind::PromptLeak)
}
