//! No window holds less than it says, and nothing grows without end.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "times and sums of tests are small"
)]

use proptest::prelude::{any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq};

use testudo_types::Millis;

use super::{CounterLimits, DAY, HOUR, Outcome, STRETCH, SessionCounters, bits};
use crate::actions::Quantities;

fn counters() -> SessionCounters {
    SessionCounters::new(CounterLimits::default())
}

fn count(counters: &mut SessionCounters, session: &str, tool: &str, seconds: u64, outcome: Outcome) {
    counters.count(session, tool, Millis(seconds * 1_000), outcome);
}

fn facts_of(counters: &SessionCounters, session: &str, tool: &str, seconds: u64) -> crate::SessionFacts {
    counters.facts(session, tool, Millis(seconds * 1_000))
}

fn went(sum: u64) -> Outcome {
    Outcome::Went(Quantities {
        present: true,
        sum,
        largest: sum,
        ..Quantities::default()
    })
}

#[test]
fn a_session_is_counted_by_tool_and_by_window() {
    let mut counters = counters();
    count(&mut counters, "s", "pay", 0, went(500));
    count(&mut counters, "s", "mail", 10 * HOUR, went(0));
    count(&mut counters, "s", "pay", 10 * HOUR, went(700));
    count(&mut counters, "s", "pay", 10 * HOUR + 1, Outcome::Held);
    count(&mut counters, "other", "pay", 10 * HOUR, went(9));
    let facts = facts_of(&counters, "s", "pay", 10 * HOUR + 60);
    assert_eq!((facts.calls_1h, facts.calls_24h), (2, 3));
    assert_eq!((facts.tool_calls_1h, facts.tool_calls_24h), (1, 2));
    assert_eq!((facts.sum_1h, facts.sum_24h), (700, 1_200));
    assert_eq!((facts.held_24h, facts.fetches_24h, facts.canary), (1, 0, false));
    let later = facts_of(&counters, "s", "pay", 10 * HOUR + DAY + STRETCH);
    assert_eq!((later.calls_24h, later.sum_24h, later.held_24h), (0, 0, 0));
    assert_eq!(facts_of(&counters, "nobody", "pay", 0), crate::SessionFacts::default());
}

#[test]
fn what_a_choice_tells_is_counted_in_bits() {
    let choices = [0, 1, 2, 3, 4, 5, 1_024, 1_025, u64::MAX];
    assert_eq!(choices.map(bits), [0, 0, 1, 2, 2, 3, 10, 11, 64]);
    let mut counters = counters();
    for _ in 0..3 {
        count(&mut counters, "s", "fetch", 7, Outcome::Fetched { addresses: 20 });
    }
    let facts = facts_of(&counters, "s", "fetch", 7);
    assert_eq!((facts.fetches_24h, facts.fetch_bits_24h, facts.calls_24h), (3, 15, 0));
}

#[test]
fn time_that_goes_back_stands_still() {
    let mut counters = counters();
    count(&mut counters, "s", "pay", 100 * HOUR, went(1));
    count(&mut counters, "s", "pay", 0, went(1));
    assert_eq!(facts_of(&counters, "s", "pay", 0).sum_1h, 2);
    assert_eq!(facts_of(&counters, "s", "pay", 100 * HOUR).sum_1h, 2);
}

#[test]
fn sums_end_at_the_greatest_number() {
    let mut counters = counters();
    count(&mut counters, "s", "pay", 0, went(u64::MAX));
    count(&mut counters, "s", "pay", 0, went(5));
    assert_eq!(facts_of(&counters, "s", "pay", 0).sum_24h, u64::MAX);
}

#[test]
fn more_tools_than_the_limit_are_counted_as_one() {
    let mut counters = SessionCounters::new(CounterLimits {
        sessions_max: 2,
        tools_max: 3,
    });
    for number in 0..50_u64 {
        count(&mut counters, "s", &format!("tool{number}"), number, went(1));
    }
    assert_eq!(facts_of(&counters, "s", "tool0", 60).tool_calls_1h, 1);
    // Nobody can pass a limit by another name.
    assert_eq!(facts_of(&counters, "s", "tool40", 60).tool_calls_1h, 47);
    assert_eq!(facts_of(&counters, "s", "new", 60).tool_calls_1h, 47);
    assert_eq!(counters.sessions["s"].tools.len(), 4);
}

#[test]
fn sessions_are_bounded_and_the_busy_one_stays() {
    let mut counters = SessionCounters::new(CounterLimits {
        sessions_max: 3,
        tools_max: 3,
    });
    for number in 0..100_u64 {
        count(&mut counters, "busy", "pay", number, went(1));
        count(&mut counters, &format!("s{number}"), "pay", number, went(1));
    }
    assert_eq!(counters.len(), 3);
    assert_eq!(facts_of(&counters, "busy", "pay", 100).sum_24h, 100);
}

proptest! {
    #[test]
    fn windows_never_hold_too_little(calls in prop::collection::vec((0..3 * DAY, 0..1_000_u64, any::<bool>()), 1..200), later in 0..DAY) {
        let mut calls = calls;
        calls.sort_unstable();
        let mut counters = counters();
        for (at, sum, mail) in &calls {
            count(&mut counters, "s", if *mail { "mail" } else { "pay" }, *at, went(*sum));
        }
        let now = calls.last().unwrap().0 + later;
        let facts = facts_of(&counters, "s", "pay", now);
        for (window, sum) in [(HOUR, facts.sum_1h), (DAY, facts.sum_24h)] {
            let within = |window: u64| -> u64 {
                calls.iter().filter(|(at, _, mail)| !mail && at + window >= now).map(|(_, sum, _)| sum).sum()
            };
            prop_assert!(within(window) <= sum);
            prop_assert!(sum <= within(window + STRETCH));
        }
        let held = counters.sessions["s"].tools.values().map(std::collections::VecDeque::len).max();
        prop_assert!(held.unwrap() <= (DAY / STRETCH + 2) as usize);
        prop_assert_eq!(facts.held_24h, 0);
    }
}
