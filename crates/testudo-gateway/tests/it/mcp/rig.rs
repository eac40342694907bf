//! A gateway in front of MCP servers, and callers of both eras.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use testudo_dialects::Family;
use testudo_dialects::mcp::ServerName;
use testudo_gateway::keys::NewKey;
use testudo_gateway::mcp::pins::Pins;
use testudo_gateway::server::{Running, Startup, open_keys, start, start_recording};
use testudo_gateway::settings::{
    AgentSettings, ApprovalSettings, Asks, Bounds, GuardSetting, LedgerSettings, Limits, ListenSettings, McpServer,
    McpSettings, McpTransport, ModelSettings, Profile, Recording, Settings, StdioSettings, Timeouts, Trust,
    UpstreamBase, UpstreamSettings, mcp_route,
};
use testudo_policy::{PolicySource, RouteScope};
use testudo_types::{
    Action, PrincipalKind, ProfileName, RouteName, Secret, TenantId, ThreatKind, UnixMillis, UpstreamName,
};

use super::server::MockServer;
use crate::notebook::Notebook;

pub(super) const CREDENTIAL: &str = concat!("mcp-", "credential-", "77aa31");

/// One server of a rig.
pub(super) struct Behind {
    pub(super) name: &'static str,
    pub(super) transport: McpTransport,
    pub(super) tools: Vec<String>,
    pub(super) asks: Asks,
    pub(super) results: Trust,
    pub(super) released_only: bool,
    pub(super) agents: Option<Arc<AgentSettings>>,
    pub(super) limits: Limits,
    pub(super) recording: Recording,
}

pub(super) const TIMEOUTS: Timeouts = Timeouts {
    connect_ms: 1_000,
    first_byte_ms: 10_000,
    idle_ms: 10_000,
    total_ms: 20_000,
};

impl Behind {
    pub(super) fn http(name: &'static str, mock: &MockServer) -> Self {
        let base = format!("http://{}/mcp", mock.address).parse().unwrap();
        Self::transport(
            name,
            McpTransport::Http(Arc::new(UpstreamSettings {
                name: UpstreamName::parse(name).unwrap(),
                base: UpstreamBase::Url(base),
                family: Family::OpenAi,
                secret: Some(Secret::new(CREDENTIAL)),
                authorities: None,
                allow_private: true,
                timeouts: TIMEOUTS,
                retries_max: 0,
                serves: None,
            })),
        )
    }

    pub(super) fn program(name: &'static str, script: &str, env: &[(&str, &str)]) -> Self {
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value)));
        Self::transport(
            name,
            McpTransport::Stdio(StdioSettings {
                command: PathBuf::from("/bin/sh"),
                args: vec!["-c".to_owned(), script.to_owned()],
                env: env.collect(),
                timeouts: Timeouts {
                    total_ms: 5_000,
                    ..TIMEOUTS
                },
            }),
        )
    }

    fn transport(name: &'static str, transport: McpTransport) -> Self {
        Self {
            name,
            transport,
            tools: vec!["*".to_owned()],
            asks: Asks::default(),
            results: Trust::ThirdParty,
            released_only: false,
            agents: None,
            limits: Limits::default(),
            recording: Recording::DEFAULT,
        }
    }
}

fn profile() -> Arc<Profile> {
    let guards = |rows: &[(ThreatKind, Action)]| -> BTreeMap<ThreatKind, GuardSetting> {
        let setting = |action| GuardSetting { action, score_min: 60 };
        rows.iter().map(|(kind, action)| (*kind, setting(*action))).collect()
    };
    Arc::new(Profile {
        name: ProfileName::parse("tools").unwrap(),
        request: guards(&[
            (ThreatKind::Injection, Action::Block),
            (ThreatKind::Secret, Action::Mask),
            (ThreatKind::HiddenText, Action::Mask),
            (ThreatKind::Unscannable, Action::Block),
        ]),
        response: guards(&[
            (ThreatKind::Secret, Action::Block),
            (ThreatKind::HiddenText, Action::Mask),
            (ThreatKind::Unscannable, Action::Block),
        ]),
        hold_bytes_max: 1 << 20,
        allow: Vec::new(),
        placeholder: testudo_detect::pseudonym::PlaceholderStyle::Bracket,
        neutralise: None,
    })
}

