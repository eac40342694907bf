//! What is counted, and that requests cannot make series.

use std::sync::Arc;
use std::time::Duration;

use testudo_types::{Action, Direction, ProfileName, RouteName, ThreatKind, UpstreamName};
use tokio_util::sync::CancellationToken;

use super::{Metrics, RouteNames};
use crate::limits::LimitKind;

fn route(name: &str) -> RouteName {
    RouteName::parse(name).unwrap()
}

fn with_routes(routes: &[&str]) -> Arc<Metrics> {
    let metrics = Metrics::new().unwrap();
    configure(&metrics, routes);
    metrics
}

fn configure(metrics: &Metrics, routes: &[&str]) {
    configure_following(metrics, routes, None);
}

fn configure_following(metrics: &Metrics, routes: &[&str], followed: Option<&[UpstreamName]>) {
    let names: Vec<_> = routes.iter().map(|name| route(name)).collect();
    let upstream = UpstreamName::parse("openai").unwrap();
    let profile = ProfileName::parse("balanced").unwrap();
    metrics.configure_names(names.iter().map(|route| RouteNames {
        route,
        upstream: &upstream,
        followed,
        profile: &profile,
    }));
}

/// The value of the one line of a series.
fn value(metrics: &Metrics, series: &str) -> f64 {
    let text = metrics.render();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(series)).collect();
    assert_eq!(lines.len(), 1, "{series}\n{text}");
    lines[0].rsplit(' ').next().unwrap().parse().unwrap()
}

fn series(metrics: &Metrics) -> usize {
    metrics
        .render()
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .count()
}

const ROUTED: &str = r#"route="chat",upstream="openai",profile="balanced""#;

