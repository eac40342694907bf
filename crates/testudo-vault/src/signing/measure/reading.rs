//! Reads one piece of a file, which must stay as it was found.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;

use super::{Measured, Piece, Work};
use crate::signing::tree::{Found, TreeError, stamp};

/// A piece that is being read.
pub(super) struct Reading<'w> {
    work: &'w Work<'w>,
    found: &'w Found,
    file: File,
    at: u64,
    end: u64,
}

impl<'w> Reading<'w> {
    pub(super) fn open(work: &'w Work<'w>, piece: Piece) -> Result<Self, TreeError> {
        let Some(found) = work.files.get(piece.file) else {
            return Err(TreeError::Empty {
                path: work.model.path().to_owned(),
            });
        };
        let reading = Self {
            work,
            found,
            file: work.model.open_file(&found.name, work.how.links)?,
            at: piece.start,
            end: piece.end,
        };
        reading.is_unchanged()?;
        Ok(reading)
    }

    /// Whether all of it has been read.
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// Fills `buffer` as far as the piece goes, and says how far.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, TreeError> {
        let mut filled = 0usize;
        while self.at < self.end {
            let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let room = room.get_mut(..left.min(room.len())).unwrap_or_default();
            if room.is_empty() {
                break;
            }
            let read = match self.file.read_at(room, self.at) {
                Ok(0) => return Err(self.changed()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(error)),
            };
            filled = filled.saturating_add(read);
            let read = u64::try_from(read).unwrap_or(0);
            self.at = self.at.saturating_add(read);
            let before = self.work.bytes_done.fetch_add(read, Ordering::Relaxed);
            (self.work.how.watch)(Measured {
                bytes_done: before.saturating_add(read),
                bytes_all: self.work.bytes_all,
            });
        }
        Ok(filled)
    }

    /// What was read is of the file as it was found.
    pub(super) fn close(self) -> Result<(), TreeError> {
        self.is_unchanged()
    }

    fn is_unchanged(&self) -> Result<(), TreeError> {
        let stat = rustix::fs::fstat(&self.file).map_err(|error| self.failed(error.into()))?;
        if stamp(&stat) == self.found.stamp {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn changed(&self) -> TreeError {
        TreeError::Changed {
            path: self.work.model.at(&self.found.name),
        }
    }

    fn failed(&self, source: io::Error) -> TreeError {
        TreeError::Io {
            path: self.work.model.at(&self.found.name),
            source,
        }
    }
}
