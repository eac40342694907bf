//! `cargo xtask crash-vault`: kills the vault's commands anywhere, and looks at what they leave.
//!
//! One vault with its ledger lives through the whole run. Each life pushes new content, promotes it and pulls it, and
//! each of the three is killed under way before it is run to its end. Whatever is visible after a kill is pulled and
//! compared byte by byte; what had been acknowledged has to be there; what nobody needs has to go with `gc`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::ledger_setup::Random;
use crate::vault_trial::{Killed, Trial, now_ms, text};
use crate::{output, shell};

/// A large file, some of middling size, and many small ones.
const FILES_BYTES: [(u64, u64); 3] = [(1, 12 << 20), (3, 2 << 20), (40, 20_000)];
/// After so many lives everything but the newest version is revoked and swept.
const LIVES_KEPT: u64 = 10;
/// A command that ends before its kill is begun again so often.
const MISSES_MAX: u64 = 20;

/// `crash-vault [--kills N] [--program FILE]`: 100 of each command unless told otherwise, of a debug build.
pub(crate) fn crash(arguments: &[String]) -> anyhow::Result<()> {
    let (kills, program) = wanted(arguments)?;
    let program = match program {
        Some(program) => fs::canonicalize(&program).with_context(|| program.display().to_string())?,
        None => {
            shell::run(shell::cargo().args(["build", "--quiet", "--locked", "-p", "testudo-cli"]))?;
            shell::target().join("debug/testudo")
        }
    };
    let trial = Trial::new("crash-vault", &program, true)?;
    let mut lives = Lives::begin(&trial)?;
    for life in 1..=kills {
        lives.live().with_context(|| format!("life {life}"))?;
        if life % LIVES_KEPT == 0 {
            lives.sweep().with_context(|| format!("the sweep after life {life}"))?;
            output::step(&format!("{life} kills of each; {}", lives.told()));
        }
    }
    lives.check_ledger()?;
    output::line(&format!(
        "{kills} pushes, {kills} promotions and {kills} pulls killed under way: no half version was ever visible, \
         nothing acknowledged was lost, running again finished each; {}",
        lives.told()
    ));
    Ok(())
}

fn wanted(arguments: &[String]) -> anyhow::Result<(u64, Option<PathBuf>)> {
    let (mut kills, mut program) = (100, None);
    let mut words = arguments.iter();
    while let Some(flag) = words.next() {
        let value = words.next().with_context(|| format!("`{flag}` takes a value"))?;
        match flag.as_str() {
            "--kills" => kills = value.parse().context("`--kills` takes a number")?,
            "--program" => program = Some(PathBuf::from(value)),
            _ => bail!("`crash-vault` takes --kills N and --program FILE"),
        }
    }
    Ok((kills, program))
}

/// How long each command takes when nobody kills it.
struct Durations {
    push_ms: u64,
    promote_ms: u64,
    pull_ms: u64,
}

struct Lives<'t> {
    trial: &'t Trial,
    chance: Random,
    durations: Durations,
    /// Every version that was pushed to the end, and not swept.
    versions: BTreeSet<String>,
    /// What `prod` means.
    prod: String,
    /// Commands that did their work before they were killed, by what was there afterwards.
    pushed_early: u64,
    promoted_early: u64,
    pulled_early: u64,
    acknowledged: u64,
    /// Pushes, promotions and pulls that ended well; each is an entry.
    entries_least: usize,
}

impl<'t> Lives<'t> {
    /// A first life that nobody kills, to know how long one takes.
    fn begin(trial: &'t Trial) -> anyhow::Result<Self> {
        new_model(trial)?;
        let start = now_ms();
        let version = trial.push()?;
        let pushed = now_ms();
        trial.say(&["promote", &version, "--alias", "prod"])?;
        let promoted = now_ms();
        trial.say(&["pull", "pulled", "--alias", "prod"])?;
        let pulled = now_ms();
        trial.is_model("pulled")?;
        Ok(Self {
            trial,
            chance: Random::new(u64::from(std::process::id())),
            durations: Durations {
                push_ms: pushed.saturating_sub(start),
                promote_ms: promoted.saturating_sub(pushed),
                pull_ms: pulled.saturating_sub(promoted),
            },
            versions: BTreeSet::from([version.clone()]),
            prod: version,
            pushed_early: 0,
            promoted_early: 0,
            pulled_early: 0,
            acknowledged: 0,
            entries_least: 3,
        })
    }

