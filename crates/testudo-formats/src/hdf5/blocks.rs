//! Blocks of an HDF5 file at addresses, and the numbers in them, whose width the file chooses.

use std::cell::Cell;

use crate::source::{Source, read_exact, read_up_to};

/// Longest block that is read whole.
const BLOCK_BYTES_MAX: u64 = 64 << 20;

/// How much is searched at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Why the structure was not followed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) &'static str);

/// A file, once its superblock was read.
pub(super) struct File<'s> {
    pub(super) source: &'s dyn Source,
    /// Where address 0 is.
    base: u64,
    pub(super) address_bytes: usize,
    pub(super) length_bytes: usize,
    /// How much more may be read: what points to the same place again and again does not cost more than this.
    left: Cell<u64>,
    /// Whether hickle wrote it.
    pub(super) is_hickle: Cell<bool>,
}

impl<'s> File<'s> {
    pub(super) fn new(source: &'s dyn Source, base: u64, address_bytes: u8, length_bytes: u8) -> Result<Self, Wrong> {
        for bytes in [address_bytes, length_bytes] {
            if !matches!(bytes, 2 | 4 | 8) {
                return Err(Wrong("its addresses have a width that no library writes"));
            }
        }
        Ok(Self {
            source,
            base,
            address_bytes: usize::from(address_bytes),
            length_bytes: usize::from(length_bytes),
            left: Cell::new(source.size().saturating_mul(16).saturating_add(64 << 20)),
            is_hickle: Cell::new(false),
        })
    }

    /// A block, which must be there.
    pub(super) fn block(&self, address: u64, bytes: u64) -> Result<Vec<u8>, Wrong> {
        self.spend(bytes)?;
        let at = self.base.checked_add(address);
        let bytes = usize::try_from(bytes.min(BLOCK_BYTES_MAX.saturating_add(1)))
            .ok()
            .filter(|_| bytes <= BLOCK_BYTES_MAX);
        let (Some(at), Some(bytes)) = (at, bytes) else {
            return Err(Wrong("a block of it is over the limit"));
        };
        read_exact(self.source, at, bytes).map_err(|_| Wrong("a block of it lies outside the file"))
    }

    /// Counts bytes that are read or unpacked.
    pub(super) fn spend(&self, bytes: u64) -> Result<(), Wrong> {
        let left = self.left.get().checked_sub(bytes.saturating_add(64));
        self.left
            .set(left.ok_or(Wrong("it points to the same places again and again"))?);
        Ok(())
    }

    /// A number at a place of the source.
    pub(super) fn number_at(&self, at: u64, bytes: usize) -> Result<u64, Wrong> {
        self.spend(0)?;
        let read = read_exact(self.source, at, bytes).map_err(|_| Wrong("a block of it lies outside the file"))?;
        self.fields(&read).number(bytes)
    }

    /// Calls back for each place of a needle in the source, until it gives an error.
    pub(super) fn find(&self, needle: &[u8], mut found: impl FnMut(u64) -> Result<(), Wrong>) -> Result<(), Wrong> {
        let mut at = 0_u64;
        while at < self.source.size() {
            let overlap = needle.len().saturating_sub(1);
            let piece = read_up_to(self.source, at, PIECE_BYTES.saturating_add(overlap))
                .map_err(|_| Wrong("a block of it cannot be read"))?;
            for (start, window) in piece.windows(needle.len()).enumerate().take(PIECE_BYTES) {
                if window == needle {
                    found(at.saturating_add(u64::try_from(start).unwrap_or(u64::MAX)))?;
                }
            }
            at = at.saturating_add(u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// A block as far as it is there.
    pub(super) fn up_to(&self, address: u64, bytes: u64) -> Result<Vec<u8>, Wrong> {
        let end = self.source.size().saturating_sub(self.base);
        self.block(address, bytes.min(end.saturating_sub(address)))
    }

    pub(super) fn fields<'b>(&self, bytes: &'b [u8]) -> Fields<'b> {
        Fields {
            rest: bytes,
            address_bytes: self.address_bytes,
            length_bytes: self.length_bytes,
        }
    }
}

/// The fields of a block, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Fields<'b> {
    pub(super) rest: &'b [u8],
    address_bytes: usize,
    length_bytes: usize,
}

impl<'b> Fields<'b> {
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'b [u8], Wrong> {
        let (taken, rest) = self
            .rest
            .split_at_checked(bytes)
            .ok_or(Wrong("a block of it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The signature of a block.
    pub(super) fn signed(&mut self, signature: &[u8; 4]) -> Result<(), Wrong> {
        match self.take(4)? == signature {
            true => Ok(()),
            false => Err(Wrong("a block of it is not of the kind that it should be")),
        }
    }

    /// A number of up to eight bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64, Wrong> {
        let taken = self.take(bytes)?;
        if bytes > 8 {
            return Err(Wrong("a number in it is too long"));
        }
        Ok(taken.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(super) fn byte(&mut self) -> Result<u8, Wrong> {
        Ok(self.number(1)?.to_le_bytes()[0])
    }

    /// A number that counts bytes at hand.
    pub(super) fn count(&mut self, bytes: usize) -> Result<usize, Wrong> {
        usize::try_from(self.number(bytes)?).map_err(|_| Wrong("a number in it is too long"))
    }

    pub(super) fn length(&mut self) -> Result<u64, Wrong> {
        self.number(self.length_bytes)
    }

    pub(super) fn address(&mut self) -> Result<u64, Wrong> {
        self.number(self.address_bytes)
    }

    /// An address, or none: all bits set.
    pub(super) fn address_or_none(&mut self) -> Result<Option<u64>, Wrong> {
        let none = u64::MAX >> 64_usize.saturating_sub(self.address_bytes.saturating_mul(8)).min(63);
        Ok(Some(self.address()?).filter(|address| *address != none))
    }

    /// A text up to its zero byte.
    pub(super) fn text(&mut self) -> Result<String, Wrong> {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let end = end.ok_or(Wrong("a text in it does not end"))?;
        let text = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(text)
    }
}
