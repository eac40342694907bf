//! Reading the write-ahead log back after a crash.

use std::io;
use std::path::{Path, PathBuf};

use super::{BODY_BYTES_MIN, CHECKSUM_BYTES, Checksum, HEADER_BYTES, Leaf};
use crate::files::{self, Files};

/// Far above any segment: one frame may overshoot the size at which a segment is closed.
const SEGMENT_BYTES_MAX: usize = 2 << 30;

/// Why what is on the disk is not what a crash leaves behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot cut `{}` to its sound part", path.display())]
    Cut {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "`{}` is damaged at byte {offset}, and not by a crash: {what}; restore it from a backup, or move the \
         folder away to give up what was not in the tree yet", path.display()
    )]
    Damaged {
        path: PathBuf,
        offset: u64,
        what: &'static str,
    },
    #[error("`{}` is not the name of a write-ahead segment; move the file away", path.display())]
    Name { path: PathBuf },
    #[error(
        "the write-ahead log goes on at entry {found} in `{}`, and entry {wanted} is nowhere; restore the missing \
         segment or checkpoint from a backup", path.display()
    )]
    Missing { path: PathBuf, wanted: u64, found: u64 },
    #[error(
        "the write-ahead log ends before entry {end}, and the checkpoint covers {size} entries; if the folder was \
         put together from backups, move `{}` away", path.display()
    )]
    Behind { path: PathBuf, end: u64, size: u64 },
}

/// What the write-ahead log holds beyond a checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// From the checkpoint's size on, without a gap.
    pub(crate) leaves: Vec<Leaf>,
    /// Every segment that was there.
    pub(crate) segments: Vec<PathBuf>,
    /// Bytes of a frame that was being written when the process ended; they have been cut off.
    pub(crate) torn_bytes: u64,
    /// Whether that frame has its full length and not its checksum. A loss of power can do that before the frame
    /// is acknowledged, and so can damage afterwards; nothing tells them apart.
    pub(crate) torn_is_whole: bool,
}

/// Reads all segments in `folder` and returns the leaves from `size` on.
///
/// What it returns is durable: the last segment of a process that died may not have been synced.
pub(crate) fn replay(files: &dyn Files, folder: &Path, origin: &str, size: u64) -> Result<Replayed, ReplayError> {
    let read = |path: &Path, source| ReplayError::Read {
        path: path.to_owned(),
        source,
    };
    let names = segments(files, folder).map_err(|source| read(folder, source))?;
    let checksum = Checksum::new(origin);
    let mut replayed = Replayed::default();
    let mut end = size;
    let last = names.len().saturating_sub(1);
    for (position, name) in names.iter().enumerate() {
        let path = folder.join(name);
        let first = first_index(name).ok_or_else(|| ReplayError::Name { path: path.clone() })?;
        let wanted = size.saturating_add(replayed.leaves.len() as u64);
        // Even a segment without frames says that the log had everything before it.
        if first > wanted {
            return Err(ReplayError::Missing {
                path,
                wanted,
                found: first,
            });
        }
        let bytes = files
            .read(&path, SEGMENT_BYTES_MAX)
            .map_err(|source| read(&path, source))?;
        let bytes = bytes.unwrap_or_default();
        let mut segment = Segment {
            path: &path,
            next: first,
            wanted,
        };
        let good = segment.read(&checksum, &bytes, &mut replayed.leaves)?;
        let torn = bytes.len().saturating_sub(good);
        if torn > 0 {
            segment.judge_tail(&checksum, &bytes, good, position == last, size)?;
            replayed.torn_bytes = torn as u64;
            replayed.torn_is_whole = bytes.get(good..).is_some_and(has_full_length);
        }
        if position == last {
            let sound = bytes.get(..good).unwrap_or_default();
            settle(files, folder, name, sound).map_err(|source| ReplayError::Cut {
                path: path.clone(),
                source,
            })?;
        }
        end = segment.next;
        replayed.segments.push(path);
    }
    if end < size {
        return Err(ReplayError::Behind {
            path: folder.to_owned(),
            end,
            size,
        });
    }
    Ok(replayed)
}

/// The names of all segments; what an interrupted [`settle`] left is removed.
fn segments(files: &dyn Files, folder: &Path) -> io::Result<Vec<String>> {
    let (left, names): (Vec<String>, Vec<String>) = files.list(folder)?.into_iter().partition(|name| {
        name.strip_suffix(".tmp")
            .is_some_and(|name| first_index(name).is_some())
    });
    for name in left {
        files.remove(&folder.join(name))?;
    }
    Ok(names)
}

