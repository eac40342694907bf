//! Data that is a row of bytes, unpacked as it is read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;

use super::blocks::{Fields, File, Wrong};
use super::objects::{DATASPACE, DATATYPE, FILTERS, LAYOUT, Message};
use crate::source::Source;

/// Nodes of one index of chunks.
const NODES_MAX: usize = 100_000;
/// Longest chunk that is unpacked.
const CHUNK_BYTES_MAX: u64 = 64 << 20;

/// A filter that is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Deflate,
    /// Elements of so many bytes, all first bytes before all second ones.
    Shuffle(usize),
    Checksum,
}

/// A piece of data: which bytes, and where they lie.
#[derive(Debug, Clone, Copy)]
struct Piece {
    start: u64,
    address: u64,
    bytes: u64,
    /// The filters that were left out.
    without: u64,
}

/// The bytes of one object.
pub(super) struct Bytes<'f, 's> {
    file: &'f File<'s>,
    whole: u64,
    /// Compact data lies in the header itself.
    held: Option<Vec<u8>>,
    pieces: Vec<Piece>,
    piece_bytes: u64,
    filters: Vec<Filter>,
    /// The piece that was unpacked last.
    last: RefCell<Option<(u64, Vec<u8>)>>,
}

impl Source for Bytes<'_, '_> {
    fn size(&self) -> u64 {
        self.whole
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if let Some(held) = &self.held {
            return held.as_slice().read_at(offset, into);
        }
        let left = usize::try_from(self.whole.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let before = self.pieces.partition_point(|piece| piece.start <= offset);
        let Some(piece) = before.checked_sub(1).and_then(|at| self.pieces.get(at)) else {
            return Ok(0);
        };
        let wrong = |Wrong(why): Wrong| io::Error::other(why);
        let skip = offset.saturating_sub(piece.start);
        if self.filters.is_empty() {
            let bytes = u64::try_from(wanted)
                .unwrap_or(u64::MAX)
                .min(piece.bytes.saturating_sub(skip));
            let read = self
                .file
                .block(piece.address.saturating_add(skip), bytes)
                .map_err(wrong)?;
            return read.as_slice().read_at(0, into);
        }
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(start, _)| *start != piece.start) {
            *last = Some((piece.start, self.unpacked(piece).map_err(wrong)?));
        }
        let content = last.as_ref().map_or(&[][..], |(_, content)| content.as_slice());
        let part = into.get_mut(..wanted).unwrap_or_default();
        content.read_at(skip, part)
    }
}

impl Bytes<'_, '_> {
    fn unpacked(&self, piece: &Piece) -> Result<Vec<u8>, Wrong> {
        self.file.spend(self.piece_bytes)?;
        let mut content = self.file.block(piece.address, piece.bytes)?;
        for (index, filter) in self.filters.iter().enumerate().rev() {
            if piece
                .without
                .checked_shr(u32::try_from(index).unwrap_or(u32::MAX))
                .unwrap_or(0)
                & 1
                == 1
            {
                continue;
            }
            content = match filter {
                Filter::Deflate => inflated(&content, self.piece_bytes)?,
                Filter::Shuffle(width) => together(&content, *width),
                Filter::Checksum => {
                    content.truncate(content.len().saturating_sub(4));
                    content
                }
            };
        }
        Ok(content)
    }
}

fn inflated(packed: &[u8], bytes_max: u64) -> Result<Vec<u8>, Wrong> {
    let wrong = Wrong("data of it cannot be unpacked");
    // A checksum may follow within it.
    let limit = usize::try_from(bytes_max.saturating_add(4)).map_err(|_| wrong)?;
    let reader = flate2::read::ZlibDecoder::new(packed);
    let mut capped = io::Read::take(reader, bytes_max.saturating_add(4));
    testudo_bounded::read_to_end(&mut capped, limit).map_err(|_| wrong)
}

