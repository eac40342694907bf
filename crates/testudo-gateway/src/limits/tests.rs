//! Limits under load, over time, and against a simple model.

#![expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails, which is right")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use testudo_types::{KeyId, RouteName, UnixMillis};

use super::{AppliedLimits, Estimate, LimitExceeded, LimitKind, Limiter, Reservation, estimate_tokens};
use crate::settings::{Limits, Price};
use crate::system_clock::ManualClock;

const DAY_MS: u64 = 86_400_000;
/// Noon of some day.
const NOON: UnixMillis = UnixMillis(19_000 * DAY_MS + DAY_MS / 2);
/// One micro-dollar a token, both ways.
const PRICE: Price = Price {
    input_micros_per_mtok: 1_000_000,
    output_micros_per_mtok: 1_000_000,
};

fn key(name: &str) -> KeyId {
    KeyId::parse(name).unwrap()
}

fn route(name: &str) -> RouteName {
    RouteName::parse(name).unwrap()
}

fn limiter() -> (Arc<Limiter>, Arc<ManualClock>) {
    limiter_of(1 << 10)
}

fn limiter_of(keys_max: usize) -> (Arc<Limiter>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOON));
    (
        Arc::new(Limiter::with_keys_max(Arc::<ManualClock>::clone(&clock), keys_max)),
        clock,
    )
}

fn on_key(key: Limits) -> AppliedLimits {
    AppliedLimits {
        key,
        route: Limits::default(),
    }
}

fn on_route(route: Limits) -> AppliedLimits {
    AppliedLimits {
        key: Limits::default(),
        route,
    }
}

fn requests(max: u64) -> Limits {
    Limits {
        requests_per_minute: Some(max),
        ..Limits::default()
    }
}

fn tokens(max: u64) -> Limits {
    Limits {
        tokens_per_minute: Some(max),
        ..Limits::default()
    }
}

fn cost(max: u64) -> Limits {
    Limits {
        cost_micros_per_day: Some(max),
        ..Limits::default()
    }
}

fn concurrent(max: u64) -> Limits {
    Limits {
        concurrent: Some(max),
        ..Limits::default()
    }
}

fn of_tokens(tokens: u64) -> Estimate {
    Estimate {
        input_tokens: tokens,
        output_tokens: 0,
        price: Some(PRICE),
    }
}

fn take(limiter: &Arc<Limiter>, limits: AppliedLimits, tokens: u64) -> Result<Reservation, LimitExceeded> {
    limiter.reserve_under(&key("k"), &route("r"), &limits, &of_tokens(tokens))
}

fn reached(limit: LimitKind, retry_after_ms: u64) -> LimitExceeded {
    LimitExceeded::Reached { limit, retry_after_ms }
}

/// 64 threads ask as often as they can; says how many were let in, and the most that were in at once.
fn race(limits: AppliedLimits, tokens: u64, rounds: usize, hold: bool) -> (u64, u64) {
    let (limiter, _clock) = limiter();
    let (let_in, running, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let held = std::sync::Mutex::new(Vec::new());
    let start = std::sync::Barrier::new(64);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..rounds {
                    let Ok(reservation) = take(&limiter, limits, tokens) else {
                        continue;
                    };
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    let_in.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    if hold {
                        held.lock().unwrap().push(reservation);
                    } else {
                        running.fetch_sub(1, Ordering::SeqCst);
                        drop(reservation);
                    }
                }
            });
        }
    });
    (let_in.into_inner(), most.into_inner())
}

#[test]
fn r20_no_overspend_with_64_callers() {
    for limits in [on_key, on_route] {
        assert_eq!(race(limits(requests(1_000)), 1, 50, false).0, 1_000);
        assert_eq!(race(limits(requests(1_000)), 1, 50, true).0, 1_000);
        // 100,000 tokens at 33 each, and the same in millionths of a dollar.
        assert_eq!(race(limits(tokens(100_000)), 33, 100, false).0, 3_030);
        assert_eq!(race(limits(cost(100_000)), 33, 100, false).0, 3_030);
        let (_, most) = race(limits(concurrent(5)), 1, 200, false);
        assert!((1..=5).contains(&most), "{most} at once");
        assert_eq!(race(limits(concurrent(5)), 1, 200, true).0, 5);
    }
}

