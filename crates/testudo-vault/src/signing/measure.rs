//! Reads files on several threads and hashes them, whole or in pieces.

mod ahead;
mod pairs;
mod reading;

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use self::reading::Reading;
use super::hashing::{Digest, HashKind, Hasher, two_at_once_pay};
use super::manifest::Method;
use super::tree::{Found, Links, Model, TreeError};

/// What is read at once: little enough to be hashed where it was read to, close to the core.
const READ_BYTES: usize = 256 << 10;
/// What is read at once when another thread, or several, hash it.
const WIDE_READ_BYTES: usize = 4 << 20;
/// Shorter pieces are read and hashed sooner than a second thread helps.
const AHEAD_BYTES_MIN: u64 = 16 << 20;
/// Buffers are a number of blocks long, whatever the hash.
const BUFFER_BYTES_STEP: usize = 128;
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

impl Piece {
    fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
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
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    measure_on(cores, model, files, pieces, how)
}

fn measure_on(
    cores: usize,
    model: &Model,
    files: &[Found],
    pieces: &[Piece],
    how: How<'_>,
) -> Result<Vec<Digest>, MeasureError> {
    let workers = cores.min(pieces.len()).clamp(1, 64);
    let work = Work::new(cores, workers, model, files, pieces, how);
    let failure = thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || work.run(worker)))
            .collect();
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

/// How the pieces are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    /// Each thread hashes two pieces at once.
    in_pairs: bool,
    /// Of the pieces by size, those that are read by a thread of their own because a core would be idle otherwise.
    ahead: (usize, usize),
}

impl Plan {
    fn new(cores: usize, pieces: &[Piece], hash: HashKind) -> Self {
        let large = pieces.iter().filter(|it| it.bytes() >= AHEAD_BYTES_MIN).count();
        let in_pairs =
            hash == HashKind::Sha256 && two_at_once_pay() && pieces.len() > cores && (large == 0 || large >= cores);
        let whole_rounds = large.saturating_sub(large.checked_rem(cores).unwrap_or(0));
        Self {
            in_pairs,
            ahead: (whole_rounds, large),
        }
    }

    fn reads_ahead(self, place: usize) -> bool {
        (self.ahead.0..self.ahead.1).contains(&place)
    }
}

struct Work<'w> {
    model: &'w Model,
    files: &'w [Found],
    pieces: &'w [Piece],
    how: How<'w>,
    plan: Plan,
    /// What is read at once.
    buffer_bytes: usize,
    /// The largest first, so that none of them is begun when all else is done.
    order: Vec<usize>,
    /// A place in `order`; each worker begins with one of its own.
    next: AtomicUsize,
    stopped: AtomicBool,
    bytes_done: AtomicU64,
    bytes_all: u64,
    done: Mutex<Vec<Option<Digest>>>,
}

impl<'w> Work<'w> {
    fn new(
        cores: usize,
        workers: usize,
        model: &'w Model,
        files: &'w [Found],
        pieces: &'w [Piece],
        how: How<'w>,
    ) -> Self {
        let longest = pieces.iter().map(Piece::bytes).max().unwrap_or(0);
        let buffer_bytes = usize::try_from(longest).unwrap_or(READ_BYTES);
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(|at| Reverse(pieces.get(*at).map_or(0, Piece::bytes)));
        Self {
            model,
            files,
            pieces,
            how,
            plan: Plan::new(cores, pieces, how.hash),
            buffer_bytes: buffer_bytes.clamp(1, READ_BYTES).next_multiple_of(BUFFER_BYTES_STEP),
            order,
            next: AtomicUsize::new(workers),
            stopped: AtomicBool::new(false),
            bytes_done: AtomicU64::new(0),
            bytes_all: pieces.iter().map(Piece::bytes).sum(),
            done: Mutex::new(vec![None; pieces.len()]),
        }
    }

    fn run(&self, worker: usize) -> Result<(), TreeError> {
        let done = if self.plan.in_pairs {
            pairs::run(self, worker)
        } else {
            self.one_by_one(worker)
        };
        done.inspect_err(|_| self.stopped.store(true, Ordering::Relaxed))
    }

    fn one_by_one(&self, first: usize) -> Result<(), TreeError> {
        let mut buffer = Vec::new();
        let mut place = first;
        while let Some((at, piece)) = self.piece(place) {
            let digest = if self.plan.reads_ahead(place) {
                ahead::hash(self, piece)?
            } else {
                buffer.resize(self.buffer_bytes, 0);
                self.alone(piece, &mut buffer)?
            };
            self.keep(at, digest);
            place = self.take();
        }
        Ok(())
    }

    fn alone(&self, piece: Piece, buffer: &mut [u8]) -> Result<Digest, TreeError> {
        let mut reading = Reading::open(self, piece)?;
        let mut hasher = Hasher::new(self.how.hash);
        while !reading.is_done() && !self.is_stopped() {
            let filled = reading.fill(buffer)?;
            hasher.update(buffer.get(..filled).unwrap_or_default());
        }
        reading.close()?;
        Ok(hasher.finish())
    }

    /// The place of a piece that nobody took yet.
    fn take(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The piece at a place by size, with its number; none behind the last, and none when nothing of it will be used.
    fn piece(&self, place: usize) -> Option<(usize, Piece)> {
        let at = *self.order.get(place).filter(|_| !self.is_stopped())?;
        Some((at, *self.pieces.get(at)?))
    }

    /// Whether another worker failed, so that nothing of this will be used.
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn keep(&self, at: usize, digest: Digest) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = done.get_mut(at) {
            *slot = Some(digest);
        }
    }
}

#[cfg(test)]
mod tests;