/// Undoes a shuffle; what is left over stands as it is behind it.
fn together(shuffled: &[u8], width: usize) -> Vec<u8> {
    let count = shuffled.len().checked_div(width).unwrap_or(0);
    if width < 2 || count < 2 {
        return shuffled.to_vec();
    }
    let mut out = Vec::with_capacity(shuffled.len());
    for element in 0..count {
        let places = (0..width).map(|byte| byte.saturating_mul(count).saturating_add(element));
        out.extend(places.filter_map(|at| shuffled.get(at)));
    }
    out.extend(shuffled.get(count.saturating_mul(width)..).unwrap_or_default());
    out
}

/// The data of an object, if it is a row of bytes or a text; `None` if it is something else or packed otherwise.
pub(super) fn bytes<'f, 's>(file: &'f File<'s>, messages: &[Message]) -> Result<Option<Bytes<'f, 's>>, Wrong> {
    let of = |kind: u16| {
        messages
            .iter()
            .find(|message| message.kind == kind && !message.is_shared)
    };
    let (Some(kind), Some(space), Some(layout)) = (of(DATATYPE), of(DATASPACE), of(LAYOUT)) else {
        return Ok(None);
    };
    let Some(width) = width(file, &kind.data)? else {
        return Ok(None);
    };
    let Some(count) = count(file, &space.data)? else {
        return Ok(None);
    };
    let mut filters = Vec::new();
    if let Some(message) = of(FILTERS) {
        match self::filters(file, &message.data, width)? {
            Some(known) => filters = known,
            None => return Ok(None),
        }
    }
    let mut bytes = Bytes {
        file,
        whole: count.saturating_mul(width),
        held: None,
        pieces: Vec::new(),
        piece_bytes: 0,
        filters,
        last: RefCell::new(None),
    };
    Ok(bytes.laid_out(&layout.data, width)?.then_some(bytes))
}

/// Whether an object holds what [`bytes`] looks for, however it is packed.
pub(super) fn is_bytes(file: &File<'_>, messages: &[Message]) -> bool {
    let kind = messages.iter().find(|message| message.kind == DATATYPE);
    kind.is_some_and(|kind| kind.is_shared || !matches!(width(file, &kind.data), Ok(None)))
}

/// Bytes of an element, for integers of one byte, texts and what HDF5 does not look into.
fn width(file: &File<'_>, kind: &[u8]) -> Result<Option<u64>, Wrong> {
    let mut fields = file.fields(kind);
    let class = fields.byte()? & 0x0f;
    fields.take(3)?;
    let bytes = fields.number(4)?;
    Ok(match class {
        0 if bytes == 1 => Some(1),
        3 | 5 => Some(bytes),
        _ => None,
    })
}

/// How many elements a single one, or a row of them, has.
fn count(file: &File<'_>, space: &[u8]) -> Result<Option<u64>, Wrong> {
    let mut fields = file.fields(space);
    let (version, rank) = (fields.byte()?, fields.byte()?);
    fields.take(match version {
        1 => 6,
        _ => 2,
    })?;
    match rank {
        0 => Ok(Some(1)),
        1 => fields.length().map(Some),
        _ => Ok(None),
    }
}

fn filters(file: &File<'_>, message: &[u8], width: u64) -> Result<Option<Vec<Filter>>, Wrong> {
    let mut fields = file.fields(message);
    let (version, count) = (fields.byte()?, fields.byte()?);
    if version == 1 {
        fields.take(6)?;
    }
    let mut out = Vec::new();
    for _ in 0..count {
        let id = fields.number(2)?;
        let name_bytes = if version == 1 || id >= 256 { fields.count(2)? } else { 0 };
        fields.take(2)?;
        let values = fields.count(2)?;
        let padded = if version == 1 {
            name_bytes.next_multiple_of(8)
        } else {
            name_bytes
        };
        fields.take(padded)?;
        let odd = version == 1 && values % 2 == 1;
        fields.take(values.saturating_add(usize::from(odd)).saturating_mul(4))?;
        out.push(match id {
            1 => Filter::Deflate,
            2 => Filter::Shuffle(usize::try_from(width).unwrap_or(1)),
            3 => Filter::Checksum,
            _ => return Ok(None),
        });
    }
    Ok(Some(out))
}

