//! The directory of a 7z archive: which streams it has, how they are packed, and what the files are called.

use super::Unread;
use super::coders::{Coder, Folder};
use crate::source::{Cursor, Fault, Source, Window};

/// Coders of one folder; writers use up to four.
const CODERS_MAX: u64 = 32;
/// Streams that go into one coder, or into one folder.
const STREAMS_MAX: u64 = 32;
/// Longest properties of a coder.
const PROPERTIES_BYTES_MAX: usize = 256;
const NAME_BYTES_MAX: u64 = 1 << 16;

/// A directory, or the place of a packed one.
pub(super) enum Read {
    Plain(Directory),
    Packed(Streams),
}

#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) streams: Streams,
    pub(super) files: Vec<File>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct File {
    pub(super) name: String,
    /// A folder or a file without content: no stream belongs to it.
    pub(super) is_empty: bool,
    pub(super) is_link: bool,
}

/// Packed streams, and the folders that unpack them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    at: u64,
    packed: Vec<u64>,
    layouts: Vec<Layout>,
    /// For each folder the sizes of its files.
    pub(super) sizes: Vec<Vec<u64>>,
}

/// How the coders of one folder are joined.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub(super) coders: Vec<Coder>,
    /// Which stream into a coder comes out of which coder.
    pub(super) pairs: Vec<(u64, u64)>,
    /// Which streams into coders come from the archive.
    pub(super) inputs: Vec<u64>,
    pub(super) sizes: Vec<u64>,
}

impl Streams {
    /// The folder of this number with its packed streams, if they lie in the archive.
    pub(super) fn folder<'s>(&'s self, source: &'s dyn Source, number: usize) -> Option<Folder<'s>> {
        let layout = self.layouts.get(number)?;
        let before: usize = self.layouts.iter().take(number).map(|layout| layout.inputs.len()).sum();
        let mut at = self
            .packed
            .iter()
            .take(before)
            .try_fold(super::START_BYTES.checked_add(self.at)?, |at, bytes| {
                at.checked_add(*bytes)
            })?;
        let mut windows = Vec::new();
        for input in 0..layout.inputs.len() {
            let bytes = *self.packed.get(before.checked_add(input)?)?;
            let end = at.checked_add(bytes)?;
            if end > source.size() {
                return None;
            }
            windows.push(Window::new(source, at, bytes));
            at = end;
        }
        Some(Folder::new(layout, windows))
    }

    /// Where the packed streams lie.
    pub(super) fn extents(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut at = super::START_BYTES.saturating_add(self.at);
        self.packed.iter().map(move |bytes| {
            let here = at;
            at = at.saturating_add(*bytes);
            (here, *bytes)
        })
    }
}

/// Reads a directory.
pub(super) fn read(header: &[u8], files_max: u64) -> Result<Read, Unread> {
    let mut reader = Reader {
        cursor: Cursor::new(&header, 0),
        files_max,
    };
    match reader.number()? {
        0x17 => Ok(Read::Packed(reader.streams()?)),
        1 => Ok(Read::Plain(reader.directory()?)),
        _ => Err(Unread::Damaged("it does not begin as one")),
    }
}

struct Reader<'h> {
    cursor: Cursor<'h>,
    files_max: u64,
}

