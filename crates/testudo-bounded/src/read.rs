//! Reads files and streams up to a limit, never beyond it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file is missing or not permitted.
    #[error("cannot open `{}`; check that the file exists and that this user may read it", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file was opened, and reading failed part way.
    #[error("cannot read `{}`; check that it is a file and not a folder", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is larger than its reader accepts.
    #[error("`{}` is larger than the limit of {limit_bytes} bytes; shorten the file or raise the limit", path.display())]
    TooLarge { path: PathBuf, limit_bytes: usize },
    /// The file is not text.
    #[error("`{}` is not UTF-8 at byte {offset}; save the file as UTF-8", path.display())]
    NotUtf8 { path: PathBuf, offset: usize },
}

/// Why a stream was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// The stream failed.
    #[error("cannot read the input")]
    Read(#[source] io::Error),
    /// The stream holds more than its reader accepts.
    #[error("the input is larger than the limit of {limit_bytes} bytes; send less or raise the limit")]
    TooLarge { limit_bytes: usize },
}

/// Reads the whole file at `path`, at most `limit_bytes`.
///
/// # Errors
/// The file cannot be opened or read, or holds more than `limit_bytes`; then
/// at most one byte more than the limit has been read.
pub fn read_file(path: impl AsRef<Path>, limit_bytes: usize) -> Result<Vec<u8>, ReadError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| ReadError::Open {
        path: path.to_owned(),
        source,
    })?;
    read_to_end(file, limit_bytes).map_err(|error| match error {
        ReaderError::Read(source) => ReadError::Read {
            path: path.to_owned(),
            source,
        },
        ReaderError::TooLarge { limit_bytes } => ReadError::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        },
    })
}

/// Reads the whole file at `path` as UTF-8, at most `limit_bytes`.
///
/// # Errors
/// As [`read_file`], and when the file is not UTF-8.
pub fn read_text(path: impl AsRef<Path>, limit_bytes: usize) -> Result<String, ReadError> {
    let path = path.as_ref();
    String::from_utf8(read_file(path, limit_bytes)?).map_err(|error| ReadError::NotUtf8 {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// Reads `reader` to its end, at most `limit_bytes`.
///
/// # Errors
/// Reading fails, or the stream holds more than `limit_bytes`; then at most
/// one byte more than the limit has been taken from it.
pub fn read_to_end(reader: impl Read, limit_bytes: usize) -> Result<Vec<u8>, ReaderError> {
    let cap = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "capped by `take`; this is the door the ban points to"
    )]
    reader.take(cap).read_to_end(&mut bytes).map_err(ReaderError::Read)?;
    if bytes.len() > limit_bytes {
        return Err(ReaderError::TooLarge { limit_bytes });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
