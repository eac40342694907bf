//! A TCP relay that remembers every byte, to compare what two sides really said.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::wire::{MessageReader, Part, status};

/// Bytes remembered per connection and direction; more are relayed and forgotten.
const REMEMBERED_BYTES_MAX: usize = 64 << 20;

/// A running relay to one address; stops when dropped.
#[derive(Debug)]
pub struct Tee {
    pub address: SocketAddr,
    conversations: Arc<Mutex<Vec<Conversation>>>,
    accepting: AbortHandle,
}

/// One request and its answer as they went over the wire, bodies without chunk framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// Request line and headers.
    pub request_head: String,
    pub request_body: Vec<u8>,
    pub status: u16,
    pub response_head: String,
    pub response_body: Vec<u8>,
    /// Whether the answer had its proper end.
    pub complete: bool,
}

#[derive(Debug, Default)]
struct Conversation {
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Tee {
    /// Listens on a free loopback port and relays every connection to `target`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let conversations = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&conversations))).abort_handle();
        Ok(Self {
            address,
            conversations,
            accepting,
        })
    }

    /// What went over the wire since the last call, connection by connection. A client that sends one request
    /// after another on one connection at a time gets them in its own order.
    #[must_use]
    pub fn take(&self) -> Vec<Exchanged> {
        let mut conversations = lock(&self.conversations);
        let mut found = Vec::new();
        for conversation in conversations.iter_mut() {
            found.extend(exchanges(
                &std::mem::take(&mut conversation.sent),
                &std::mem::take(&mut conversation.received),
            ));
        }
        found
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, conversations: Arc<Mutex<Vec<Conversation>>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(relay(client, target, Arc::clone(&conversations)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn relay(client: TcpStream, target: SocketAddr, conversations: Arc<Mutex<Vec<Conversation>>>) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let at = {
        let mut list = lock(&conversations);
        list.push(Conversation::default());
        list.len().saturating_sub(1)
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let remember = |which: fn(&mut Conversation) -> &mut Vec<u8>| {
        let conversations = Arc::clone(&conversations);
        move |bytes: &[u8]| {
            if let Some(conversation) = lock(&conversations).get_mut(at) {
                let into = which(conversation);
                if into.len().saturating_add(bytes.len()) <= REMEMBERED_BYTES_MAX {
                    into.extend_from_slice(bytes);
                }
            }
        }
    };
    // Either side's close ends both, as the gateway's own cancellation must be seen through the relay.
    tokio::select! {
        ended = pump(&mut from_client, &mut to_server, remember(|it| &mut it.sent)) => ended,
        ended = pump(&mut from_server, &mut to_client, remember(|it| &mut it.received)) => ended,
    }
}

async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut remember: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        remember(bytes);
        to.write_all(bytes).await?;
    }
}

fn exchanges(sent: &[u8], received: &[u8]) -> Vec<Exchanged> {
    let requests = messages(MessageReader::requests(), sent);
    let responses = messages(MessageReader::responses(), received);
    requests
        .into_iter()
        .zip(responses)
        .map(|(request, response)| Exchanged {
            request_head: request.head,
            request_body: request.body,
            status: status(&response.head).unwrap_or(0),
            response_head: response.head,
            response_body: response.body,
            complete: response.complete,
        })
        .collect()
}

#[derive(Default)]
struct Message {
    head: String,
    body: Vec<u8>,
    complete: bool,
}

fn messages(mut reader: MessageReader, bytes: &[u8]) -> Vec<Message> {
    let mut list: Vec<Message> = Vec::new();
    let mut found = |part: Part<'_>| match part {
        Part::Head(head) => list.push(Message {
            head: head.to_owned(),
            ..Message::default()
        }),
        Part::Data(data) => {
            if let Some(message) = list.last_mut() {
                message.body.extend_from_slice(data);
            }
        }
        Part::End => {
            if let Some(message) = list.last_mut() {
                message.complete = true;
            }
        }
    };
    if reader.feed(bytes, &mut found).is_ok() {
        reader.close(&mut found);
    }
    list
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
