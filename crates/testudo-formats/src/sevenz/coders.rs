//! How the streams of a folder of a 7z archive are unpacked.

use std::io::{self, BufReader, Read};

use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::filter::delta::DeltaReader;

use super::directory::Layout;
use crate::source::{Cursor, Source, Window};
use crate::unpack::{Packing, WINDOW_KIB_MAX, lzma};

/// One step of unpacking.
#[derive(Debug, Clone)]
pub(super) struct Coder {
    pub(super) method: u64,
    /// The number of its first stream among those of the folder.
    pub(super) first_input: u64,
    pub(super) inputs: u64,
    pub(super) properties: Vec<u8>,
}

/// What a coder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Copy,
    Lzma,
    Lzma2,
    Ppmd,
    Delta,
    Jumps(Machine),
    Bcj2,
    Packed(Packing),
    Encrypted,
    Other,
}

/// Whose jumps a filter turned into absolute ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    X86,
    Ppc,
    Ia64,
    Arm,
    ArmThumb,
    Arm64,
    Sparc,
    RiscV,
}

fn method(id: u64) -> Method {
    match id {
        0 => Method::Copy,
        0x03_01_01 => Method::Lzma,
        0x21 => Method::Lzma2,
        0x03 => Method::Delta,
        0x04 | 0x03_03_01_03 => Method::Jumps(Machine::X86),
        0x05 | 0x03_03_02_05 => Method::Jumps(Machine::Ppc),
        0x06 | 0x03_03_04_01 => Method::Jumps(Machine::Ia64),
        0x07 | 0x03_03_05_01 => Method::Jumps(Machine::Arm),
        0x08 | 0x03_03_07_01 => Method::Jumps(Machine::ArmThumb),
        0x09 | 0x03_03_08_05 => Method::Jumps(Machine::Sparc),
        0x0a => Method::Jumps(Machine::Arm64),
        0x0b => Method::Jumps(Machine::RiscV),
        0x03_03_01_1b => Method::Bcj2,
        0x03_04_01 => Method::Ppmd,
        0x04_01_08 => Method::Packed(Packing::Deflate),
        0x04_01_09 => Method::Packed(Packing::Deflate64),
        0x04_02_02 => Method::Packed(Packing::Bzip2),
        0x04_f7_11_01 => Method::Packed(Packing::Zstd),
        0x04_f7_11_04 => Method::Packed(Packing::Lz4),
        0x06_f1_07_01 | 0x06_f1_07_00 | 0x06_f1_03_03 | 0x06_f1_01_01 => Method::Encrypted,
        _ => Method::Other,
    }
}

/// Coders and the packed streams that go into them.
pub(crate) struct Folder<'s> {
    layout: &'s Layout,
    packed: Vec<Window<'s>>,
}

impl Layout {
    /// The coder whose stream goes into no other, which is the folder's.
    fn last(&self) -> Option<usize> {
        (0..self.coders.len()).find(|index| self.pairs.iter().all(|(_, from)| usize::try_from(*from) != Ok(*index)))
    }

    /// How many bytes the folder unpacks to, by its own word.
    pub(super) fn bytes(&self) -> u64 {
        self.last()
            .and_then(|index| self.sizes.get(index))
            .copied()
            .unwrap_or(0)
    }
}

impl<'s> Folder<'s> {
    pub(super) fn new(layout: &'s Layout, packed: Vec<Window<'s>>) -> Self {
        Self { layout, packed }
    }

    pub(crate) fn packed_bytes(&self) -> u64 {
        self.packed.iter().map(Source::size).fold(0, u64::saturating_add)
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.layout
            .coders
            .iter()
            .any(|coder| method(coder.method) == Method::Encrypted)
    }

    /// Why it is not unpacked.
    pub(super) fn unreadable(&self) -> Option<String> {
        if self.is_encrypted() {
            return Some("it is encrypted and was not read".to_owned());
        }
        let other = self
            .layout
            .coders
            .iter()
            .find(|coder| method(coder.method) == Method::Other)?;
        let named = match other.method {
            0x04_f7_11_02 => " (Brotli)",
            0x04_f7_11_05 => " (LZ5)",
            0x04_f7_11_06 => " (Lizard)",
            _ => "",
        };
        let method = other.method;
        Some(format!("it is packed by method {method:#x}{named}, which is not read"))
    }

