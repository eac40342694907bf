//! A streamed answer whose end waits for the entry about it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use testudo_dialects::{Family, problem_body, sse};

use crate::record::{Confirmation, Record};
use crate::refusal::Refusal;

/// An answer that carries its record.
pub(super) trait Recorded: http_body::Body<Data = Bytes, Error = axum::Error> + Unpin {
    fn record(&mut self) -> &mut Record;
    /// Which frames have to wait, once another was given out.
    fn holding(&self) -> Holding;
}

/// Which frames of an answer may be its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// More follows for certain: the frame leaves.
    Nothing,
    /// Any frame may be the last: each waits for the one after it.
    Latest,
    /// The end was read: all that follows waits.
    All,
}

/// How an answer can say that it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// As one more event.
    Events,
    /// Only by ending short.
    Other,
}

/// Gives frames on, but the last only when the exchange's entry has reached its level.
#[derive(Debug)]
pub(super) struct Confirmed<B> {
    inner: B,
    family: Family,
    framing: Framing,
    held: VecDeque<Frame<Bytes>>,
    stage: Stage,
    /// What the answer broke off with.
    broken: Option<axum::Error>,
}

#[derive(Debug)]
enum Stage {
    Flowing,
    Confirming(Confirmation),
    Releasing,
}

impl<B: Recorded> Confirmed<B> {
    pub(super) fn new(inner: B, family: Family, framing: Framing) -> Self {
        Self {
            inner,
            family,
            framing,
            held: VecDeque::new(),
            stage: Stage::Flowing,
            broken: None,
        }
    }

    /// The next frame that may leave while the answer flows; `None` when it is over or all wait.
    fn take(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        self.held.push_back(frame);
        match self.inner.holding() {
            Holding::Nothing => self.held.pop_front(),
            Holding::Latest if self.held.len() > 1 => self.held.pop_front(),
            Holding::Latest | Holding::All => None,
        }
    }

    fn over(&mut self) {
        self.stage = match self.inner.record().enter() {
            Some(confirmation) => Stage::Confirming(confirmation),
            None => Stage::Releasing,
        };
    }

    /// The entry failed: what waited for it never leaves, and the client learns that the answer broke.
    fn withhold(&mut self) {
        self.held.clear();
        self.inner.record().withheld();
        match self.framing {
            Framing::Events => self.held.push_back(Frame::data(error_event(self.family))),
            Framing::Other => self.broken = Some(axum::Error::new(Withheld)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the exchange could not be recorded, so its answer was withheld")]
struct Withheld;

fn error_event(family: Family) -> Bytes {
    let body = problem_body(family, Refusal::unrecorded().problem());
    let name = match family {
        Family::OpenAi => None,
        Family::Anthropic => Some("error"),
    };
    let mut event = Vec::with_capacity(body.len().saturating_add(32));
    sse::write(name, &String::from_utf8_lossy(&body), &mut event);
    event.into()
}

impl<B: Recorded> http_body::Body for Confirmed<B> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        loop {
            match &mut this.stage {
                Stage::Flowing => match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        if let Some(frame) = this.take(frame) {
                            return Poll::Ready(Some(Ok(frame)));
                        }
                    }
                    Some(Err(error)) => {
                        this.broken = Some(error);
                        this.over();
                    }
                    None => this.over(),
                },
                Stage::Confirming(confirmation) => {
                    let reached = ready!(confirmation.poll_reached(cx));
                    this.stage = Stage::Releasing;
                    if reached.is_err() {
                        this.withhold();
                    }
                }
                Stage::Releasing => {
                    let held = this.held.pop_front().map(Ok);
                    return Poll::Ready(held.or_else(|| this.broken.take().map(Err)));
                }
            }
        }
    }
}
