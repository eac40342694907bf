//! A whole gateway on loopback in front of a mock upstream, and a client that sends exact bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;
use testudo_detect::Canaries;
use testudo_detect::structure::special::TokenLevel;
use testudo_detect::structure::spotlight::Style;
use testudo_dialects::Family;
use testudo_gateway::guard::model::Models;
use testudo_gateway::keys::NewKey;
use testudo_gateway::server::{Running, Startup, open_keys, start, start_recording, start_scoring};
use testudo_gateway::settings::{
    AgentSettings, ApprovalSettings, Bounds, GuardSetting, LedgerSettings, Limits, ListenSettings, ModelSettings,
    Profile, Recording, Route, Settings, Timeouts, UpstreamBase, UpstreamSettings,
};
use testudo_policy::PolicySource;
use testudo_recorder::Recorder;
use testudo_testkit::mock::{MockSettings, MockUpstream};
use testudo_types::{PrincipalKind, ProfileName, RouteName, Secret, TenantId, ThreatKind, UnixMillis, UpstreamName};

use crate::guards::Actions;
use crate::notebook::Notebook;

/// What the upstream's credential is; it must be seen nowhere but there.
pub(crate) const UPSTREAM_SECRET: &str = concat!("upstream", "-credential-", "8f2c91d7");

/// How a gateway under test differs from the plain one.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) request: Actions<'static>,
    pub(crate) response: Actions<'static>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) bounds: Bounds,
    pub(crate) mock: MockSettings,
    pub(crate) upstream: Option<SocketAddr>,
    pub(crate) practice: bool,
    pub(crate) recording: Recording,
    pub(crate) models: Option<Arc<Models>>,
    pub(crate) neutralise: Option<TokenLevel>,
    pub(crate) spotlight: Option<Style>,
    pub(crate) agents: Option<Arc<AgentSettings>>,
    pub(crate) canaries: Canaries,
    pub(crate) plant: bool,
    pub(crate) policies: Vec<PolicySource>,
    pub(crate) approvals: ApprovalSettings,
}

impl Plan {
    pub(crate) fn with(actions: Actions<'static>) -> Self {
        Self {
            request: actions,
            response: actions,
            limits: Limits::default(),
            timeouts: Timeouts {
                connect_ms: 1_000,
                first_byte_ms: 20_000,
                idle_ms: 20_000,
                total_ms: 60_000,
            },
            bounds: Bounds::DEFAULT,
            mock: MockSettings::default(),
            upstream: None,
            practice: false,
            recording: Recording::DEFAULT,
            models: None,
            neutralise: None,
            spotlight: None,
            agents: None,
            canaries: Canaries::default(),
            plant: false,
            policies: Vec::new(),
            approvals: ApprovalSettings::none(),
        }
    }

    /// The configuration for an upstream at `address`.
    pub(crate) fn settings(&self, address: SocketAddr) -> Settings {
        let base = if self.practice {
            UpstreamBase::Practice
        } else {
            UpstreamBase::Url(format!("http://{address}").parse().unwrap())
        };
        let guards = |actions: Actions<'_>| -> BTreeMap<ThreatKind, GuardSetting> {
            let setting = |action| GuardSetting { action, score_min: 0 };
            actions.iter().map(|(kind, action)| (*kind, setting(*action))).collect()
        };
        let profile = Arc::new(Profile {
            name: ProfileName::parse("p").unwrap(),
            // Leaks are a thing of answers; the gateway refuses a guard that can never act.
            request: guards(self.request)
                .into_iter()
                .filter(|(kind, _)| *kind != ThreatKind::PromptLeak)
                .collect(),
            response: guards(self.response),
            hold_bytes_max: 1 << 20,
            neutralise: self.neutralise,
            allow: Vec::new(),
            placeholder: testudo_detect::pseudonym::PlaceholderStyle::Bracket,
        });
        let families = [(Family::OpenAi, "openai"), (Family::Anthropic, "anthropic")];
        let upstreams = families.map(|(family, name)| {
            let name = UpstreamName::parse(name).unwrap();
            let settings = UpstreamSettings {
                name: name.clone(),
                base: base.clone(),
                family,
                secret: Some(Secret::new(UPSTREAM_SECRET)),
                authorities: None,
                allow_private: true,
                timeouts: self.timeouts,
                retries_max: 0,
                serves: None,
            };
            (name, Arc::new(settings))
        });
        let routes = families.map(|(family, name)| {
            Arc::new(Route {
                name: RouteName::parse(name).unwrap(),
                prefix: String::new(),
                family,
                upstream: UpstreamName::parse(name).unwrap(),
                model: None,
                profile: Arc::clone(&profile),
                limits: self.limits,
                output_tokens_default: 16,
                hosted_tools: false,
                server_history: false,
                output: testudo_gateway::settings::OutputSettings::default(),
                canaries: self.canaries.clone(),
                plant: self.plant,
                recording: self.recording,
                spotlight: self.spotlight,
                agents: self.agents.clone(),
                allow: Vec::new(),
            })
        });
        Settings {
            routes: routes.to_vec(),
            upstreams: upstreams.into_iter().collect(),
            policies: self.policies.clone(),
            prices: BTreeMap::new(),
            bounds: self.bounds,
            models: ModelSettings::OFF,
            mcp: None,
            approvals: self.approvals.clone(),
            follow: None,
            mlflow: None,
        }
    }
}

