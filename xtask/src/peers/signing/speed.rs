//! How long signing takes beside the Python implementation, on the same files in memory.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::{output, shell};

/// Files of the model, all of one size.
const FILES: u64 = 8;
/// Each is timed so often, by turns; the median counts.
const ROUNDS: usize = 3;
const BLOCK_BYTES: usize = 1 << 20;

/// Signs a model of so many bytes with both, by turns, and then again after an edit of its README.
pub(super) fn compare(ours: &Path, python: &Path, work: &Path, gigabytes: u64) -> anyhow::Result<()> {
    let model = work.join("speed");
    let blocks = gigabytes.saturating_mul(1_000_000_000) / FILES / 1_048_576;
    output::step("writing the model");
    write(&model, blocks)?;
    read(&model)?;
    let key = work.join("p256.key");
    let signature = work.join("speed.sig");
    let mine = |extra: &[&str]| {
        let mut command = Command::new(ours);
        command
            .args(["model", "sign"])
            .arg(&model)
            .arg("--signature")
            .arg(&signature);
        command.arg("--private-key").arg(&key).args(extra);
        command
    };
    let mut theirs = Command::new(python);
    theirs.args(["-m", "model_signing", "sign", "key"]).arg(&model);
    theirs.arg("--signature").arg(work.join("speed.theirs.sig"));
    theirs.arg("--private-key").arg(&key);
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (taken, command) in taken.iter_mut().zip([&mut theirs, &mut mine(&[])]) {
            taken.push(seconds(command)?);
        }
    }
    let [python_s, ours_s] = taken.map(median);
    let bytes = blocks.saturating_mul(FILES).saturating_mul(1_048_576);
    let rate = |seconds: f64| f64::from(u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX)) / seconds;
    output::line(&format!(
        "{:.1} GB in {FILES} files, warm: Python {python_s:.1} s ({:.0} MB/s), ours {ours_s:.1} s ({:.0} MB/s), {:.2} times as fast",
        rate(1_000.0),
        rate(python_s),
        rate(ours_s),
        python_s / ours_s
    ));
    // What was written less than two seconds before is read again.
    std::thread::sleep(std::time::Duration::from_secs(3));
    seconds(&mut mine(&["--remember"]))?;
    fs::write(model.join("README.md"), "edited\n")?;
    let text = signature.to_str().context("a path is not UTF-8")?;
    let again = seconds(&mut mine(&["--reuse", text]))?;
    output::line(&format!("after an edit of README.md, with --reuse: {again:.2} s"));
    fs::remove_dir_all(&model)?;
    Ok(())
}

fn write(model: &Path, blocks: u64) -> anyhow::Result<()> {
    fs::create_dir_all(model)?;
    fs::write(model.join("README.md"), "about it\n")?;
    let mut block = vec![0; BLOCK_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut block)?;
    for file in 0..FILES {
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

fn seconds(command: &mut Command) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("{} failed", shell::shown(command));
    }
    Ok(begun.elapsed().as_secs_f64())
}
