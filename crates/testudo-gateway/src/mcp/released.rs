//! Calls that the side in front of the model has released: the only ones that execute, where that is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testudo_types::{Clock, KeyId, Millis};

use super::pins::PinDigest;

/// Calls that wait to be made at most.
const WAITING_MAX: usize = 65_536;
/// How long a released call may wait.
const WAIT_MS_MAX: u64 = 10 * 60_000;

/// Exactly what may be called: by whom, which tool of which server, with which arguments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleasedCall {
    pub key: KeyId,
    /// The tool with its server's name, `server__tool`.
    pub tool: Box<str>,
    /// SHA-256 of the arguments in their canonical spelling (RFC 8785).
    pub arguments: [u8; 32],
}

impl ReleasedCall {
    /// The call of a tool, `server__tool`, with the canonical spelling of its arguments.
    #[must_use]
    pub fn of(key: &KeyId, tool: &str, canonical: &[u8]) -> Self {
        Self {
            key: key.clone(),
            tool: tool.into(),
            arguments: PinDigest::of(canonical).bytes(),
        }
    }
}

/// Where calls are looked up before they are made.
pub trait Released: std::fmt::Debug + Send + Sync {
    /// Whether the call was released and has not been made yet; it counts as made from then on.
    fn take(&self, call: &ReleasedCall) -> bool;
}

/// Released calls in memory: each is made once, and soon.
#[derive(Debug)]
pub struct ReleasedCalls {
    clock: Arc<dyn Clock>,
    waiting: Mutex<BTreeMap<ReleasedCall, Waiting>>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    times: u32,
    until: Millis,
}

impl ReleasedCalls {
    /// Nothing is released yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            waiting: Mutex::default(),
        }
    }

    /// Lets a call be made once more; false when too many wait.
    pub fn release(&self, call: ReleasedCall) -> bool {
        let now = self.clock.monotonic();
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            waiting.retain(|_, it| it.until > now);
        }
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&call) {
            return false;
        }
        let until = Millis(now.0.saturating_add(WAIT_MS_MAX));
        let entry = waiting.entry(call).or_insert(Waiting { times: 0, until });
        if entry.until <= now {
            entry.times = 0;
        }
        entry.times = entry.times.saturating_add(1);
        entry.until = until;
        true
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<ReleasedCall, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Released for ReleasedCalls {
    fn take(&self, call: &ReleasedCall) -> bool {
        let now = self.clock.monotonic();
        let mut waiting = self.waiting();
        let Some(entry) = waiting.get_mut(call) else {
            return false;
        };
        let live = entry.until > now && entry.times > 0;
        entry.times = entry.times.saturating_sub(1);
        if entry.times == 0 || !live {
            waiting.remove(call);
        }
        live
    }
}
