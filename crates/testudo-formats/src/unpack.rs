//! Compressed streams, as sources of what they unpack to: held in memory if short, unpacked again where needed if long.

mod frames;

use std::cell::RefCell;
use std::io::{self, BufReader, Read};

use crate::scan::{Place, Scan};
use crate::sevenz::Folder;
use crate::source::{Cursor, Source};
use crate::verdict::Verdict;

/// Longest piece that a long stream keeps of what it unpacked last.
const PIECE_BYTES: usize = 1 << 20;
/// How often a long stream may be unpacked from its start again.
const RESTARTS_MAX: u32 = 8;
/// Memory for a dictionary of LZMA or a window of Zstandard.
pub(crate) const WINDOW_KIB_MAX: u32 = 128 << 10;

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Zlib,
    Deflate,
    Deflate64,
    Bzip2,
    Xz,
    Lzma,
    /// LZMA in a zip: properties and dictionary size come before the data, without its length.
    LzmaInZip,
    Zstd,
    Lz4,
}

impl Packing {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Deflate64 => "deflate64",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lzma | Self::LzmaInZip => "lzma",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    pub(crate) fn reader<'s>(self, packed: impl Read + 's) -> io::Result<Box<dyn Read + 's>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Self::Zlib => Box::new(flate2::read::ZlibDecoder::new(packed)),
            Self::Deflate => Box::new(flate2::read::DeflateDecoder::new(packed)),
            Self::Deflate64 => Box::new(deflate64::Deflate64Decoder::new(packed)),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
                BufReader::new(packed),
                true,
                WINDOW_KIB_MAX,
            )),
            Self::Lzma => Box::new(lzma(lzma_rust2::LzmaReader::new_mem_limit(
                packed,
                WINDOW_KIB_MAX,
                None,
            ))?),
            Self::LzmaInZip => Box::new(lzma_in_zip(packed)?),
            Self::Zstd => {
                let window_bytes = u64::from(WINDOW_KIB_MAX).saturating_mul(1024);
                Box::new(frames::Frames::new(packed, window_bytes))
            }
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(packed)),
        })
    }
}

/// What a stream unpacked comes from.
#[derive(Clone, Copy)]
enum Packed<'s> {
    Stream(&'s dyn Source, Packing),
    Folder(&'s Folder<'s>),
}

impl<'s> Packed<'s> {
    fn word(self) -> &'static str {
        match self {
            Self::Stream(_, packing) => packing.word(),
            Self::Folder(_) => "7z",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::Stream(source, _) => source.size(),
            Self::Folder(folder) => folder.packed_bytes(),
        }
    }

    fn reader(self) -> io::Result<Box<dyn Read + 's>> {
        match self {
            Self::Stream(source, packing) => packing.reader(Cursor::new(source, 0)),
            Self::Folder(folder) => folder.reader(),
        }
    }
}

pub(crate) fn lzma<R: Read>(
    reader: lzma_rust2::Result<lzma_rust2::LzmaReader<R>>,
) -> io::Result<lzma_rust2::LzmaReader<R>> {
    reader.map_err(|error| io::Error::other(error.to_string()))
}

fn lzma_in_zip<'s, R: Read + 's>(mut packed: R) -> io::Result<impl Read + 's> {
    let mut head = [0; 9];
    packed.read_exact(&mut head)?;
    let [_, _, low, high, properties, a, b, c, d] = head;
    let (bytes, dictionary) = (u16::from_le_bytes([low, high]), u32::from_le_bytes([a, b, c, d]));
    let more = u64::from(bytes.saturating_sub(5));
    io::copy(&mut packed.by_ref().take(more), &mut io::sink())?;
    if dictionary / 1024 > WINDOW_KIB_MAX {
        return Err(io::Error::other("its dictionary is over the limit"));
    }
    lzma(lzma_rust2::LzmaReader::new_with_props(
        packed,
        u64::MAX,
        properties,
        dictionary,
        None,
    ))
}

/// A stream, unpacked.
pub(crate) struct Unpacked<'s> {
    packed: Packed<'s>,
    bytes: u64,
    held: Option<Vec<u8>>,
    again: RefCell<Again<'s>>,
}

/// A long stream that is being unpacked once more.
struct Again<'s> {
    reader: Option<Box<dyn Read + 's>>,
    /// Where in the unpacked bytes `piece` begins.
    at: u64,
    piece: Vec<u8>,
    /// The piece before it: readers go back a little, from a search to what it found.
    before: Vec<u8>,
    restarts: u32,
    failed: Option<String>,
}

impl<'s> Unpacked<'s> {
    /// Unpacks a stream once, to learn its length. What breaks off is judged as far as it goes, and said.
    pub(crate) fn open(scan: &mut Scan<'_>, source: &'s dyn Source, packing: Packing, place: &Place) -> Self {
        Self::of(scan, Packed::Stream(source, packing), place)
    }

