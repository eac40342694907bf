//! The mock's listener: one task per connection, each answer prepared and then paced.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::{self, Asked, Operation, Prepared};
use super::body::PacedBody;
use super::log::Exchange;
use super::settings::{Fault, MockSettings};
use super::{Shared, lock};

/// Larger request bodies are refused.
const REQUEST_BYTES_MAX: usize = 64 << 20;

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Running out of descriptors is the only likely error; the next accept waits for one.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let number = shared.log.connect();
    if lock(&shared.settings).fault == Some(Fault::CloseOnAccept) {
        return;
    }
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| answer_to(request, Arc::clone(&shared), number));
    // An error here is a peer that went away, which the exchange has already recorded.
    let _ended = hyper::server::conn::http1::Builder::new()
        .half_close(false)
        .max_buf_size(1 << 20)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer_to(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    connection: u64,
) -> Result<Response<PacedBody>, Infallible> {
    let (head, body) = request.into_parts();
    let exchange = Exchange::begin(&shared, connection, &head);
    let body = match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let refusal = answer::failure(None, 413, "the mock could not read the body");
            return Ok(respond(&refusal, &MockSettings::default(), exchange, &[]));
        }
    };
    exchange.body_read(&body);
    let operation = Operation::of(head.uri.path());
    let (prepared, settings, extra) = match steer(&shared, &head.headers, &body) {
        Ok((settings, asked)) => {
            let reply = lock(&shared.replies).pop_front().or_else(|| settings.reply.clone());
            match (reply, operation) {
                (Some(reply), _) => (answer::exact(&reply), settings, reply.headers),
                (None, Some(operation)) => (
                    shared.answers.prepare(operation, &asked, &settings),
                    settings,
                    Vec::new(),
                ),
                (None, None) => {
                    let text = format!("the mock does not serve {}", head.uri.path());
                    (answer::failure(None, 404, &text), settings, Vec::new())
                }
            }
        }
        Err(problem) => {
            let refusal = answer::failure(operation, 400, &problem);
            (refusal, Arc::new(MockSettings::default()), Vec::new())
        }
    };
    if settings.ttft_ms > 0 {
        tokio::time::sleep(Duration::from_millis(settings.ttft_ms)).await;
    }
    if settings.fault == Some(Fault::HangBeforeHead) {
        std::future::pending::<()>().await;
    }
    Ok(respond(&prepared, &settings, exchange, &extra))
}

/// The settings for this request: the mock's, then `x-mock-*` headers, then the body's `x_mock`.
fn steer(shared: &Shared, headers: &HeaderMap, body: &Bytes) -> Result<(Arc<MockSettings>, Asked), String> {
    let mut settings = Arc::clone(&lock(&shared.settings));
    let mut asked = if body.is_empty() {
        Asked::default()
    } else {
        serde_json::from_slice(body).map_err(|error| format!("the body is not a request: {error}"))?
    };
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix("x-mock-") {
            let value = value.to_str().unwrap_or("");
            Arc::make_mut(&mut settings)
                .apply(key, value)
                .map_err(|error| error.to_string())?;
        }
    }
    for (key, value) in std::mem::take(&mut asked.x_mock) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Arc::make_mut(&mut settings)
            .apply(&key, &text)
            .map_err(|error| error.to_string())?;
    }
    Ok((settings, asked))
}

fn respond(
    prepared: &Prepared,
    settings: &MockSettings,
    exchange: Exchange,
    extra: &[(String, String)],
) -> Response<PacedBody> {
    let body = PacedBody::new(prepared.queue(), prepared.length, prepared.after, exchange);
    let mut response = Response::new(body.paced(settings.interval_ms, prepared.apart));
    *response.status_mut() = StatusCode::from_u16(prepared.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let own = prepared.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let extra = extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fixed = [
        ("x-request-id", "req_mock0001"),
        ("request-id", "req_mock0001"),
        ("openai-processing-ms", "1"),
        ("x-ratelimit-remaining-requests", "999"),
    ];
    for (name, value) in fixed.into_iter().chain(own).chain(extra) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
