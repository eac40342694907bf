//! Trains the small injection model from the corpora, with fixed seeds: rows, weights, thresholds, model card.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};

use crate::{output, shell};

/// Where the corpora are when nothing else is said: beside the workspace.
const DATA: &str = "../shared/data";

/// Everything under `target/train`; with `--ship` the weights, the thresholds and the card replace those of the repository.
pub(crate) fn train(arguments: &[String]) -> anyhow::Result<()> {
    let mut data = shell::workspace().join(DATA);
    let mut ship = false;
    for argument in arguments {
        match argument.as_str() {
            "--ship" => ship = true,
            other if other.starts_with('-') => bail!("`train` knows `--ship` and a folder of corpora, not `{other}`"),
            folder => data = PathBuf::from(folder),
        }
    }
    if !data.join("train.jsonl").is_file() {
        bail!(
            "there is no `train.jsonl` in `{}`; name the folder of the corpora",
            data.display()
        );
    }
    let out = shell::target().join("train");
    std::fs::create_dir_all(&out)?;
    let templates = shell::workspace().join("training");
    let (generated, framed) = (out.join("generated.jsonl"), out.join("framed.jsonl"));
    let start = now()?;
    output::step("building");
    shell::run(shell::cargo().args(["build", "--release", "--locked", "-p", "testudo-train"]))?;
    let built = now()?;
    output::step("rows from the templates");
    tool(&["generate".as_ref(), &templates, &generated])?;
    tool(&["frame".as_ref(), &templates, &data, &framed])?;
    output::step("fitting and cross-fitting");
    tool(&["ngram".as_ref(), &data, &out, &generated, &framed])?;
    let fitted = now()?;
    output::step("model card");
    let seconds = fitted.saturating_sub(built).as_secs().to_string();
    tool(&["card".as_ref(), &data, &out, seconds.as_ref()])?;
    if ship {
        let weights = shell::workspace().join("crates/testudo-detect/weights");
        for name in ["ngram.bin", "calibration.toml"] {
            copy(&out.join(name), &weights.join(name))?;
        }
        copy(&out.join("MODEL_CARD.md"), &templates.join("MODEL_CARD.md"))?;
    }
    output::line(&format!(
        "{} s to build, {seconds} s to make the rows, fit 9 times and score; results in `{}`",
        built.saturating_sub(start).as_secs(),
        out.display()
    ));
    Ok(())
}

fn tool(arguments: &[&Path]) -> anyhow::Result<()> {
    let program = shell::target().join("release").join("testudo-train");
    shell::run(Command::new(program).args(arguments))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::copy(from, to).with_context(|| format!("`{}` cannot be copied", from.display()))?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a tool for people that shows how long it took")]
fn now() -> anyhow::Result<Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}