pub(super) fn settings(servers: Vec<Behind>, policy: &str) -> Settings {
    let servers = servers.into_iter().map(|one| {
        let name = ServerName::parse(one.name).unwrap();
        let mut route = mcp_route(Some(&name), profile(), one.limits, one.recording).unwrap();
        route.agents = one.agents;
        Arc::new(McpServer {
            route: Arc::new(route),
            name,
            transport: one.transport,
            tools: one.tools,
            results: one.results,
            asks: one.asks,
            released_only: one.released_only,
        })
    });
    let policies = (!policy.is_empty()).then(|| PolicySource {
        name: "own.cedar".to_owned(),
        text: policy.to_owned(),
    });
    Settings {
        routes: Vec::new(),
        upstreams: BTreeMap::new(),
        policies: policies.into_iter().collect(),
        prices: BTreeMap::new(),
        bounds: Bounds::DEFAULT,
        models: ModelSettings::OFF,
        mcp: Some(McpSettings {
            path: "/mcp".to_owned(),
            servers: servers.collect(),
            hub: Arc::new(mcp_route(None, profile(), Limits::default(), Recording::DEFAULT).unwrap()),
        }),
        approvals: ApprovalSettings::none(),
        follow: None,
        mlflow: None,
    }
}

fn startup(data: &TempDir, settings: Settings) -> Startup {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Startup {
        listen: ListenSettings {
            address: any,
            hosts: Vec::new(),
            origins: vec!["https://app.example".to_owned()],
            tls: None,
            admin: Some(any),
        },
        admin_token: None,
        data_dir: data.path().join("data"),
        ledger: LedgerSettings::default(),
        settings,
    }
}

pub(super) struct Rig {
    pub(super) running: Running,
    pub(super) key: String,
    /// A key that may use no server but `mail` and `bank`.
    pub(super) mail_key: String,
    pub(super) pins: Pins,
    client: Client<HttpConnector, Full<Bytes>>,
    _data: TempDir,
}

/// What a caller got.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// The messages of a stream.
    pub(super) fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    pub(super) fn error(&self) -> (i64, String) {
        let error = &self.json()["error"];
        let code = error["code"].as_i64();
        (
            code.unwrap_or_else(|| panic!("{}", self.text)),
            error["message"].as_str().unwrap().to_owned(),
        )
    }
}

impl Rig {
    pub(super) async fn start(servers: Vec<Behind>) -> Self {
        Self::with_policy(servers, "").await
    }

    pub(super) async fn with_policy(servers: Vec<Behind>, policy: &str) -> Self {
        Self::of(settings(servers, policy)).await
    }

    pub(super) async fn of(settings: Settings) -> Self {
        Self::begin(settings, None).await.0
    }

    /// The same gateway, started anew with its data folder.
    pub(super) async fn restarted(self, settings: Settings) -> Self {
        let _report = self.running.stop().await;
        let running = start(startup(&self._data, settings)).await.unwrap();
        Self { running, ..self }
    }

    pub(super) async fn recording(servers: Vec<Behind>) -> (Self, Notebook) {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Notebook::recorder(&folder.path().join("ledger")).await;
        let (rig, notebook) = Self::begin(settings(servers, ""), Some(recorder)).await;
        drop(folder.keep());
        let notebook = notebook.unwrap();
        notebook.until_written("configuration").await;
        (rig, notebook)
    }

    async fn begin(
        settings: Settings,
        recorder: Option<(testudo_recorder::Recorder, Notebook)>,
    ) -> (Self, Option<Notebook>) {
        let data = tempfile::tempdir().unwrap();
        let data_dir = data.path().join("data");
        let store = open_keys(&data_dir).await.unwrap();
        let new = NewKey::unrestricted("test", TenantId::parse("t").unwrap(), PrincipalKind::Agent);
        let created = store.create(new.clone(), UnixMillis(1)).await.unwrap();
        let mail = NewKey {
            routes: RouteScope::Only(
                ["mcp.mail", "mcp.bank"]
                    .map(|it| RouteName::parse(it).unwrap())
                    .to_vec(),
            ),
            ..new
        };
        let mail = store.create(mail, UnixMillis(1)).await.unwrap();
        store.close().await;
        let startup = startup(&data, settings);
        let (running, notebook) = match recorder {
            Some((recorder, notebook)) => (start_recording(startup, recorder).await.unwrap(), Some(notebook)),
            None => (start(startup).await.unwrap(), None),
        };
        let rig = Self {
            running,
            key: created.token.expose().to_owned(),
            mail_key: mail.token.expose().to_owned(),
            pins: Pins::new(&data_dir),
            client: Client::builder(TokioExecutor::new()).build_http(),
            _data: data,
        };
        (rig, notebook)
    }