#[test]
fn r20_settling_under_load_neither_leaks_nor_overspends() {
    let (limiter, _clock) = limiter();
    let limits = on_key(tokens(10_000));
    let spent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for round in 0..200 {
                    if let Ok(reservation) = take(&limiter, limits, 100) {
                        // Always less than was reserved.
                        let took = round % 100;
                        spent.fetch_add(took, Ordering::SeqCst);
                        reservation.settle(Some(took), Some(0));
                    }
                }
            });
        }
    });
    let spent = spent.into_inner();
    assert!(spent <= 10_000, "{spent}");
    // What is left can still be taken, to the token.
    assert!(take(&limiter, limits, 10_000 - spent + 1).is_err());
    assert!(take(&limiter, limits, 10_000 - spent).is_ok());
}

#[test]
fn without_limits_nothing_is_tracked() {
    let (limiter, _clock) = limiter();
    let reservation = take(&limiter, AppliedLimits::default(), u64::MAX).unwrap();
    assert_eq!(limiter.tracked(), 0);
    reservation.settle(None, None);
}

#[test]
fn a_limit_of_zero_lets_nothing_in() {
    let (limiter, _clock) = limiter();
    let too_large = |limit| LimitExceeded::TooLarge { limit };
    for (limits, expected) in [
        (requests(0), LimitKind::RequestsPerMinute),
        (tokens(0), LimitKind::TokensPerMinute),
        (cost(0), LimitKind::CostPerDay),
        (concurrent(0), LimitKind::Concurrent),
    ] {
        assert_eq!(take(&limiter, on_key(limits), 1).unwrap_err(), too_large(expected));
        assert_eq!(take(&limiter, on_route(limits), 1).unwrap_err(), too_large(expected));
    }
}

#[test]
fn what_never_fits_is_not_told_to_wait() {
    let (limiter, _clock) = limiter();
    let refused = take(&limiter, on_key(tokens(100)), 101).unwrap_err();
    assert_eq!(
        refused,
        LimitExceeded::TooLarge {
            limit: LimitKind::TokensPerMinute
        }
    );
    assert_eq!(refused.retry_after_ms(), None);
    assert!(take(&limiter, on_key(tokens(100)), u64::MAX).is_err());
}

#[test]
fn a_cost_limit_without_a_price_refuses_and_says_why() {
    let (limiter, _clock) = limiter();
    let unpriced = Estimate {
        price: None,
        ..of_tokens(1)
    };
    let ask = |limits| {
        limiter
            .reserve_under(&key("k"), &route("r"), &limits, &unpriced)
            .map(drop)
    };
    assert_eq!(ask(on_key(cost(u64::MAX))), Err(LimitExceeded::PriceUnknown));
    assert_eq!(ask(on_route(cost(u64::MAX))), Err(LimitExceeded::PriceUnknown));
    assert!(LimitExceeded::PriceUnknown.to_string().contains("no price"));
    assert_eq!(LimitExceeded::PriceUnknown.limit(), LimitKind::CostPerDay);
    // Other limits do not need one.
    assert_eq!(ask(on_key(tokens(10))), Ok(()));
}

#[test]
fn the_minute_slides_in_steps_of_five_seconds() {
    let (limiter, clock) = limiter();
    let limits = on_key(requests(2));
    drop(take(&limiter, limits, 0).unwrap());
    clock.advance_ms(30_000);
    drop(take(&limiter, limits, 0).unwrap());
    assert_eq!(
        take(&limiter, limits, 0).unwrap_err(),
        reached(LimitKind::RequestsPerMinute, 35_000)
    );
    clock.advance_ms(34_999);
    assert_eq!(
        take(&limiter, limits, 0).unwrap_err(),
        reached(LimitKind::RequestsPerMinute, 1)
    );
    clock.advance_ms(1);
    drop(take(&limiter, limits, 0).unwrap());
    assert_eq!(
        take(&limiter, limits, 0).unwrap_err(),
        reached(LimitKind::RequestsPerMinute, 30_000)
    );
}

