//! `testudo model weights` as typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::Format;

const EXIT_CODES: &str = "Exit codes:
  0  every tensor was read; with --against, both have the same tensors
  1  with --against: they differ
  2  the command line is wrong, or there are no weights at the path
  3  a file or a tensor could not be read

Examples:
  testudo model weights model.safetensors
  testudo model weights llama-tuned --against llama --format json";

/// Shows what the weights of a model look like, or how far they are from another's
///
/// Reads safetensors, a file or a folder of shards, npy, npz, GGUF and PyTorch's zip files, without loading any. For
/// each tensor: SHA-256 of its bytes, values that are no numbers or infinite, rows whose norm stands out, and whether
/// the lowest bits of its floats look as training leaves them. Quantised tensors have a digest only. With --against
/// each tensor is compared with the one of the same name there, and shown by layer. All of it informs: nothing here
/// says that a model is harmless.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Weights {
    /// A file, or a folder with the files of one model
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The model that it is compared with, the older one
    #[arg(long, value_name = "MODEL")]
    pub(crate) against: Option<PathBuf>,
    /// From which modified z-score on the norm of a row stands out
    #[arg(long, value_name = "SCORE", default_value_t = 10.0, value_parser = score)]
    pub(crate) outlier_score: f64,
    /// Tensors at the same time; without it as many as there are cores
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

fn score(text: &str) -> Result<f64, String> {
    let score: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if score.is_finite() && score > 0.0 {
        Ok(score)
    } else {
        Err("it has to be above 0".to_owned())
    }
}
