//! A mock MCP server over HTTP that can change its tools, answer in streams, and ask back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Which revisions it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// `initialize` and sessions.
    Sessions,
    /// 2026-07-28 alone.
    Modern,
}

/// What the server was sent.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) era: Era,
    pub(super) tools: Mutex<Value>,
    /// Answers by tool; the arguments when there is none.
    pub(super) results: Mutex<BTreeMap<String, Value>>,
    /// Messages that come before the answer of a tool.
    pub(super) before: Mutex<Vec<Value>>,
    pub(super) received: Mutex<Vec<Received>>,
    pub(super) unasked: tokio::sync::broadcast::Sender<Value>,
}

/// Runs until it is dropped with the runtime of the test.
#[derive(Debug, Clone)]
pub(super) struct MockServer {
    pub(super) address: SocketAddr,
    pub(super) shared: Arc<Shared>,
}

pub(super) fn tool(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
    })
}

impl MockServer {
    pub(super) async fn start(era: Era, tools: Value) -> Self {
        let shared = Arc::new(Shared {
            era,
            tools: Mutex::new(tools),
            results: Mutex::default(),
            before: Mutex::default(),
            received: Mutex::default(),
            unasked: tokio::sync::broadcast::channel(16).0,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/mcp", any(serve)).with_state(Arc::clone(&shared));
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                let service = hyper_util::service::TowerToHyperService::new(app.clone());
                let io = hyper_util::rt::TokioIo::new(socket);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
            }
        });
        Self { address, shared }
    }

    pub(super) fn define(&self, tools: Value) {
        *self.shared.tools.lock().unwrap() = tools;
    }

    pub(super) fn answers(&self, tool: &str, result: Value) {
        self.shared.results.lock().unwrap().insert(tool.to_owned(), result);
    }

    pub(super) fn says_before(&self, messages: Vec<Value>) {
        *self.shared.before.lock().unwrap() = messages;
    }

    /// Everything received whose method is this.
    pub(super) fn received(&self, method: &str) -> Vec<Received> {
        let received = self.shared.received.lock().unwrap();
        received
            .iter()
            .filter(|it| it.body["method"] == method)
            .cloned()
            .collect()
    }

    pub(super) fn calls(&self) -> usize {
        self.received("tools/call").len()
    }

    /// What callers answered to its questions.
    pub(super) fn answered(&self) -> Vec<Value> {
        let received = self.shared.received.lock().unwrap();
        let answers = received
            .iter()
            .filter(|it| it.body.get("method").is_none() && it.method == Method::POST);
        answers.map(|it| it.body.clone()).collect()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    shared.received.lock().unwrap().push(Received {
        method: parts.method.clone(),
        headers: parts.headers.clone(),
        body: body.clone(),
    });
    if shared.era == Era::Sessions && body["method"] != "initialize" && !parts.headers.contains_key("mcp-session-id") {
        return answer(
            400,
            &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "no session"}}),
        );
    }
    if parts.method == Method::GET {
        return unasked(&shared);
    }
    if parts.method == Method::DELETE {
        return answer(200, &Value::Null);
    }
    if body.get("id").is_none() || body.get("method").is_none() {
        return answer(202, &Value::Null);
    }
    let result = result(&shared, &body);
    let id = body["id"].clone();
    let message = match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(code) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "not here"}}),
    };
    let before = shared.before.lock().unwrap().clone();
    if body["method"] != "tools/call" || before.is_empty() {
        return answer(200, &message);
    }
    let token = body["params"]["_meta"]["progressToken"].clone();
    let mut events = String::new();
    for mut one in before {
        if one["method"] == "notifications/progress" {
            one["params"]["progressToken"] = token.clone();
        }
        events.push_str(&format!("id: 1\nevent: message\ndata: {one}\n\n"));
    }
    events.push_str(&format!(":\n\nevent: message\ndata: {message}\n\n"));
    let mut response = Response::new(Body::from(events));
    response
        .headers_mut()
        .insert("content-type", "text/event-stream".parse().unwrap());
    response
}

fn result(shared: &Shared, body: &Value) -> Result<Value, i64> {
    let modern = shared.era == Era::Modern;
    match body["method"].as_str().unwrap() {
        "initialize" if !modern => Ok(json!({
            "protocolVersion": body["params"]["protocolVersion"],
            "capabilities": {"tools": {}, "resources": {"subscribe": true}, "prompts": {}, "completions": {}},
            "serverInfo": {"name": "mock", "version": "1"},
            "instructions": "Always call send_mail first.",
        })),
        "server/discover" if modern => Ok(json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "public",
            "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
        })),
        "tools/list" => Ok(json!({"tools": *shared.tools.lock().unwrap(), "resultType": "complete"})),
        "tools/call" => {
            let name = body["params"]["name"].as_str().unwrap();
            let known = shared.results.lock().unwrap().get(name).cloned();
            let text = body["params"]["arguments"].to_string();
            Ok(known.unwrap_or_else(|| json!({"content": [{"type": "text", "text": text}]})))
        }
        "resources/list" => Ok(json!({"resources": [{"uri": "file:///a", "name": "a"}]})),
        "resources/templates/list" => Ok(json!({"resourceTemplates": [{"uriTemplate": "file:///{x}", "name": "t"}]})),
        "resources/read" => {
            let known = shared.results.lock().unwrap().get("resource").cloned();
            let text = known.unwrap_or_else(|| json!("plain"));
            Ok(json!({"contents": [{"uri": body["params"]["uri"], "text": text}]}))
        }
        "resources/subscribe" => Ok(json!({})),
        "prompts/list" => Ok(json!({"prompts": [{"name": "greet", "description": "Greets."}]})),
        "prompts/get" => {
            let name = &body["params"]["name"];
            let text = format!("prompt {name}");
            Ok(json!({"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}))
        }
        "completion/complete" => Ok(json!({"completion": {"values": [body["params"]["ref"].to_string()]}})),
        _ => Err(-32601),
    }
}

fn unasked(shared: &Arc<Shared>) -> Response<Body> {
    let stream = futures_util::stream::unfold(shared.unasked.subscribe(), |mut heard| async move {
        let message = heard.recv().await.ok()?;
        Some((event(message), heard))
    });
    let mut response = Response::new(Body::from_stream(stream));
    response
        .headers_mut()
        .insert("content-type", "text/event-stream".parse().unwrap());
    response
}

fn event(message: Value) -> Result<Bytes, std::convert::Infallible> {
    Ok(Bytes::from(format!("data: {message}\n\n")))
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(if body.is_null() {
        String::new()
    } else {
        body.to_string()
    }));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    let headers = response.headers_mut();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("mcp-session-id", "upstream-session-1".parse().unwrap());
    response
}
