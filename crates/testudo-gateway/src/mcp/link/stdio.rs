//! A server that is a program of this machine: one message a line, over its standard input and output.
//!
//! The program is started from the configuration alone, with an environment that holds what the configuration says and
//! `PATH`. What it writes to its standard error is not kept: it may hold text of exchanges.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use testudo_bounded::json::{Edits, Limits};
use testudo_dialects::mcp::{Message, MessageKind, read_message};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{LinkError, Unasked};
use crate::mcp::server::Server;
use crate::settings::StdioSettings;

/// Requests that may wait for one program.
const PENDING_MAX: usize = 256;
/// Messages of one request that may wait to be read.
const QUEUE_MAX: usize = 64;
const GRACE_STEP: Duration = Duration::from_millis(50);
const GRACE_STEPS: u32 = 40;

#[derive(Debug)]
pub(super) struct StdioWire {
    lines: mpsc::Sender<Bytes>,
    pending: Arc<Waiting>,
    stop: CancellationToken,
    deadline: Duration,
}

/// Requests without an answer yet.
#[derive(Debug, Default)]
struct Waiting(Mutex<BTreeMap<u64, Request>>);

#[derive(Debug)]
struct Request {
    queue: mpsc::Sender<Bytes>,
    /// The caller's own token for progress, raw.
    token: Option<String>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StdioWire {
    /// Runs the program.
    pub(super) fn start(settings: &StdioSettings, server: &Arc<Server>, unasked: Unasked) -> Result<Self, LinkError> {
        let (child, input, output) = run(settings).map_err(LinkError::Start)?;
        let stop = CancellationToken::new();
        let pending = Arc::new(Waiting::default());
        let (lines, queue) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(write_lines(input, queue, stop.clone()));
        let reader = Reader {
            server: Arc::clone(server),
            pending: Arc::clone(&pending),
            unasked,
            limits: server.limits,
        };
        tokio::spawn(reader.run(output, stop.clone()));
        tokio::spawn(reap(child, stop.clone()));
        Ok(Self {
            lines,
            pending,
            stop,
            deadline: Duration::from_millis(settings.timeouts.total_ms),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn write(&self, bytes: Bytes) -> Result<(), LinkError> {
        self.lines.send(bytes).await.map_err(|_closed| LinkError::Ended)
    }

    pub(super) async fn request(
        &self,
        id: u64,
        bytes: Bytes,
        token: Option<String>,
    ) -> Result<StdioReplies, LinkError> {
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        {
            let mut pending = self.pending.lock();
            if pending.len() >= PENDING_MAX {
                return Err(LinkError::Busy);
            }
            pending.insert(id, Request { queue, token });
        }
        let replies = StdioReplies {
            id,
            messages,
            pending: Arc::clone(&self.pending),
            lines: self.lines.clone(),
            stop: self.stop.clone(),
            until: tokio::time::Instant::now().checked_add(self.deadline),
            answered: false,
        };
        self.write(bytes).await?;
        Ok(replies)
    }
}

impl Drop for StdioWire {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn run(settings: &StdioSettings) -> io::Result<(Child, pipe::Sender, pipe::Receiver)> {
    let mut command = Command::new(&settings.command);
    command
        .args(&settings.args)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // What stops the gateway by its terminal does not reach the program before the gateway has let go of it.
        .process_group(0);
    for (name, value) in &settings.env {
        command.env(name, String::from_utf8_lossy(value.expose()).as_ref());
    }
    let mut child = command.spawn()?;
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    let input = OwnedFd::from(child.stdin.take().ok_or_else(gone)?);
    let output = OwnedFd::from(child.stdout.take().ok_or_else(gone)?);
    Ok((
        child,
        pipe::Sender::from_owned_fd(input)?,
        pipe::Receiver::from_owned_fd(output)?,
    ))
}

async fn write_lines(mut input: pipe::Sender, mut lines: mpsc::Receiver<Bytes>, stop: CancellationToken) {
    loop {
        let line = tokio::select! {
            () = stop.cancelled() => break,
            line = lines.recv() => line,
        };
        let Some(line) = line else { break };
        // A message is one line; between tokens a line break means nothing.
        let mut bytes: Vec<u8> = line
            .iter()
            .map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b })
            .collect();
        bytes.push(b'\n');
        let written = tokio::select! {
            () = stop.cancelled() => break,
            written = input.write_all(&bytes) => written,
        };
        if written.is_err() {
            stop.cancel();
            break;
        }
    }
}

/// Lets the program end by itself once its input is closed, and ends it when it does not.
async fn reap(mut child: Child, stop: CancellationToken) {
    stop.cancelled().await;
    for _ in 0..GRACE_STEPS {
        match child.try_wait() {
            Ok(None) => tokio::time::sleep(GRACE_STEP).await,
            Ok(Some(_)) | Err(_) => return,
        }
    }
    if child.kill().is_ok() {
        let _status = child.wait();
    }
}

/// Sorts what the program writes.
struct Reader {
    server: Arc<Server>,
    pending: Arc<Waiting>,
    unasked: Unasked,
    limits: Limits,
}

impl Reader {
    async fn run(self, output: pipe::Receiver, stop: CancellationToken) {
        let mut output = BufReader::new(output);
        loop {
            let line = tokio::select! {
                () = stop.cancelled() => break,
                line = next_line(&mut output, self.limits.bytes_max) => line,
            };
            let Some(line) = line else { break };
            if !line.is_empty() && self.take(line).await.is_none() {
                break;
            }
        }
        stop.cancel();
        self.pending.lock().clear();
    }

    /// Hands on one message; `None` when it is none.
    async fn take(&self, line: Bytes) -> Option<()> {
        let message = read_message(&line, &self.limits).ok()?;
        if let MessageKind::Response { id, .. } = &message.kind {
            let id: u64 = id.as_ref()?.as_json().parse().ok()?;
            let request = self.pending.lock().remove(&id);
            if let Some(request) = request {
                let _gone = request.queue.send(line.clone()).await;
            }
            return Some(());
        }
        match self.of_request(&message) {
            Some((queue, bytes)) => {
                // One that is not read fast enough loses news, never its answer.
                let _full = queue.try_send(bytes.unwrap_or_else(|| line.clone()));
            }
            None => {
                let _nobody = self.unasked.send((Arc::clone(&self.server), line.clone()));
            }
        }
        Some(())
    }

    /// The request that a message belongs to, and the message with its caller's own token.
    fn of_request(&self, message: &Message<'_>) -> Option<(mpsc::Sender<Bytes>, Option<Bytes>)> {
        let pending = self.pending.lock();
        match message.method()? {
            "notifications/progress" => {
                let token = message.params()?.get("progressToken")?;
                let request = pending.get(&token.as_u64()?)?;
                let own = request.token.as_ref()?;
                let mut edits = Edits::new();
                edits.replace(token.range(), own.as_bytes());
                let bytes = edits.apply(message.document.bytes()).ok()?;
                Some((request.queue.clone(), Some(Bytes::from(bytes))))
            }
            // Nothing says whose they are: they are the only one's that waits, or nobody's.
            "notifications/message" | "sampling/createMessage" | "elicitation/create" | "roots/list" | "ping"
                if pending.len() == 1 =>
            {
                let request = pending.values().next()?;
                Some((request.queue.clone(), None))
            }
            _ => None,
        }
    }
}

/// The next line; `None` at the end, or when a line is longer than a message may be.
async fn next_line(output: &mut BufReader<pipe::Receiver>, bytes_max: usize) -> Option<Bytes> {
    let mut line: Vec<u8> = Vec::new();
    loop {
        let buffer = output.fill_buf().await.ok()?;
        if buffer.is_empty() {
            return None;
        }
        let (piece, used, ends) = match buffer.iter().position(|b| *b == b'\n') {
            Some(at) => (buffer.get(..at)?, at.checked_add(1)?, true),
            None => (buffer, buffer.len(), false),
        };
        if line.len().saturating_add(piece.len()) > bytes_max {
            return None;
        }
        line.extend_from_slice(piece);
        output.consume(used);
        if ends {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Some(Bytes::from(line));
        }
    }
}

#[derive(Debug)]
pub(crate) struct StdioReplies {
    id: u64,
    messages: mpsc::Receiver<Bytes>,
    pending: Arc<Waiting>,
    lines: mpsc::Sender<Bytes>,
    stop: CancellationToken,
    until: Option<tokio::time::Instant>,
    answered: bool,
}

impl StdioReplies {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, LinkError> {
        let waiting = self.messages.recv();
        let message = match self.until {
            Some(until) => tokio::time::timeout_at(until, waiting)
                .await
                .map_err(|_elapsed| LinkError::Timeout)?,
            None => waiting.await,
        };
        match message {
            Some(message) => {
                self.answered = !self.pending.lock().contains_key(&self.id);
                Ok(Some(message))
            }
            None if self.stop.is_cancelled() => Err(LinkError::Ended),
            None => Ok(None),
        }
    }
}

impl Drop for StdioReplies {
    fn drop(&mut self) {
        let waited = self.pending.lock().remove(&self.id).is_some();
        if waited && !self.answered {
            let id = self.id;
            let cancelled = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}}}"
            );
            let _full = self.lines.try_send(Bytes::from(cancelled));
        }
    }
}
