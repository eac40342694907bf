//! `cargo xtask instructions`: instructions per call of the hot paths, held against recorded numbers.
//!
//! Counted by callgrind, so the same whatever else the machine does; wall time is `bench`'s business.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, anyhow, bail};

use crate::{output, shell};

/// The recorded numbers, one `name count` a line.
const RECORDED: &str = "xtask/instructions.txt";
/// How far a count may move from its record, in percent.
const TOLERANCE_PERCENT: u64 = 3;
/// Counting is on inside this function of the example only.
const COUNTED: &str = "--toggle-collect=*counted_call*";
/// Calls before counting, which fill caches, and calls that are counted.
const WARMING: u64 = 20;
const CALLS: u64 = 20;
/// Counts at once; how busy the machine is changes no count.
const THREADS: usize = 2;

/// `instructions [--record]`.
pub(crate) fn instructions(arguments: &[String]) -> anyhow::Result<()> {
    let record = match arguments {
        [] => false,
        [one] if one == "--record" => true,
        _ => bail!("`instructions` takes nothing or `--record`"),
    };
    install_valgrind()?;
    output::step("building the hot paths (release)");
    let build = [
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "xtask",
        "--example",
        "hot_paths",
    ];
    shell::run(shell::cargo().args(build))?;
    let program = shell::target().join("release/examples/hot_paths");
    let names = shell::read(&mut Command::new(&program))?;
    output::step("counting");
    let counted = count_all(&program, &names)?;
    let file = shell::workspace().join(RECORDED);
    if record {
        let mut text = String::new();
        for (name, count) in &counted {
            let _written = writeln!(text, "{name} {count}");
        }
        fs::write(&file, &text)?;
        output::text(&text);
        return Ok(());
    }
    compare(&counted, &recorded(&shell::read_file(&file)?)?)
}

fn compare(counted: &BTreeMap<String, u64>, recorded: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let mut failed: usize = 0;
    for (name, count) in counted {
        let verdict = match recorded.get(name) {
            Some(before) => {
                let allowed = before.saturating_mul(TOLERANCE_PERCENT).wrapping_div(100);
                let change = (*count as f64 / (*before).max(1) as f64 - 1.0) * 100.0;
                if count.abs_diff(*before) <= allowed {
                    format!("{change:+.1} %")
                } else {
                    failed = failed.saturating_add(1);
                    format!("{change:+.1} %, more than {TOLERANCE_PERCENT} %: explain it and record it anew")
                }
            }
            None => {
                failed = failed.saturating_add(1);
                "not recorded".to_owned()
            }
        };
        output::line(&format!("{name:32} {count:>12}  {verdict}"));
    }
    for name in recorded.keys().filter(|name| !counted.contains_key(*name)) {
        failed = failed.saturating_add(1);
        output::line(&format!("{name:32} recorded, and no longer counted"));
    }
    if failed > 0 {
        bail!(
            "{failed} of {} instruction counts are off; `cargo xtask instructions --record` accepts them",
            counted.len()
        );
    }
    Ok(())
}

fn recorded(text: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    text.lines()
        .map(|line| {
            let (name, count) = line
                .rsplit_once(' ')
                .with_context(|| format!("`{line}` in {RECORDED}"))?;
            Ok((
                name.to_owned(),
                count.parse().with_context(|| format!("`{line}` in {RECORDED}"))?,
            ))
        })
        .collect()
}

/// Instructions per call of each path, a few paths at a time.
fn count_all(program: &Path, names: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let waiting = Mutex::new(names.lines());
    let counted = Mutex::new(BTreeMap::new());
    let worker = || -> anyhow::Result<()> {
        loop {
            let next = waiting.lock().ok().and_then(|mut names| names.next());
            let Some(name) = next else { return Ok(()) };
            let each = count(program, name)?;
            if let Ok(mut counted) = counted.lock() {
                counted.insert(name.to_owned(), each);
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        let ended = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_panic| anyhow!("counting panicked"))?);
        ended.collect::<anyhow::Result<()>>()
    })?;
    counted.into_inner().context("counting panicked")
}

/// Instructions per call of one path.
fn count(program: &Path, name: &str) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", COUNTED])
        .arg(program)
        .arg(name)
        .args([WARMING, CALLS].map(|times| times.to_string()))
        .output()
        .context("valgrind cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("counting `{name}` failed ({}):\n{said}", output.status);
    }
    said.lines()
        .find_map(|line| {
            line.rsplit_once("Collected : ")?
                .1
                .trim()
                .parse::<u64>()
                .ok()?
                .checked_div(CALLS)
        })
        .with_context(|| format!("callgrind said no count for `{name}`:\n{said}"))
}

fn install_valgrind() -> anyhow::Result<()> {
    if shell::exists("valgrind") {
        return Ok(());
    }
    output::step("installing valgrind");
    let install = || shell::run(Command::new("apt-get").args(["install", "-qy", "valgrind"]));
    // A fresh machine has no lists of packages yet.
    install()
        .or_else(|_no_lists| shell::run(Command::new("apt-get").args(["update", "-q"])).and_then(|()| install()))
        .context("install valgrind by hand and try again")
}

#[cfg(test)]
mod tests {
    use super::{compare, recorded};

    fn check(counted: &str, before: &str) -> bool {
        compare(&recorded(counted).unwrap(), &recorded(before).unwrap()).is_ok()
    }

    #[test]
    fn three_percent_either_way_pass() {
        assert!(check("a 103", "a 100") && check("a 97", "a 100"));
        assert!(!check("a 104", "a 100") && !check("a 96", "a 100"));
    }

    #[test]
    fn new_and_vanished_names_fail() {
        assert!(!check("a 1\nb 1", "a 1"));
        assert!(!check("a 1", "a 1\nb 1"));
    }

    #[test]
    fn damaged_records_are_errors() {
        assert!(recorded("a").is_err() && recorded("a x").is_err());
    }
}