#[test]
fn waiting_as_long_as_told_is_enough() {
    let (limiter, clock) = limiter();
    let limits = on_key(tokens(100));
    for amount in [10, 20, 30, 40] {
        drop(take(&limiter, limits, amount).unwrap());
        clock.advance_ms(7_000);
    }
    for amount in [5, 25, 55, 100] {
        let refused = take(&limiter, limits, amount).unwrap_err();
        clock.advance_ms(refused.retry_after_ms().unwrap());
        drop(take(&limiter, limits, amount).unwrap());
    }
}

#[test]
fn the_day_is_the_calendars_and_does_not_come_back() {
    let (limiter, clock) = limiter();
    let limits = on_key(cost(100));
    drop(take(&limiter, limits, 100).unwrap());
    assert_eq!(
        take(&limiter, limits, 1).unwrap_err(),
        reached(LimitKind::CostPerDay, DAY_MS / 2)
    );
    // Setting the calendar back does not bring the budget back.
    clock.set_wall(UnixMillis(NOON.0 - DAY_MS));
    assert!(take(&limiter, limits, 1).is_err());
    clock.set_wall(UnixMillis(NOON.0 + DAY_MS / 2 - 1));
    assert!(take(&limiter, limits, 1).is_err());
    clock.set_wall(UnixMillis(NOON.0 + DAY_MS / 2));
    drop(take(&limiter, limits, 100).unwrap());
    clock.set_wall(NOON);
    assert!(take(&limiter, limits, 1).is_err());
}

#[test]
fn a_request_that_ends_on_the_next_day_gives_nothing_back_there() {
    let (limiter, clock) = limiter();
    let limits = on_key(cost(100));
    let over_midnight = take(&limiter, limits, 100).unwrap();
    clock.set_wall(UnixMillis(NOON.0 + DAY_MS));
    drop(take(&limiter, limits, 60).unwrap());
    over_midnight.settle(Some(0), Some(0));
    assert!(take(&limiter, limits, 41).is_err());
    drop(take(&limiter, limits, 40).unwrap());
}

#[test]
fn a_limit_on_the_key_counts_over_routes_and_one_on_the_route_does_not() {
    let (limiter, _clock) = limiter();
    let ask = |key_name: &str, route_name: &str, limits: AppliedLimits| {
        limiter
            .reserve_under(&key(key_name), &route(route_name), &limits, &of_tokens(1))
            .map(drop)
    };
    assert!(ask("a", "x", on_key(requests(2))).is_ok());
    assert!(ask("a", "y", on_key(requests(2))).is_ok());
    assert!(ask("a", "z", on_key(requests(2))).is_err());
    assert!(ask("b", "z", on_key(requests(2))).is_ok());
    assert!(ask("c", "x", on_route(requests(1))).is_ok());
    assert!(ask("c", "x", on_route(requests(1))).is_err());
    assert!(ask("c", "y", on_route(requests(1))).is_ok());
    assert!(ask("d", "x", on_route(requests(1))).is_ok());
}

#[test]
fn a_refused_request_takes_nothing() {
    let (limiter, _clock) = limiter();
    // The key's limits fit, the route's do not.
    let limits = AppliedLimits {
        key: tokens(100),
        route: tokens(10),
    };
    drop(take(&limiter, limits, 10).unwrap());
    for _ in 0..50 {
        assert!(take(&limiter, limits, 10).is_err());
    }
    let elsewhere = limiter.reserve_under(&key("k"), &route("other"), &on_key(tokens(100)), &of_tokens(90));
    assert!(elsewhere.is_ok());
}

#[test]
fn what_was_not_used_is_given_back_and_what_was_more_is_charged() {
    let (limiter, _clock) = limiter();
    let limits = on_key(Limits {
        cost_micros_per_day: Some(100),
        ..tokens(100)
    });
    take(&limiter, limits, 100).unwrap().settle(Some(10), Some(20));
    take(&limiter, limits, 70).unwrap().settle(Some(40), Some(50));
    // 30 and 90 were used: over the limit by what nobody could know.
    assert!(take(&limiter, limits, 1).is_err());
    let (limiter, _clock) = self::limiter();
    take(&limiter, limits, 100).unwrap().release();
    take(&limiter, limits, 100).unwrap().settle(None, None);
    assert!(take(&limiter, limits, 1).is_err());
}

