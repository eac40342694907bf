//! What the gateway remembers between two requests of one caller at one door.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use testudo_dialects::mcp::{RequestId, Revision, ServerName};
use testudo_types::{KeyId, Millis};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::heard::{Heard, Taken};
use super::link::{Link, LinkError, Unasked};
use super::server::Server;
use crate::settings::Asks;

/// Sessions at once, and of one key.
const SESSIONS_MAX: usize = 4_096;
const KEY_SESSIONS_MAX: usize = 128;
/// How long a session may be silent.
const IDLE_MS_MAX: u64 = 30 * 60_000;
/// Questions of servers that wait for the caller's answer.
const ASKED_MAX: usize = 64;
/// Requests of one session that run at once.
const RUNNING_MAX: usize = 256;
/// News that wait to be read.
const NEWS_MAX: usize = 256;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Absent for callers of a revision without sessions: they share one by key and door.
    pub(crate) id: Option<Box<str>>,
    pub(crate) key: KeyId,
    pub(crate) door: Box<str>,
    pub(crate) revision: Revision,
    pub(crate) asks: Asks,
    links: tokio::sync::Mutex<BTreeMap<ServerName, Arc<Link>>>,
    asked: Mutex<BTreeMap<RequestId, (Arc<Link>, RequestId)>>,
    next_question: AtomicU64,
    running: Mutex<BTreeMap<RequestId, CancellationToken>>,
    /// What servers say unasked.
    pub(crate) unasked: Unasked,
    /// What servers answered.
    pub(crate) heard: Mutex<Heard>,
    used: AtomicU64,
    pub(crate) ended: CancellationToken,
}

/// Who opens a session, and as what.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) key: KeyId,
    pub(crate) door: Box<str>,
    pub(crate) revision: Revision,
    pub(crate) asks: Asks,
}

impl Session {
    fn new(id: Option<Box<str>>, opening: Opening, heard: Heard, now: Millis) -> Self {
        Self {
            id,
            key: opening.key,
            door: opening.door,
            revision: opening.revision,
            asks: opening.asks,
            links: tokio::sync::Mutex::default(),
            asked: Mutex::default(),
            next_question: AtomicU64::new(1),
            running: Mutex::default(),
            unasked: broadcast::channel::<(Arc<Server>, Bytes)>(NEWS_MAX).0,
            heard: Mutex::new(heard),
            used: AtomicU64::new(now.0),
            ended: CancellationToken::new(),
        }
    }

    pub(crate) fn touch(&self, now: Millis) {
        self.used.store(now.0, Ordering::Relaxed);
    }

    fn is_idle(&self, now: Millis) -> bool {
        now.since(Millis(self.used.load(Ordering::Relaxed))) > IDLE_MS_MAX
    }

    /// The connection to a server; made when there is none that stands.
    pub(crate) async fn link(&self, server: &Arc<Server>) -> Result<Arc<Link>, LinkError> {
        let mut links = self.links.lock().await;
        if let Some(link) = links.get(server.name()).filter(|link| !link.is_over()) {
            return Ok(Arc::clone(link));
        }
        let link = Arc::new(Link::open(server, self.revision.has_sessions(), self.asks, &self.unasked).await?);
        links.insert(server.name().clone(), Arc::clone(&link));
        Ok(link)
    }

    /// The connections that stand.
    pub(crate) async fn links(&self) -> Vec<Arc<Link>> {
        self.links.lock().await.values().cloned().collect()
    }

    /// Lets go of a connection that failed.
    pub(crate) async fn drop_link(&self, server: &ServerName) {
        self.links.lock().await.remove(server);
    }

    /// Remembers a server's question; gives the id under which the caller is asked.
    pub(crate) fn ask(&self, link: &Arc<Link>, id: RequestId) -> Option<RequestId> {
        let mut asked = lock(&self.asked);
        if asked.len() >= ASKED_MAX {
            return None;
        }
        let number = self.next_question.fetch_add(1, Ordering::Relaxed);
        let own = RequestId::plain(&format!("testudo-{number}"));
        asked.insert(own.clone(), (Arc::clone(link), id));
        Some(own)
    }

