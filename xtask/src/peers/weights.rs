//! `cargo xtask peers models-weights`: what `testudo model weights` says, against numpy, on files by the real savers.

use std::path::PathBuf;

use anyhow::bail;

use super::install;
use super::models::TORCH_SAVERS;
use crate::{output, shell};

/// `peers models-weights [--ours PROGRAM]`.
pub(super) fn check(words: &[String]) -> anyhow::Result<()> {
    let ours = match words {
        [] => super::models::built()?,
        [name, program] if name == "--ours" => PathBuf::from(program),
        _ => bail!("`peers models-weights` takes --ours PROGRAM"),
    };
    let folder = shell::target().join("peers/weights");
    output::step("files by safetensors, numpy and PyTorch");
    let script = shell::workspace().join("tests/formats/weights.py");
    shell::run(install::python(&TORCH_SAVERS)?.arg(script).arg(ours).arg(folder))
}