#[test]
fn half_a_count_keeps_the_other_half_of_the_estimate() {
    let (limiter, _clock) = limiter();
    let limits = on_key(tokens(100));
    let estimate = Estimate {
        input_tokens: 40,
        output_tokens: 60,
        price: None,
    };
    let reserve = || limiter.reserve_under(&key("k"), &route("r"), &limits, &estimate);
    reserve().unwrap().settle(Some(10), None);
    assert!(take(&limiter, limits, 31).is_err());
    assert!(take(&limiter, limits, 30).is_ok());
}

#[test]
fn a_reservation_frees_its_place_however_it_ends() {
    let (limiter, _clock) = limiter();
    let limits = on_key(concurrent(1));
    for end in [drop, Reservation::release, |it: Reservation| {
        it.settle(Some(1), Some(1))
    }] {
        let held = take(&limiter, limits, 1).unwrap();
        assert_eq!(
            take(&limiter, limits, 1).unwrap_err(),
            reached(LimitKind::Concurrent, 1_000)
        );
        end(held);
    }
    let held = take(&limiter, limits, 1).unwrap();
    let panicked = std::thread::spawn(move || {
        let _held = held;
        panic!("a handler fails while it holds a place");
    });
    assert!(panicked.join().is_err());
    assert!(take(&limiter, limits, 1).is_ok());
}

#[test]
fn r22_bounded_limiter() {
    let (limiter, clock) = limiter_of(64);
    let ask = |name: String, limits| limiter.reserve_under(&key(&name), &route("r"), &limits, &of_tokens(1));
    // Running requests are never forgotten: when there is no room left, new keys are refused.
    let held: Vec<_> = (0..1_000)
        .filter_map(|n| ask(format!("live{n}"), on_key(concurrent(1))).ok())
        .collect();
    assert_eq!((held.len(), limiter.tracked()), (64, 64));
    clock.advance_ms(DAY_MS * 2);
    for n in 0..100 {
        let refused = ask(format!("new{n}"), on_key(concurrent(1))).unwrap_err();
        assert_eq!(refused, LimitExceeded::Full { retry_after_ms: 1_000 });
        clock.advance_ms(1_000);
    }
    assert_eq!(limiter.tracked(), 64);
    // Each ends, and its minute passes: there is room again.
    drop(held);
    clock.advance_ms(65_000);
    for n in 0..10_000 {
        ask(format!("next{n}"), on_key(requests(1))).unwrap().settle(None, None);
        assert!(limiter.tracked() <= 64);
        clock.advance_ms(65_000);
    }
    assert!(limiter.tracked() < 64, "{} idle keys pile up", limiter.tracked());
}

#[test]
fn r22_a_budget_of_the_day_is_not_forgotten_with_its_idle_key() {
    let (limiter, clock) = limiter_of(1_600);
    let ask = |name: &str| {
        limiter
            .reserve_under(&key(name), &route("r"), &on_key(cost(1)), &of_tokens(1))
            .map(drop)
    };
    assert!(ask("spender").is_ok());
    clock.advance_ms(600_000);
    for n in 0..300 {
        let others = format!("other{n}");
        let took = limiter.reserve_under(&key(&others), &route("r"), &on_key(requests(1)), &of_tokens(1));
        assert!(took.is_ok());
        clock.advance_ms(1_000);
    }
    assert!(ask("spender").is_err());
}

#[test]
fn r22_renamed_routes_do_not_pile_up_in_a_key() {
    let (limiter, clock) = limiter();
    for n in 0..200 {
        let name = route(&format!("r{n}"));
        drop(
            limiter
                .reserve_under(&key("k"), &name, &on_route(requests(1)), &of_tokens(1))
                .unwrap(),
        );
        clock.advance_ms(65_000);
    }
    let shard = limiter.shard(&key("k")).unwrap();
    assert_eq!(shard.keys.get(&key("k")).unwrap().routes.len(), 1);
}

