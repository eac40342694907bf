//! Who is signed in: sessions in memory, short and few, and proofs that a form belongs to one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{hmac, rand};
use testudo_types::{Clock, Millis};

use crate::approvals::sha256;
use crate::settings::Approver;

/// How long a session lasts, used or not.
const SESSION_MS: u64 = 15 * 60_000;
/// Sessions at a time; the oldest makes room.
const SESSIONS_MAX: usize = 256;
/// Wrong tokens in a minute, of everybody together; they have 32 characters or more and are not guessed.
const WRONG_MAX: u32 = 10;
const WRONG_WINDOW_MS: u64 = 60_000;
const TOKEN_BYTES_MAX: usize = 512;

/// Who is signed in, known by the digest of what their browsers keep.
pub(super) struct Sessions {
    clock: Arc<dyn Clock>,
    /// Lives as long as the process; none when the system gave no random bytes, and then nobody signs in.
    key: Option<hmac::Key>,
    open: Mutex<BTreeMap<[u8; 32], Kept>>,
    wrong: Mutex<Wrong>,
}

struct Kept {
    approver: String,
    /// Of the token that opened it.
    token: Option<[u8; 32]>,
    until: Millis,
}

#[derive(Default)]
struct Wrong {
    since: Millis,
    count: u32,
}

/// An approver's browser.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) approver: Approver,
    id: [u8; 32],
    /// Milliseconds that are left.
    pub(super) left_ms: u64,
}

/// What came of a token.
pub(super) enum SignIn {
    Done { name: String, cookie: String, seconds: u64 },
    Wrong,
    TooOften,
}

impl Sessions {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let mut random = [0; 32];
        let key = rand::fill(&mut random)
            .ok()
            .map(|()| hmac::Key::new(hmac::HMAC_SHA256, &random));
        Self {
            clock,
            key,
            open: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// Opens a session for whoever has this token; always a new one.
    pub(super) fn sign_in(&self, token: &str, approvers: &[Approver]) -> SignIn {
        let now = self.clock.monotonic();
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0.saturating_sub(wrong.since.0) >= WRONG_WINDOW_MS {
            *wrong = Wrong { since: now, count: 0 };
        }
        if wrong.count >= WRONG_MAX {
            return SignIn::TooOften;
        }
        let mut found = None;
        // All are compared, each in constant time, so that nothing tells which one is nearly right.
        for approver in approvers {
            let same = approver
                .token
                .as_ref()
                .is_some_and(|own| token.len() <= TOKEN_BYTES_MAX && self.is(own.expose(), token.as_bytes()));
            if same {
                found = Some(approver);
            }
        }
        let mut random = [0; 32];
        let (Some(approver), Ok(())) = (found, rand::fill(&mut random)) else {
            wrong.count = wrong.count.saturating_add(1);
            return SignIn::Wrong;
        };
        let cookie = hex(&random);
        let kept = Kept {
            approver: approver.name.clone(),
            token: self.sign(&[b"token", token.as_bytes()]),
            until: Millis(now.0.saturating_add(SESSION_MS)),
        };
        let mut open = self.open();
        open.retain(|_, it| it.until > now);
        if open.len() >= SESSIONS_MAX {
            let oldest = open.iter().min_by_key(|(_, it)| it.until).map(|(id, _)| *id);
            oldest.and_then(|id| open.remove(&id));
        }
        open.insert(sha256(cookie.as_bytes()), kept);
        SignIn::Done {
            name: approver.name.clone(),
            cookie,
            seconds: SESSION_MS / 1000,
        }
    }

    /// The session behind a cookie, while its approver still has the token that opened it.
    pub(super) fn find(&self, cookie: &str, approvers: &[Approver]) -> Option<Session> {
        let now = self.clock.monotonic();
        let id = sha256(cookie.as_bytes());
        let open = self.open();
        let kept = open.get(&id).filter(|it| it.until > now)?;
        let approver = approvers.iter().find(|it| {
            let token = it.token.as_ref().and_then(|own| self.sign(&[b"token", own.expose()]));
            it.name == kept.approver && token.is_some() && token == kept.token
        })?;
        Some(Session {
            approver: approver.clone(),
            id,
            left_ms: kept.until.0.saturating_sub(now.0),
        })
    }

    /// Ends a session; one that is not there is over already.
    pub(super) fn end(&self, cookie: &str) {
        self.open().remove(&sha256(cookie.as_bytes()));
    }

    /// What a form carries to show that this session was shown it, and for what.
    pub(super) fn proof(&self, session: &Session, what: &str) -> String {
        self.sign(&[b"form", &session.id, what.as_bytes()])
            .map_or_else(String::new, |tag| hex(&tag))
    }

    /// Whether a form carries the proof of this session for exactly this.
    pub(super) fn proves(&self, session: &Session, what: &str, proof: Option<&str>) -> bool {
        proof.is_some_and(|proof| self.is(self.proof(session, what).as_bytes(), proof.as_bytes()))
    }

    /// The tag of parts; the first says what it is for, and no later one but the last varies in length.
    fn sign(&self, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().try_into().ok()
    }

    /// Compares in constant time, whatever the lengths.
    fn is(&self, one: &[u8], other: &[u8]) -> bool {
        let Some(key) = &self.key else { return false };
        hmac::verify(key, one, hmac::sign(key, other).as_ref()).is_ok()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Kept>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions([redacted])")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
