//! How long signing takes beside the Python implementation, on the same files in memory.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::{output, shell};

/// Each is timed so often, by turns; the median counts.
const ROUNDS: usize = 5;
const BLOCK_BYTES: usize = 1 << 20;
/// Of the kernel's count of a program's time, in all builds of Linux that people run.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a run took; the time of the processor does not depend on what else runs on the machine.
#[derive(Clone, Copy)]
struct Taken {
    seconds: f64,
    cpu_seconds: f64,
}

struct Bench<'b> {
    ours: &'b Path,
    python: &'b Path,
    model: PathBuf,
    key: PathBuf,
    signature: PathBuf,
}

/// Signs a model of so many bytes with both, by turns, in one file and in eight, and then again after an edit of its
/// README.
pub(super) fn compare(ours: &Path, python: &Path, work: &Path, gigabytes: u64) -> anyhow::Result<()> {
    let bench = Bench {
        ours,
        python,
        model: work.join("speed"),
        key: work.join("p256.key"),
        signature: work.join("speed.sig"),
    };
    for files in [1_u64, 8] {
        let each = gigabytes.saturating_mul(1_000_000_000).checked_div(files);
        let blocks = each.unwrap_or(0) / 1_048_576;
        output::step("writing the model");
        write(&bench.model, files, blocks)?;
        read(&bench.model)?;
        bench.by_turns(files, blocks.saturating_mul(files).saturating_mul(1_048_576))?;
        if files > 1 {
            bench.after_an_edit()?;
        }
        fs::remove_dir_all(&bench.model)?;
    }
    Ok(())
}

impl Bench<'_> {
    fn by_turns(&self, files: u64, bytes: u64) -> anyhow::Result<()> {
        let mut theirs = Command::new(self.python);
        theirs.args(["-m", "model_signing", "sign", "key"]).arg(&self.model);
        theirs.arg("--signature").arg(self.signature.with_extension("theirs"));
        theirs.arg("--private_key").arg(&self.key);
        let mut ways = [
            ("Python, SHA-256", theirs, Vec::new()),
            ("ours, SHA-256", self.sign(&[]), Vec::new()),
            ("ours, BLAKE3", self.sign(&["--hash", "blake3"]), Vec::new()),
            (
                "ours, SHA-256 of pieces",
                self.sign(&["--shards", "100000000"]),
                Vec::new(),
            ),
        ];
        for _ in 0..ROUNDS {
            for (_, command, taken) in &mut ways {
                taken.push(run(command)?);
            }
        }
        let megabytes = f64::from(u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX));
        output::line(&format!("{:.1} GB, {files} file(s), warm:", megabytes / 1_000.0));
        for (name, _, taken) in &ways {
            let seconds = median(taken.iter().map(|it| it.seconds).collect());
            let cpu_seconds = median(taken.iter().map(|it| it.cpu_seconds).collect());
            output::line(&format!(
                "  {name:<24} {seconds:6.2} s, {cpu_seconds:5.2} s of processors ({:.0} MB per second of one)",
                megabytes / cpu_seconds
            ));
        }
        Ok(())
    }

    fn after_an_edit(&self) -> anyhow::Result<()> {
        // What was written less than two seconds before is read again.
        std::thread::sleep(std::time::Duration::from_secs(3));
        run(&mut self.sign(&["--remember"]))?;
        fs::write(self.model.join("README.md"), "edited\n")?;
        let text = self.signature.to_str().context("a path is not UTF-8")?;
        let again = run(&mut self.sign(&["--reuse", text]))?;
        output::line(&format!(
            "  after an edit of README.md, with --reuse: {:.2} s, {:.2} s of processors",
            again.seconds, again.cpu_seconds
        ));
        Ok(())
    }

    fn sign(&self, extra: &[&str]) -> Command {
        let mut command = Command::new(self.ours);
        command.args(["model", "sign"]).arg(&self.model);
        command.arg("--signature").arg(&self.signature);
        command.arg("--private-key").arg(&self.key).args(extra);
        command
    }
}

fn write(model: &Path, files: u64, blocks: u64) -> anyhow::Result<()> {
    fs::create_dir_all(model)?;
    fs::write(model.join("README.md"), "about it\n")?;
    let mut block = vec![0; BLOCK_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut block)?;
    for file in 0..files {
        let mut out = File::create(model.join(format!("model-{file}.safetensors")))?;
        for _ in 0..blocks {
            out.write_all(&block)?;
        }
        out.sync_all()?;
    }
    Ok(())
}

/// Brings every file into memory.
fn read(model: &Path) -> anyhow::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    for entry in fs::read_dir(model)? {
        let mut file = File::open(entry?.path())?;
        while file.read(&mut block)? > 0 {}
    }
    Ok(())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

fn run(command: &mut Command) -> anyhow::Result<Taken> {
    let before = children_seconds()?;
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("{} failed", shell::shown(command));
    }
    Ok(Taken {
        seconds: begun.elapsed().as_secs_f64(),
        cpu_seconds: children_seconds()? - before,
    })
}

/// What programs that we started and that have ended took of the processors, by the kernel's count.
fn children_seconds() -> anyhow::Result<f64> {
    let text = shell::read_file(Path::new("/proc/self/stat"))?;
    // Behind the name, which may have anything in it; from there on the 14th and 15th are of children.
    let (_, rest) = text.rsplit_once(')').context("the kernel's count is not as known")?;
    let mut ticks = rest.split_ascii_whitespace().skip(13).take(2);
    let mut next = || -> anyhow::Result<f64> {
        let text = ticks.next().context("the kernel's count is too short")?;
        Ok(text.parse::<f64>()? / TICKS_PER_SECOND)
    };
    Ok(next()? + next()?)
}
