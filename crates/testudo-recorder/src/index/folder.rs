//! The entries of a log, taken from its folder for the index.

use super::LeafSource;
use crate::reading::{LogFolder, ReadLogError};

const BUNDLE: u64 = 256;

/// The entries under the checkpoint that a folder had when it was opened; nothing is verified.
#[derive(Debug)]
pub struct FolderSource {
    log: LogFolder,
    origin: Option<String>,
    size: u64,
}

impl FolderSource {
    /// Reads how far the log in a folder is.
    ///
    /// # Errors
    /// When the checkpoint is there and cannot be read.
    pub fn open(log: LogFolder) -> Result<Self, ReadLogError> {
        let (origin, size) = match log.checkpoint() {
            Ok(signed) => {
                let checkpoint = signed.checkpoint();
                (Some(checkpoint.origin().to_owned()), checkpoint.size())
            }
            Err(ReadLogError::Missing { .. }) => (None, 0),
            Err(problem) => return Err(problem),
        };
        Ok(Self { log, origin, size })
    }

    /// The name of the log; absent when it has no checkpoint yet.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}

impl LeafSource for FolderSource {
    type Error = ReadLogError;

    fn size(&self) -> u64 {
        self.size
    }

    fn leaves(&mut self, first: u64, max: usize) -> Result<Vec<Vec<u8>>, ReadLogError> {
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        let most = u64::try_from(max).unwrap_or(u64::MAX);
        let end = self.size.min(first.saturating_add(most));
        let mut start = first.saturating_sub(first % BUNDLE);
        while start < end {
            let before = usize::try_from(first.saturating_sub(start)).unwrap_or(usize::MAX);
            let until = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
            let bundle = self.log.bundle(start / BUNDLE)?;
            leaves.extend(bundle.into_iter().take(until).skip(before));
            start = start.saturating_add(BUNDLE);
        }
        match leaves.is_empty() {
            false => Ok(leaves),
            true => Err(ReadLogError::Beyond {
                index: first,
                size: self.size,
            }),
        }
    }
}
