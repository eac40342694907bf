//! Seals a file into parts of equal length while others carry them away.
//!
//! One thread reads and seals, another hashes what was read, and the caller stores what is sealed: a large file keeps
//! all three busy, and what lies in memory at once does not grow with it.

use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::fs::FileExt as _;
use std::panic;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver as Emptied, SyncSender as Filled, sync_channel};
use std::thread;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::VaultError;
use super::beside::joined;
use crate::sealing::{InputKey, Sealer, Shape};
use crate::signing::{Checker, Digest, HashKind, Hasher};

/// What is read at once; it stays close to the core until it is sealed and hashed.
const READ_BYTES: usize = 256 << 10;
/// Buffers that are read into and hashed in turn.
const BUFFERS: usize = 8;
/// Sealed parts that wait for the store.
const WAITING: usize = 1;

/// A file that is to be sealed.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    /// For messages.
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// What it was when it was measured.
    pub(super) digest: Digest,
    /// What was signed of it, when that is not its SHA-256.
    pub(super) signed: Option<Checker>,
    pub(super) key: InputKey,
    pub(super) context: Vec<u8>,
    /// Of every part but the last, which is shorter or as long.
    pub(super) part_bytes: usize,
}

/// Some sealed bytes.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) sealed: Vec<u8>,
    /// How much of the file was read for it.
    pub(super) plain_bytes: u64,
}

/// The parts of one file, in their order.
#[derive(Debug)]
pub(super) struct Parts {
    sealed: Receiver<Part>,
    sealing: JoinHandle<Result<Part, VaultError>>,
}

impl Parts {
    pub(super) fn begin(source: Source) -> Self {
        let (send, sealed) = channel(WAITING);
        let sealing = tokio::task::spawn_blocking(move || source.seal(&send));
        Self { sealed, sealing }
    }

    /// The next part that is not the last.
    pub(super) async fn next(&mut self) -> Option<Part> {
        self.sealed.recv().await
    }

    /// The last part, which there is only when the file still was what was measured.
    pub(super) async fn last(self) -> Result<Part, VaultError> {
        joined(self.sealing).await
    }
}

impl Source {
    /// Only reads it, to see whether it still is what was measured, and what was signed.
    pub(super) async fn check(mut self) -> Result<(), VaultError> {
        let checking = tokio::task::spawn_blocking(move || {
            let mut signed = self.signed.take();
            let digest = self.read_and_hash(|plain| {
                signed.iter_mut().for_each(|it| it.update(plain));
                Ok(true)
            })?;
            self.is_still(&digest, signed)
        });
        joined(checking).await
    }

    fn is_still(&self, digest: &Digest, signed: Option<Checker>) -> Result<(), VaultError> {
        if *digest != self.digest {
            return Err(VaultError::Changed {
                path: self.path.clone(),
            });
        }
        match signed.is_none_or(Checker::finish) {
            true => Ok(()),
            false => Err(VaultError::NotSigned {
                name: self.path.display().to_string(),
            }),
        }
    }

    fn seal(mut self, send: &Sender<Part>) -> Result<Part, VaultError> {
        let mut signed = self.signed.take();
        let path = self.path.display().to_string();
        let failed = |source| VaultError::sealed(&path, source);
        let whole = usize::try_from(Shape::of_plain(self.bytes).sealed()).unwrap_or(usize::MAX);
        // A part, and what one reading may add to it.
        let room = self.part_bytes.saturating_add(READ_BYTES.saturating_mul(2)).min(whole);
        let mut out = Vec::with_capacity(room);
        let mut sealer = Sealer::new(&self.key, &self.context, &mut out).map_err(failed)?;
        let mut unsent = 0u64;
        let digest = self.read_and_hash(|plain| {
            signed.iter_mut().for_each(|it| it.update(plain));
            sealer.push(plain, &mut out).map_err(failed)?;
            unsent = unsent.saturating_add(u64::try_from(plain.len()).unwrap_or(0));
            while out.len() > self.part_bytes {
                let mut rest = Vec::with_capacity(room);
                rest.extend_from_slice(out.get(self.part_bytes..).unwrap_or_default());
                out.truncate(self.part_bytes);
                let part = Part {
                    sealed: mem::replace(&mut out, rest),
                    plain_bytes: mem::take(&mut unsent),
                };
                // Whoever took the parts has failed, and says why.
                if send.blocking_send(part).is_err() {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        self.is_still(&digest, signed)?;
        sealer.finish(&mut out).map_err(failed)?;
        Ok(Part {
            sealed: out,
            plain_bytes: unsent,
        })
    }

    /// The digest of what `take` got, which is the file unless `take` wanted no more.
    fn read_and_hash(&self, mut take: impl FnMut(&[u8]) -> Result<bool, VaultError>) -> Result<Digest, VaultError> {
        let mut hasher = Hasher::new(HashKind::Sha256);
        let small = usize::try_from(self.bytes).ok().filter(|it| *it <= READ_BYTES);
        if let Some(bytes) = small {
            let mut buffer = vec![0u8; bytes];
            let read = self.fill(&mut buffer, 0)?;
            let plain = buffer.get(..read).unwrap_or_default();
            hasher.update(plain);
            take(plain)?;
            return Ok(hasher.finish());
        }
        thread::scope(|scope| {
            let (filled, full) = sync_channel::<(Vec<u8>, usize)>(BUFFERS);
            let (emptied, empty) = sync_channel(BUFFERS);
            for _ in 0..BUFFERS {
                // There is room for all of them.
                let _sent = emptied.send(vec![0u8; READ_BYTES]);
            }
            let hashing = scope.spawn(move || {
                for (buffer, read) in full {
                    hasher.update(buffer.get(..read).unwrap_or_default());
                    let _sent = emptied.send(buffer);
                }
                hasher.finish()
            });
            let read = self.read(&filled, &empty, take);
            drop(filled);
            let digest = hashing.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            read.map(|()| digest)
        })
    }

    fn read(
        &self,
        filled: &Filled<(Vec<u8>, usize)>,
        empty: &Emptied<Vec<u8>>,
        mut take: impl FnMut(&[u8]) -> Result<bool, VaultError>,
    ) -> Result<(), VaultError> {
        let mut at = 0u64;
        while at < self.bytes {
            // Nobody hashes any more only when that has panicked.
            let Ok(mut buffer) = empty.recv() else { break };
            let read = self.fill(&mut buffer, at)?;
            if read == 0 {
                break;
            }
            at = at.saturating_add(u64::try_from(read).unwrap_or(0));
            let more = take(buffer.get(..read).unwrap_or_default())?;
            if filled.send((buffer, read)).is_err() || !more {
                break;
            }
        }
        Ok(())
    }

    /// Reads until the buffer is full or the file ends.
    fn fill(&self, buffer: &mut [u8], from: u64) -> Result<usize, VaultError> {
        let mut filled = 0usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|it| !it.is_empty()) {
            let at = from.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(read) => filled = filled.saturating_add(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(VaultError::File {
                        path: self.path.clone(),
                        source,
                    });
                }
            }
        }
        Ok(filled)
    }
}