    fn live(&mut self) -> anyhow::Result<()> {
        let version = self.push()?;
        self.promote(&version)?;
        self.pull()
    }

    fn push(&mut self) -> anyhow::Result<String> {
        for _ in 0..MISSES_MAX {
            new_model(self.trial)?;
            let killed = self.kill(&["push", "model", "--format", "json"], self.durations.push_ms)?;
            let seen: BTreeSet<String> = self.trial.versions()?.into_iter().collect();
            ensure!(self.versions.is_subset(&seen), "a version is gone: {seen:?}");
            let fresh: Vec<String> = seen.difference(&self.versions).cloned().collect();
            ensure!(fresh.len() <= 1, "more versions than were pushed: {fresh:?}");
            if let Some(fresh) = fresh.first() {
                self.trial.pull(fresh).context("what a killed push made visible")?;
                self.entries_least = self.entries_least.saturating_add(1);
            }
            if let Some(acknowledged) = self.acknowledged(&killed)? {
                ensure!(
                    fresh == [acknowledged.clone()],
                    "{acknowledged} was acknowledged and is not there"
                );
            }
            let version = self
                .trial
                .push()
                .context("a push that was killed is not finished by another")?;
            ensure!(
                fresh.iter().all(|it| *it == version),
                "the same model is another version"
            );
            self.versions.insert(version.clone());
            let seen: BTreeSet<String> = self.trial.versions()?.into_iter().collect();
            ensure!(seen == self.versions, "there are other versions: {seen:?}");
            self.entries_least = self.entries_least.saturating_add(1);
            if killed.alive {
                self.pushed_early = self.pushed_early.saturating_add(u64::from(!fresh.is_empty()));
                return Ok(version);
            }
        }
        bail!("every push ended before it was killed")
    }

    fn promote(&mut self, version: &str) -> anyhow::Result<()> {
        let command = ["promote", version, "--alias", "prod"];
        for _ in 0..MISSES_MAX {
            let before = self.statements()?;
            let killed = self.kill(&command, self.durations.promote_ms)?;
            let after = self.statements()?;
            let meant = self.meaning()?;
            let done = after != before;
            ensure!(
                after <= before.saturating_add(1),
                "{after} statements after {before} and one more"
            );
            ensure!(meant == if done { version } else { &self.prod }, "`prod` means {meant}");
            if !killed.printed.trim().is_empty() {
                ensure!(done, "a promotion was acknowledged and is not there");
                self.acknowledged = self.acknowledged.saturating_add(1);
            }
            if killed.alive {
                self.promoted_early = self.promoted_early.saturating_add(u64::from(done));
                if !done {
                    self.trial
                        .say(&command)
                        .context("a promotion that was killed is not made by another")?;
                    self.entries_least = self.entries_least.saturating_add(1);
                }
                version.clone_into(&mut self.prod);
                ensure!(self.meaning()? == version, "`prod` does not mean what was promoted");
                return Ok(());
            }
            version.clone_into(&mut self.prod);
            self.entries_least = self.entries_least.saturating_add(1);
        }
        bail!("every promotion ended before it was killed")
    }

    fn pull(&mut self) -> anyhow::Result<()> {
        let command = ["pull", "pulled", "--alias", "prod"];
        for _ in 0..MISSES_MAX {
            let killed = self.kill(&command, self.durations.pull_ms)?;
            let there = self.trial.path("pulled").exists();
            if there {
                self.trial.is_model("pulled").context("what a killed pull left")?;
            }
            ensure!(
                there || killed.printed.is_empty(),
                "a pull was acknowledged and is not there"
            );
            if killed.alive {
                self.pulled_early = self.pulled_early.saturating_add(u64::from(there));
                self.trial
                    .say(&command)
                    .context("a pull that was killed is not finished by another")?;
                self.entries_least = self.entries_least.saturating_add(1);
                return self.trial.is_model("pulled");
            }
            self.entries_least = self.entries_least.saturating_add(1);
        }
        bail!("every pull ended before it was killed")
    }

