//! How the values of a tensor are written, and what they are as numbers.

/// One number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    /// Four bits of exponent, three of mantissa; no infinities (`E4M3FN`).
    F8E4m3,
    /// Five and two; infinities as in IEEE 754.
    F8E5m2,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    /// A byte that is 0 or not.
    Bool,
}

/// How a tensor's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub(crate) element: Element,
    /// A complex number is two in a row.
    pub(crate) numbers: u8,
    pub(crate) is_big_endian: bool,
}

/// Where the mantissa's lowest bits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mantissa {
    pub(crate) bits: u32,
    /// How many of the lowest are looked at.
    pub(crate) low: u32,
}

impl Kind {
    pub(crate) fn plain(element: Element) -> Self {
        Self {
            element,
            numbers: 1,
            is_big_endian: false,
        }
    }

    pub(crate) fn complex(element: Element) -> Self {
        Self {
            numbers: 2,
            ..Self::plain(element)
        }
    }

    /// Bytes of one value.
    #[must_use]
    pub fn bytes(self) -> u64 {
        let one: u64 = match self.element {
            Element::F64 | Element::I64 | Element::U64 => 8,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F16 | Element::Bf16 | Element::I16 | Element::U16 => 2,
            Element::F8E4m3 | Element::F8E5m2 | Element::I8 | Element::U8 | Element::Bool => 1,
        };
        one.saturating_mul(u64::from(self.numbers))
    }

    /// Numbers of one value.
    pub(crate) fn numbers_each(self) -> u64 {
        u64::from(self.numbers)
    }

    /// The bits of the exponent, of kinds that have a mantissa.
    pub(crate) fn exponent_mask(self) -> u64 {
        match self.element {
            Element::F64 => 0x7ff0_0000_0000_0000,
            Element::F32 => 0x7f80_0000,
            Element::F16 => 0x7c00,
            Element::Bf16 => 0x7f80,
            _ => u64::MAX,
        }
    }

    /// The mantissa, if it has one that is long enough to hide something in.
    pub(crate) fn mantissa(self) -> Option<Mantissa> {
        let (bits, low) = match self.element {
            Element::F64 => (52, 8),
            Element::F32 => (23, 8),
            Element::F16 => (10, 4),
            Element::Bf16 => (7, 2),
            _ => return None,
        };
        Some(Mantissa { bits, low })
    }

    /// The patterns of bits that lie in `bytes`, widened; a rest that is no whole number is left out.
    pub(crate) fn patterns(self, bytes: &[u8], into: &mut Vec<u64>) {
        into.clear();
        match (self.element, self.is_big_endian) {
            (Element::F64 | Element::I64 | Element::U64, false) => {
                into.extend(words(bytes).map(u64::from_le_bytes));
            }
            (Element::F64 | Element::I64 | Element::U64, true) => {
                into.extend(words(bytes).map(u64::from_be_bytes));
            }
            (Element::F32 | Element::I32 | Element::U32, false) => {
                into.extend(words(bytes).map(|word| u64::from(u32::from_le_bytes(word))));
            }
            (Element::F32 | Element::I32 | Element::U32, true) => {
                into.extend(words(bytes).map(|word| u64::from(u32::from_be_bytes(word))));
            }
            (Element::F16 | Element::Bf16 | Element::I16 | Element::U16, false) => {
                into.extend(words(bytes).map(|word| u64::from(u16::from_le_bytes(word))));
            }
            (Element::F16 | Element::Bf16 | Element::I16 | Element::U16, true) => {
                into.extend(words(bytes).map(|word| u64::from(u16::from_be_bytes(word))));
            }
            _ => into.extend(bytes.iter().map(|byte| u64::from(*byte))),
        }
    }

    /// Patterns as numbers. Integers beyond 2^53 lose their last digits.
    pub(crate) fn numbers(self, patterns: &[u64], into: &mut Vec<f64>) {
        into.clear();
        let all = patterns.iter().copied();
        match self.element {
            Element::F64 => into.extend(all.map(f64::from_bits)),
            Element::F32 => into.extend(all.map(|bits| f64::from(f32::from_bits(low_32(bits))))),
            Element::F16 => into.extend(all.map(|bits| small(bits, 5, 10, Top::Ieee))),
            Element::Bf16 => into.extend(all.map(|bits| f64::from(f32::from_bits(low_32(bits << 16))))),
            Element::F8E4m3 => into.extend(all.map(|bits| small(bits, 4, 3, Top::OneNan))),
            Element::F8E5m2 => into.extend(all.map(|bits| small(bits, 5, 2, Top::Ieee))),
            Element::I64 => into.extend(all.map(|bits| signed(bits, 64))),
            Element::I32 => into.extend(all.map(|bits| signed(bits, 32))),
            Element::I16 => into.extend(all.map(|bits| signed(bits, 16))),
            Element::I8 => into.extend(all.map(|bits| signed(bits, 8))),
            Element::U64 | Element::U32 | Element::U16 | Element::U8 => into.extend(all.map(wide)),
            Element::Bool => into.extend(all.map(|bits| f64::from(u8::from(bits != 0)))),
        }
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).filter_map(|word| word.try_into().ok())
}

fn low_32(bits: u64) -> u32 {
    (bits & 0xffff_ffff) as u32
}

#[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 may lose its last digits")]
pub(crate) fn wide(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 may lose its last digits")]
fn signed(bits: u64, width: u32) -> f64 {
    let unused = 64_u32.saturating_sub(width);
    let moved = i64::from_le_bytes((bits << unused).to_le_bytes());
    (moved >> unused) as f64
}

/// What the highest exponent means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    /// Infinity, or no number.
    Ieee,
    /// Numbers as others, but for the one pattern of all ones.
    OneNan,
}

/// A float of at most 16 bits: sign, exponent, mantissa.
fn small(bits: u64, exponent_bits: u32, mantissa_bits: u32, top: Top) -> f64 {
    let mantissa = bits & !(u64::MAX << mantissa_bits);
    let exponent = (bits >> mantissa_bits) & !(u64::MAX << exponent_bits);
    let is_negative = (bits >> exponent_bits.saturating_add(mantissa_bits)) & 1 == 1;
    let highest = !(u64::MAX << exponent_bits);
    let ones = !(u64::MAX << mantissa_bits);
    let size = match (exponent == highest, top) {
        (true, Top::Ieee) if mantissa == 0 => f64::INFINITY,
        (true, Top::Ieee) => f64::NAN,
        (true, Top::OneNan) if mantissa == ones => f64::NAN,
        _ => {
            // Powers of two are exact, and so are their products with so few bits.
            let bias = i64::try_from(highest >> 1).unwrap_or(0);
            let below = i64::from(mantissa_bits);
            let lifted = i64::try_from(exponent.max(1)).unwrap_or(1);
            let whole = if exponent == 0 {
                mantissa
            } else {
                mantissa | (1 << mantissa_bits)
            };
            wide(whole) * power_of_two(lifted.saturating_sub(bias).saturating_sub(below))
        }
    };
    if is_negative { -size } else { size }
}

fn power_of_two(exponent: i64) -> f64 {
    let biased = u64::try_from(exponent.saturating_add(1023)).unwrap_or(0).min(2046);
    f64::from_bits(biased << 52)
}
