//! An upstream's answer as it arrives, with its deadlines and its size limit.

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::error::UpstreamError;
use crate::practice::PracticeBody;

/// A response body; dropping it cancels the exchange with the upstream.
///
/// The idle deadline runs only while this side waits for the upstream: a client that reads slowly
/// does not make the upstream late.
#[derive(Debug)]
pub struct UpstreamBody {
    inner: Bounded<Source>,
}

#[derive(Debug)]
pub(crate) enum Source {
    Network(Incoming),
    Practice(PracticeBody),
}

/// What a body has to keep to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyBounds {
    pub(crate) idle_max: Duration,
    pub(crate) total_at: Instant,
    pub(crate) bytes_max: usize,
}

impl UpstreamBody {
    pub(crate) fn new(source: Source, bounds: BodyBounds) -> Self {
        Self {
            inner: Bounded::new(source, bounds),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Network(body) => Pin::new(body).poll_frame(cx),
            Self::Practice(body) => Poll::Ready(body.next_frame().map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Network(body) => body.is_end_stream(),
            Self::Practice(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Network(body) => body.size_hint(),
            Self::Practice(body) => body.size_hint(),
        }
    }
}

/// Enforces [`BodyBounds`] on any body.
#[derive(Debug)]
struct Bounded<B> {
    /// `None` once the body ended or failed, which also cancels it.
    inner: Option<B>,
    bounds: BodyBounds,
    /// The nearer of the idle and the total deadline; meaningful while `waiting`.
    deadline: Pin<Box<Sleep>>,
    waiting: bool,
    bytes: usize,
}

impl<B> Bounded<B> {
    fn new(inner: B, bounds: BodyBounds) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until(bounds.total_at));
        Self {
            inner: Some(inner),
            bounds,
            deadline,
            waiting: false,
            bytes: 0,
        }
    }

    fn fail(&mut self, error: UpstreamError) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        self.inner = None;
        Poll::Ready(Some(Err(error)))
    }

    /// Ready when the upstream has been silent for too long.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<UpstreamError> {
        if !self.waiting {
            self.waiting = true;
            let idle_at = Instant::now()
                .checked_add(self.bounds.idle_max)
                .unwrap_or(self.bounds.total_at);
            self.deadline.as_mut().reset(idle_at.min(self.bounds.total_at));
        }
        ready!(self.deadline.as_mut().poll(cx));
        let total = self.deadline.deadline() >= self.bounds.total_at;
        Poll::Ready(if total {
            UpstreamError::TotalTimeout
        } else {
            UpstreamError::IdleTimeout
        })
    }

    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), UpstreamError> {
        self.waiting = false;
        self.bytes = self.bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if self.bytes > self.bounds.bytes_max {
            return Err(UpstreamError::TooLarge {
                limit_bytes: self.bounds.bytes_max,
            });
        }
        // An upstream that always has more would otherwise never meet the timer.
        if Instant::now() >= self.bounds.total_at {
            return Err(UpstreamError::TotalTimeout);
        }
        Ok(())
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(None);
        };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match this.count(&frame) {
                Ok(()) => Poll::Ready(Some(Ok(frame))),
                Err(error) => this.fail(error),
            },
            Poll::Ready(Some(Err(error))) => this.fail(UpstreamError::Broken(error.into())),
            Poll::Ready(None) => {
                this.inner = None;
                Poll::Ready(None)
            }
            Poll::Pending => match this.poll_deadline(cx) {
                Poll::Ready(error) => this.fail(error),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
