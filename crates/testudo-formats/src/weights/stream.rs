//! The bytes of a tensor, one piece after the other.

use std::io::{self, Read as _};

use super::{Place, Tensor, Unreadable};
use crate::source::{Source, Window};

/// Bytes of a piece: a multiple of every value's size.
pub(super) const PIECE_BYTES: usize = 1 << 18;

enum From<'s> {
    Plain { source: &'s dyn Source, at: u64 },
    Deflated(Box<flate2::read::DeflateDecoder<Packed<'s>>>),
}

/// A cursor over a part of a source.
struct Packed<'s> {
    part: Window<'s>,
    at: u64,
}

impl io::Read for Packed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.part.read_at(self.at, into)?;
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

/// Reads a tensor from its first byte to its last.
pub(super) struct Stream<'s> {
    from: From<'s>,
    left: u64,
    piece: Vec<u8>,
}

impl<'s> Stream<'s> {
    pub(super) fn open(source: &'s dyn Source, tensor: &Tensor) -> Result<Self, Unreadable> {
        let from = match tensor.place {
            Place::Plain { at } => From::Plain { source, at },
            Place::Deflated { at, packed_bytes, skip } => {
                let part = Window::new(source, at, packed_bytes);
                let mut decoder = flate2::read::DeflateDecoder::new(Packed { part, at: 0 });
                let skipped = io::copy(&mut (&mut decoder).take(skip), &mut io::sink()).map_err(Unreadable::Read)?;
                if skipped < skip {
                    return Err(early());
                }
                From::Deflated(Box::new(decoder))
            }
        };
        Ok(Self {
            from,
            left: tensor.bytes,
            piece: vec![0; PIECE_BYTES],
        })
    }

    /// The next piece: full, or the last one; empty at the end.
    pub(super) fn next(&mut self) -> Result<&[u8], Unreadable> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut filled = 0_usize;
        while let Some(rest) = self.piece.get_mut(filled..wanted).filter(|rest| !rest.is_empty()) {
            let count = match &mut self.from {
                From::Plain { source, at } => {
                    let count = source.read_at(*at, rest).map_err(Unreadable::Read)?;
                    *at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    count
                }
                From::Deflated(decoder) => decoder.read(rest).map_err(Unreadable::Read)?,
            };
            if count == 0 {
                return Err(early());
            }
            filled = filled.saturating_add(count);
        }
        self.left = self.left.saturating_sub(u64::try_from(filled).unwrap_or(u64::MAX));
        Ok(self.piece.get(..filled).unwrap_or_default())
    }
}

fn early() -> Unreadable {
    Unreadable::Malformed("its data ends before the tensor does".to_owned())
}
