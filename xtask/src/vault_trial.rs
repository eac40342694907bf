//! A vault in a folder of its own, worked on by the real binary as a user would.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::{ledger_setup, shell};

/// The one artifact.
const ARTIFACT: &str = "m";
/// What is read of a process's status.
const STATUS_BYTES_MAX: u64 = 64 << 10;
const SIGKILL: i32 = 9;
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The folder, with an approver's key in it, and the program that works there. The folder goes when this goes.
pub(crate) struct Trial {
    folder: PathBuf,
    program: PathBuf,
    /// Whether every command leaves an entry in a ledger beside the vault.
    ledger: bool,
}

/// A command that ended by itself or was killed.
pub(crate) struct Killed {
    /// Whether it was under way when it was killed.
    pub(crate) alive: bool,
    /// What it had printed until then.
    pub(crate) printed: String,
}

/// What a command cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) ms: u64,
    /// Of all its threads together; what the machine did beside it does not count.
    pub(crate) processor_ms: u64,
    /// The most memory that it had at once.
    pub(crate) memory_kib: u64,
}

impl Trial {
    pub(crate) fn new(name: &str, program: &Path, ledger: bool) -> anyhow::Result<Self> {
        let folder = shell::target().join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let trial = Self {
            folder,
            program: program.to_owned(),
            ledger,
        };
        if ledger {
            trial.make_ledger()?;
        }
        let keys = [
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            "approver.pem",
        ];
        shell::read(trial.other("openssl").args(keys)).context("openssl makes the approver's key")?;
        let public = ["pkey", "-in", "approver.pem", "-pubout", "-out", "approver.pub"];
        shell::read(trial.other("openssl").args(public))?;
        Ok(trial)
    }

    /// As the first start of a gateway does.
    fn make_ledger(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let recorder = ledger_setup::open(&self.path("data/ledger")).await?;
            Ok(recorder.close().await?)
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file of random bytes, so that nothing makes it smaller and no two parts are the same.
    pub(crate) fn make_file(&self, name: &str, bytes: u64) -> anyhow::Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        let mut random = File::open("/dev/urandom")?.take(bytes);
        let mut file = File::create(&path)?;
        std::io::copy(&mut random, &mut file)?;
        file.flush()?;
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("{} cannot be removed", path.display()))
    }

    /// The binary, in the folder.
    pub(crate) fn testudo(&self) -> Command {
        self.other(&self.program.to_string_lossy())
    }

    /// Another program, in the folder.
    pub(crate) fn other(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        command
    }

    /// A command about the artifact.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.testudo();
        let (act, rest) = arguments.split_first().unwrap_or((&"list", &[]));
        command.args(["model", act]);
        match *act {
            "push" => command.args(rest).args([ARTIFACT, "--unsigned"]),
            _ => command
                .arg(ARTIFACT)
                .args(rest)
                .args(["--approver-key", "approver.pub"]),
        };
        if matches!(*act, "promote" | "revoke") {
            command.args([
                "--private-key",
                "approver.pem",
                "--approver",
                "approver",
                "--reason",
                "trial",
            ]);
        }
        command.args(["--data-dir", "data"]);
        if !self.ledger {
            command.arg("--without-ledger");
        }
        command.stdin(Stdio::null());
        command
    }

    /// What a command prints, which has to succeed.
    pub(crate) fn say(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.ended(arguments)?
            .map_err(|error| anyhow::anyhow!("`{}` failed: {error}", arguments.join(" ")))
    }

    /// What a command prints, or why it failed.
    pub(crate) fn ended(&self, arguments: &[&str]) -> anyhow::Result<Result<String, String>> {
        let output = self.command(arguments).output().context("the binary")?;
        let (printed, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        ensure!(output.status.code().is_some(), "{arguments:?} died: {error}");
        Ok(if output.status.success() {
            Ok(String::from_utf8(printed)?)
        } else {
            Err(error)
        })
    }

    /// Pushes the folder `model`, and returns its version.
    pub(crate) fn push(&self) -> anyhow::Result<String> {
        let pushed: Value = serde_json::from_str(&self.say(&["push", "model", "--format", "json"])?)?;
        text(&pushed, "/version")
    }

    /// Every version that somebody can see.
    pub(crate) fn versions(&self) -> anyhow::Result<Vec<String>> {
        let listed = match self.ended(&["list", "--format", "json"])? {
            Ok(listed) => serde_json::from_str::<Value>(&listed)?,
            Err(error) if error.contains("there is no") => return Ok(Vec::new()),
            Err(error) => bail!("`list` failed: {error}"),
        };
        let versions = listed.pointer("/versions").and_then(Value::as_array);
        let versions = versions.context("`list` shows no versions")?;
        versions.iter().map(|it| text(it, "/version")).collect()
    }

    /// Pulls what a version is, compares it with the folder `model`, and removes it.
    pub(crate) fn pull(&self, version: &str) -> anyhow::Result<()> {
        self.say(&["pull", "pulled", "--version", version])?;
        self.is_model("pulled")
    }

    /// A folder that has to be the folder `model`; it is removed.
    pub(crate) fn is_model(&self, folder: &str) -> anyhow::Result<()> {
        shell::run(self.other("diff").args(["--recursive", "--brief", "model", folder]))
            .with_context(|| format!("`{folder}` is not what was pushed"))?;
        self.remove(folder)
    }

    /// Begins a command and kills it (SIGKILL) after a while.
    pub(crate) fn kill(&self, arguments: &[&str], after_ms: u64) -> anyhow::Result<Killed> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("the binary")?;
        std::thread::sleep(Duration::from_millis(after_ms));
        child.kill()?;
        let output = child.wait_with_output()?;
        let alive = output.status.signal() == Some(SIGKILL);
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(alive || output.status.success(), "{arguments:?} failed: {error}");
        Ok(Killed {
            alive,
            printed: String::from_utf8(output.stdout)?,
        })
    }

    /// Runs a command to its end and watches it.
    pub(crate) fn cost(&self, command: &mut Command) -> anyhow::Result<Cost> {
        let shown = shell::shown(command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let start = now_ms();
        let mut child = command.spawn().with_context(|| format!("`{shown}`"))?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let stat = PathBuf::from(format!("/proc/{}/stat", child.id()));
        let (mut memory_kib, mut processor_ms) = (0, 0);
        let ended = loop {
            memory_kib = memory_kib.max(most_memory_kib(&status).unwrap_or(0));
            processor_ms = processor_ms.max(self::processor_ms(&stat).unwrap_or(0));
            if let Some(ended) = child.try_wait()? {
                break ended;
            }
            std::thread::sleep(LOOK);
        };
        ensure!(ended.success(), "`{shown}` failed");
        let ms = now_ms().saturating_sub(start).max(1);
        Ok(Cost {
            ms,
            processor_ms,
            memory_kib,
        })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // What stays is overwritten by the next run.
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// A text in a document.
pub(crate) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(ToOwned::to_owned)
        .with_context(|| format!("no text at {pointer}"))
}

/// The high-water mark that the kernel keeps.
fn most_memory_kib(status: &Path) -> Option<u64> {
    let text = shown_by_kernel(status)?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// For its own work and for what the kernel did for it, in ticks of 10 ms.
fn processor_ms(stat: &Path) -> Option<u64> {
    let text = shown_by_kernel(stat)?;
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map_while(|it| it.parse::<u64>().ok());
    let (own, kernel) = (ticks.next()?, ticks.next()?);
    Some(own.saturating_add(kernel).saturating_mul(10))
}

fn shown_by_kernel(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(STATUS_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[expect(clippy::disallowed_methods, reason = "a tool measures the machine's time")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