impl Reader<'_> {
    /// A number whose first byte says how many bytes follow.
    fn number(&mut self) -> Result<u64, Fault> {
        let first = self.cursor.byte()?;
        let mut value = 0_u64;
        for index in 0..8_u32 {
            let mask = 0x80_u8 >> index;
            if first & mask == 0 {
                let high = u64::from(first & mask.wrapping_sub(1));
                return Ok(value | high.checked_shl(index.saturating_mul(8)).unwrap_or(0));
            }
            let byte = u64::from(self.cursor.byte()?);
            value |= byte.checked_shl(index.saturating_mul(8)).unwrap_or(0);
        }
        Ok(value)
    }

    /// A count of what takes at least a byte each, or a bit.
    fn count(&mut self, each_is_bit: bool) -> Result<usize, Fault> {
        let count = self.number()?;
        let most = self.cursor.left().saturating_mul(if each_is_bit { 8 } else { 1 });
        if count > most.min(self.files_max) {
            return Err(Fault::TooLong { bytes: count });
        }
        usize::try_from(count).map_err(|_| Fault::TooLong { bytes: count })
    }

    fn numbers(&mut self, count: usize) -> Result<Vec<u64>, Fault> {
        (0..count).map(|_| self.number()).collect()
    }

    fn bits(&mut self, count: usize) -> Result<Vec<bool>, Fault> {
        let mut out = Vec::new();
        let mut byte = 0;
        for index in 0..count {
            if index % 8 == 0 {
                byte = self.cursor.byte()?;
            }
            out.push(byte & (0x80_u8 >> (index % 8)) != 0);
        }
        Ok(out)
    }

    /// Bits that may be left out if all are set.
    fn bits_or_all(&mut self, count: usize) -> Result<Vec<bool>, Fault> {
        match self.cursor.byte()? {
            0 => self.bits(count),
            _ => Ok(vec![true; count]),
        }
    }

    fn digests(&mut self, count: usize) -> Result<Vec<bool>, Fault> {
        let defined = self.bits_or_all(count)?;
        for _ in defined.iter().filter(|defined| **defined) {
            self.cursor.u32_le()?;
        }
        Ok(defined)
    }

    fn directory(&mut self) -> Result<Directory, Unread> {
        let mut out = Directory::default();
        loop {
            match self.number()? {
                0 => return Ok(out),
                2 => {
                    while self.number()? != 0 {
                        let bytes = self.number()?;
                        self.cursor.skip(bytes)?;
                    }
                }
                4 => out.streams = self.streams()?,
                5 => out.files = self.files()?,
                _ => return Err(Unread::Damaged("it has a part that is not known")),
            }
        }
    }

    fn streams(&mut self) -> Result<Streams, Unread> {
        let mut out = Streams::default();
        let mut has_digest = Vec::new();
        loop {
            match self.number()? {
                0 => break,
                6 => self.packed(&mut out)?,
                7 => has_digest = self.folders(&mut out)?,
                8 => self.substreams(&mut out, &has_digest)?,
                _ => return Err(Unread::Damaged("its streams have a part that is not known")),
            }
        }
        if out.sizes.is_empty() {
            // Without a list of files in each, a folder is one file.
            out.sizes = out.layouts.iter().map(|layout| vec![layout.bytes()]).collect();
        }
        Ok(out)
    }

    fn packed(&mut self, out: &mut Streams) -> Result<(), Unread> {
        out.at = self.number()?;
        let count = self.count(false)?;
        loop {
            match self.number()? {
                0 => break,
                9 => out.packed = self.numbers(count)?,
                0x0a => drop(self.digests(count)?),
                _ => return Err(Unread::Damaged("its packed streams have a part that is not known")),
            }
        }
        if out.packed.len() == count {
            Ok(())
        } else {
            Err(Unread::Damaged("its packed streams have no sizes"))
        }
    }

    fn folders(&mut self, out: &mut Streams) -> Result<Vec<bool>, Unread> {
        if self.number()? != 0x0b {
            return Err(Unread::Damaged("its folders are not where they belong"));
        }
        let count = self.count(false)?;
        self.inline()?;
        out.layouts = (0..count).map(|_| self.layout()).collect::<Result<_, _>>()?;
        let mut has_digest = vec![false; count];
        loop {
            match self.number()? {
                0 => return Ok(has_digest),
                0x0c => {
                    for layout in &mut out.layouts {
                        layout.sizes = self.numbers(layout.coders.len())?;
                    }
                }
                0x0a => has_digest = self.digests(count)?,
                _ => return Err(Unread::Damaged("its folders have a part that is not known")),
            }
        }
    }

    /// What may lie outside the directory, and in no archive does.
    fn inline(&mut self) -> Result<(), Unread> {
        match self.cursor.byte()? {
            0 => Ok(()),
            _ => Err(Unread::Damaged("a part of it lies outside of it")),
        }
    }

    fn layout(&mut self) -> Result<Layout, Unread> {
        let count = self.number()?;
        if count == 0 || count > CODERS_MAX {
            return Err(Unread::Damaged("a folder has no coder, or too many"));
        }
        let mut out = Layout::default();
        let mut inputs = 0_u64;
        for _ in 0..count {
            let coder = self.coder(inputs)?;
            inputs = inputs.saturating_add(coder.inputs);
            out.coders.push(coder);
        }
        if inputs > STREAMS_MAX {
            return Err(Unread::Damaged("a folder has too many streams"));
        }
        // Every coder has one stream that comes out of it; all but the last go into another.
        for _ in 1..count {
            out.pairs.push((self.number()?, self.number()?));
        }
        let open = inputs.saturating_sub(count.saturating_sub(1));
        if open == 1 {
            out.inputs = (0..inputs)
                .filter(|input| out.pairs.iter().all(|(bound, _)| bound != input))
                .take(1)
                .collect();
        } else {
            out.inputs = (0..open).map(|_| self.number()).collect::<Result<_, _>>()?;
        }
        Ok(out)
    }

    fn coder(&mut self, first_input: u64) -> Result<Coder, Unread> {
        let flags = self.cursor.byte()?;
        let method = self
            .cursor
            .take(u64::from(flags & 0x0f), 15)?
            .iter()
            .try_fold(0_u64, |id, byte| Some(id.checked_mul(256)? | u64::from(*byte)))
            .unwrap_or(u64::MAX);
        let (mut inputs, mut outputs) = (1, 1);
        if flags & 0x10 != 0 {
            (inputs, outputs) = (self.number()?, self.number()?);
        }
        if flags & 0xc0 != 0 || outputs != 1 || inputs == 0 || inputs > STREAMS_MAX {
            return Err(Unread::Damaged("a coder is described in a way that no writer uses"));
        }
        let mut properties = Vec::new();
        if flags & 0x20 != 0 {
            let bytes = self.number()?;
            properties = self.cursor.take(bytes, PROPERTIES_BYTES_MAX)?;
        }
        Ok(Coder {
            method,
            first_input,
            inputs,
            properties,
        })
    }

    fn substreams(&mut self, out: &mut Streams, has_digest: &[bool]) -> Result<(), Unread> {
        let mut counts = vec![1_usize; out.layouts.len()];
        let mut kind = self.number()?;
        if kind == 0x0d {
            for count in &mut counts {
                *count = self.count(true)?;
            }
            kind = self.number()?;
        }
        if counts.iter().sum::<usize>() > usize::try_from(self.files_max).unwrap_or(usize::MAX) {
            return Err(Unread::Damaged("it has more files than the limit"));
        }
        let mut rest = Vec::new();
        for (layout, count) in out.layouts.iter().zip(&counts) {
            let mut left = layout.bytes();
            let mut sizes = Vec::new();
            if kind == 9 {
                for _ in 1..*count {
                    let bytes = self.number()?;
                    left = left.saturating_sub(bytes);
                    sizes.push(bytes);
                }
            }
            if *count > 0 {
                sizes.push(left);
            }
            rest.push(sizes);
        }
        out.sizes = rest;
        if kind == 9 {
            kind = self.number()?;
        } else if counts.iter().any(|count| *count > 1) {
            return Err(Unread::Damaged("its files have no sizes"));
        }
        while kind != 0 {
            if kind != 0x0a {
                return Err(Unread::Damaged("its files have a part that is not known"));
            }
            // A folder of one file may have said its checksum already.
            let said = |(index, count): &(usize, &usize)| **count == 1 && has_digest.get(*index) == Some(&true);
            let open = counts
                .iter()
                .enumerate()
                .filter(|pair| !said(pair))
                .map(|(_, count)| *count);
            self.digests(open.sum())?;
            kind = self.number()?;
        }
        Ok(())
    }

    fn files(&mut self) -> Result<Vec<File>, Unread> {
        let count = self.count(true)?;
        let mut out = vec![File::default(); count];
        loop {
            let kind = self.number()?;
            if kind == 0 {
                return Ok(out);
            }
            let bytes = self.number()?;
            let end = self.cursor.position().saturating_add(bytes);
            if bytes > self.cursor.left() {
                return Err(Fault::Truncated.into());
            }
            match kind {
                0x0e => {
                    let bits = self.bits(count)?;
                    for (file, is_empty) in out.iter_mut().zip(bits) {
                        file.is_empty = is_empty;
                    }
                }
                0x11 => {
                    self.inline()?;
                    for file in &mut out {
                        file.name = self.name(end)?;
                    }
                }
                0x15 => self.attributes(&mut out)?,
                _ => {}
            }
            self.cursor.seek(end);
        }
    }

    fn name(&mut self, end: u64) -> Result<String, Unread> {
        let mut units = Vec::new();
        loop {
            let unit = u16::from_le_bytes(self.cursor.array()?);
            if unit == 0 {
                return Ok(String::from_utf16_lossy(&units));
            }
            if self.cursor.position() > end || units.len() > usize::try_from(NAME_BYTES_MAX).unwrap_or(0) {
                return Err(Unread::Damaged("a name does not end"));
            }
            units.push(unit);
        }
    }

    fn attributes(&mut self, files: &mut [File]) -> Result<(), Unread> {
        let defined = self.bits_or_all(files.len())?;
        self.inline()?;
        for (file, defined) in files.iter_mut().zip(defined) {
            if defined {
                // The mode of Unix stands in the upper half, links of Windows are a bit of the lower.
                let attributes = self.cursor.u32_le()?;
                let is_unix = attributes & 0x8000 != 0;
                file.is_link = (is_unix && (attributes >> 28) == 0xa) || attributes & 0x400 != 0;
            }
        }
        Ok(())
    }
}