    fn kill(&mut self, command: &[&str], usual_ms: u64) -> anyhow::Result<Killed> {
        let after_ms = self.chance.below(usual_ms);
        self.trial.kill(command, after_ms)
    }

    /// The version that a killed push had printed, if it had come so far.
    fn acknowledged(&mut self, killed: &Killed) -> anyhow::Result<Option<String>> {
        if killed.printed.trim().is_empty() {
            return Ok(None);
        }
        self.acknowledged = self.acknowledged.saturating_add(1);
        text(&serde_json::from_str(&killed.printed)?, "/version").map(Some)
    }

    fn shown(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(
            &self.trial.say(&["show", "prod", "--format", "json"])?,
        )?)
    }

    fn statements(&self) -> anyhow::Result<usize> {
        let shown = self.shown()?;
        let statements = shown.pointer("/statements").and_then(Value::as_array);
        Ok(statements.context("`show` shows no statements")?.len())
    }

    fn meaning(&self) -> anyhow::Result<String> {
        text(&self.shown()?, "/version")
    }

    /// Revokes all but the newest version; what is left in the store is what that needs, and no more.
    fn sweep(&mut self) -> anyhow::Result<()> {
        for version in self.versions.iter().filter(|it| **it != self.prod) {
            self.trial.say(&["revoke", version])?;
        }
        self.trial.say(&["gc", "--revoked", "--older-than", "0s"])?;
        self.versions = BTreeSet::from([self.prod.clone()]);
        let seen: BTreeSet<String> = self.trial.versions()?.into_iter().collect();
        ensure!(seen == self.versions, "there are other versions: {seen:?}");
        let artifact = self.trial.path("data/vault/artifacts/m");
        let objects = files(&artifact.join("objects"))?;
        let wanted: u64 = FILES_BYTES.iter().map(|(count, _)| count).sum();
        ensure!(
            u64::try_from(objects.len())? == wanted,
            "{} objects are left of {wanted}: {objects:?}",
            objects.len()
        );
        let unfinished = files(&artifact)?.into_iter().find(|it| it.contains('#'));
        ensure!(
            unfinished.is_none(),
            "{unfinished:?} is left by a command that was killed"
        );
        Ok(())
    }

    /// The ledger has lived through the same kills.
    fn check_ledger(&self) -> anyhow::Result<()> {
        let mut command = self.trial.testudo();
        let found = [
            "ledger", "query", "--type", "artifact", "--limit", "100000", "--format", "json",
        ];
        let found = shell::read(command.args(found).args(["--data-dir", "data"]))?;
        let entries = found.lines().count();
        ensure!(
            entries >= self.entries_least,
            "the ledger has {entries} entries, and {} were made",
            self.entries_least
        );
        let mut command = self.trial.testudo();
        let verify = ["ledger", "verify", "data/ledger", "--policy", "data/ledger/policy"];
        shell::read(command.args(verify)).context("the ledger does not verify")?;
        output::step(&format!("the ledger verifies; {entries} entries about the model"));
        Ok(())
    }

    fn told(&self) -> String {
        format!(
            "killed when their work was just done: {} pushes, {} promotions, {} pulls ({} had said so)",
            self.pushed_early, self.promoted_early, self.pulled_early, self.acknowledged
        )
    }
}

/// New content in every file, so that a push has everything to do.
fn new_model(trial: &Trial) -> anyhow::Result<()> {
    for (count, bytes) in FILES_BYTES {
        for number in 0..count {
            trial.make_file(&format!("model/f{bytes}/{number}"), bytes)?;
        }
    }
    Ok(())
}

/// The names of all files below a folder.
fn files(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}
