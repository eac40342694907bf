//! Tests of the body's deadlines and limit, without a network.

use std::collections::VecDeque;

use http_body_util::BodyExt as _;

use super::*;

/// Frames after waiting so many milliseconds each; silent for ever when `hangs`.
struct Scripted {
    frames: VecDeque<(u64, usize)>,
    hangs: bool,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let Some(&(wait_ms, bytes)) = self.frames.front() else {
            return if self.hangs { Poll::Pending } else { Poll::Ready(None) };
        };
        if wait_ms > 0 {
            let sleep = self
                .waiting
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(wait_ms))));
            ready!(sleep.as_mut().poll(cx));
        }
        self.waiting = None;
        self.frames.pop_front();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; bytes])))))
    }
}

fn body(frames: &[(u64, usize)], hangs: bool, idle_ms: u64, total_ms: u64) -> Bounded<Scripted> {
    let bounds = BodyBounds {
        idle_max: Duration::from_millis(idle_ms),
        total_at: Instant::now().checked_add(Duration::from_millis(total_ms)).unwrap(),
        bytes_max: 100,
    };
    Bounded::new(
        Scripted {
            frames: frames.iter().copied().collect(),
            hangs,
            waiting: None,
        },
        bounds,
    )
}

async fn outcome(body: Bounded<Scripted>) -> (&'static str, u128) {
    let began = Instant::now();
    let class = match body.collect().await {
        Ok(_) => "ended",
        Err(error) => error.class(),
    };
    (class, began.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn deadlines_end_a_body() {
    // Each pause is shorter than the idle deadline, and the clock starts anew with each piece.
    assert_eq!(
        outcome(body(&[(90, 1), (90, 1), (90, 1)], false, 100, 1000)).await.0,
        "ended"
    );
    let (class, after_ms) = outcome(body(&[(50, 1)], true, 100, 1000)).await;
    assert_eq!((class, after_ms / 10), ("idle_timeout", 15));
    let (class, after_ms) = outcome(body(&[(90, 1); 50], false, 100, 1000)).await;
    assert_eq!((class, after_ms / 10), ("total_timeout", 100));
    assert_eq!(
        outcome(body(&[(0, 60), (0, 60)], false, 100, 1000)).await.0,
        "too_large"
    );
    assert_eq!(outcome(body(&[(0, 60), (0, 40)], false, 100, 1000)).await.0, "ended");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_does_not_make_the_upstream_late() {
    let mut body = body(&[(0, 1), (0, 1)], true, 100, 10_000);
    body.frame().await.unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    body.frame().await.unwrap().unwrap();
    assert_eq!(outcome(body).await.0, "idle_timeout");
}

#[tokio::test(start_paused = true)]
async fn a_ready_upstream_still_meets_the_total_deadline() {
    let mut body = body(&[(0, 1), (0, 1)], false, 100, 1000);
    body.frame().await.unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.class(), "total_timeout");
}

#[tokio::test(start_paused = true)]
async fn after_an_error_there_is_nothing() {
    let mut body = body(&[], true, 100, 1000);
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
    assert!(body.is_end_stream());
}
