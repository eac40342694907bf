//! The generator against the mock.

use std::time::Duration;

use testudo_testkit::load::{Pace, Plan, post, run};
use testudo_testkit::{Fault, MockSettings, MockUpstream};

fn plan(mock: &MockUpstream, body: &[u8]) -> Plan {
    Plan {
        target: mock.address,
        request: post("/v1/chat/completions", "mock", &[], body),
        pace: Pace::PerSecond(100),
        connections: 2,
        warmup: Duration::from_millis(50),
        measured: Duration::from_millis(300),
        status: 200,
        must_contain: b"choices".to_vec(),
    }
}

async fn measure(plan: Plan) -> testudo_testkit::load::Window {
    tokio::task::spawn_blocking(move || run(&plan)).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constant_rate_without_errors() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    let window = measure(plan(&mock, b"{}")).await;
    assert_eq!(window.errors, Vec::<String>::new());
    assert!((28..=32).contains(&window.completed), "{}", window.completed);
    assert_eq!(window.latency.len(), window.completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_delays_those_due_meanwhile() {
    // One connection, 20 ms an answer, due every 10 ms: the backlog must show in the latencies.
    let mock = MockUpstream::start(MockSettings {
        ttft_ms: 20,
        ..MockSettings::default()
    })
    .await
    .unwrap();
    let window = measure(Plan {
        connections: 1,
        ..plan(&mock, b"{}")
    })
    .await;
    assert!(window.latency.max() > 100_000_000, "{}", window.latency.max());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_yield_gaps_and_first_bytes() {
    let mock = MockUpstream::start(MockSettings {
        interval_ms: 5,
        ..MockSettings::default()
    })
    .await
    .unwrap();
    let window = measure(Plan {
        pace: Pace::PerSecond(10),
        ..plan(&mock, b"{\"stream\":true}")
    })
    .await;
    assert_eq!(window.frames, window.completed * 7);
    assert!(window.gap.value_at_quantile(0.5) > 4_000_000);
    assert!(window.first_byte.value_at_quantile(0.5) < window.latency.value_at_quantile(0.5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_void_the_window() {
    for fault in [Fault::Status(500), Fault::CutMidFrame, Fault::CloseOnAccept] {
        let mock = MockUpstream::start(MockSettings {
            fault: Some(fault),
            ..MockSettings::default()
        })
        .await
        .unwrap();
        let window = measure(plan(&mock, b"{}")).await;
        assert!(window.error_count > 0, "{fault:?}");
        assert_eq!(window.completed, 0);
    }
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    let window = measure(Plan {
        must_contain: b"never said".to_vec(),
        ..plan(&mock, b"{}")
    })
    .await;
    assert!(window.error_count > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saturation_sends_more_than_any_small_rate() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    let window = measure(Plan {
        pace: Pace::Saturate,
        ..plan(&mock, b"{}")
    })
    .await;
    assert!(
        window.completed > 60 && window.errors.is_empty(),
        "{}",
        window.completed
    );
}
