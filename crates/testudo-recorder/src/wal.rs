//! The write-ahead log: what was acknowledged and is not in the tree yet.
//!
//! A segment is a row of frames, and a frame is what one sync made durable: length (4 bytes),
//! checksum (16), first index (8), number of leaves (4), then for each leaf its entry and its payload record,
//! both with their length (4) before them; numbers have the higher byte first. A frame is written
//! only after the one before it is durable. So a crash can damage the last frame alone, and a damaged frame
//! with a sound one behind it is not the work of a crash.

mod replay;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;

pub use replay::ReplayError;
pub(crate) use replay::{Replayed, replay};

use crate::files::{Append, Files};

const CHECKSUM_BYTES: usize = 16;
/// Length and checksum.
const HEADER_BYTES: usize = 4 + CHECKSUM_BYTES;
/// The smallest body: first index and number of leaves.
const BODY_BYTES_MIN: usize = 8 + 4;

/// One entry with its place, and the sealed record that it commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) index: u64,
    pub(crate) entry: Vec<u8>,
    pub(crate) payload: Option<Vec<u8>>,
}

impl Leaf {
    /// What it takes in memory and on the disk.
    pub(crate) fn bytes(&self) -> usize {
        self.entry
            .len()
            .saturating_add(self.payload.as_ref().map_or(0, Vec::len))
    }
}

/// The write-ahead log, open for appending.
#[derive(Debug)]
pub(crate) struct Wal {
    files: Arc<dyn Files>,
    folder: PathBuf,
    checksum: Checksum,
    segment_bytes_max: u64,
    /// Closed segments that are still there, the oldest first: first index and the index after the last.
    closed: Vec<(u64, u64)>,
    active: Active,
    next: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Active {
    first: u64,
    /// Nothing while it may end in half a frame, or does not exist yet.
    file: Option<Box<dyn Append>>,
    /// Up to the end of the last frame that is durable.
    bytes: u64,
}

impl Wal {
    /// Starts with an empty segment at `next`, in a folder that is there and has no segment of that name.
    pub(crate) fn create(
        files: Arc<dyn Files>,
        folder: PathBuf,
        origin: &str,
        next: u64,
        segment_bytes_max: u64,
    ) -> io::Result<Self> {
        let mut wal = Self {
            files,
            folder,
            checksum: Checksum::new(origin),
            segment_bytes_max,
            closed: Vec::new(),
            active: Active {
                first: next,
                file: None,
                bytes: 0,
            },
            next,
            buffer: Vec::new(),
        };
        wal.start_segment()?;
        Ok(wal)
    }

    /// The index that the next leaf gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Makes the leaves durable, all or none of them, as far as this process knows.
    ///
    /// After an error [`Wal::repair`] must succeed before the next append.
    pub(crate) fn append(&mut self, leaves: &[Leaf]) -> io::Result<()> {
        if leaves.is_empty() {
            return Ok(());
        }
        if self.active.bytes >= self.segment_bytes_max {
            self.rotate()?;
        }
        self.buffer.clear();
        encode(&self.checksum, self.next, leaves, &mut self.buffer)?;
        let written = match &mut self.active.file {
            Some(file) => file.append(&self.buffer).and_then(|()| file.sync()),
            None => Err(io::Error::other("the write-ahead log is not repaired yet")),
        };
        if let Err(error) = written {
            self.active.file = None;
            return Err(error);
        }
        self.active.bytes = self.active.bytes.saturating_add(self.buffer.len() as u64);
        self.next = self.next.saturating_add(leaves.len() as u64);
        // One large batch must not pin its memory for ever.
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }

    /// Goes on after a failed append: cuts off what it may have left, durably, and starts a new segment.
    pub(crate) fn repair(&mut self) -> io::Result<()> {
        if self.active.file.is_some() {
            return Ok(());
        }
        let path = self.segment(self.active.first);
        if self.files.read_range(&path, 0, 0)?.is_some() {
            self.files.truncate(&path, self.active.bytes)?;
        }
        if self.active.bytes > 0 {
            self.closed.push((self.active.first, self.next));
            self.active.first = self.next;
            self.active.bytes = 0;
        }
        self.start_segment()
    }

    /// Removes what is under a checkpoint of `size` entries: closed segments, and the open one when all of it is.
    pub(crate) fn retire(&mut self, size: u64) -> io::Result<()> {
        if self.active.bytes > 0 && self.active.file.is_some() && self.next <= size {
            self.rotate()?;
        }
        let mut removed = false;
        while let Some((first, _)) = self.closed.first().filter(|(_, end)| *end <= size).copied() {
            self.files.remove(&self.segment(first))?;
            self.closed.remove(0);
            removed = true;
        }
        if removed {
            self.files.sync_folder(&self.folder)?;
        }
        Ok(())
    }

    /// Closes the open segment, which has frames, and starts the next.
    fn rotate(&mut self) -> io::Result<()> {
        self.closed.push((self.active.first, self.next));
        self.active = Active {
            first: self.next,
            file: None,
            bytes: 0,
        };
        self.start_segment()
    }

    fn start_segment(&mut self) -> io::Result<()> {
        let mut file = self.files.open_append(&self.segment(self.active.first))?;
        file.sync()?;
        self.files.sync_folder(&self.folder)?;
        self.active.file = Some(file);
        Ok(())
    }

    fn segment(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}.wal"))
    }
}

/// Writes one frame.
fn encode(checksum: &Checksum, first: u64, leaves: &[Leaf], out: &mut Vec<u8>) -> io::Result<()> {
    let too_large = |_| io::Error::other("a frame of the write-ahead log is larger than 4 GiB");
    out.extend_from_slice(&[0; HEADER_BYTES]);
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&u32::try_from(leaves.len()).map_err(too_large)?.to_be_bytes());
    for leaf in leaves {
        for bytes in [leaf.entry.as_slice(), leaf.payload.as_deref().unwrap_or_default()] {
            out.extend_from_slice(&u32::try_from(bytes.len()).map_err(too_large)?.to_be_bytes());
            out.extend_from_slice(bytes);
        }
    }
    let Some((header, body)) = out.split_at_mut_checked(HEADER_BYTES) else {
        return Ok(());
    };
    let len = u32::try_from(body.len()).map_err(too_large)?.to_be_bytes();
    let sum = checksum.of(body);
    for (to, from) in header.iter_mut().zip(len.iter().chain(&sum)) {
        *to = *from;
    }
    Ok(())
}

/// A checksum that also says which log a frame belongs to.
#[derive(Clone)]
pub(crate) struct Checksum(digest::Context);

impl Checksum {
    pub(crate) fn new(origin: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"testudo/wal/v1\0");
        context.update(origin.as_bytes());
        context.update(b"\0");
        Self(context)
    }

    fn of(&self, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut context = self.0.clone();
        context.update(body);
        let whole = context.finish();
        whole.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checksum")
    }
}
