//! Whether the client of a connection takes what it is given.
//!
//! HTTP/2 hides a client that stops reading: the socket stays writable while the stream's window
//! is shut, and the response body is simply not polled any more. So each body notes when it last
//! gave something and was not asked again, and the connection looks at the notes now and then.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// Largest piece of a body handed on at once, so that what HTTP/2 keeps for a shut window stays small.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// The exchanges of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// Since when the client has not come back for more; `None` while the answer is being made.
    exchanges: BTreeMap<u64, Option<Instant>>,
    /// When the last exchange ended, or the connection began.
    unused_since: Instant,
}

/// One running exchange; dropping it says that it ended.
#[derive(Debug)]
pub(super) struct Exchange {
    id: u64,
    progress: Arc<Progress>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                next: 0,
                exchanges: BTreeMap::new(),
                unused_since: Instant::now(),
            }),
        }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        let mut state = self.state();
        let id = state.next;
        state.next = id.wrapping_add(1);
        state.exchanges.insert(id, None);
        drop(state);
        Exchange {
            id,
            progress: Arc::clone(self),
        }
    }

    /// True when some answer has had a piece waiting for `limit`.
    pub(super) fn is_stalled(&self, limit: Duration) -> bool {
        let now = Instant::now();
        self.state()
            .exchanges
            .values()
            .flatten()
            .any(|since| now.duration_since(*since) >= limit)
    }

    /// True when no exchange has run for `limit`.
    pub(super) fn is_unused(&self, limit: Duration) -> bool {
        let state = self.state();
        state.exchanges.is_empty() && Instant::now().duration_since(state.unused_since) >= limit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held cannot leave the numbers wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    fn note(&self, since: Option<Instant>) {
        self.progress.state().exchanges.insert(self.id, since);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.progress.state();
        state.exchanges.remove(&self.id);
        state.unused_since = Instant::now();
    }
}

/// A response body that notes when it is not asked for more.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: Pin<Box<B>>,
    exchange: Exchange,
    /// The rest of a piece that was too large.
    rest: Bytes,
    noted: bool,
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, exchange: Exchange) -> Self {
        Self {
            body: Box::pin(body),
            exchange,
            rest: Bytes::new(),
            noted: false,
        }
    }

    fn give(&mut self, mut data: Bytes) -> Frame<Bytes> {
        self.rest = if data.len() > PIECE_BYTES_MAX {
            data.split_off(PIECE_BYTES_MAX)
        } else {
            Bytes::new()
        };
        Frame::data(data)
    }
}

impl<B: Body<Data = Bytes>> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let given = if this.rest.is_empty() {
            match this.body.as_mut().poll_frame(cx) {
                Poll::Pending => {
                    if this.noted {
                        this.noted = false;
                        this.exchange.note(None);
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Some(Ok(this.give(data))),
                    Err(trailers) => Some(Ok(trailers)),
                },
                Poll::Ready(other) => other,
            }
        } else {
            let rest = std::mem::take(&mut this.rest);
            Some(Ok(this.give(rest)))
        };
        this.noted = true;
        this.exchange.note(Some(Instant::now()));
        Poll::Ready(given)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
