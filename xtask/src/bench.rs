//! `cargo xtask bench`: latency, throughput and cost, direct and through the gateway, in one run.

mod cases;
mod peers;
mod report;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use testudo_testkit::load::{self, Pace, Plan, Window};
use testudo_testkit::process;

use self::cases::{Case, Guards};
use self::report::{Measured, Row, Run};
use crate::gateway::{Gateway, Setup};
use crate::mock::MockProcess;
use crate::{output, shell};

/// How much to measure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    repetitions: usize,
    warmup: Duration,
    measured: Duration,
}

const FULL: Effort = Effort {
    repetitions: 5,
    warmup: Duration::from_secs(1),
    measured: Duration::from_secs(4),
};
const QUICK: Effort = Effort {
    repetitions: 2,
    warmup: Duration::from_millis(300),
    measured: Duration::from_secs(1),
};

/// `bench [--quick] [--peers] [--only ID,ID]`: builds in release, then measures from a release process.
pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<()> {
    output::step("building the mock and the load generator (release)");
    shell::run(shell::cargo().args(["build", "--quiet", "--locked", "--release", "--package", "xtask"]))?;
    let program = shell::target().join("release/xtask");
    shell::run(Command::new(program).arg("bench-measure").args(arguments))
}

/// The measuring half of `bench`; runs in a release build.
pub(crate) fn measure(arguments: &[String]) -> anyhow::Result<()> {
    let mut effort = FULL;
    let mut with_peers = false;
    let mut only: Option<Vec<String>> = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--quick" => effort = QUICK,
            "--peers" => with_peers = true,
            "--only" => only = rest.next().map(|ids| ids.split(',').map(str::to_owned).collect()),
            other => {
                bail!("`bench` does not know `{other}`; it takes --quick, --peers and --only ID,ID")
            }
        }
    }
    let program = std::env::current_exe().context("the path of this program")?;
    let mut rows = Vec::new();
    for case in cases::all() {
        if only.as_ref().is_some_and(|ids| !ids.iter().any(|id| id == case.id)) {
            continue;
        }
        output::step(&format!("{}: {}", case.id, case.title));
        rows.push(row(&program, &case, effort)?);
    }
    let peers = if with_peers {
        peers::measure(&program, effort)?
    } else {
        Vec::new()
    };
    report::publish(&rows, &peers, effort.repetitions, effort.measured)
}

fn row(program: &Path, case: &Case, effort: Effort) -> anyhow::Result<Row> {
    let mock = MockProcess::start(program, case.mock)?;
    let gateway = start_gateway(case.guards, mock.address)?;
    let mut direct = Vec::new();
    let mut through = Vec::new();
    let idle = process::cost(gateway.pid)?;
    for repetition in 0..effort.repetitions {
        // Alternated, so that a machine that grows slower or faster favours neither.
        let gateway_first = repetition & 1 == 1;
        for step in 0..2 {
            if (step == 0) == gateway_first {
                through.push(run(
                    &plan(case, gateway.address, &gateway.key, effort),
                    Some(gateway.pid),
                )?);
            } else {
                direct.push(run(&plan(case, mock.address, "sk-direct", effort), None)?);
            }
        }
    }
    Ok(Row {
        id: case.id.to_owned(),
        title: case.title.to_owned(),
        saturated: case.rate == 0,
        direct: Measured { runs: direct },
        through: Measured { runs: through },
        idle_rss_kib: idle.rss_kib,
    })
}

fn start_gateway(guards: Guards, upstream: SocketAddr) -> anyhow::Result<Gateway> {
    Gateway::start(&Setup {
        folder: results_folder().join("gateway"),
        upstream,
        profile: guards.profile().to_owned(),
        extra: if guards.profile() == "passthrough" {
            PASSTHROUGH.to_owned()
        } else {
            String::new()
        },
        limits: guards.limits(),
        release: true,
    })
}

/// A profile in which no guard runs.
const PASSTHROUGH: &str = "[profiles.passthrough]\nextends = \"none\"\n";

fn plan(case: &Case, target: SocketAddr, key: &str, effort: Effort) -> Plan {
    let authorization = format!("Bearer {key}");
    Plan {
        target,
        request: load::post(
            "/v1/chat/completions",
            &target.to_string(),
            &[("authorization", &authorization)],
            &case.body,
        ),
        pace: if case.rate == 0 {
            Pace::Saturate
        } else {
            Pace::PerSecond(case.rate)
        },
        connections: case.connections,
        warmup: effort.warmup,
        measured: effort.measured,
        status: 200,
        must_contain: case.must_contain.as_bytes().to_vec(),
    }
}

/// One window; repeated once when it is void, and then an error.
fn run(plan: &Plan, pid: Option<u32>) -> anyhow::Result<Run> {
    let mut failure = None;
    for _ in 0..2 {
        let before = pid.map(process::cost).transpose()?;
        let window = load::run(plan)?;
        let after = pid.map(process::cost).transpose()?;
        if window.error_count == 0 && window.completed > 0 {
            return Ok(report::run(&window, before, after, whole_time(plan, &window)));
        }
        failure = Some(format!(
            "{} errors, first: {:?}",
            window.error_count,
            window.errors.first()
        ));
    }
    bail!("the window is void twice: {}", failure.unwrap_or_default())
}

/// Requests that the process served while its costs were counted, warm-up included (estimated from the rate).
fn whole_time(plan: &Plan, window: &Window) -> f64 {
    let seconds = plan.warmup.saturating_add(plan.measured).as_secs_f64();
    window.rate() * seconds
}

/// Where tables and raw numbers go.
fn results_folder() -> PathBuf {
    shell::target().join("bench")
}