/// A gateway, the mock behind it, and a key.
pub(crate) struct Rig {
    pub(crate) mock: MockUpstream,
    pub(crate) running: Running,
    pub(crate) key: String,
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) data: TempDir,
    _ledger: Option<TempDir>,
}

/// What the client got.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// What arrived before the end or the break.
    pub(crate) body: Bytes,
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Rig {
    /// With the ledger of its own data folder.
    pub(crate) async fn start(plan: &Plan) -> Self {
        Self::begin(plan, None, &|_| {}).await
    }

    /// With a ledger whose entries the test reads and whose writer it rules.
    pub(crate) async fn recording(plan: &Plan) -> (Self, Notebook) {
        Self::recording_with(plan, &|_| {}).await
    }

    /// The same with a configuration that differs.
    pub(crate) async fn recording_with(plan: &Plan, change: &dyn Fn(&mut Settings)) -> (Self, Notebook) {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, notebook) = Notebook::recorder(&folder.path().join("ledger")).await;
        let mut rig = Self::begin(plan, Some(recorder), change).await;
        rig._ledger = Some(folder);
        // What a test does next meets a writer at rest.
        notebook.until_written("configuration").await;
        (rig, notebook)
    }

    async fn begin(plan: &Plan, recorder: Option<Recorder>, change: &dyn Fn(&mut Settings)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let data_dir = data.path().join("data");
        let store = open_keys(&data_dir).await.unwrap();
        let new = NewKey::unrestricted("test", TenantId::parse("t").unwrap(), PrincipalKind::Service);
        let created = store.create(new, UnixMillis(1)).await.unwrap();
        store.close().await;
        let mock = MockUpstream::start(plan.mock.clone()).await.unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = ListenSettings {
            address: any,
            hosts: Vec::new(),
            origins: Vec::new(),
            tls: None,
            admin: Some(any),
        };
        let mut settings = plan.settings(plan.upstream.unwrap_or(mock.address));
        change(&mut settings);
        let startup = Startup {
            listen,
            admin_token: None,
            data_dir,
            ledger: LedgerSettings::default(),
            settings,
        };
        let running = match recorder {
            None => match &plan.models {
                Some(models) => start_scoring(startup, Arc::clone(models)).await.unwrap(),
                None => Box::pin(start(startup)).await.unwrap(),
            },
            Some(recorder) => Box::pin(start_recording(startup, recorder)).await.unwrap(),
        };
        let client = Client::builder(TokioExecutor::new()).build_http();
        let key = created.token.expose().to_owned();
        Self {
            mock,
            running,
            key,
            client,
            data,
            _ledger: None,
        }
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[], body).await
    }

    /// With the key, and with `headers` in the place of those of the same name.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.running.address()).parse().unwrap();
        let bearer = format!("Bearer {}", self.key);
        let map = request.headers_mut();
        map.insert("authorization", bearer.parse().unwrap());
        map.insert("content-type", "application/json".parse().unwrap());
        for (name, value) in headers {
            map.insert(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        self.call(request).await
    }

    pub(crate) async fn without_key(&self, method: Method, path: &str) -> Answer {
        let mut request = Request::new(Full::new(Bytes::from_static(b"{}")));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.running.address()).parse().unwrap();
        self.call(request).await
    }

    /// The same request to the mock itself.
    pub(crate) async fn direct(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("{}{path}", self.mock.base_url()).parse().unwrap();
        self.call(request).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let mut request = Request::new(Full::new(Bytes::new()));
        let admin = self.running.admin_address().unwrap();
        *request.uri_mut() = format!("http://{admin}{path}").parse().unwrap();
        self.call(request).await
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.client.request(request).await.unwrap();
        let (parts, mut body) = response.into_parts();
        let mut collected = Vec::new();
        let mut whole = true;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => collected.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: collected.into(),
            whole,
        }
    }

    /// Waits until `/metrics` has a line with all of `parts`.
    pub(crate) async fn until_counted(&self, parts: &[&str]) {
        for _ in 0..500 {
            let text = self.admin("/metrics").await.text();
            if text.lines().any(|line| parts.iter().all(|part| line.contains(part))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{parts:?} never counted:\n{}", self.admin("/metrics").await.text());
    }
}

/// A chat request that says `content`.
pub(crate) fn chat(content: &str, stream: bool) -> String {
    serde_json::json!({
        "model": "mock-1", "stream": stream, "messages": [{"role": "user", "content": content}],
    })
    .to_string()
}