    pub(super) fn reload(&self, servers: Vec<Behind>) {
        self.running.reload(settings(servers, "")).unwrap();
    }

    /// Approves every tool that the server was seen to have.
    pub(super) async fn approve(&self, server: &str) {
        let name = ServerName::parse(server).unwrap();
        for _ in 0..500 {
            let seen = self.pins.seen(&name).unwrap();
            if !seen.is_empty() {
                for tool in seen.iter().filter(|it| it.refused.is_none()) {
                    self.pins.approve(&name, &tool.name, None, UnixMillis(1)).unwrap();
                }
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("nothing was seen of {server}");
    }

    /// One HTTP request; headers replace those of the same name, an empty value removes one.
    pub(super) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Got {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.running.address()).parse().unwrap();
        let map = request.headers_mut();
        map.insert("authorization", format!("Bearer {}", self.key).parse().unwrap());
        map.insert("content-type", "application/json".parse().unwrap());
        map.insert("accept", "application/json, text/event-stream".parse().unwrap());
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            if value.is_empty() {
                map.remove(name);
            } else {
                map.insert(name, value.parse().unwrap());
            }
        }
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A stream that stays open.
    pub(super) async fn open(&self, headers: &[(&str, &str)]) -> hyper::body::Incoming {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = format!("http://{}/mcp", self.running.address()).parse().unwrap();
        let map = request.headers_mut();
        map.insert("authorization", format!("Bearer {}", self.key).parse().unwrap());
        map.insert("accept", "text/event-stream".parse().unwrap());
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.insert(name, value.parse().unwrap());
        }
        self.client.request(request).await.unwrap().into_body()
    }

    pub(super) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Got {
        self.send(Method::POST, path, headers, body.to_string()).await
    }

    /// A caller of a revision with sessions.
    pub(super) async fn session(&self, path: &'static str) -> Caller<'_> {
        self.session_with(path, "2025-11-25", json!({})).await
    }

    pub(super) async fn session_with(&self, path: &'static str, revision: &str, capabilities: Value) -> Caller<'_> {
        let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let got = self.post(path, &[], &body).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let session = got.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let revision = got.json()["result"]["protocolVersion"].as_str().unwrap().to_owned();
        let caller = Caller {
            rig: self,
            path,
            session,
            revision,
            opened: got.json(),
        };
        let told = caller.tell("notifications/initialized", json!({})).await;
        assert_eq!((told.status, told.text.as_str()), (202, ""));
        caller
    }

    /// One request of the revision without sessions.
    pub(super) async fn modern(&self, path: &str, method: &str, params: Value) -> Got {
        let bearer = format!("Bearer {}", self.key);
        self.modern_as(&bearer, path, method, params).await
    }

    pub(super) async fn modern_as(&self, bearer: &str, path: &str, method: &str, mut params: Value) -> Got {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params
            .get("name")
            .or(params.get("uri"))
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned();
        let headers = [
            ("authorization", bearer),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
            ("mcp-name", name.as_str()),
        ];
        let body = json!({"jsonrpc": "2.0", "id": "m-1", "method": method, "params": params});
        self.post(path, &headers, &body).await
    }
}

/// A caller with a session.
pub(super) struct Caller<'r> {
    pub(super) rig: &'r Rig,
    path: &'static str,
    pub(super) session: String,
    pub(super) revision: String,
    pub(super) opened: Value,
}

impl Caller<'_> {
    pub(super) async fn ask(&self, method: &str, params: Value) -> Got {
        self.send(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
            .await
    }

    pub(super) async fn tell(&self, method: &str, params: Value) -> Got {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
            .await
    }

    pub(super) async fn send(&self, body: &Value) -> Got {
        let headers = [
            ("mcp-session-id", self.session.as_str()),
            ("mcp-protocol-version", self.revision.as_str()),
        ];
        self.rig.post(self.path, &headers, body).await
    }

    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Got {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// The names of the tools that are listed.
    pub(super) async fn tools(&self) -> Vec<String> {
        names(&self.ask("tools/list", json!({})).await)
    }
}

pub(super) fn names(got: &Got) -> Vec<String> {
    let tools = got.json()["result"]["tools"].clone();
    let tools = tools.as_array().unwrap_or_else(|| panic!("{}", got.text));
    tools.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

impl Rig {
    /// Puts something else in the place of what was approved.
    pub(super) fn spoil_approvals(&self, server: &str) {
        let path = self._data.path().join(format!("data/mcp/{server}.approved.json"));
        std::fs::write(path, "{}").unwrap();
    }
}
