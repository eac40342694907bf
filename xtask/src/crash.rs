//! `cargo xtask crash`: kills a process that writes a ledger, again and again, and looks for what it had acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use testudo_ledger::Policy;
use testudo_ledger::entry::{Body, Entry, Incident};
use testudo_ledger::verify::{self, verify_log};
use testudo_recorder::{Draft, Level, LogFolder, Recorder};
use testudo_types::{KeyId, TenantId};

use crate::ledger_setup::{self, Random};
use crate::{output, shell};

/// How many tasks append at once in the process that is killed.
const WRITERS: u64 = 8;
/// What a process has to live, more or less; opening takes a part of it.
const LIFE_MS_MIN: u64 = 20;
const LIFE_MS_MAX: u64 = 400;

/// `crash [--kills N]`: 200 kills unless told otherwise.
pub(crate) fn crash(arguments: &[String]) -> anyhow::Result<()> {
    let kills = match arguments {
        [] => 200,
        [flag, count] if flag == "--kills" => count.parse().context("`--kills` takes a number")?,
        _ => bail!("`crash` takes --kills N"),
    };
    let program = std::env::current_exe().context("the path of this program")?;
    let folder = shell::target().join("crash/ledger");
    let outcome = run(kills, &folder, |life| {
        let mut command = Command::new(&program);
        command.arg("crash-writer").arg(&folder).arg(life.to_string());
        command
    })?;
    output::line(&format!(
        "{kills} kills: {} entries acknowledged, {} in the log, none lost; the log verifies",
        outcome.acknowledged, outcome.entries
    ));
    Ok(())
}

/// `crash-writer FOLDER LIFE`: appends and prints what is acknowledged, until it is killed.
pub(crate) fn writer(arguments: &[String]) -> anyhow::Result<()> {
    let [folder, life] = arguments else {
        bail!("`crash-writer` takes FOLDER and LIFE");
    };
    let life = life.clone();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let recorder = ledger_setup::open(Path::new(folder)).await?;
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write(recorder.clone(), format!("{life}-{writer}"))));
        for writer in writers.collect::<Vec<_>>() {
            writer.await??;
        }
        Ok(())
    })
}

async fn write(recorder: Recorder, name: String) -> anyhow::Result<()> {
    let mut chance = Random::new(name.bytes().fold(7, |sum, byte| sum.wrapping_mul(31) ^ u64::from(byte)));
    for number in 0_u64.. {
        let id = format!("{name}-{number}");
        let content_bytes = usize::try_from(chance.below(3000))?;
        let level = if chance.below(10) == 0 {
            Level::Integrated
        } else {
            Level::Durable
        };
        let receipt = recorder.append(draft(&id, content_bytes)?, level).await?;
        let index = receipt.index().context("a durable entry has an index")?;
        // In one write, so that a kill cuts a line and never mixes two.
        std::io::stdout()
            .lock()
            .write_all(format!("{index} {id}\n").as_bytes())?;
    }
    Ok(())
}

fn draft(id: &str, content_bytes: usize) -> anyhow::Result<Draft> {
    let mut draft = Draft::new(Incident {
        id: id.to_owned(),
        state: "open".to_owned(),
        step: "note".to_owned(),
    });
    draft.tenant = Some(TenantId::parse("acme")?);
    draft.principal = Some(KeyId::parse("k1")?);
    draft.content = Some(vec![b'x'; content_bytes].into());
    Ok(draft)
}

/// What a run showed.
struct Outcome {
    acknowledged: usize,
    entries: u64,
}

/// Lives and dies `kills` times on one folder, then checks the log.
fn run(kills: u64, folder: &Path, writer: impl Fn(u64) -> Command) -> anyhow::Result<Outcome> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let mut chance = Random::new(u64::from(std::process::id()));
    let mut acknowledged = BTreeMap::new();
    for life in 0..kills {
        let life_ms = chance.below(LIFE_MS_MAX).saturating_add(LIFE_MS_MIN);
        for (index, id) in live(writer(life), Duration::from_millis(life_ms))? {
            if let Some(before) = acknowledged.insert(index, id.clone()) {
                bail!("entry {index} was acknowledged as `{before}` and as `{id}`");
            }
        }
        if life % 20 == 19 {
            output::step(&format!(
                "{} kills, {} acknowledged",
                life.saturating_add(1),
                acknowledged.len()
            ));
        }
    }
    let entries = check(folder, &acknowledged)?;
    Ok(Outcome {
        acknowledged: acknowledged.len(),
        entries,
    })
}

