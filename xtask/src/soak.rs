//! `cargo xtask soak`: mixed load for minutes; memory and descriptors must stay flat and nothing may fail.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};
use testudo_testkit::load::{self, Pace, Plan};
use testudo_testkit::process;

use crate::gateway::{Gateway, Setup};
use crate::mock::MockProcess;
use crate::{output, shell};

/// More growth than this in the second half is a leak.
const SLOPE_MIB_PER_MINUTE_MAX: f64 = 0.5;
/// One round: whole answers, streams, and clients that go away.
const ROUND: Duration = Duration::from_secs(5);
const ABANDONED_PER_ROUND: usize = 20;

const WHOLE: &str = r#"{"model":"mock-1","messages":[{"role":"user","content":"write to jo.miller@fields.example about the morning train"}],"x_mock":{"body_bytes":2000}}"#;
const STREAM: &str = r#"{"model":"mock-1","stream":true,"messages":[{"role":"user","content":"write to jo.miller@fields.example about the morning train"}],"x_mock":{"chunks":40,"interval_ms":2}}"#;
const SLOW: &str = r#"{"model":"mock-1","stream":true,"messages":[{"role":"user","content":"hello"}],"x_mock":{"chunks":500,"interval_ms":20}}"#;

#[derive(Debug, Clone, Copy)]
struct Sample {
    minutes: f64,
    rss_mib: f64,
    descriptors: u64,
}

/// `soak [--minutes N]` (10).
pub(crate) fn soak(arguments: &[String]) -> anyhow::Result<()> {
    let minutes: u64 = match arguments {
        [] => 10,
        [flag, value] if flag == "--minutes" => value.parse().with_context(|| format!("`{value}` is no number"))?,
        _ => bail!("`soak` takes `--minutes N` only"),
    };
    let minutes = minutes.clamp(1, 120);
    shell::run(shell::cargo().args(["build", "--quiet", "--locked", "--release", "--package", "xtask"]))?;
    let mock = MockProcess::start(&shell::target().join("release/xtask"), &[])?;
    let gateway = Gateway::start(&Setup {
        folder: shell::target().join("soak"),
        upstream: mock.address,
        profile: "balanced".to_owned(),
        extra: String::new(),
        limits: None,
        release: true,
    })?;
    // A round is two windows of `ROUND`.
    let rounds = minutes.saturating_mul(6);
    let mut samples = Vec::new();
    let mut requests: u64 = 0;
    let start = tokio::time::Instant::now();
    for _ in 0..rounds {
        for (body, rate, end) in [(WHOLE, 200, "choices"), (STREAM, 40, "[DONE]")] {
            let window = load::run(&plan(&gateway, body, rate, end))?;
            if window.error_count > 0 {
                bail!(
                    "{} requests failed, first: {:?}",
                    window.error_count,
                    window.errors.first()
                );
            }
            requests = requests.saturating_add(window.completed);
        }
        for _ in 0..ABANDONED_PER_ROUND {
            abandon(&gateway)?;
        }
        let cost = process::cost(gateway.pid)?;
        let sample = Sample {
            minutes: start.elapsed().as_secs_f64() / 60.0,
            rss_mib: cost.rss_kib as f64 / 1024.0,
            descriptors: cost.descriptors,
        };
        output::line(&format!(
            "{:6.2} min  {:8.2} MiB  {:4} descriptors  {requests} requests",
            sample.minutes, sample.rss_mib, sample.descriptors
        ));
        samples.push(sample);
    }
    judge(&samples)
}

fn judge(samples: &[Sample]) -> anyhow::Result<()> {
    let (_, second) = samples
        .split_at_checked(samples.len().wrapping_div(2))
        .unwrap_or((&[], samples));
    let slope = slope(second);
    let most = second.iter().map(|it| it.descriptors).max().unwrap_or(0);
    output::line(&format!(
        "slope in the second half: {slope:+.3} MiB/min; at most {most} descriptors"
    ));
    if slope > SLOPE_MIB_PER_MINUTE_MAX {
        bail!("memory grows by {slope:.3} MiB a minute, at most {SLOPE_MIB_PER_MINUTE_MAX} is allowed");
    }
    Ok(())
}

/// Least squares, in MiB per minute.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean_x = samples.iter().map(|it| it.minutes).sum::<f64>() / count;
    let mean_y = samples.iter().map(|it| it.rss_mib).sum::<f64>() / count;
    let over: f64 = samples
        .iter()
        .map(|it| (it.minutes - mean_x) * (it.rss_mib - mean_y))
        .sum();
    let under: f64 = samples.iter().map(|it| (it.minutes - mean_x).powi(2)).sum();
    if under > 0.0 { over / under } else { 0.0 }
}

fn plan(gateway: &Gateway, body: &str, rate: u64, end: &str) -> Plan {
    Plan {
        target: gateway.address,
        request: request(gateway, body),
        pace: Pace::PerSecond(rate),
        connections: 16,
        warmup: Duration::ZERO,
        measured: ROUND,
        status: 200,
        must_contain: end.as_bytes().to_vec(),
    }
}

fn request(gateway: &Gateway, body: &str) -> Vec<u8> {
    let authorization = format!("Bearer {}", gateway.key);
    let headers = [("authorization", authorization.as_str())];
    load::post(
        "/v1/chat/completions",
        &gateway.address.to_string(),
        &headers,
        body.as_bytes(),
    )
}

/// Opens a long stream, reads its first bytes and goes away.
fn abandon(gateway: &Gateway) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(gateway.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(&request(gateway, SLOW))?;
    let mut first = [0; 64];
    let count = stream.read(&mut first)?;
    if count == 0 {
        bail!("the gateway closed a stream before its first byte");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Sample, judge, slope};

    fn samples(grows_by: f64) -> Vec<Sample> {
        (0..10)
            .map(|at| Sample {
                minutes: f64::from(at),
                rss_mib: 20.0 + grows_by * f64::from(at),
                descriptors: 9,
            })
            .collect()
    }

    #[test]
    fn slope_of_a_line() {
        assert!((slope(&samples(0.25)) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn growth_fails_and_flat_passes() {
        assert!(judge(&samples(0.0)).is_ok() && judge(&samples(-1.0)).is_ok());
        assert!(judge(&samples(0.6)).is_err());
    }
}
