//! Word boundaries and anchors, decided from the characters on both sides.

use regex_syntax::hir::Look;

/// A set of look-around assertions, one bit each as in [`Look::as_repr`].
pub(crate) type LookBits = u32;

/// The assertions among `wanted` that hold between `prev` and `next`; `None` is the edge of the text.
pub(crate) fn holding(wanted: LookBits, prev: Option<char>, next: Option<char>) -> LookBits {
    let mut held = 0;
    let mut rest = wanted;
    while rest != 0 {
        let bit = rest & rest.wrapping_neg();
        rest ^= bit;
        if Look::from_repr_bits(bit).is_some_and(|look| holds(look, prev, next)) {
            held |= bit;
        }
    }
    held
}

trait FromBits: Sized {
    fn from_repr_bits(bits: LookBits) -> Option<Self>;
}

impl FromBits for Look {
    fn from_repr_bits(bits: LookBits) -> Option<Self> {
        ALL.iter().copied().find(|look| look.as_repr() == bits)
    }
}

const ALL: [Look; 18] = [
    Look::WordUnicode,
    Look::WordAscii,
    Look::Start,
    Look::End,
    Look::StartLF,
    Look::EndLF,
    Look::StartCRLF,
    Look::EndCRLF,
    Look::WordAsciiNegate,
    Look::WordUnicodeNegate,
    Look::WordStartAscii,
    Look::WordEndAscii,
    Look::WordStartUnicode,
    Look::WordEndUnicode,
    Look::WordStartHalfAscii,
    Look::WordEndHalfAscii,
    Look::WordStartHalfUnicode,
    Look::WordEndHalfUnicode,
];

fn holds(look: Look, prev: Option<char>, next: Option<char>) -> bool {
    let ascii = (is_ascii_word(prev), is_ascii_word(next));
    let unicode = || (is_word(prev), is_word(next));
    match look {
        Look::Start => prev.is_none(),
        Look::End => next.is_none(),
        Look::StartLF => matches!(prev, None | Some('\n')),
        Look::EndLF => matches!(next, None | Some('\n')),
        Look::StartCRLF => match prev {
            None | Some('\n') => true,
            Some('\r') => next != Some('\n'),
            Some(_) => false,
        },
        Look::EndCRLF => match next {
            None | Some('\r') => true,
            Some('\n') => prev != Some('\r'),
            Some(_) => false,
        },
        Look::WordAscii => ascii.0 != ascii.1,
        Look::WordAsciiNegate => ascii.0 == ascii.1,
        Look::WordStartAscii => !ascii.0 && ascii.1,
        Look::WordEndAscii => ascii.0 && !ascii.1,
        Look::WordStartHalfAscii => !ascii.0,
        Look::WordEndHalfAscii => !ascii.1,
        Look::WordUnicode => {
            let (before, after) = unicode();
            before != after
        }
        Look::WordUnicodeNegate => {
            let (before, after) = unicode();
            before == after
        }
        Look::WordStartUnicode => {
            let (before, after) = unicode();
            !before && after
        }
        Look::WordEndUnicode => {
            let (before, after) = unicode();
            before && !after
        }
        Look::WordStartHalfUnicode => !is_word(prev),
        Look::WordEndHalfUnicode => !is_word(next),
    }
}

fn is_ascii_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_word(c: Option<char>) -> bool {
    match c {
        None => false,
        Some(c) if c.is_ascii() => c.is_ascii_alphanumeric() || c == '_',
        Some(c) => regex_syntax::is_word_character(c),
    }
}
