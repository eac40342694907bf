//! Medians and spreads, as a table for people and as JSON.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use testudo_testkit::load::Window;
use testudo_testkit::process::Cost;

use super::results_folder;
use crate::{output, shell};

/// One window's numbers; times in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) first_byte_p50: f64,
    pub(crate) first_byte_p99: f64,
    pub(crate) gap_p50: f64,
    pub(crate) gap_p99: f64,
    pub(crate) completed: u64,
    pub(crate) frames: u64,
    pub(crate) cpu_us_per_request: Option<f64>,
    pub(crate) rss_kib: Option<u64>,
}

/// The runs of one target.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) runs: Vec<Run>,
}

/// One case, direct and through the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) saturated: bool,
    pub(crate) direct: Measured,
    pub(crate) through: Measured,
    pub(crate) idle_rss_kib: u64,
}

/// Another gateway under the load of P0, or the reason why it could not be measured.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) result: Result<PeerRuns, String>,
}

/// A peer's runs.
#[derive(Debug, Clone)]
pub(crate) struct PeerRuns {
    pub(crate) paced: Measured,
    pub(crate) saturated: Measured,
}

/// The numbers of a window; `requests` is what was served while the costs were counted.
pub(crate) fn run(window: &Window, before: Option<Cost>, after: Option<Cost>, requests: f64) -> Run {
    let at = |histogram: &Histogram<u64>, quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    let cpu = before.zip(after).map(|(before, after)| {
        let spent = after.cpu_us.saturating_sub(before.cpu_us) as f64;
        spent / requests.max(1.0)
    });
    Run {
        rate: window.rate(),
        p50: at(&window.latency, 0.5),
        p90: at(&window.latency, 0.9),
        p99: at(&window.latency, 0.99),
        p999: at(&window.latency, 0.999),
        first_byte_p50: at(&window.first_byte, 0.5),
        first_byte_p99: at(&window.first_byte, 0.99),
        gap_p50: at(&window.gap, 0.5),
        gap_p99: at(&window.gap, 0.99),
        completed: window.completed,
        frames: window.frames,
        cpu_us_per_request: cpu,
        rss_kib: after.map(|it| it.rss_kib),
    }
}

/// Prints the table and writes `table.md` and `result.json`.
pub(crate) fn publish(rows: &[Row], peers: &[Peer], repetitions: usize, measured: Duration) -> anyhow::Result<()> {
    let machine = machine()?;
    let mut text = format!(
        "{machine}\n\nMedians of {repetitions} alternated windows of {} s, lowest to highest in brackets; microseconds unless \
         said otherwise. *Added* is the median through the gateway minus the median direct.\n\n",
        measured.as_secs()
    );
    text.push_str("| profile | direct p50 / p99 | through p50 / p99 | added p50 | added p99 | added first byte p50 / p99 | added per frame | requests/s | CPU per request | RSS idle → after |\n");
    text.push_str("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n");
    for row in rows {
        line(&mut text, row);
    }
    if !peers.is_empty() {
        peer_table(&mut text, rows, peers);
    }
    let folder = results_folder();
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("table.md"), &text)?;
    let raw = json!({
        "machine": machine,
        "repetitions": repetitions,
        "window_seconds": measured.as_secs_f64(),
        "rows": rows.iter().map(row_json).collect::<Vec<_>>(),
        "peers": peers.iter().map(peer_json).collect::<Vec<_>>(),
    });
    fs::write(folder.join("result.json"), format!("{raw:#}\n"))?;
    output::text(&text);
    output::line(&format!("\nwritten to {}", folder.display()));
    Ok(())
}

fn line(text: &mut String, row: &Row) {
    let (direct, through) = (&row.direct, &row.through);
    let added = |of: fn(&Run) -> f64| signed(through.median(of) - direct.median(of));
    let streamed = through.median(|run| run.frames as f64) > 0.0;
    let frame = if streamed {
        let frames = through.median(|run| run.frames as f64 / run.completed.max(1) as f64);
        // Total time over frames: what each frame costs beyond the direct way, whatever was sent together.
        let total =
            through.median(|run| run.p50 - run.first_byte_p50) - direct.median(|run| run.p50 - run.first_byte_p50);
        format!("{:+.1}", total / frames.max(1.0))
    } else {
        String::new()
    };
    let (p50, p99) = if row.saturated {
        (String::new(), String::new())
    } else {
        (added(|run| run.p50), added(|run| run.p99))
    };
    let first = if streamed {
        format!(
            "{} / {}",
            added(|run| run.first_byte_p50),
            added(|run| run.first_byte_p99)
        )
    } else {
        String::new()
    };
    let _written = writeln!(
        text,
        "| **{}** {} | {} / {} | {} / {} | {p50} | {p99} | {first} | {frame} | {} | {} µs | {:.1} → {:.1} MB |",
        row.id,
        row.title,
        direct.shown(|run| run.p50),
        direct.shown(|run| run.p99),
        through.shown(|run| run.p50),
        through.shown(|run| run.p99),
        through.shown(|run| run.rate),
        through.shown(|run| run.cpu_us_per_request.unwrap_or(0.0)),
        row.idle_rss_kib as f64 / 1024.0,
        through.median(|run| run.rss_kib.unwrap_or(0) as f64) / 1024.0,
    );
}

