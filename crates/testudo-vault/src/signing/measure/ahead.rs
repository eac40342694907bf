//! Hashes one piece while another thread reads on.

use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use super::reading::Reading;
use super::{Piece, WIDE_READ_BYTES, Work};
use crate::signing::hashing::{Digest, Hasher};
use crate::signing::tree::TreeError;

/// One is read into, one hashed, and one under way to each.
const BUFFERS: usize = 4;

pub(super) fn hash<'w>(work: &'w Work<'w>, piece: Piece) -> Result<Digest, TreeError> {
    let (to_hasher, from_reader) = sync_channel::<(Vec<u8>, usize)>(BUFFERS);
    let (to_reader, from_hasher) = channel::<Vec<u8>>();
    for _ in 0..BUFFERS {
        // The other end is in this function.
        let _sent = to_reader.send(vec![0; WIDE_READ_BYTES]);
    }
    thread::scope(|scope| {
        let reader = scope.spawn(move || -> Result<(), TreeError> {
            let mut reading = Reading::open(work, piece)?;
            while !reading.is_done() && !work.is_stopped() {
                let Ok(mut buffer) = from_hasher.recv() else { break };
                let filled = reading.fill(&mut buffer)?;
                if to_hasher.send((buffer, filled)).is_err() {
                    break;
                }
            }
            reading.close()
        });
        let mut hasher = Hasher::new(work.how.hash);
        for (buffer, filled) in from_reader {
            hasher.update(buffer.get(..filled).unwrap_or_default());
            // A reader that is done takes none back.
            let _sent = to_reader.send(buffer);
        }
        match reader.join() {
            Ok(read) => read.map(|()| hasher.finish()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
