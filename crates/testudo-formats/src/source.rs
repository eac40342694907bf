//! Bytes at offsets: what the caller implements, windows into it, and a buffered cursor over it.

use std::io;

/// Longest read ahead of a cursor.
const AHEAD_BYTES: usize = 64 << 10;

/// Bytes that can be read at any offset. The caller implements it for files; slices are one.
pub trait Source {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Reads at most `into.len()` bytes from `offset` on; fewer only at the end, none beyond it.
    ///
    /// # Errors
    /// The bytes cannot be had.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| self.get(at..))
            .unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// A part of a source.
#[derive(Clone, Copy)]
pub(crate) struct Window<'s> {
    source: &'s dyn Source,
    start: u64,
    bytes: u64,
}

impl<'s> Window<'s> {
    /// At most `bytes` bytes from `start` on, as many as there are.
    pub(crate) fn new(source: &'s dyn Source, start: u64, bytes: u64) -> Self {
        let start = start.min(source.size());
        let bytes = bytes.min(source.size().saturating_sub(start));
        Self { source, start, bytes }
    }
}

impl Source for Window<'_> {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = left.min(into.len());
        match into.get_mut(..count) {
            Some(part) if count > 0 => self.source.read_at(self.start.saturating_add(offset), part),
            _ => Ok(0),
        }
    }
}

/// Why bytes were not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it ends too early")]
    Truncated,
    #[error("a length of {bytes} bytes is over the limit")]
    TooLong { bytes: u64 },
    #[error("the directories of the archive disagree, or a member is encrypted")]
    Disagree,
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Reads a whole range, which must exist.
pub(crate) fn read_exact(source: &dyn Source, offset: u64, bytes: usize) -> Result<Vec<u8>, Fault> {
    let wanted = u64::try_from(bytes).unwrap_or(u64::MAX);
    if offset.checked_add(wanted).is_none_or(|end| end > source.size()) {
        return Err(Fault::Truncated);
    }
    let read = read_up_to(source, offset, bytes)?;
    if read.len() < bytes {
        return Err(Fault::Truncated);
    }
    Ok(read)
}

/// Reads a range as far as it exists.
pub(crate) fn read_up_to(source: &dyn Source, offset: u64, bytes: usize) -> Result<Vec<u8>, Fault> {
    let left = usize::try_from(source.size().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut out = vec![0; bytes.min(left)];
    let filled = fill(source, offset, &mut out)?;
    out.truncate(filled);
    Ok(out)
}

fn fill(source: &dyn Source, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut filled: usize = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        let count = source.read_at(at, rest)?;
        if count == 0 {
            break;
        }
        filled = filled.saturating_add(count);
    }
    Ok(filled)
}

/// Reads a source from an offset on, a piece at a time.
pub(crate) struct Cursor<'s> {
    source: &'s dyn Source,
    at: u64,
    /// Where `ahead` starts in the source.
    ahead_at: u64,
    ahead: Vec<u8>,
}

impl<'s> Cursor<'s> {
    pub(crate) fn new(source: &'s dyn Source, at: u64) -> Self {
        Self {
            source,
            at,
            ahead_at: at,
            ahead: Vec::new(),
        }
    }

    pub(crate) fn source(&self) -> &'s dyn Source {
        self.source
    }

    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    pub(crate) fn seek(&mut self, at: u64) {
        self.at = at;
    }

    pub(crate) fn left(&self) -> u64 {
        self.source.size().saturating_sub(self.at)
    }

    /// The bytes at hand from the position on; at least one unless at the end.
    fn buffered(&mut self) -> Result<&[u8], Fault> {
        let inside = |cursor: &Self| {
            let skip = usize::try_from(cursor.at.checked_sub(cursor.ahead_at)?).ok()?;
            (skip < cursor.ahead.len()).then_some(skip)
        };
        let skip = match inside(self) {
            Some(skip) => skip,
            None => {
                self.ahead = read_up_to(self.source, self.at, AHEAD_BYTES)?;
                self.ahead_at = self.at;
                0
            }
        };
        Ok(self.ahead.get(skip..).unwrap_or_default())
    }

    /// The next byte; `None` at the end.
    pub(crate) fn next_byte(&mut self) -> Result<Option<u8>, Fault> {
        let byte = self.buffered()?.first().copied();
        if byte.is_some() {
            self.at = self.at.saturating_add(1);
        }
        Ok(byte)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        self.next_byte()?.ok_or(Fault::Truncated)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut out = [0; N];
        for to in &mut out {
            *to = self.byte()?;
        }
        Ok(out)
    }

    pub(crate) fn u32_le(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64_le(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next `bytes` bytes, which must be there and at most `bytes_max`.
    pub(crate) fn take(&mut self, bytes: u64, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        if bytes > self.left() {
            return Err(Fault::Truncated);
        }
        let count = usize::try_from(bytes)
            .ok()
            .filter(|count| *count <= bytes_max)
            .ok_or(Fault::TooLong { bytes })?;
        let here = self.buffered()?.get(..count).map(<[u8]>::to_vec);
        let out = match here {
            Some(out) => out,
            None => read_exact(self.source, self.at, count)?,
        };
        self.at = self.at.saturating_add(bytes);
        Ok(out)
    }

    /// Goes over `bytes` bytes, which must be there.
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        if bytes > self.left() {
            return Err(Fault::Truncated);
        }
        self.at = self.at.saturating_add(bytes);
        Ok(())
    }

    /// The bytes up to a line feed, which is taken and not given back.
    pub(crate) fn line(&mut self, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        loop {
            let piece = self.buffered()?;
            if piece.is_empty() {
                return Err(Fault::Truncated);
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
            let taken = part.len().saturating_add(usize::from(end.is_some()));
            if out.len().saturating_add(part.len()) > bytes_max {
                let bytes = u64::try_from(out.len().saturating_add(part.len())).unwrap_or(u64::MAX);
                return Err(Fault::TooLong { bytes });
            }
            out.extend_from_slice(part);
            self.at = self.at.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
            if end.is_some() {
                return Ok(out);
            }
        }
    }
}

impl io::Read for Cursor<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.buffered().map_err(|fault| match fault {
            Fault::Read(error) => error,
            other => io::Error::other(other.to_string()),
        })?;
        let count = piece.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), piece.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}