#[test]
fn numbers_at_their_end_do_not_wrap() {
    let (limiter, _clock) = limiter();
    let limits = on_key(Limits {
        cost_micros_per_day: Some(u64::MAX),
        ..tokens(u64::MAX)
    });
    drop(take(&limiter, limits, u64::MAX - 1).unwrap());
    assert!(take(&limiter, limits, 2).is_err());
    take(&limiter, limits, 1)
        .unwrap()
        .settle(Some(u64::MAX), Some(u64::MAX));
    assert!(take(&limiter, limits, 1).is_err());
    assert_eq!(estimate_tokens(usize::MAX), u64::MAX / 2 + 1);
    assert_eq!((estimate_tokens(0), estimate_tokens(1), estimate_tokens(3)), (0, 1, 2));
}

/// One step of a generated history.
#[derive(Debug, Clone)]
enum Step {
    Take {
        tokens: u64,
    },
    /// Ends the oldest running request: unsettled, or with so many tokens.
    End {
        took: Option<u64>,
    },
    Wait {
        ms: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u64..60).prop_map(|tokens| Step::Take { tokens }),
        2 => proptest::option::of(0_u64..90).prop_map(|took| Step::End { took }),
        2 => prop_oneof![0_u64..6_000, Just(30_000), Just(65_000), Just(DAY_MS)].prop_map(|ms| Step::Wait { ms }),
    ];
    proptest::collection::vec(step, 1..80)
}

/// Every charge as a line in a list; slow and plain.
#[derive(Default)]
struct Model {
    /// When, requests, tokens.
    minute: Vec<(u64, u64, u64)>,
    /// Which day, micro-dollars.
    days: Vec<(u64, u64)>,
    running: u64,
}

impl Model {
    fn used(&self, now: u64) -> (u64, u64) {
        let counts = |at: &u64| at / 5_000 + 13 > now / 5_000;
        let live = self.minute.iter().filter(|(at, _, _)| counts(at));
        live.fold((0, 0), |(requests, tokens), (_, r, t)| (requests + r, tokens + t))
    }

    fn cost(&self, day: u64) -> u64 {
        self.days
            .iter()
            .filter(|(at, _)| *at == day)
            .map(|(_, cost)| cost)
            .sum()
    }
}

proptest! {
    #[test]
    fn the_limiter_agrees_with_a_sequential_model(steps in steps(), both in any::<bool>()) {
        let (limiter, clock) = limiter();
        let limits = Limits {
            requests_per_minute: Some(12),
            tokens_per_minute: Some(200),
            cost_micros_per_day: Some(900),
            concurrent: Some(4),
        };
        let applied = AppliedLimits { key: limits, route: if both { limits } else { Limits::default() } };
        let mut model = Model::default();
        let mut running: VecDeque<(Reservation, usize, usize, u64)> = VecDeque::new();
        let (mut now, mut wall) = (0_u64, NOON.0);
        for step in steps {
            let day = wall / DAY_MS;
            match step {
                Step::Wait { ms } => {
                    clock.advance_ms(ms);
                    now += ms;
                    wall += ms;
                }
                Step::Take { tokens } => {
                    let (requests, used) = model.used(now);
                    let fits = model.running < 4
                        && requests < 12
                        && used + tokens <= 200
                        && model.cost(day) + tokens <= 900;
                    let taken = take(&limiter, applied, tokens);
                    prop_assert_eq!(taken.is_ok(), fits, "{:?} {} {} {}", taken, requests, used, model.running);
                    if let Ok(reservation) = taken {
                        model.minute.push((now, 1, tokens));
                        model.days.push((day, tokens));
                        model.running += 1;
                        running.push_back((reservation, model.minute.len() - 1, model.days.len() - 1, tokens));
                    }
                }
                Step::End { took } => {
                    let Some((reservation, minute, days, reserved)) = running.pop_front() else { continue };
                    model.running -= 1;
                    match took {
                        None => drop(reservation),
                        Some(took) => {
                            reservation.settle(Some(took), Some(0));
                            model.minute[minute].2 = took.min(reserved);
                            model.days[days].1 = took.min(reserved);
                            model.minute.push((now, 0, took.saturating_sub(reserved)));
                            model.days.push((day, took.saturating_sub(reserved)));
                        }
                    }
                }
            }
            let refused = take(&limiter, applied, 201).unwrap_err();
            let known = matches!(refused, LimitExceeded::TooLarge { .. } | LimitExceeded::Reached { .. });
            prop_assert!(known, "{:?}", refused);
        }
    }
}
