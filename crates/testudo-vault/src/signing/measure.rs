//! Reads files on several threads and hashes them, whole or in pieces.

use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::hashing::{Digest, HashKind, Hasher};
use super::manifest::Method;
use super::tree::{Found, Links, Model, TreeError, stamp};

/// What is read at once.
const READ_BYTES: usize = 1 << 20;
/// What is read at once for a hash that takes several threads to one piece.
const WIDE_READ_BYTES: usize = 16 << 20;
/// More pieces than this are refused; a larger piece size helps.
pub(crate) const PIECES_MAX: usize = 2_000_000;

/// How far the reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    pub bytes_done: u64,
    pub bytes_all: u64,
}

/// Why a model could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("a file of the model cannot be measured")]
    Tree(#[from] TreeError),
    #[error("the model has more than {PIECES_MAX} pieces; choose a larger shard size")]
    TooManyPieces,
}

/// A file, or part of one, to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which of the files.
    pub(crate) file: usize,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The pieces of `files` in order; a file without content has none when they are cut.
pub(crate) fn pieces(files: &[Found], method: Method) -> Result<Vec<Piece>, MeasureError> {
    let mut pieces = Vec::with_capacity(files.len());
    for (file, found) in files.iter().enumerate() {
        let bytes = found.stamp.bytes;
        let Method::Shards(size) = method else {
            pieces.push(Piece {
                file,
                start: 0,
                end: bytes,
            });
            continue;
        };
        let mut start = 0u64;
        while start < bytes {
            let end = start.saturating_add(size.get()).min(bytes);
            if pieces.len() >= PIECES_MAX {
                return Err(MeasureError::TooManyPieces);
            }
            pieces.push(Piece { file, start, end });
            start = end;
        }
    }
    Ok(pieces)
}

/// Hashes `pieces`, in their order.
pub(crate) fn measure(
    model: &Model,
    files: &[Found],
    pieces: &[Piece],
    how: How<'_>,
) -> Result<Vec<Digest>, MeasureError> {
    let work = Work {
        model,
        files,
        pieces,
        how,
        next: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        bytes_done: AtomicU64::new(0),
        bytes_all: pieces.iter().map(|it| it.end.saturating_sub(it.start)).sum(),
        done: Mutex::new(vec![None; pieces.len()]),
    };
    // One that hashes with several threads by itself needs no company.
    let workers = match how.hash {
        HashKind::Blake3 => 1,
        HashKind::Sha256 | HashKind::Blake2b => thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };
    let workers = workers.min(pieces.len()).clamp(1, 64);
    let failure = thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(|| work.run())).collect();
        let mut failure = None;
        for worker in running {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        failure
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    let done = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(done.into_iter().flatten().collect())
}

/// How pieces are hashed.
#[derive(Clone, Copy)]
pub(crate) struct How<'h> {
    pub(crate) hash: HashKind,
    pub(crate) links: Links,
    pub(crate) watch: &'h (dyn Fn(Measured) + Sync),
}

struct Work<'w> {
    model: &'w Model,
    files: &'w [Found],
    pieces: &'w [Piece],
    how: How<'w>,
    next: AtomicUsize,
    stopped: AtomicBool,
    bytes_done: AtomicU64,
    bytes_all: u64,
    done: Mutex<Vec<Option<Digest>>>,
}

impl Work<'_> {
    fn run(&self) -> Result<(), TreeError> {
        let wide = self.how.hash == HashKind::Blake3;
        let longest = self.pieces.iter().map(|it| it.end.saturating_sub(it.start)).max();
        let most = if wide { WIDE_READ_BYTES } else { READ_BYTES };
        let length = usize::try_from(longest.unwrap_or(0)).unwrap_or(most).clamp(1, most);
        let mut buffer = vec![0u8; length];
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(at) else {
                return Ok(());
            };
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(());
            }
            let digest = self
                .piece(piece, &mut buffer)
                .inspect_err(|_| self.stopped.store(true, Ordering::Relaxed))?;
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = done.get_mut(at) {
                *slot = Some(digest);
            }
        }
    }

    fn piece(&self, piece: &Piece, buffer: &mut [u8]) -> Result<Digest, TreeError> {
        let Some(found) = self.files.get(piece.file) else {
            return Err(TreeError::Empty {
                path: self.model.path().to_owned(),
            });
        };
        let path = || self.model.at(&found.name);
        let failed = |source: io::Error| TreeError::Io { path: path(), source };
        let file = self.model.open_file(&found.name, self.how.links)?;
        let unchanged = || {
            let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
            if stamp(&stat) == found.stamp {
                Ok(())
            } else {
                Err(TreeError::Changed { path: path() })
            }
        };
        unchanged()?;
        let mut hasher = Hasher::new(self.how.hash);
        let mut at = piece.start;
        while at < piece.end {
            let left = usize::try_from(piece.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let room = left.min(buffer.len());
            let Some(part) = buffer.get_mut(..room) else { break };
            let read = match file.read_at(part, at) {
                Ok(0) => return Err(TreeError::Changed { path: path() }),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            hasher.update(part.get(..read).unwrap_or_default());
            let read = u64::try_from(read).unwrap_or(0);
            at = at.saturating_add(read);
            let before = self.bytes_done.fetch_add(read, Ordering::Relaxed);
            (self.how.watch)(Measured {
                bytes_done: before.saturating_add(read),
                bytes_all: self.bytes_all,
            });
        }
        unchanged()?;
        Ok(hasher.finish())
    }
}
