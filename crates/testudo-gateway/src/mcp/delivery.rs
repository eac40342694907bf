//! Answers on their way to the caller: one message, or a stream of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Frame;
use serde_json::json;
use testudo_bounded::json::Edits;
use testudo_dialects::mcp::{META_SUBSCRIPTION, Message, MessageKind, RequestId, read_message};
use testudo_types::Clock;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use super::forward::{Forward, Reads, framed, join_addresses, question, send};
use super::link::Link;
use super::serve::Wanted;
use super::server::{Door, Server};
use super::session::Session;
use crate::guard::Judge;
use crate::keys::{Caller, KeyRing};
use crate::record::{Outcome, Record};
use crate::refusal::{Refusal, mark};
use crate::runtime::Runtime;

/// Messages of a stream that wait to be read.
const QUEUE_MAX: usize = 16;
/// A quiet stream says this often that it stands, and its key is looked at again.
const ALIVE: Duration = Duration::from_secs(5);

/// What is needed to read what servers say in a stream.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) door: Door,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<KeyRing>,
}

/// The answer, once it is recorded as its route asks.
pub(crate) async fn settled(response: Response<Body>, mut record: Record) -> Response<Body> {
    match record.settle().await {
        Ok(()) => response,
        Err(unrecorded) => {
            record.withheld();
            let mut response = Fault::http(Refusal::from(unrecorded), 503).respond(None, &mut record);
            mark(&mut response, &record.id);
            response
        }
    }
}

/// One whole message.
pub(crate) async fn message(bytes: impl Into<Bytes>, mut record: Record) -> Response<Body> {
    let bytes: Bytes = bytes.into();
    record.status = 200;
    record.response_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    record.content.answer(&bytes);
    record.first_byte();
    record.end(Outcome::Delivered);
    let mut response = Response::new(Body::from(bytes));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    settled(response, record).await
}

/// The answer of a server: as a stream when something comes before it, where the caller and the recording allow that.
pub(crate) async fn forwarded(forward: Forward, mut record: Record, streams: bool) -> Response<Body> {
    let streams = streams && !record.holds_answer();
    let id = forward.id.clone();
    let (out, mut news) = mpsc::channel(QUEUE_MAX);
    let out = streams.then_some(out);
    let mut work: Talking = Box::pin(async move {
        let answer = forward.run(out.as_ref(), &mut record).await;
        (answer, record)
    });
    let begun = tokio::select! {
        biased;
        Some(first) = news.recv() => Ok(first),
        done = &mut work => Err(done),
    };
    let first = match begun {
        Ok(first) => first,
        Err(done) => match news.try_recv() {
            // All of it was there at once.
            Ok(first) => {
                work = Box::pin(std::future::ready(done));
                first
            }
            Err(_) => return answered(done, &id).await,
        },
    };
    let last = async move {
        let (answer, mut record) = work.await;
        let bytes = answer.unwrap_or_else(|fault| fault.end(Some(&id), &mut record).into_bytes());
        let framed = framed(&bytes);
        record.status = 200;
        record.content.piece(&framed);
        let length = u64::try_from(framed.len()).unwrap_or(u64::MAX);
        record.response_bytes = record.response_bytes.saturating_add(length);
        record.end(Outcome::Delivered);
        Some(framed)
    };
    stream(Streamed {
        work: Some(Box::pin(last)),
        news,
        ready: Some(first),
        last: None,
    })
}

/// A request that is being answered, with the record of it.
type Talking = Pin<Box<dyn Future<Output = (Result<Vec<u8>, Fault>, Record)> + Send>>;

/// An answer before which nothing was said.
async fn answered((answer, mut record): (Result<Vec<u8>, Fault>, Record), id: &RequestId) -> Response<Body> {
    match answer {
        Ok(bytes) => message(bytes, record).await,
        Err(fault) => {
            let response = fault.respond(Some(id), &mut record);
            settled(response, record).await
        }
    }
}

/// What servers say unasked, for as long as the caller listens.
pub(crate) fn listen(session: Arc<Session>, reading: Reading, record: Record) -> Response<Body> {
    let (out, news) = mpsc::channel(QUEUE_MAX);
    let hearing = Hearing {
        session,
        reading,
        out,
        record,
        subscription: None,
    };
    stream(Streamed {
        work: Some(Box::pin(hearing.run())),
        news,
        ready: Some(Bytes::from_static(b":\n\n")),
        last: None,
    })
}

/// The news that a caller asked for, under the id of its request.
pub(crate) fn subscribed(
    session: Arc<Session>,
    id: &RequestId,
    wanted: Wanted,
    reading: Reading,
    mut record: Record,
) -> Response<Body> {
    let agreed = [
        ("toolsListChanged", wanted.tools),
        ("promptsListChanged", wanted.prompts),
        ("resourcesListChanged", wanted.resources),
    ];
    let agreed: serde_json::Map<String, serde_json::Value> = agreed
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .map(|(key, _)| (key.to_owned(), json!(true)))
        .collect();
    let notice = notice("notifications/subscriptions/acknowledged", id, Some(json!(agreed)));
    record.streamed = true;
    record.first_byte();
    let (out, news) = mpsc::channel(QUEUE_MAX);
    let hearing = Hearing {
        session,
        reading,
        out,
        record,
        subscription: Some((id.clone(), wanted)),
    };
    stream(Streamed {
        work: Some(Box::pin(hearing.run())),
        news,
        ready: Some(framed(notice.as_bytes())),
        last: None,
    })
}