fn peer_table(text: &mut String, rows: &[Row], peers: &[Peer]) {
    text.push_str("\n| gateway, load of P0 | p50 | p99 | requests/s at most | CPU per request | RSS |\n| --- | --: | --: | --: | --: | --: |\n");
    let mut write = |name: &str, paced: &Measured, saturated: &Measured| {
        let _written = writeln!(
            text,
            "| {name} | {} | {} | {} | {} µs | {:.0} MB |",
            paced.shown(|run| run.p50),
            paced.shown(|run| run.p99),
            saturated.shown(|run| run.rate),
            saturated.shown(|run| run.cpu_us_per_request.unwrap_or(0.0)),
            saturated.median(|run| run.rss_kib.unwrap_or(0) as f64) / 1024.0,
        );
    };
    let find = |id: &str| rows.iter().find(|row| row.id == id);
    if let (Some(paced), Some(most)) = (find("P0"), find("P0 max")) {
        write("direct to the mock", &paced.direct, &most.direct);
        write("Testudo", &paced.through, &most.through);
    }
    for peer in peers {
        if let Ok(runs) = &peer.result {
            write(&peer.name, &runs.paced, &runs.saturated);
        }
    }
    for peer in peers {
        if let Err(reason) = &peer.result {
            let _written = writeln!(text, "\n{} was not measured: {reason}", peer.name);
        }
    }
}

impl Measured {
    /// The median of one number over the runs.
    pub(crate) fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        let values = self.sorted(of);
        let middle = values.len().wrapping_div(2);
        let upper = values.get(middle).copied().unwrap_or(0.0);
        if values.len() & 1 == 1 {
            return upper;
        }
        let lower = middle
            .checked_sub(1)
            .and_then(|at| values.get(at))
            .copied()
            .unwrap_or(upper);
        f64::midpoint(lower, upper)
    }

    /// Median with the range.
    fn shown(&self, of: impl Fn(&Run) -> f64 + Copy) -> String {
        let values = self.sorted(of);
        let (low, high) = (
            values.first().copied().unwrap_or(0.0),
            values.last().copied().unwrap_or(0.0),
        );
        format!("{:.0} [{low:.0}–{high:.0}]", self.median(of))
    }

    fn sorted(&self, of: impl Fn(&Run) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

fn signed(value: f64) -> String {
    format!("{value:+.0}")
}

fn row_json(row: &Row) -> Value {
    json!({
        "id": row.id, "title": row.title, "idle_rss_kib": row.idle_rss_kib,
        "direct": runs_json(&row.direct), "through": runs_json(&row.through),
    })
}

fn peer_json(peer: &Peer) -> Value {
    match &peer.result {
        Ok(runs) => json!({
            "name": peer.name, "paced": runs_json(&runs.paced), "saturated": runs_json(&runs.saturated),
        }),
        Err(reason) => json!({"name": peer.name, "error": reason}),
    }
}

fn runs_json(measured: &Measured) -> Value {
    let one = |run: &Run| {
        json!({
            "requests_per_second": run.rate, "completed": run.completed, "frames": run.frames,
            "p50_us": run.p50, "p90_us": run.p90, "p99_us": run.p99, "p999_us": run.p999,
            "first_byte_p50_us": run.first_byte_p50, "first_byte_p99_us": run.first_byte_p99,
            "gap_p50_us": run.gap_p50, "gap_p99_us": run.gap_p99,
            "cpu_us_per_request": run.cpu_us_per_request, "rss_kib": run.rss_kib,
        })
    };
    measured.runs.iter().map(one).collect()
}

/// The machine in one sentence.
fn machine() -> anyhow::Result<String> {
    let cpu = shell::read_file("/proc/cpuinfo".as_ref())?;
    let name = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = shell::read_file("/proc/loadavg".as_ref())?;
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    Ok(format!(
        "Machine: {name}, {cores} cores shared by load generator, mock and gateway (none pinned); load average {load} at \
         the end of the run."
    ))
}
