//! Limits per key and route: reserved before a request is sent, settled after, never overspent in between.
//!
//! Requests and tokens per minute count over a sliding minute of 5-second steps: at any
//! moment the last 60 seconds hold at most the limit, and a step is forgotten at the
//! latest after 65. Cost per day counts over the UTC day. Counters live in this process.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testudo_types::{Clock, KeyId, RouteName};

use crate::keys::Caller;
use crate::settings::{Limits, Route};

mod counters;
mod estimate;

use counters::{Charge, Counters, Now, Refusal};
use estimate::Taken;
pub use estimate::{Estimate, estimate_tokens};

/// Keys with running or recent requests that are tracked at once.
const KEYS_TRACKED_MAX: usize = 1 << 18;
const SHARDS: usize = 16;
/// The low bits of a hash that choose the shard.
const SHARD_MASK: u64 = 15;
/// Entries looked at for eviction each time a key is added.
const SWEEP_ENTRIES: usize = 4;
/// Between two full sweeps of a full shard.
const FULL_SWEEP_MS: u64 = 1_000;

/// The limits that apply to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppliedLimits {
    /// The key's own limits, counted over all routes together.
    pub key: Limits,
    /// The route's limits, counted for this key on this route.
    pub route: Limits,
}

impl AppliedLimits {
    fn are_none(&self) -> bool {
        self.key == Limits::default() && self.route == Limits::default()
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    RequestsPerMinute,
    TokensPerMinute,
    CostPerDay,
    Concurrent,
    /// The number of keys that can be tracked at once.
    Tracked,
}

impl LimitKind {
    /// Every kind, in the order used for tables.
    pub const ALL: [Self; 5] = [
        Self::RequestsPerMinute,
        Self::TokensPerMinute,
        Self::CostPerDay,
        Self::Concurrent,
        Self::Tracked,
    ];

    /// The name used in configuration, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::CostPerDay => "cost_per_day",
            Self::Concurrent => "concurrent",
            Self::Tracked => "tracked",
        }
    }
}

/// Why a request may not be sent now. Safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitExceeded {
    #[error("the limit {} is reached; retry in {retry_after_ms} ms", limit.as_str())]
    Reached { limit: LimitKind, retry_after_ms: u64 },
    #[error("the request alone is greater than the limit {}; make it smaller or lower its maximum of output tokens", limit.as_str())]
    TooLarge { limit: LimitKind },
    #[error("the limit cost_per_day applies and the model has no price; ask the operator to configure one")]
    PriceUnknown,
    #[error("too many keys are in use at once; retry in {retry_after_ms} ms")]
    Full { retry_after_ms: u64 },
}

impl LimitExceeded {
    /// Which limit it was.
    #[must_use]
    pub fn limit(self) -> LimitKind {
        match self {
            Self::Reached { limit, .. } | Self::TooLarge { limit } => limit,
            Self::PriceUnknown => LimitKind::CostPerDay,
            Self::Full { .. } => LimitKind::Tracked,
        }
    }

    /// After how many milliseconds another try may succeed; `None` when waiting does not help.
    #[must_use]
    pub fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::Reached { retry_after_ms, .. } | Self::Full { retry_after_ms } => Some(retry_after_ms),
            Self::TooLarge { .. } | Self::PriceUnknown => None,
        }
    }
}

/// Counts what every key does and refuses what would pass a limit.
#[derive(Debug)]
pub struct Limiter {
    clock: Arc<dyn Clock>,
    hash: RandomState,
    shards: Box<[Mutex<Shard>]>,
    shard_keys_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    keys: BTreeMap<KeyId, KeyCounters>,
    /// Where the next piece of the sweep begins.
    swept_to: Option<KeyId>,
    full_swept_ms: Option<u64>,
}

/// One key's counters: over all routes, and on each.
#[derive(Debug, Default)]
struct KeyCounters {
    all: Counters,
    routes: BTreeMap<RouteName, Counters>,
}

impl KeyCounters {
    fn is_idle(&mut self, now: Now) -> bool {
        self.routes.retain(|_, counters| !counters.is_idle(now));
        self.routes.is_empty() && self.all.is_idle(now)
    }
}