/// A notification of a subscription.
fn notice(method: &str, id: &RequestId, notifications: Option<serde_json::Value>) -> String {
    let more = notifications.map_or(String::new(), |it| format!(",\"notifications\":{it}"));
    let id = id.as_json();
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{{\"_meta\":{{\"{META_SUBSCRIPTION}\":{id}}}{more}}}}}"
    )
}

fn stream(body: Streamed) -> Response<Body> {
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies between here and the caller must not collect the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Someone who listens.
struct Hearing {
    session: Arc<Session>,
    reading: Reading,
    out: mpsc::Sender<Bytes>,
    record: Record,
    subscription: Option<(RequestId, Wanted)>,
}

impl Hearing {
    async fn run(mut self) -> Option<Bytes> {
        let mut heard = self.session.unasked.subscribe();
        let over = CancellationToken::new();
        let _ends_with_this = over.clone().drop_guard();
        for link in self.session.links().await {
            drop(tokio::spawn(pump(link, Arc::clone(&self.session), over.clone())));
        }
        let mut alive = tokio::time::interval(ALIVE);
        loop {
            let news = tokio::select! {
                () = self.session.ended.cancelled() => break,
                _ = alive.tick() => {
                    if !self.may_listen() { break; }
                    self.session.touch(self.reading.clock.monotonic());
                    if self.out.send(Bytes::from_static(b":\n\n")).await.is_err() { return None; }
                    continue;
                }
                news = heard.recv() => news,
            };
            match news {
                Ok((server, bytes)) => self.take(&server, &bytes).await,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
        self.record.status = 200;
        self.record.end(Outcome::Delivered);
        let (id, _) = self.subscription.as_ref()?;
        let id = id.as_json();
        let last = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\"_meta\":{{\"{META_SUBSCRIPTION}\":{id}}}}}}}"
        );
        Some(framed(last.as_bytes()))
    }

    /// Whoever listens shows no key again, so it is looked up.
    fn may_listen(&self) -> bool {
        let key = &self.reading.caller.principal.key;
        self.reading.keys.is_live(key, self.reading.clock.wall())
    }

    /// One message that a server sent unasked.
    async fn take(&mut self, server: &Arc<Server>, bytes: &Bytes) {
        let Ok(message) = read_message(bytes, &server.limits) else {
            return;
        };
        match &message.kind {
            MessageKind::Notification { method } => self.notified(server, &message, method).await,
            MessageKind::Request { id, method } => {
                let link = self.session.links().await;
                let Some(link) = link.iter().find(|it| it.server.name() == server.name()) else {
                    return;
                };
                let mut reads = self.reads(server);
                let out = Some(&self.out);
                let asked = question(
                    &self.session,
                    link,
                    &mut reads,
                    &message,
                    (id, method),
                    out,
                    &mut self.record,
                );
                let _gone = asked.await;
                reads.finish(&mut self.record);
            }
            MessageKind::Response { .. } => {}
        }
    }

    async fn notified(&mut self, server: &Arc<Server>, message: &Message<'_>, method: &str) {
        if method == "notifications/tools/list_changed" {
            for link in self.session.links().await {
                if link.server.name() == server.name() {
                    link.kept().forget();
                }
            }
        }
        if let Some((id, wanted)) = &self.subscription {
            let wanted = match method {
                "notifications/tools/list_changed" => wanted.tools,
                "notifications/prompts/list_changed" => wanted.prompts,
                "notifications/resources/list_changed" => wanted.resources,
                _ => false,
            };
            if wanted {
                let notice = notice(method, id, None);
                send(&self.out, notice.as_bytes(), &mut self.record).await;
            }
            return;
        }
        let known = matches!(
            method,
            "notifications/tools/list_changed"
                | "notifications/prompts/list_changed"
                | "notifications/resources/list_changed"
                | "notifications/resources/updated"
                | "notifications/message"
        );
        if !known {
            return;
        }
        let mut edits = Edits::new();
        if self.reading.door.joined {
            join_addresses(message.document.root(), server, &mut edits);
        }
        let mut reads = self.reads(server);
        if let Some(news) = reads.read(&message.document, edits, &[], &mut self.record) {
            send(&self.out, &news, &mut self.record).await;
        }
        reads.finish(&mut self.record);
    }

    fn reads(&self, server: &Server) -> Reads {
        let judge = Judge {
            policy: Arc::clone(&self.reading.runtime.policy),
            principal: Arc::new(self.reading.caller.principal.clone()),
            route: server.route().name.clone(),
        };
        Reads::results(server, judge, None)
    }
}

/// Brings what a server says on a stream of its own to whoever listens.
async fn pump(link: Arc<Link>, session: Arc<Session>, over: CancellationToken) {
    let Some(mut replies) = link.listen().await else { return };
    loop {
        let next = tokio::select! {
            () = over.cancelled() => return,
            () = session.ended.cancelled() => return,
            next = replies.next() => next,
        };
        match next {
            Ok(Some(bytes)) => {
                let _nobody = session.unasked.send((Arc::clone(&link.server), bytes));
            }
            Ok(None) | Err(_) => return,
        }
    }
}

type Work = Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>;

/// A stream: what the work says on its way, then what it ends with. Dropping it drops the work.
struct Streamed {
    work: Option<Work>,
    news: mpsc::Receiver<Bytes>,
    ready: Option<Bytes>,
    last: Option<Bytes>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::convert::Infallible>>> {
        let this = self.get_mut();
        let frame = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        if let Some(bytes) = this.ready.take() {
            return frame(bytes);
        }
        if let Some(work) = &mut this.work
            && let Poll::Ready(last) = work.as_mut().poll(cx)
        {
            this.work = None;
            this.last = last;
        }
        // What was said before the end goes first.
        match this.news.poll_recv(cx) {
            Poll::Ready(Some(bytes)) => frame(bytes),
            Poll::Ready(None) | Poll::Pending if this.work.is_none() => match this.last.take() {
                Some(bytes) => frame(bytes),
                None => Poll::Ready(None),
            },
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
