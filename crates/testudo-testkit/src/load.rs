//! Open-loop load with corrected latencies.
//!
//! Requests are due at a constant rate, whatever the answers do. A worker that is free when a request is due
//! measures from the moment it sends; one that is still busy measures from the moment the request was due, so
//! that waiting caused by a slow answer counts (no coordinated omission) and the generator's own timer does
//! not. Any failed request voids the window: see [`Window::errors`].

mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

/// What to send, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    pub target: SocketAddr,
    /// The whole request as it goes over the wire; see [`post`].
    pub request: Vec<u8>,
    pub pace: Pace,
    /// Connections kept alive, each with a thread of its own.
    pub connections: usize,
    /// Not measured.
    pub warmup: Duration,
    pub measured: Duration,
    /// The only status that is no error.
    pub status: u16,
    /// Text that every answer must contain, so that an empty or refused answer cannot pass for a fast one.
    pub must_contain: Vec<u8>,
}

/// When requests are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// So many a second, evenly.
    PerSecond(u64),
    /// Each connection sends again at once; latencies then are closed-loop and say little.
    Saturate,
}

/// What was measured; histograms are in nanoseconds.
#[derive(Debug)]
pub struct Window {
    pub completed: u64,
    /// The first few failures in words; a window with any is void.
    pub errors: Vec<String>,
    pub error_count: u64,
    pub elapsed: Duration,
    /// From due or sent to the last byte.
    pub latency: Histogram<u64>,
    /// From due or sent to the first byte of the body.
    pub first_byte: Histogram<u64>,
    /// Between the arrivals of two frames of one stream.
    pub gap: Histogram<u64>,
    pub frames: u64,
    pub body_bytes: u64,
}

impl Window {
    /// Completed requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        // Counts here are far below 2^52, so the conversion is exact.
        let completed = u32::try_from(self.completed).map_or(f64::MAX, f64::from);
        completed / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Runs the plan; blocks the calling thread until it is done.
///
/// # Errors
/// When the histograms cannot be made or a thread cannot be started; failed requests are in the window instead.
pub fn run(plan: &Plan) -> io::Result<Window> {
    let schedule = Arc::new(Schedule {
        start: Instant::now(),
        warmup: plan.warmup,
        end: plan.warmup.saturating_add(plan.measured),
        pace: plan.pace,
        tickets: AtomicU64::new(0),
    });
    let mut threads = Vec::new();
    for number in 0..plan.connections.max(1) {
        let (plan, schedule) = (plan.clone(), Arc::clone(&schedule));
        threads.push(
            std::thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(move || worker::work(&plan, &schedule))?,
        );
    }
    let mut whole = empty(plan.measured)?;
    for thread in threads {
        let part = thread
            .join()
            .map_err(|_| io::Error::other("a load worker panicked"))??;
        merge(&mut whole, &part)?;
    }
    Ok(whole)
}

/// An HTTP/1.1 POST of `body`, kept alive.
#[must_use]
pub fn post(path: &str, host: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    let mut out = head.into_bytes();
    out.extend_from_slice(body);
    out
}

#[derive(Debug)]
struct Schedule {
    start: Instant,
    warmup: Duration,
    end: Duration,
    pace: Pace,
    tickets: AtomicU64,
}

/// Longer than this is recorded as this.
const LONGEST_NS: u64 = 120_000_000_000;

fn empty(measured: Duration) -> io::Result<Window> {
    let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(io::Error::other);
    Ok(Window {
        completed: 0,
        errors: Vec::new(),
        error_count: 0,
        elapsed: measured,
        latency: histogram()?,
        first_byte: histogram()?,
        gap: histogram()?,
        frames: 0,
        body_bytes: 0,
    })
}

fn merge(whole: &mut Window, part: &Window) -> io::Result<()> {
    whole.completed = whole.completed.saturating_add(part.completed);
    whole.error_count = whole.error_count.saturating_add(part.error_count);
    whole.errors.extend(part.errors.iter().cloned());
    whole.errors.truncate(5);
    whole.frames = whole.frames.saturating_add(part.frames);
    whole.body_bytes = whole.body_bytes.saturating_add(part.body_bytes);
    for (into, from) in [
        (&mut whole.latency, &part.latency),
        (&mut whole.first_byte, &part.first_byte),
        (&mut whole.gap, &part.gap),
    ] {
        into.add(from).map_err(io::Error::other)?;
    }
    Ok(())
}
