//! The counters of one key (on one route, or on all): a sliding minute, a UTC day, and what runs now.

use std::collections::VecDeque;

use testudo_types::{Millis, UnixMillis};

use super::LimitKind;
use super::estimate::Taken;
use crate::settings::Limits;

const STEP_MS: u64 = 5_000;
/// The running step and twelve before it: a step counts until its last moment is 60 s ago.
const STEPS: u64 = 13;
const DAY_MS: u64 = 86_400_000;
/// How long to wait for a place among concurrent requests; nobody knows when one ends.
const CONCURRENT_RETRY_MS: u64 = 1_000;

/// The time as the counters see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    monotonic_ms: u64,
    wall_ms: u64,
}

impl Now {
    pub(super) fn at(monotonic: Millis, wall: UnixMillis) -> Self {
        Self {
            monotonic_ms: monotonic.0,
            wall_ms: wall.0,
        }
    }

    pub(super) fn monotonic_ms(self) -> u64 {
        self.monotonic_ms
    }

    fn step(self) -> u64 {
        self.monotonic_ms / STEP_MS
    }

    fn day(self) -> u64 {
        self.wall_ms / DAY_MS
    }
}

/// What one request takes besides its place; `None` is not counted, since no limit asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) tokens: Option<u64>,
    pub(super) cost_micros: Option<u64>,
}

/// Why a charge does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Wait {
        limit: LimitKind,
        retry_after_ms: u64,
    },
    /// The charge alone is greater than the limit.
    Never {
        limit: LimitKind,
    },
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Oldest first; never more than `STEPS`.
    steps: VecDeque<Step>,
    /// The latest day seen: a calendar that is set back does not bring back a spent budget.
    day: u64,
    cost_micros: u64,
    running: u64,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    number: u64,
    requests: u64,
    tokens: u64,
}

impl Counters {
    /// Whether the charge fits under the limits.
    pub(super) fn check(&mut self, limits: &Limits, charge: Charge, now: Now) -> Result<(), Refusal> {
        self.forget(now);
        if let Some(max) = limits.concurrent {
            let wait = Refusal::Wait {
                limit: LimitKind::Concurrent,
                retry_after_ms: CONCURRENT_RETRY_MS,
            };
            fits(self.running, 1, max, LimitKind::Concurrent).map_err(|never| never.unwrap_or(wait))?;
        }
        if let Some(max) = limits.requests_per_minute {
            self.check_minute(LimitKind::RequestsPerMinute, 1, max, now, |step| step.requests)?;
        }
        if let Some(max) = limits.tokens_per_minute {
            self.check_minute(
                LimitKind::TokensPerMinute,
                charge.tokens.unwrap_or(0),
                max,
                now,
                |step| step.tokens,
            )?;
        }
        if let Some(max) = limits.cost_micros_per_day {
            let tomorrow_ms = self.day.saturating_add(1).saturating_mul(DAY_MS);
            let retry_after_ms = tomorrow_ms.saturating_sub(now.wall_ms);
            fits(
                self.cost_micros,
                charge.cost_micros.unwrap_or(0),
                max,
                LimitKind::CostPerDay,
            )
            .map_err(|never| {
                never.unwrap_or(Refusal::Wait {
                    limit: LimitKind::CostPerDay,
                    retry_after_ms,
                })
            })?;
        }
        Ok(())
    }

    /// Takes a charge that was checked.
    pub(super) fn charge(&mut self, charge: Charge, now: Now) {
        self.running = self.running.saturating_add(1);
        self.cost_micros = self.cost_micros.saturating_add(charge.cost_micros.unwrap_or(0));
        self.add(Step {
            number: now.step(),
            requests: 1,
            tokens: charge.tokens.unwrap_or(0),
        });
    }

    /// Ends a request that was charged at `at`: the unused part is given back there, the excess charged now.
    ///
    /// Without `taken` the charge stays as it was estimated.
    pub(super) fn settle(&mut self, charge: Charge, taken: Option<Taken>, at: Now, now: Now) {
        self.forget(now);
        self.running = self.running.saturating_sub(1);
        let Some(taken) = taken else { return };
        if let Some(charged) = charge.tokens {
            let unused = charged.saturating_sub(taken.tokens);
            if let Some(step) = self.steps.iter_mut().find(|step| step.number == at.step()) {
                step.tokens = step.tokens.saturating_sub(unused);
            }
            let excess = taken.tokens.saturating_sub(charged);
            if excess > 0 {
                self.add(Step {
                    number: now.step(),
                    requests: 0,
                    tokens: excess,
                });
            }
        }
        if let Some(charged) = charge.cost_micros {
            let excess = taken.cost_micros.saturating_sub(charged);
            self.cost_micros = self.cost_micros.saturating_add(excess);
            if self.day == at.day() {
                self.cost_micros = self
                    .cost_micros
                    .saturating_sub(charged.saturating_sub(taken.cost_micros));
            }
        }
    }

    /// Whether forgetting these counters would change no later answer.
    pub(super) fn is_idle(&mut self, now: Now) -> bool {
        self.forget(now);
        self.running == 0 && self.steps.is_empty() && self.cost_micros == 0
    }

    fn check_minute(
        &self,
        limit: LimitKind,
        need: u64,
        max: u64,
        now: Now,
        of: impl Fn(&Step) -> u64,
    ) -> Result<(), Refusal> {
        let used = self.steps.iter().map(&of).fold(0, u64::saturating_add);
        let Err(refused) = fits(used, need, max, limit) else {
            return Ok(());
        };
        if let Some(never) = refused {
            return Err(never);
        }
        // Steps are forgotten oldest first: wait until enough of them are.
        let mut left = used;
        let freeing = self.steps.iter().find(|step| {
            left = left.saturating_sub(of(step));
            left.checked_add(need).is_some_and(|total| total <= max)
        });
        let free_ms = freeing.map_or(now.monotonic_ms, |step| {
            step.number.saturating_add(STEPS).saturating_mul(STEP_MS)
        });
        Err(Refusal::Wait {
            limit,
            retry_after_ms: free_ms.saturating_sub(now.monotonic_ms),
        })
    }

    fn forget(&mut self, now: Now) {
        while self
            .steps
            .front()
            .is_some_and(|step| step.number.saturating_add(STEPS) <= now.step())
        {
            self.steps.pop_front();
        }
        if now.day() > self.day {
            self.day = now.day();
            self.cost_micros = 0;
        }
    }

    fn add(&mut self, step: Step) {
        match self.steps.back_mut() {
            Some(last) if last.number >= step.number => {
                last.requests = last.requests.saturating_add(step.requests);
                last.tokens = last.tokens.saturating_add(step.tokens);
            }
            _ => self.steps.push_back(step),
        }
    }
}

/// `Err(Some)`: never fits; `Err(None)`: does not fit now.
fn fits(used: u64, need: u64, max: u64, limit: LimitKind) -> Result<(), Option<Refusal>> {
    if need > max {
        return Err(Some(Refusal::Never { limit }));
    }
    if used.checked_add(need).is_some_and(|total| total <= max) {
        Ok(())
    } else {
        Err(None)
    }
}
