//! How much a conversation, or a key, has done within the hour and the day: sums and counts for policies.

use std::collections::{BTreeMap, VecDeque};

use testudo_types::Millis;

use crate::SessionFacts;
use crate::actions::Quantities;

#[cfg(test)]
mod tests;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Calls within so many seconds are counted together; a window begins at the beginning of such a stretch, so that it
/// holds up to as much more than it says and never less.
const STRETCH: u64 = 300;

/// What the counters may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterLimits {
    /// Sessions; the one that was heard of longest ago is forgotten for a new one.
    pub sessions_max: usize,
    /// Tools of a session that are counted by name; what is called besides is counted as one tool.
    pub tools_max: usize,
}

impl Default for CounterLimits {
    /// A session takes 16 kB for each tool that it calls all day long, and much less in ordinary use.
    fn default() -> Self {
        Self {
            sessions_max: 4_096,
            tools_max: 32,
        }
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It had consequences and went.
    Went(Quantities),
    /// It was held or refused.
    Held,
    /// A page was fetched from an address that only a text named. With so many addresses to choose from, the choice
    /// tells its owner log₂ of their number in bits.
    Fetched { addresses: u64 },
}

/// Counts calls by session and tool. Whoever asks gives the time; time that goes back stands still.
#[derive(Debug)]
pub struct SessionCounters {
    limits: CounterLimits,
    sessions: BTreeMap<String, Session>,
    /// Orders sessions by when they were last heard of.
    heard: u64,
}

#[derive(Debug, Default)]
struct Session {
    heard: u64,
    now: u64,
    tools: BTreeMap<String, VecDeque<Stretch>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    start: u64,
    calls: u64,
    sum: u64,
    held: u64,
    fetches: u64,
    fetch_bits: u64,
}

/// The tool that all tools past the limit are counted as; no tool has an empty name.
const OTHERS: &str = "";

impl SessionCounters {
    #[must_use]
    pub fn new(limits: CounterLimits) -> Self {
        Self {
            limits,
            sessions: BTreeMap::new(),
            heard: 0,
        }
    }

    /// Counts a call.
    pub fn count(&mut self, session: &str, tool: &str, now: Millis, outcome: Outcome) {
        self.heard = self.heard.saturating_add(1);
        if !self.sessions.contains_key(session) {
            while self.sessions.len() >= self.limits.sessions_max.max(1) {
                let last = self.sessions.iter().min_by_key(|(_, session)| session.heard);
                let Some(name) = last.map(|(name, _)| name.clone()) else {
                    break;
                };
                self.sessions.remove(&name);
            }
        }
        let found = self.sessions.entry(session.to_owned()).or_default();
        found.heard = self.heard;
        found.count(tool, now.0 / 1_000, outcome, self.limits.tools_max);
    }

    /// What the session did before, for a call of this tool. Whether bait was taken is not known here.
    #[must_use]
    pub fn facts(&self, session: &str, tool: &str, now: Millis) -> SessionFacts {
        let mut facts = SessionFacts::default();
        let Some(session) = self.sessions.get(session) else {
            return facts;
        };
        let now = (now.0 / 1_000).max(session.now);
        let own = if session.tools.contains_key(tool) { tool } else { OTHERS };
        let since = |window: u64| begin_of(now.saturating_sub(window));
        for (name, stretches) in &session.tools {
            for stretch in stretches.iter().filter(|it| it.start >= since(DAY)) {
                let within_hour = stretch.start >= since(HOUR);
                facts.add(stretch, within_hour, name == own);
            }
        }
        facts
    }

    /// Sessions that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

impl Session {
    fn count(&mut self, tool: &str, now: u64, outcome: Outcome, tools_max: usize) {
        self.now = self.now.max(now);
        let start = begin_of(self.now);
        let oldest = begin_of(self.now.saturating_sub(DAY));
        for stretches in self.tools.values_mut() {
            while stretches.front().is_some_and(|stretch| stretch.start < oldest) {
                stretches.pop_front();
            }
        }
        self.tools.retain(|_, stretches| !stretches.is_empty());
        let named = self.tools.contains_key(tool) || self.tools.len() < tools_max;
        let stretches = self
            .tools
            .entry(if named { tool } else { OTHERS }.to_owned())
            .or_default();
        if stretches.back().is_none_or(|stretch| stretch.start != start) {
            stretches.push_back(Stretch {
                start,
                ..Stretch::default()
            });
        }
        if let Some(stretch) = stretches.back_mut() {
            stretch.add(outcome);
        }
    }
}

impl Stretch {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Went(quantities) => {
                self.calls = self.calls.saturating_add(1);
                self.sum = self.sum.saturating_add(quantities.sum);
            }
            Outcome::Held => self.held = self.held.saturating_add(1),
            Outcome::Fetched { addresses } => {
                self.fetches = self.fetches.saturating_add(1);
                self.fetch_bits = self.fetch_bits.saturating_add(bits(addresses));
            }
        }
    }
}

impl SessionFacts {
    fn add(&mut self, stretch: &Stretch, within_hour: bool, own: bool) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.calls_24h, stretch.calls);
        add(&mut self.held_24h, stretch.held);
        add(&mut self.fetches_24h, stretch.fetches);
        add(&mut self.fetch_bits_24h, stretch.fetch_bits);
        if within_hour {
            add(&mut self.calls_1h, stretch.calls);
            add(&mut self.fetches_1h, stretch.fetches);
            add(&mut self.fetch_bits_1h, stretch.fetch_bits);
        }
        if own {
            add(&mut self.tool_calls_24h, stretch.calls);
            add(&mut self.sum_24h, stretch.sum);
            if within_hour {
                add(&mut self.tool_calls_1h, stretch.calls);
                add(&mut self.sum_1h, stretch.sum);
            }
        }
    }
}

fn begin_of(time: u64) -> u64 {
    time.saturating_sub(time % STRETCH)
}

/// Bits that a choice among so many tells, rounded up: none for one.
fn bits(choices: u64) -> u64 {
    u64::from(u64::BITS.saturating_sub(choices.saturating_sub(1).leading_zeros()))
}