/// Makes the sound part of the last segment durable, and only that.
///
/// It is written anew: when the sync that the process died in had failed, the system may believe that those pages
/// are on the disk, and another sync of the same file would not write them.
fn settle(files: &dyn Files, folder: &Path, name: &str, sound: &[u8]) -> io::Result<()> {
    if sound.is_empty() {
        return files.truncate(&folder.join(name), 0);
    }
    files::replace(files, folder, name, sound)
}

fn first_index(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    (digits.len() == 20 && digits.bytes().all(|it| it.is_ascii_digit())).then_some(())?;
    digits.parse().ok()
}

/// One segment while it is read.
struct Segment<'a> {
    path: &'a Path,
    /// The index that its next frame must start with.
    next: u64,
    /// The first index that is not in the tree or in an earlier segment.
    wanted: u64,
}

impl Segment<'_> {
    /// Takes frames up to the first that is not sound; returns where that is.
    fn read(&mut self, checksum: &Checksum, bytes: &[u8], leaves: &mut Vec<Leaf>) -> Result<usize, ReplayError> {
        let mut offset = 0;
        while let Some(frame) = bytes.get(offset..).and_then(|rest| frame(checksum, rest)) {
            if frame.first != self.next {
                return Err(self.damaged(offset, "a frame stands in the place of another"));
            }
            for leaf in frame.leaves {
                self.next = self.next.saturating_add(1);
                if leaf.index < self.wanted {
                    continue;
                }
                if leaf.index > self.wanted {
                    return Err(ReplayError::Missing {
                        path: self.path.to_owned(),
                        wanted: self.wanted,
                        found: leaf.index,
                    });
                }
                self.wanted = self.wanted.saturating_add(1);
                leaves.push(leaf);
            }
            offset = offset.saturating_add(frame.bytes);
        }
        Ok(offset)
    }

    /// Whether what follows the sound frames can be the frame that a crash interrupted.
    fn judge_tail(
        &self,
        checksum: &Checksum,
        bytes: &[u8],
        offset: usize,
        is_last: bool,
        size: u64,
    ) -> Result<(), ReplayError> {
        if !is_last {
            return Err(self.damaged(offset, "the next segment exists, so this one was complete"));
        }
        if self.next < size {
            return Err(self.damaged(offset, "the checkpoint covers more, so it was complete"));
        }
        let later = (offset.saturating_add(1)..bytes.len())
            .filter_map(|at| bytes.get(at..))
            .any(|rest| self.follows(rest) && frame(checksum, rest).is_some());
        if later {
            return Err(self.damaged(offset, "a sound frame follows"));
        }
        Ok(())
    }

    /// Whether this could be a later frame's start; the cheap test before the checksum.
    fn follows(&self, rest: &[u8]) -> bool {
        let first = rest.get(HEADER_BYTES..).and_then(<[u8]>::first_chunk);
        first.is_some_and(|it| u64::from_be_bytes(*it).saturating_sub(self.next) < u64::from(u32::MAX))
    }

    fn damaged(&self, offset: usize, what: &'static str) -> ReplayError {
        ReplayError::Damaged {
            path: self.path.to_owned(),
            offset: offset as u64,
            what,
        }
    }
}

struct Frame {
    first: u64,
    leaves: Vec<Leaf>,
    bytes: usize,
}

/// The frame at the start of `bytes`; nothing when it is not whole and sound.
fn frame(checksum: &Checksum, bytes: &[u8]) -> Option<Frame> {
    let (len, rest) = number(bytes)?;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    let body = rest.get(..len).filter(|it| it.len() >= BODY_BYTES_MIN)?;
    if checksum.of(body) != *sum {
        return None;
    }
    let (first, rest) = body.split_first_chunk()?;
    let first = u64::from_be_bytes(*first);
    let (count, mut rest) = number(rest)?;
    let mut leaves = Vec::new();
    for position in 0..count {
        let (entry, after) = counted(rest)?;
        let (payload, after) = counted(after)?;
        leaves.push(Leaf {
            index: first.checked_add(position as u64)?,
            entry: entry.to_vec(),
            payload: (!payload.is_empty()).then(|| payload.to_vec()),
        });
        rest = after;
    }
    (rest.is_empty() && !leaves.is_empty()).then_some(Frame {
        first,
        leaves,
        bytes: HEADER_BYTES.saturating_add(len),
    })
}

/// Whether what starts here is as long as a frame says that it is.
fn has_full_length(bytes: &[u8]) -> bool {
    number(bytes).is_some_and(|(len, rest)| len >= BODY_BYTES_MIN && rest.len() >= len.saturating_add(CHECKSUM_BYTES))
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_be_bytes(*number)).ok()?, rest))
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = number(bytes)?;
    rest.split_at_checked(len)
}
