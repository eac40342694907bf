//! Hashes two pieces at once with each thread.

use super::Work;
use super::reading::Reading;
use crate::signing::hashing::{Block, Digest, Sha256, update_both};
use crate::signing::tree::TreeError;

/// A piece, and its hash so far.
struct Lane<'w> {
    at: usize,
    reading: Reading<'w>,
    hash: Sha256,
    read: Read,
}

/// What was read last.
struct Read {
    /// A number of blocks long.
    buffer: Vec<u8>,
    filled: usize,
    /// Blocks that are in the hash.
    hashed: usize,
}

impl Read {
    /// Blocks that wait to be hashed, and what is less than a block behind them.
    fn waiting(&self) -> (&[Block], &[u8]) {
        let (blocks, rest) = self.buffer.get(..self.filled).unwrap_or_default().as_chunks();
        (blocks.get(self.hashed..).unwrap_or_default(), rest)
    }
}

impl<'w> Lane<'w> {
    fn open(work: &'w Work<'w>, place: usize, buffer: Vec<u8>) -> Result<Option<Self>, TreeError> {
        let Some((at, piece)) = work.piece(place) else {
            return Ok(None);
        };
        Ok(Some(Self {
            at,
            reading: Reading::open(work, piece)?,
            hash: Sha256::new(),
            read: Read {
                buffer,
                filled: 0,
                hashed: 0,
            },
        }))
    }

    /// Whether a block waits, after reading on when none did.
    fn refill(&mut self) -> Result<bool, TreeError> {
        if self.read.waiting().0.is_empty() && !self.reading.is_done() {
            self.read.filled = self.reading.fill(&mut self.read.buffer)?;
            self.read.hashed = 0;
        }
        Ok(!self.read.waiting().0.is_empty())
    }

    fn hash_with(&mut self, other: &mut Self) {
        let mine = (&mut self.hash, self.read.waiting().0);
        let done = update_both(mine, (&mut other.hash, other.read.waiting().0));
        for lane in [self, other] {
            lane.read.hashed = lane.read.hashed.saturating_add(done);
        }
    }

    fn hash_alone(&mut self) {
        let blocks = self.read.waiting().0;
        self.hash.update(blocks);
        self.read.hashed = self.read.hashed.saturating_add(blocks.len());
    }

    /// The digest of the piece, all of which was read and but for less than a block hashed.
    fn finish(self) -> Result<(Digest, Vec<u8>), TreeError> {
        self.reading.close()?;
        let digest = Digest::from(self.hash.finish(self.read.waiting().1));
        Ok((digest, self.read.buffer))
    }
}

/// Begins with the piece whose place is `first`, and takes others as long as there are any.
pub(super) fn run<'w>(work: &'w Work<'w>, first: usize) -> Result<(), TreeError> {
    let buffer = || vec![0u8; work.buffer_bytes];
    let mut one = Lane::open(work, first, buffer())?;
    let mut other = Lane::open(work, work.take(), buffer())?;
    loop {
        one = advance(work, one)?;
        other = advance(work, other)?;
        match (&mut one, &mut other) {
            (Some(one), Some(other)) => one.hash_with(other),
            (Some(lane), None) | (None, Some(lane)) => lane.hash_alone(),
            (None, None) => return Ok(()),
        }
        if work.is_stopped() {
            return Ok(());
        }
    }
}

/// A lane in which a block waits; when its piece has come to an end, one with the next piece.
fn advance<'w>(work: &'w Work<'w>, lane: Option<Lane<'w>>) -> Result<Option<Lane<'w>>, TreeError> {
    let Some(mut lane) = lane else {
        return Ok(None);
    };
    while !lane.refill()? {
        let at = lane.at;
        let (digest, buffer) = lane.finish()?;
        work.keep(at, digest);
        lane = match Lane::open(work, work.take(), buffer)? {
            Some(next) => next,
            None => return Ok(None),
        };
    }
    Ok(Some(lane))
}