#[test]
fn everything_is_counted_under_its_route() {
    let metrics = with_routes(&["chat"]);
    let chat = metrics.of(Some(&route("chat")));
    for _ in 0..3 {
        chat.exchange_ended("chat_completions", "delivered", Duration::from_millis(40));
    }
    chat.first_chunk("chat_completions", Duration::from_millis(7));
    chat.refused("limited", LimitKind::TokensPerMinute.as_str());
    chat.findings(Direction::Response, ThreatKind::Secret, Action::Mask, 4);
    chat.guard_gap(Direction::Request, "budget");
    chat.guard_time(Direction::Request, Duration::from_micros(300));
    chat.tokens(Some(11), None);
    chat.tokens(Some(1), Some(5));
    for (name, labels, expected) in [
        (
            "testudo_requests_total",
            r#"operation="chat_completions",outcome="delivered""#,
            3.0,
        ),
        (
            "testudo_refusals_total",
            r#"outcome="limited",error_type="tokens_per_minute""#,
            1.0,
        ),
        (
            "testudo_findings_total",
            r#"kind="secret",action="mask",direction="response""#,
            4.0,
        ),
        (
            "testudo_guard_gaps_total",
            r#"direction="request",reason="budget""#,
            1.0,
        ),
        ("testudo_tokens_total", r#"gen_ai_token_type="input""#, 12.0),
        ("testudo_tokens_total", r#"gen_ai_token_type="output""#, 5.0),
        (
            "gen_ai_client_operation_duration_seconds_count",
            r#"operation="chat_completions""#,
            3.0,
        ),
        (
            "gen_ai_client_operation_time_to_first_chunk_seconds_count",
            r#"operation="chat_completions""#,
            1.0,
        ),
        ("testudo_guard_duration_seconds_count", r#"direction="request""#, 1.0),
    ] {
        let found = value(&metrics, &format!("{name}{{{ROUTED},{labels}}}"));
        assert!((found - expected).abs() < 1e-9, "{name}{labels}: {found}");
    }
    let text = metrics.render();
    assert!(
        text.contains(r#"profile="balanced",operation="chat_completions",le="0.05"} 3"#),
        "{text}"
    );
    assert!(
        text.contains(r#"profile="balanced",operation="chat_completions",le="0.025"} 0"#),
        "{text}"
    );
}

#[test]
fn r21_labels_only_from_configuration() {
    let metrics = with_routes(&["chat"]);
    metrics
        .of(Some(&route("chat")))
        .exchange_ended("messages", "delivered", Duration::ZERO);
    metrics.of(None).exchange_ended("", "refused", Duration::ZERO);
    let before = series(&metrics);
    // A name that is not configured is no label, however many of them come.
    for n in 0..5_000 {
        let invented = route(&format!("invented{n}"));
        metrics
            .of(Some(&invented))
            .exchange_ended("", "refused", Duration::ZERO);
    }
    assert_eq!(series(&metrics), before);
    assert!(!metrics.render().contains("invented"));
    let unrouted = r#"testudo_requests_total{route="",upstream="",profile="",operation="",outcome="refused"}"#;
    assert!((value(&metrics, unrouted) - 5_001.0).abs() < 1e-9);
}

#[test]
fn r21_a_mistake_in_the_program_cannot_make_endless_series() {
    let metrics = with_routes(&["chat"]);
    let before = series(&metrics);
    let chat = metrics.of(Some(&route("chat")));
    for n in 0..3_000 {
        chat.refused("failed", Box::leak(format!("reason{n}").into_boxed_str()));
    }
    let made = series(&metrics) - before;
    assert!(made <= super::route::SERIES_MAX, "{made}");
}

#[test]
fn a_reload_continues_the_series_of_names_that_stay() {
    let metrics = with_routes(&["chat", "old"]);
    metrics
        .of(Some(&route("chat")))
        .exchange_ended("messages", "delivered", Duration::ZERO);
    let kept_by_a_running_exchange = metrics.of(Some(&route("old")));
    configure(&metrics, &["chat", "new"]);
    metrics
        .of(Some(&route("chat")))
        .exchange_ended("messages", "delivered", Duration::ZERO);
    kept_by_a_running_exchange.exchange_ended("messages", "client_gone", Duration::ZERO);
    let chat = format!(r#"testudo_requests_total{{{ROUTED},operation="messages",outcome="delivered"}}"#);
    assert!((value(&metrics, &chat) - 2.0).abs() < 1e-9);
    assert!(metrics.render().contains(r#"route="old""#));
}

#[test]
fn gauges_fall_back_to_zero_when_their_guards_go() {
    let metrics = with_routes(&[]);
    let (one, two, connection) = (metrics.in_flight(), metrics.in_flight(), metrics.connection());
    let mut held = metrics.held_bytes();
    held.set(100);
    held.set(30);
    let mut other = metrics.held_bytes();
    other.set(12);
    let is = |series: &str, expected: f64| {
        let found = value(&metrics, &format!("{series} "));
        assert!((found - expected).abs() < 1e-9, "{series}: {found}");
    };
    is("testudo_requests_in_flight", 2.0);
    is("testudo_connections", 1.0);
    is("testudo_held_bytes", 42.0);
    drop((one, two, connection, held, other));
    is("testudo_requests_in_flight", 0.0);
    is("testudo_connections", 0.0);
    is("testudo_held_bytes", 0.0);
}

#[test]
fn two_gateways_in_one_process_count_apart() {
    let (one, two) = (with_routes(&["chat"]), with_routes(&["chat"]));
    one.reload_refused();
    assert!((value(&one, "testudo_reloads_refused_total ") - 1.0).abs() < 1e-9);
    assert!(value(&two, "testudo_reloads_refused_total ").abs() < 1e-9);
}

#[test]
fn threads_lose_no_count() {
    let metrics = with_routes(&["chat"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    metrics.of(Some(&route("chat"))).tokens(Some(1), Some(2));
                }
            });
        }
    });
    let found = value(
        &metrics,
        &format!(r#"testudo_tokens_total{{{ROUTED},gen_ai_token_type="output"}}"#),
    );
    assert!((found - 16_000.0).abs() < 1e-9, "{found}");
}

#[tokio::test]
async fn upkeep_ends_when_told() {
    let metrics = with_routes(&["chat"]);
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&metrics).upkeep(stop.clone()));
    metrics.of(None).guard_time(Direction::Request, Duration::ZERO);
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    stop.cancel();
    task.await.unwrap();
}

#[test]
fn a_route_that_follows_a_model_counts_under_the_upstream_that_each_exchange_went_to() {
    let metrics = Metrics::new().unwrap();
    let [openai, green, other] = ["openai", "green", "other"].map(|name| UpstreamName::parse(name).unwrap());
    configure_following(&metrics, &["chat"], Some(&[openai.clone(), green.clone()]));
    let chat = route("chat");
    let ended = |upstream: Option<&UpstreamName>, times: usize| {
        for _ in 0..times {
            let series = metrics.toward(Some(&chat), upstream);
            series.exchange_ended("chat_completions", "delivered", Duration::ZERO);
        }
    };
    ended(Some(&openai), 1);
    ended(Some(&green), 2);
    // Refused before it was known where to.
    ended(None, 3);
    // A name that the configuration does not list makes no series.
    ended(Some(&other), 4);
    for (upstream, times) in [("openai", 1.0), ("green", 2.0), ("", 7.0)] {
        let series = format!(r#"testudo_requests_total{{route="chat",upstream="{upstream}","#);
        assert_eq!(value(&metrics, &series), times, "{upstream}");
    }
}