impl Limiter {
    /// A limiter that tracks at most 262,144 keys at once.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_keys_max(clock, KEYS_TRACKED_MAX)
    }

    /// A limiter that tracks at most so many keys at once, rounded up to a multiple of 16.
    #[must_use]
    pub fn with_keys_max(clock: Arc<dyn Clock>, keys_max: usize) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self {
            clock,
            hash: RandomState::new(),
            shards,
            shard_keys_max: keys_max.div_ceil(SHARDS),
        }
    }

    /// Takes one request, its estimated tokens and cost, and a place among the concurrent ones.
    ///
    /// All limits are checked before any is charged, in one step: callers at the same
    /// time cannot pass a limit together. Without limits nothing is tracked.
    ///
    /// # Errors
    /// When a limit would be passed, or one applies to something that the estimate does not know.
    pub fn reserve(
        self: &Arc<Self>,
        caller: &Caller,
        route: &Route,
        estimate: &Estimate,
    ) -> Result<Reservation, LimitExceeded> {
        let limits = AppliedLimits {
            key: caller.limits,
            route: route.limits,
        };
        self.reserve_under(&caller.principal.key, &route.name, &limits, estimate)
    }

    /// The same for limits given apart.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn reserve_under(
        self: &Arc<Self>,
        key: &KeyId,
        route: &RouteName,
        limits: &AppliedLimits,
        estimate: &Estimate,
    ) -> Result<Reservation, LimitExceeded> {
        if limits.are_none() {
            return Ok(Reservation { held: None });
        }
        let charge = estimate.charge_for(limits)?;
        let mut shard = self.shard(key).ok_or(LimitExceeded::Full {
            retry_after_ms: FULL_SWEEP_MS,
        })?;
        // Read under the lock: time does not go back from one charge to the next.
        let now = self.now();
        let counters = shard.counters(key, now, self.shard_keys_max)?;
        if !counters.routes.contains_key(route) {
            // Routes that were renamed or are not used any more do not pile up.
            counters.routes.retain(|_, counters| !counters.is_idle(now));
        }
        let on_route = counters.routes.entry(route.clone()).or_default();
        counters.all.check(&limits.key, charge, now)?;
        on_route.check(&limits.route, charge, now)?;
        counters.all.charge(charge, now);
        on_route.charge(charge, now);
        drop(shard);
        let held = Held {
            limiter: Arc::clone(self),
            key: key.clone(),
            route: route.clone(),
            estimate: *estimate,
            charge,
            at: now,
        };
        Ok(Reservation { held: Some(held) })
    }

    /// How many keys are tracked right now.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).keys.len())
            .fold(0, usize::saturating_add)
    }

    fn now(&self) -> Now {
        Now::at(self.clock.monotonic(), self.clock.wall())
    }

    /// Always there, since the index is below their number.
    fn shard(&self, key: &KeyId) -> Option<MutexGuard<'_, Shard>> {
        let index = usize::try_from(self.hash.hash_one(key) & SHARD_MASK).ok()?;
        self.shards.get(index).map(lock)
    }

    /// `None` settles as estimated.
    fn settle(&self, held: &Held, taken: Option<Taken>) {
        let Some(mut shard) = self.shard(&held.key) else { return };
        let now = self.now();
        // An entry with a running request is never evicted, so it is there.
        let Some(counters) = shard.keys.get_mut(&held.key) else {
            return;
        };
        counters.all.settle(held.charge, taken, held.at, now);
        if let Some(on_route) = counters.routes.get_mut(&held.route) {
            on_route.settle(held.charge, taken, held.at, now);
        }
    }
}

impl Shard {
    fn counters(&mut self, key: &KeyId, now: Now, keys_max: usize) -> Result<&mut KeyCounters, LimitExceeded> {
        if !self.keys.contains_key(key) {
            self.sweep(now);
            if self.keys.len() >= keys_max {
                self.sweep_all(now);
            }
            if self.keys.len() >= keys_max {
                return Err(LimitExceeded::Full {
                    retry_after_ms: FULL_SWEEP_MS,
                });
            }
        }
        Ok(self.keys.entry(key.clone()).or_default())
    }

    /// Evicts idle ones among the next few keys: more than are added, so the idle do not pile up.
    fn sweep(&mut self, now: Now) {
        use std::ops::Bound;
        let from = self.swept_to.take().map_or(Bound::Unbounded, Bound::Excluded);
        let looked_at: Vec<(KeyId, bool)> = self
            .keys
            .range_mut((from, Bound::Unbounded))
            .take(SWEEP_ENTRIES)
            .map(|(key, counters)| (key.clone(), counters.is_idle(now)))
            .collect();
        for (key, idle) in looked_at {
            if idle {
                self.keys.remove(&key);
            }
            self.swept_to = Some(key);
        }
    }

    fn sweep_all(&mut self, now: Now) {
        let due = self
            .full_swept_ms
            .is_none_or(|last| now.monotonic_ms().saturating_sub(last) >= FULL_SWEEP_MS);
        if due {
            self.full_swept_ms = Some(now.monotonic_ms());
            self.keys.retain(|_, counters| !counters.is_idle(now));
        }
    }
}

/// A counter is a plain number: it is sound even when another thread panicked while holding it.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Refusal> for LimitExceeded {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Wait { limit, retry_after_ms } => Self::Reached { limit, retry_after_ms },
            Refusal::Never { limit } => Self::TooLarge { limit },
        }
    }
}

/// What one request holds; dropped without settling, it counts as its estimate.
#[derive(Debug)]
#[must_use = "dropping it at once frees the place among concurrent requests"]
pub struct Reservation {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    limiter: Arc<Limiter>,
    key: KeyId,
    route: RouteName,
    estimate: Estimate,
    charge: Charge,
    at: Now,
}

impl Reservation {
    /// Ends the request and replaces the estimate by what the upstream counted, as far as it did.
    ///
    /// What was not used is given back where it was taken; what was used beyond the
    /// estimate is charged now.
    pub fn settle(mut self, input_tokens: Option<u64>, output_tokens: Option<u64>) {
        if let Some(held) = self.held.take() {
            held.limiter
                .settle(&held, Some(held.estimate.taken(input_tokens, output_tokens)));
        }
    }

    /// Ends a request that never reached the upstream: it counts as a request, and took nothing.
    pub fn release(mut self) {
        if let Some(held) = self.held.take() {
            held.limiter.settle(&held, Some(Taken::default()));
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.limiter.settle(&held, None);
        }
    }
}

#[cfg(test)]
mod tests;
