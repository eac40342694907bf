//! One connection of the generator.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::{Pace, Plan, Schedule, Window, empty};
use crate::wire::{MessageReader, Part, status};

/// An answer that takes longer is an error.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Sends what falls to this worker until the end of the window.
pub(super) fn work(plan: &Plan, schedule: &Schedule) -> io::Result<Window> {
    let mut window = empty(plan.measured)?;
    let mut connection: Option<Connection> = None;
    while let Some(due) = schedule.next() {
        let begun = wait(schedule, due);
        if schedule.over() {
            break;
        }
        let answered = match connection.take().map_or_else(|| Connection::open(plan), Ok) {
            Ok(mut open) => open.exchange(plan, &mut window).map(|answer| (open, answer)),
            Err(error) => Err(error),
        };
        let measured = begun.duration_since(schedule.start) >= schedule.warmup;
        match answered {
            Ok((open, answer)) => {
                connection = (!answer.closes).then_some(open);
                if measured {
                    answer.record(&mut window, begun);
                }
            }
            Err(error) => {
                window.error_count = window.error_count.saturating_add(1);
                if window.errors.len() < 5 {
                    window.errors.push(error.to_string());
                }
                // Failing at full speed would only burn the processor that is being measured.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    Ok(window)
}

impl Schedule {
    /// When the next request is due, or nothing when that is after the end.
    fn next(&self) -> Option<Duration> {
        match self.pace {
            Pace::PerSecond(rate) => {
                let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
                let nanoseconds = ticket.saturating_mul(1_000_000_000).checked_div(rate.max(1))?;
                let due = Duration::from_nanos(nanoseconds);
                (due < self.end).then_some(due)
            }
            Pace::Saturate => {
                let now = self.start.elapsed();
                (now < self.end).then_some(now)
            }
        }
    }

    fn over(&self) -> bool {
        // One more request than fits would stretch the window.
        self.start.elapsed() > self.end.saturating_add(Duration::from_secs(1))
    }
}

/// Sleeps until due; the moment from which to measure, which is the due time when that has passed.
fn wait(schedule: &Schedule, due: Duration) -> Instant {
    let at = schedule.start.checked_add(due).unwrap_or(schedule.start);
    let now = Instant::now();
    if now < at {
        std::thread::sleep(at.duration_since(now));
        return Instant::now();
    }
    at
}

struct Connection {
    stream: TcpStream,
    reader: MessageReader,
    buffer: Vec<u8>,
}

#[derive(Default)]
struct Answer {
    first_byte: Option<Instant>,
    done: Option<Instant>,
    frames: u64,
    bytes: u64,
    closes: bool,
}

impl Connection {
    fn open(plan: &Plan) -> io::Result<Self> {
        let stream = TcpStream::connect(plan.target)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(Self {
            stream,
            reader: MessageReader::responses(),
            buffer: vec![0; 64 << 10],
        })
    }

    fn exchange(&mut self, plan: &Plan, window: &mut Window) -> io::Result<Answer> {
        self.stream.write_all(&plan.request)?;
        let mut answer = Answer::default();
        let mut found_status = None;
        let mut search = Search::new(&plan.must_contain);
        let mut last_frame = None;
        let mut is_stream = false;
        while answer.done.is_none() {
            let count = self.stream.read(&mut self.buffer)?;
            let now = Instant::now();
            let bytes = self.buffer.get(..count).unwrap_or_default();
            let mut frames = 0_u64;
            let mut parts = |part: Part<'_>| match part {
                Part::Head(head) => {
                    found_status = status(head);
                    is_stream = head.contains("text/event-stream");
                    answer.closes = head.to_ascii_lowercase().contains("connection: close");
                }
                Part::Data(data) => {
                    answer.first_byte.get_or_insert(now);
                    answer.bytes = answer.bytes.saturating_add(u64::try_from(data.len()).unwrap_or(0));
                    search.feed(data);
                    if is_stream {
                        frames = frames.saturating_add(frame_ends(data));
                    }
                }
                Part::End => answer.done = Some(now),
            };
            let sound = if count == 0 {
                self.reader.close(&mut parts)
            } else {
                self.reader.feed(bytes, &mut parts).is_ok()
            };
            answer.closes |= count == 0;
            if !sound || (count == 0 && answer.done.is_none()) {
                return Err(io::Error::other("the answer broke off or is not HTTP/1.1"));
            }
            if frames > 0 {
                if let Some(last) = last_frame.replace(now) {
                    gap(&mut window.gap, now.duration_since(last), frames);
                }
                answer.frames = answer.frames.saturating_add(frames);
            }
        }
        if found_status != Some(plan.status) {
            return Err(io::Error::other(format!(
                "status {} instead of {}",
                found_status.unwrap_or(0),
                plan.status
            )));
        }
        if !search.found {
            return Err(io::Error::other("the answer lacks the text that it must contain"));
        }
        Ok(answer)
    }
}

impl Answer {
    fn record(&self, window: &mut Window, begun: Instant) {
        window.completed = window.completed.saturating_add(1);
        window.frames = window.frames.saturating_add(self.frames);
        window.body_bytes = window.body_bytes.saturating_add(self.bytes);
        if let Some(done) = self.done {
            window
                .latency
                .saturating_record(nanoseconds(done.duration_since(begun)));
        }
        if let Some(first) = self.first_byte {
            window
                .first_byte
                .saturating_record(nanoseconds(first.duration_since(begun)));
        }
    }
}

/// Frames that arrive together share the gap.
fn gap(histogram: &mut Histogram<u64>, gap: Duration, frames: u64) {
    histogram.saturating_record_n(nanoseconds(gap).checked_div(frames).unwrap_or(0).max(1), frames);
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Blank lines; one cut between two reads counts as none, which only widens a gap.
fn frame_ends(data: &[u8]) -> u64 {
    let ends = data.windows(2).filter(|pair| *pair == b"\n\n").count();
    u64::try_from(ends).unwrap_or(0)
}

/// Looks for a text in data that arrives in pieces.
struct Search<'a> {
    wanted: &'a [u8],
    tail: Vec<u8>,
    found: bool,
}

impl<'a> Search<'a> {
    fn new(wanted: &'a [u8]) -> Self {
        Self {
            wanted,
            tail: Vec::new(),
            found: wanted.is_empty(),
        }
    }

    fn feed(&mut self, data: &[u8]) {
        if self.found {
            return;
        }
        self.tail.extend_from_slice(data);
        self.found = self.tail.windows(self.wanted.len()).any(|it| it == self.wanted);
        let keep = self.wanted.len().saturating_sub(1);
        let drop = self.tail.len().saturating_sub(keep);
        self.tail.drain(..drop);
    }
}