    /// The same for a folder of a 7z archive.
    pub(crate) fn folder(scan: &mut Scan<'_>, folder: &'s Folder<'s>, place: &Place) -> Self {
        Self::of(scan, Packed::Folder(folder), place)
    }

    fn of(scan: &mut Scan<'_>, packed: Packed<'s>, place: &Place) -> Self {
        let mut out = Self {
            packed,
            bytes: 0,
            held: Some(Vec::new()),
            again: RefCell::new(Again {
                reader: None,
                at: 0,
                piece: Vec::new(),
                before: Vec::new(),
                restarts: 0,
                failed: None,
            }),
        };
        if let Err(reason) = out.measure(scan) {
            let word = packed.word();
            let reason = format!("the {word} stream cannot be unpacked to its end: {reason}");
            scan.find(place, "archive.stream", Verdict::Unknown, reason, None);
        }
        out
    }

    /// Whether all of it is in memory.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Says so when a part of it could not be unpacked again: whoever asked may have taken it for the end.
    pub(crate) fn close(self, scan: &mut Scan<'_>, place: &Place) {
        if let Some(reason) = self.again.into_inner().failed {
            let reason = format!("it was not read to its end: {reason}");
            scan.find(place, "archive.stream", Verdict::Unknown, reason, None);
        }
    }

    fn measure(&mut self, scan: &mut Scan<'_>) -> Result<(), String> {
        let limits = scan.limits();
        let mut reader = self.packed.reader().map_err(|error| error.to_string())?;
        let mut piece = vec![0_u8; 64 << 10];
        loop {
            let count = reader.read(&mut piece).map_err(|error| error.to_string())?;
            if count == 0 {
                return Ok(());
            }
            let wide = u64::try_from(count).unwrap_or(u64::MAX);
            self.bytes = self.bytes.saturating_add(wide);
            if let Some(held) = &mut self.held {
                if held.len().saturating_add(count) > limits.held_bytes_max {
                    self.held = None;
                } else {
                    held.extend_from_slice(piece.get(..count).unwrap_or_default());
                }
            }
            if !scan.count_unpacked(wide) {
                return Err("more is unpacked than the limit".to_owned());
            }
            let fair = self
                .packed
                .bytes()
                .saturating_mul(limits.ratio_max)
                .max(limits.ratio_free_bytes);
            if self.bytes > fair {
                return Err(format!("it unpacks to more than {} times its size", limits.ratio_max));
            }
        }
    }
}

impl Source for Unpacked<'_> {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if let Some(held) = &self.held {
            return held.as_slice().read_at(offset, into);
        }
        if offset >= self.bytes {
            return Ok(0);
        }
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let mut again = self.again.borrow_mut();
        if let Err(error) = again.seek(self.packed, offset) {
            again.failed = Some(error.to_string());
            return Err(error);
        }
        let (from, piece) = match again.before_at() {
            before if offset < again.at => (before, &again.before),
            _ => (again.at, &again.piece),
        };
        let skip = usize::try_from(offset.saturating_sub(from)).unwrap_or(usize::MAX);
        let piece = piece.get(skip..).unwrap_or_default();
        let count = piece.len().min(wanted);
        if let (Some(to), Some(from)) = (into.get_mut(..count), piece.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl<'s> Again<'s> {
    fn before_at(&self) -> u64 {
        self.at
            .saturating_sub(u64::try_from(self.before.len()).unwrap_or(u64::MAX))
    }

    /// Makes `offset` lie in the piece at hand, or in the one before.
    fn seek(&mut self, packed: Packed<'s>, offset: u64) -> io::Result<()> {
        if self.reader.is_none() || offset < self.before_at() {
            if self.restarts >= RESTARTS_MAX {
                return Err(io::Error::other(
                    "a long packed stream would have to be unpacked too often",
                ));
            }
            self.restarts = self.restarts.saturating_add(1);
            self.reader = Some(packed.reader()?);
            self.at = 0;
            self.piece.clear();
            self.before.clear();
        }
        loop {
            let end = self
                .at
                .saturating_add(u64::try_from(self.piece.len()).unwrap_or(u64::MAX));
            if offset < end {
                return Ok(());
            }
            let Some(reader) = &mut self.reader else {
                return Ok(());
            };
            let mut piece = vec![0_u8; PIECE_BYTES];
            let mut filled = 0_usize;
            while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                let count = reader.read(rest)?;
                if count == 0 {
                    break;
                }
                filled = filled.saturating_add(count);
            }
            if filled == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            piece.truncate(filled);
            self.at = end;
            self.before = std::mem::replace(&mut self.piece, piece);
        }
    }
}