impl Bytes<'_, '_> {
    /// Where the bytes lie; whether that is a way that is read.
    fn laid_out(&mut self, layout: &[u8], width: u64) -> Result<bool, Wrong> {
        let mut fields = self.file.fields(layout);
        let (version, class) = (fields.byte()?, fields.byte()?);
        if !matches!(version, 3..=5) {
            return Ok(false);
        }
        match class {
            0 => {
                let count = fields.count(2)?;
                self.held = Some(fields.take(count)?.to_vec());
            }
            1 => {
                if let Some(address) = fields.address_or_none()? {
                    self.pieces.push(Piece {
                        start: 0,
                        address,
                        bytes: self.whole,
                        without: 0,
                    });
                }
                self.filters.clear();
            }
            2 if version == 3 => return self.chunks(&mut fields, width),
            2 => return self.one_chunk(&mut fields, width),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Chunks that a tree finds.
    fn chunks(&mut self, fields: &mut Fields<'_>, width: u64) -> Result<bool, Wrong> {
        if fields.byte()? != 2 {
            return Ok(false);
        }
        let Some(tree) = fields.address_or_none()? else {
            return Ok(true);
        };
        self.piece_bytes = fields.number(4)?.saturating_mul(width);
        if self.piece_bytes > CHUNK_BYTES_MAX {
            return Ok(false);
        }
        let mut nodes = vec![tree];
        let mut seen = BTreeSet::new();
        while let Some(node) = nodes.pop() {
            if !seen.insert(node) || seen.len() > NODES_MAX {
                return Err(Wrong("a tree of it goes round in a circle"));
            }
            nodes.extend(self.node(node, width)?);
        }
        self.pieces.sort_by_key(|piece| piece.start);
        Ok(true)
    }

    /// One node of such a tree; gives the nodes below it.
    fn node(&mut self, address: u64, width: u64) -> Result<Vec<u64>, Wrong> {
        let file = self.file;
        let each = u64::try_from(file.address_bytes).unwrap_or(8).saturating_add(24);
        let before = u64::try_from(file.address_bytes)
            .unwrap_or(8)
            .saturating_mul(2)
            .saturating_add(8);
        let start = file.block(address, before)?;
        let mut fields = file.fields(&start);
        fields.signed(b"TREE")?;
        let (kind, level, used) = (fields.byte()?, fields.byte()?, fields.number(2)?);
        if kind != 1 {
            return Err(Wrong("a block of it is not of the kind that it should be"));
        }
        let block = file.block(address.saturating_add(before), used.saturating_mul(each))?;
        let mut fields = file.fields(&block);
        let mut below = Vec::new();
        for _ in 0..used {
            let (bytes, without, start) = (fields.number(4)?, fields.number(4)?, fields.number(8)?);
            // The place within an element.
            fields.take(8)?;
            let address = fields.address()?;
            if level > 0 {
                below.push(address);
            } else {
                let start = start.saturating_mul(width);
                self.pieces.push(Piece {
                    start,
                    address,
                    bytes,
                    without,
                });
            }
        }
        Ok(below)
    }

    /// Data of a single chunk, as the latest format keeps it.
    fn one_chunk(&mut self, fields: &mut Fields<'_>, width: u64) -> Result<bool, Wrong> {
        let (flags, rank, encoded) = (fields.byte()?, fields.byte()?, fields.count(1)?);
        if rank != 2 {
            return Ok(false);
        }
        self.piece_bytes = fields.number(encoded)?.saturating_mul(width);
        fields.take(encoded)?;
        if fields.byte()? != 1 || self.piece_bytes > CHUNK_BYTES_MAX {
            return Ok(false);
        }
        let (bytes, without) = match flags & 2 {
            0 => (self.piece_bytes, 0),
            _ => (fields.length()?, fields.number(4)?),
        };
        if let Some(address) = fields.address_or_none()? {
            self.pieces.push(Piece {
                start: 0,
                address,
                bytes,
                without,
            });
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::together;

    #[test]
    fn shuffled_bytes_come_together() {
        assert_eq!(together(b"adgbehcfi", 3), b"abcdefghi");
        assert_eq!(together(b"adbecfx", 3), b"abcdefx");
        assert_eq!(together(b"abc", 1), b"abc");
        assert_eq!(together(b"abc", 5), b"abc");
        assert_eq!(together(b"", 0), b"");
    }
}
