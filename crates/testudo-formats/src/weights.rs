//! Numbers about weights: a digest of each tensor, what its values look like, and how two differ.
//!
//! [`find`] says which tensors a file holds and where they lie; nothing is loaded or run. [`measure`] reads one tensor
//! once, from its first byte to its last, in pieces: memory is bounded by [`Options`], whatever the tensor's size.
//! [`compare`] reads two at the same time. All of it informs; none of it is a verdict.

mod bits;
mod compare;
mod element;
mod gguf;
mod measure;
mod npy;
mod rows;
mod safetensors;
mod stream;
mod torch;

#[cfg(test)]
mod tests;

pub use self::bits::{LowBits, Windows};
pub use self::compare::{Comparison, Difference, compare};
pub use self::element::Kind;
pub use self::measure::{Measured, Options, Values, digest, measure};
pub use self::rows::{Outlier, Rows};

use crate::source::{Fault, Source, read_up_to};
use crate::{verdict, zip};

/// Tensors of one file.
const TENSORS_MAX: usize = 1 << 20;
/// How often all tensors together may name the bytes of their file: some share theirs, a hostile file all of them.
const SHARED_MAX: u64 = 16;

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub format: &'static str,
    pub tensors: Vec<Tensor>,
    /// What is a tensor, or may hold some, and is not among them.
    pub left_out: Vec<LeftOut>,
}

/// A tensor and where its bytes lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub name: String,
    /// As the format calls it.
    pub dtype: String,
    /// The axes, the one whose neighbours lie furthest apart first.
    pub shape: Vec<u64>,
    /// Bytes of its values.
    pub bytes: u64,
    pub(crate) kind: Option<Kind>,
    /// Its first axis is the one whose neighbours lie next to each other.
    pub(crate) is_column_major: bool,
    pub(crate) place: Place,
}

impl Tensor {
    /// How its values are read; `None` when only its bytes are known.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// How many values its shape says, or nothing if that is more than can be counted.
    #[must_use]
    pub fn values(&self) -> Option<u64> {
        self.shape
            .iter()
            .try_fold(1_u64, |count, axis| count.checked_mul(*axis))
    }
}

/// Where bytes lie in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Plain {
        at: u64,
    },
    /// In a deflated stream, behind what comes first in it.
    Deflated {
        at: u64,
        packed_bytes: u64,
        skip: u64,
    },
}

/// A name, and why it is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub name: String,
    pub reason: String,
}

/// Why no tensor of a file can be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is none of the formats whose tensors are found without loading it.
    #[error("it is no safetensors, GGUF, npy, npz or PyTorch zip file")]
    Format,
    /// It does not hold what it says, which is the file's fault.
    #[error("{0}")]
    Malformed(String),
    /// The caller's source failed, or the file became shorter.
    #[error("it cannot be read: {0}")]
    Read(#[source] std::io::Error),
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Read(error) => Self::Read(error),
            other => Self::Malformed(other.to_string()),
        }
    }
}

/// Finds the tensors of a file by its content.
///
/// # Errors
/// See [`Unreadable`].
pub fn find(source: &dyn Source) -> Result<Layout, Unreadable> {
    let head = read_up_to(source, 0, 16)?;
    let layout = if head.starts_with(b"GGUF") {
        gguf::find(source)?
    } else if head.starts_with(b"\x93NUMPY") {
        npy::find(source)?
    } else if head.starts_with(b"PK\x03\x04") {
        let members = zip::listed(source)?;
        if members.iter().any(|member| torch::is_pickle(&member.name)) {
            torch::find(source, &members)?
        } else if members.iter().any(|member| member.name.ends_with(".npy")) {
            npy::find_in_zip(source, &members)?
        } else {
            return Err(Unreadable::Format);
        }
    } else if crate::safetensors::is_one(source, &head) {
        safetensors::find(source)?
    } else {
        return Err(Unreadable::Format);
    };
    bounded(layout, source.size())
}

/// Refuses what would be read again and again, and what does not lie in the file.
fn bounded(layout: Layout, size: u64) -> Result<Layout, Unreadable> {
    if layout.tensors.len() > TENSORS_MAX {
        return Err(Unreadable::Malformed(format!("it has more than {TENSORS_MAX} tensors")));
    }
    let mut read = 0_u64;
    for tensor in &layout.tensors {
        let (at, bytes) = match tensor.place {
            Place::Plain { at } => (at, tensor.bytes),
            Place::Deflated { at, packed_bytes, .. } => (at, packed_bytes),
        };
        if at.checked_add(bytes).is_none_or(|end| end > size) {
            let name = verdict::shown(&tensor.name);
            return Err(Unreadable::Malformed(format!("tensor `{name}` ends after the file")));
        }
        read = read.saturating_add(bytes);
    }
    if read > size.saturating_mul(SHARED_MAX) {
        let reason = "its tensors name the same bytes again and again";
        return Err(Unreadable::Malformed(reason.to_owned()));
    }
    Ok(layout)
}