    pub(crate) fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        let last = self
            .layout
            .last()
            .ok_or_else(|| wrong("its coders go round in a circle"))?;
        let mut plan = Plan {
            folder: self,
            used: vec![false; self.layout.coders.len()],
            dictionary_kib_left: WINDOW_KIB_MAX,
        };
        plan.output(last)
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Readers put together, each of them once.
struct Plan<'f, 's> {
    folder: &'f Folder<'s>,
    used: Vec<bool>,
    dictionary_kib_left: u32,
}

impl<'f> Plan<'f, '_> {
    /// What comes out of a coder.
    fn output(&mut self, index: usize) -> io::Result<Box<dyn Read + 'f>> {
        match self.used.get_mut(index) {
            Some(used) if !*used => *used = true,
            _ => return Err(wrong("a coder is used twice, or is none")),
        }
        let folder = self.folder;
        let (Some(coder), Some(bytes)) = (folder.layout.coders.get(index), folder.layout.sizes.get(index)) else {
            return Err(wrong("a coder does not say how much comes out of it"));
        };
        let method = method(coder.method);
        let expected = if method == Method::Bcj2 { 4 } else { 1 };
        if coder.inputs != expected {
            return Err(wrong("a coder has another number of streams than its method takes"));
        }
        let mut inputs = Vec::new();
        for input in 0..coder.inputs {
            inputs.push(self.input(coder.first_input.saturating_add(input))?);
        }
        if method == Method::Bcj2 {
            return Ok(Box::new(Bcj2Reader::try_new(inputs, *bytes)?.take(*bytes)));
        }
        let Some(input) = inputs.pop() else {
            return Err(wrong("a coder has no stream"));
        };
        Ok(Box::new(self.coded(coder, method, input, *bytes)?.take(*bytes)))
    }

    /// A stream that goes into a coder: from another coder, or from the archive.
    fn input(&mut self, number: u64) -> io::Result<Box<dyn Read + 'f>> {
        let folder = self.folder;
        let layout = folder.layout;
        if let Some((_, from)) = layout.pairs.iter().find(|(into, _)| *into == number) {
            let from = usize::try_from(*from).map_err(|_| wrong("a coder is used that is none"))?;
            return self.output(from);
        }
        let packed = layout.inputs.iter().position(|input| *input == number);
        let window = packed
            .and_then(|packed| folder.packed.get(packed))
            .ok_or_else(|| wrong("a stream comes from nowhere"))?;
        Ok(Box::new(Cursor::new(window, 0)))
    }

    /// A dictionary, no longer than what comes out, if there is memory for it.
    fn dictionary(&mut self, bytes: u32, out_bytes: u64) -> io::Result<u32> {
        let needed = bytes.min(u32::try_from(out_bytes).unwrap_or(u32::MAX)).max(4096);
        match self.dictionary_kib_left.checked_sub(needed.div_ceil(1024)) {
            Some(left) => {
                self.dictionary_kib_left = left;
                Ok(needed)
            }
            None => Err(wrong("its dictionaries are over the limit")),
        }
    }

    fn coded(
        &mut self,
        coder: &Coder,
        method: Method,
        input: Box<dyn Read + 'f>,
        bytes: u64,
    ) -> io::Result<Box<dyn Read + 'f>> {
        let properties = coder.properties.as_slice();
        Ok(match (method, properties) {
            (Method::Copy, _) => input,
            (Method::Lzma, [first, a, b, c, d]) => {
                let dictionary = self.dictionary(u32::from_le_bytes([*a, *b, *c, *d]), bytes)?;
                let buffered = BufReader::new(input);
                Box::new(lzma(lzma_rust2::LzmaReader::new_with_props(
                    buffered, bytes, *first, dictionary, None,
                ))?)
            }
            (Method::Lzma2, [size]) => {
                let dictionary = self.dictionary(lzma2_dictionary(*size)?, bytes)?;
                Box::new(lzma_rust2::Lzma2Reader::new(BufReader::new(input), dictionary, None))
            }
            // Some writers add two bytes, which nobody reads.
            (Method::Ppmd, [order, a, b, c, d, ..]) => {
                let model_bytes = u32::from_le_bytes([*a, *b, *c, *d]);
                // The model is as long as it says, whatever comes out.
                self.dictionary(model_bytes, u64::MAX)?;
                let decoder = ppmd_rust::Ppmd7Decoder::new(input, u32::from(*order), model_bytes);
                Box::new(decoder.map_err(|error| io::Error::other(error.to_string()))?)
            }
            (Method::Delta, _) => {
                let distance = properties.first().copied().unwrap_or(0);
                Box::new(DeltaReader::new(input, usize::from(distance).saturating_add(1)))
            }
            (Method::Jumps(machine), _) => Box::new(jumps(machine, input, start(properties)?)),
            (Method::Packed(packing), _) => packing.reader(input)?,
            _ => return Err(wrong("a coder's properties are none of its method")),
        })
    }
}

/// Where in the program the first byte stands.
fn start(properties: &[u8]) -> io::Result<usize> {
    match properties {
        [] => Ok(0),
        [a, b, c, d] => usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).map_err(io::Error::other),
        _ => Err(wrong("a filter's properties are none of its method")),
    }
}

fn jumps<R: Read>(machine: Machine, input: R, start: usize) -> BcjReader<R> {
    match machine {
        Machine::X86 => BcjReader::new_x86(input, start),
        Machine::Ppc => BcjReader::new_ppc(input, start),
        Machine::Ia64 => BcjReader::new_ia64(input, start),
        Machine::Arm => BcjReader::new_arm(input, start),
        Machine::ArmThumb => BcjReader::new_arm_thumb(input, start),
        Machine::Arm64 => BcjReader::new_arm64(input, start),
        Machine::Sparc => BcjReader::new_sparc(input, start),
        Machine::RiscV => BcjReader::new_riscv(input, start),
    }
}

/// A dictionary's size as LZMA2 spells it: two or three, times a power of two.
fn lzma2_dictionary(size: u8) -> io::Result<u32> {
    match size {
        40 => Ok(u32::MAX),
        0..40 => {
            let mantissa = 2 | u32::from(size & 1);
            let shift = u32::from(size / 2).saturating_add(11);
            Ok(mantissa.checked_shl(shift).unwrap_or(u32::MAX))
        }
        _ => Err(wrong("a dictionary has an impossible size")),
    }
}
