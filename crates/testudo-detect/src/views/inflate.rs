//! Unpacks gzip, zlib and raw deflate data up to a bound (RFC 1950 to 1952).

/// What came out of packed data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Inflated {
    pub(super) bytes: Vec<u8>,
    /// There was more than the bound allows.
    pub(super) cut: bool,
}

/// Unpacks data that begins as gzip or zlib data do; `None` when it does not or is broken at once.
pub(super) fn unpack(data: &[u8], bytes_max: usize) -> Option<Inflated> {
    let body = match data {
        [0x1F, 0x8B, 8, flags, rest @ ..] => gzip_body(*flags, rest.get(6..)?)?,
        [0x78, second, rest @ ..] if (0x78_00_u32 | u32::from(*second)).checked_rem(31) == Some(0) => rest,
        _ => return None,
    };
    let mut inflater = Inflater {
        bits: Bits {
            data: body,
            at: 0,
            held: 0,
            count: 0,
        },
        out: Vec::new(),
        bytes_max,
    };
    let whole = inflater.run().is_some();
    let cut = inflater.out.len() >= bytes_max;
    // Data that ends early has been copied badly; what came out is still worth reading.
    (whole || !inflater.out.is_empty()).then_some(Inflated {
        bytes: inflater.out,
        cut,
    })
}

fn gzip_body(flags: u8, mut rest: &[u8]) -> Option<&[u8]> {
    if flags & 4 != 0 {
        let [low, high, after @ ..] = rest else {
            return None;
        };
        rest = after.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end.saturating_add(1)..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        while self.count < count {
            let byte = *self.data.get(self.at)?;
            self.at = self.at.saturating_add(1);
            self.held |= u32::from(byte) << self.count;
            self.count = self.count.saturating_add(8);
        }
        let bits = self.held & ((1_u32 << count).saturating_sub(1));
        self.held >>= count;
        self.count = self.count.saturating_sub(count);
        Some(bits)
    }

    fn skip_to_byte(&mut self) {
        self.held = 0;
        self.count = 0;
    }
}

/// A canonical Huffman code: how many codes of each length, and the symbols in order.
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0_u16; 16];
        for length in lengths {
            if let Some(count) = counts.get_mut(usize::from(*length)).filter(|_| *length > 0) {
                *count = count.saturating_add(1);
            }
        }
        let mut order: Vec<(u8, u16)> = lengths
            .iter()
            .copied()
            .zip(0_u16..)
            .filter(|(length, _)| *length > 0)
            .collect();
        order.sort_unstable();
        Self {
            counts,
            symbols: order.into_iter().map(|(_, symbol)| symbol).collect(),
        }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in self.counts.iter().skip(1) {
            let count = u32::from(*count);
            code |= bits.take(1)?;
            if let Some(inside) = code.checked_sub(first).filter(|inside| *inside < count) {
                return self.symbols.get(index.saturating_add(inside) as usize).copied();
            }
            index = index.saturating_add(count);
            first = first.saturating_add(count) << 1;
            code <<= 1;
        }
        None
    }
}

struct Inflater<'a> {
    bits: Bits<'a>,
    out: Vec<u8>,
    bytes_max: usize,
}

const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Inflater<'_> {
    /// `None` when the data is broken, ends early or is more than the bound.
    fn run(&mut self) -> Option<()> {
        loop {
            let last = self.bits.take(1)? == 1;
            match self.bits.take(2)? {
                0 => self.stored()?,
                1 => {
                    let mut lengths = [8_u8; 288];
                    lengths.get_mut(144..256)?.fill(9);
                    lengths.get_mut(256..280)?.fill(7);
                    self.block(&Code::new(&lengths), &Code::new(&[5; 30]))?;
                }
                2 => {
                    let (literals, distances) = self.codes()?;
                    self.block(&literals, &distances)?;
                }
                _ => return None,
            }
            if last {
                return Some(());
            }
        }
    }

    fn stored(&mut self) -> Option<()> {
        self.bits.skip_to_byte();
        let len = self.bits.take(16)? as usize;
        self.bits.take(16)?;
        let from = self.bits.at;
        let to = from.saturating_add(len);
        let bytes = self.bits.data.get(from..to.min(self.bits.data.len()))?;
        let room = self.bytes_max.saturating_sub(self.out.len());
        self.out.extend(bytes.iter().take(room));
        self.bits.at = to;
        (bytes.len() == len && len <= room).then_some(())
    }

    fn codes(&mut self) -> Option<(Code, Code)> {
        let literals = (self.bits.take(5)? as usize).saturating_add(257);
        let distances = (self.bits.take(5)? as usize).saturating_add(1);
        let count = (self.bits.take(4)? as usize).saturating_add(4);
        let mut lengths = [0_u8; 19];
        for place in LENGTH_ORDER.iter().take(count) {
            *lengths.get_mut(*place)? = u8::try_from(self.bits.take(3)?).ok()?;
        }
        let code = Code::new(&lengths);
        let total = literals.saturating_add(distances);
        let mut lengths: Vec<u8> = Vec::with_capacity(total);
        while lengths.len() < total {
            let (value, times) = match code.read(&mut self.bits)? {
                symbol @ 0..=15 => (u8::try_from(symbol).ok()?, 1),
                16 => (*lengths.last()?, self.bits.take(2)?.saturating_add(3)),
                17 => (0, self.bits.take(3)?.saturating_add(3)),
                _ => (0, self.bits.take(7)?.saturating_add(11)),
            };
            lengths.extend(std::iter::repeat_n(value, times as usize));
        }
        let (first, second) = lengths.split_at_checked(literals)?;
        Some((Code::new(first), Code::new(second.get(..distances)?)))
    }

    fn block(&mut self, literals: &Code, distances: &Code) -> Option<()> {
        loop {
            match literals.read(&mut self.bits)? {
                256 => return Some(()),
                literal @ 0..=255 => self.out.push(u8::try_from(literal).ok()?),
                symbol => {
                    let len = self.length(u32::from(symbol).checked_sub(257)?)?;
                    let distance = u32::from(distances.read(&mut self.bits)?);
                    let distance = self.distance(distance)?;
                    self.repeat(len, distance)?;
                }
            }
            if self.out.len() >= self.bytes_max {
                return None;
            }
        }
    }

    fn length(&mut self, symbol: u32) -> Option<usize> {
        let (base, extra) = match symbol {
            0..=7 => (symbol.saturating_add(3), 0),
            28 => (258, 0),
            8..=27 => {
                let extra = (symbol >> 2).saturating_sub(1);
                (((symbol & 3) | 4) << extra, extra)
            }
            _ => return None,
        };
        let base = if (8..=27).contains(&symbol) {
            base.saturating_add(3)
        } else {
            base
        };
        Some(base.saturating_add(self.bits.take(extra)?) as usize)
    }

    fn distance(&mut self, symbol: u32) -> Option<usize> {
        let (base, extra) = match symbol {
            0..=3 => (symbol.saturating_add(1), 0),
            4..=29 => {
                let extra = (symbol >> 1).saturating_sub(1);
                ((((symbol & 1) | 2) << extra).saturating_add(1), extra)
            }
            _ => return None,
        };
        Some(base.saturating_add(self.bits.take(extra)?) as usize)
    }

    fn repeat(&mut self, len: usize, distance: usize) -> Option<()> {
        let mut from = self.out.len().checked_sub(distance)?;
        for _ in 0..len {
            if self.out.len() >= self.bytes_max {
                return None;
            }
            let byte = *self.out.get(from)?;
            self.out.push(byte);
            from = from.saturating_add(1);
        }
        Some(())
    }
}