    /// Whose question an answer is for; each is answered once.
    pub(crate) fn answered(&self, id: &RequestId) -> Option<(Arc<Link>, RequestId)> {
        lock(&self.asked).remove(id)
    }

    /// Notes that a request runs, so that it can be cancelled; `None` when one of that id runs, or too many do.
    pub(crate) fn run(self: &Arc<Self>, id: &RequestId) -> Option<RunningRequest> {
        let mut running = lock(&self.running);
        if self.id.is_some() && (running.len() >= RUNNING_MAX || running.contains_key(id)) {
            return None;
        }
        let token = self.ended.child_token();
        // Callers that share a session share no ids.
        if self.id.is_some() {
            running.insert(id.clone(), token.clone());
        }
        Some(RunningRequest {
            session: Arc::clone(self),
            id: id.clone(),
            token,
        })
    }

    pub(crate) fn cancel(&self, id: &RequestId) {
        if let Some(token) = lock(&self.running).get(id) {
            token.cancel();
        }
    }

    async fn close(&self) {
        self.ended.cancel();
        let links = std::mem::take(&mut *self.links.lock().await);
        for link in links.values() {
            link.end().await;
        }
    }
}

/// A request that runs.
#[derive(Debug)]
pub(crate) struct RunningRequest {
    session: Arc<Session>,
    id: RequestId,
    pub(crate) token: CancellationToken,
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        lock(&self.session.running).remove(&self.id);
    }
}

/// How sessions are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Told(Box<str>),
    Shared(KeyId, Box<str>),
}

/// All sessions of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Mutex<BTreeMap<Name, Arc<Session>>>,
    /// Of what they were answered.
    taken: Arc<Taken>,
}

impl Sessions {
    /// A new session under an id that nobody can guess; `None` when there are too many.
    pub(crate) fn open(&self, id: &str, opening: Opening, now: Millis) -> Option<Arc<Session>> {
        let mut sessions = lock(&self.all);
        let of_key = sessions.values().filter(|it| it.key == opening.key).count();
        if sessions.len() >= SESSIONS_MAX || of_key >= KEY_SESSIONS_MAX {
            return None;
        }
        let session = Arc::new(Session::new(Some(id.into()), opening, self.heard(), now));
        sessions.insert(Name::Told(id.into()), Arc::clone(&session));
        Some(session)
    }

    fn heard(&self) -> Heard {
        Heard::new(Arc::clone(&self.taken))
    }

    /// The session of an id, for the key and door that opened it and nobody else.
    pub(crate) fn find(&self, id: &str, key: &KeyId, door: &str, now: Millis) -> Option<Arc<Session>> {
        let session = lock(&self.all).get(&Name::Told(id.into())).cloned()?;
        let own = session.key == *key && session.door.as_ref() == door && !session.is_idle(now);
        own.then(|| {
            session.touch(now);
            session
        })
    }

    /// What callers of a key share at a door, when their revision has no sessions.
    pub(crate) fn shared(&self, opening: Opening, now: Millis) -> Option<Arc<Session>> {
        let mut sessions = lock(&self.all);
        let name = Name::Shared(opening.key.clone(), opening.door.clone());
        if let Some(session) = sessions.get(&name).filter(|it| it.asks == opening.asks) {
            session.touch(now);
            return Some(Arc::clone(session));
        }
        if sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let session = Arc::new(Session::new(None, opening, self.heard(), now));
        sessions.insert(name, Arc::clone(&session));
        Some(session)
    }

    /// Ends one session.
    pub(crate) async fn end(&self, session: &Session) {
        if let Some(id) = &session.id {
            lock(&self.all).remove(&Name::Told(id.clone()));
        }
        session.close().await;
    }

    /// Ends those that have been silent for too long, or all.
    pub(crate) async fn sweep(&self, now: Option<Millis>) {
        let mut over = Vec::new();
        lock(&self.all).retain(|_, session| {
            let keep = now.is_some_and(|now| !session.is_idle(now) && !session.ended.is_cancelled());
            if !keep {
                over.push(Arc::clone(session));
            }
            keep
        });
        for session in over {
            session.close().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