/// One process until it is killed; returns what it had printed.
fn live(mut command: Command, life: Duration) -> anyhow::Result<Vec<(u64, String)>> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("the writer")?;
    let printed = child.stdout.take().context("the writer's output")?;
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(printed).split(b'\n').map_while(Result::ok);
        lines.filter_map(|line| acknowledgement(&line)).collect::<Vec<_>>()
    });
    std::thread::sleep(life);
    let early = child.try_wait()?;
    kill(&mut child)?;
    let Ok(acknowledged) = reader.join() else {
        bail!("the reader of the writer's output failed");
    };
    ensure!(early.is_none(), "the writer ended by itself ({early:?})");
    Ok(acknowledged)
}

fn kill(child: &mut Child) -> anyhow::Result<()> {
    child.kill().context("killing the writer")?;
    child.wait().context("waiting for the writer")?;
    Ok(())
}

/// `12 3-4-5`; a line that the kill has cut is none. Test programs print other lines as well.
fn acknowledgement(line: &[u8]) -> Option<(u64, String)> {
    let (index, id) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let whole = id.split('-').filter(|it| it.parse::<u64>().is_ok()).count() == 3;
    whole.then_some((index.parse().ok()?, id.to_owned()))
}

/// Recovers the log once more and compares it with what was acknowledged; returns how many entries it has.
fn check(folder: &Path, acknowledged: &BTreeMap<u64, String>) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let recorder = ledger_setup::open(folder).await?;
        recorder.close().await?;
        anyhow::Ok(())
    })?;
    let log = LogFolder::new(folder);
    let policy = log.read("policy", 1 << 16)?.context("the policy")?;
    let report = verify_log(&log, &Policy::parse(&policy)?, &verify::Options::default())?;
    let mut ids = BTreeSet::new();
    for number in 0..report.size.div_ceil(256) {
        for (index, bytes) in (number.saturating_mul(256)..).zip(log.bundle(number)?) {
            let Body::Incident(incident) = Entry::decode(&bytes)?.body else {
                ensure!(!acknowledged.contains_key(&index), "entry {index} is another one");
                continue;
            };
            if let Some(expected) = acknowledged.get(&index) {
                ensure!(
                    *expected == incident.id,
                    "entry {index} is `{}`, not `{expected}`",
                    incident.id
                );
            }
            ensure!(ids.insert(incident.id.clone()), "`{}` stands twice", incident.id);
        }
    }
    let last = acknowledged
        .last_key_value()
        .map_or(0, |(index, _)| index.saturating_add(1));
    ensure!(last <= report.size, "the log ends before acknowledged entry {last}");
    Ok(report.size)
}

/// Where a test's child process finds its folder.
#[cfg(test)]
const FOLDER_VARIABLE: &str = "TESTUDO_CRASH_FOLDER";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The process that the test below kills; does nothing when it runs as a test.
    #[test]
    fn writes_until_killed() {
        let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else {
            return;
        };
        let folder = PathBuf::from(folder);
        let life = folder.extension().unwrap().to_str().unwrap().to_owned();
        let folder = folder.with_extension("").to_str().unwrap().to_owned();
        writer(&[folder, life]).unwrap();
    }

    #[test]
    fn a_killed_process_loses_nothing_acknowledged() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("ledger");
        let outcome = run(10, &folder, |life| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["crash::tests::writes_until_killed", "--exact", "--nocapture"]);
            command.env(FOLDER_VARIABLE, folder.with_extension(life.to_string()));
            command.stderr(Stdio::null());
            command
        });
        let outcome = outcome.unwrap();
        assert!(outcome.acknowledged > 20, "{}", outcome.acknowledged);
        assert!(outcome.entries >= outcome.acknowledged as u64);
    }

    #[test]
    fn only_whole_lines_count() {
        assert_eq!(acknowledgement(b"12 3-4-5"), Some((12, "3-4-5".to_owned())));
        for bad in ["", "12", "12 3-4-", "12 3-4", "x 3-4-5", "running 1 test"] {
            assert_eq!(acknowledgement(bad.as_bytes()), None, "{bad}");
        }
    }
}
