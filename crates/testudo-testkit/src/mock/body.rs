//! A response body that is written piece by piece on a schedule and ends as told.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::log::{Ended, Exchange};

/// What follows the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    End,
    Hang,
    /// The connection is closed without the end of the body.
    Cut,
}

/// The pieces still to write.
#[derive(Debug)]
pub(super) struct PacedBody {
    pieces: VecDeque<Bytes>,
    length: Option<u64>,
    interval: Duration,
    next: Option<Pin<Box<Sleep>>>,
    /// Each piece is flushed before the next.
    apart: bool,
    yielded: bool,
    after: After,
    exchange: Exchange,
}

impl PacedBody {
    /// `length` is announced, whatever the pieces hold; without one the body goes out in chunks.
    pub(super) fn new(pieces: VecDeque<Bytes>, length: Option<usize>, after: After, exchange: Exchange) -> Self {
        Self {
            length: length.map(|it| u64::try_from(it).unwrap_or(u64::MAX)),
            pieces,
            interval: Duration::ZERO,
            next: None,
            apart: false,
            yielded: false,
            after,
            exchange,
        }
    }

    pub(super) fn paced(mut self, interval_ms: u64, apart: bool) -> Self {
        self.interval = Duration::from_millis(interval_ms);
        self.apart = apart;
        self
    }

    fn wait_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(next) = &mut self.next {
            match next.as_mut().poll(context) {
                Poll::Ready(()) => self.next = None,
                Poll::Pending => return Poll::Pending,
            }
        } else if self.apart && !self.yielded {
            self.yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.wait_turn(context).is_pending() {
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.yielded = false;
            if !self.interval.is_zero() {
                let at = Instant::now().checked_add(self.interval);
                self.next = at.map(|at| Box::pin(tokio::time::sleep_until(at)));
            }
            if self.pieces.is_empty() && self.after == After::End {
                self.next = None;
                self.exchange.finish(Ended::Delivered);
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.after {
            After::End => {
                self.exchange.finish(Ended::Delivered);
                Poll::Ready(None)
            }
            After::Hang => Poll::Pending,
            After::Cut => {
                self.exchange.finish(Ended::Cut);
                Poll::Ready(Some(Err(io::Error::other("cut by the mock's settings"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.after == After::End
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}
