//! Texts from bytes that anyone may have written.

use std::io::{self, BufRead};

use super::Gap;
use crate::lines::count;

/// Reads to the end, keeps nothing, and counts.
pub(super) fn skip(mut reader: impl BufRead) -> io::Result<u64> {
    let mut all: u64 = 0;
    loop {
        let len = reader.fill_buf()?.len();
        if len == 0 {
            return Ok(all);
        }
        reader.consume(len);
        all = all.saturating_add(count(len));
    }
}

/// What a file's beginning says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Utf16(ByteOrder),
    Binary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// Tells text from bytes.
pub(super) fn form(beginning: &[u8]) -> Form {
    match beginning {
        // The mark of UTF-32.
        [0xff, 0xfe, 0, 0, ..] => Form::Binary,
        [0xff, 0xfe, _, ..] => Form::Utf16(ByteOrder::Little),
        [0xfe, 0xff, _, ..] => Form::Utf16(ByteOrder::Big),
        _ if is_binary(beginning) => Form::Binary,
        _ => Form::Text,
    }
}

/// Text behind a byte order mark; what is no character becomes U+FFFD and is said.
pub(super) fn from_utf16(bytes: &[u8], order: ByteOrder) -> (String, Vec<Gap>) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| match order {
        ByteOrder::Little => u16::from_le_bytes(*pair),
        ByteOrder::Big => u16::from_be_bytes(*pair),
    });
    let mut text = String::with_capacity(bytes.len());
    let mut wrong = rest.len();
    for read in char::decode_utf16(units.skip(1)) {
        wrong = wrong.saturating_add(usize::from(read.is_err()));
        text.push(read.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let gap = (wrong > 0).then(|| {
        let what = format!("{wrong} parts are not UTF-16, as its beginning says it is; the rest was scanned");
        Gap::whole("input.not-utf8", what, 0..text.len())
    });
    (text, gap.into_iter().collect())
}

/// Whether a file that begins so is no text: it holds a zero byte, or mostly bytes that no UTF-8 has there.
fn is_binary(beginning: &[u8]) -> bool {
    if beginning.contains(&0) {
        return true;
    }
    let invalid: usize = beginning.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    invalid.saturating_mul(3) > beginning.len()
}

/// Bytes as text; each byte that is not UTF-8 becomes the one-byte `substitute`, so that places stay true.
///
/// `cut`: the bytes may end inside a character.
pub(super) fn text(bytes: Vec<u8>, substitute: char, cut: bool) -> (String, Vec<Gap>) {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return (text, Vec::new()),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    let mut invalid: usize = 0;
    let mut range: Option<(usize, usize)> = None;
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let start = text.len();
        let wrong = chunk.invalid();
        text.extend(std::iter::repeat_n(substitute, wrong.len()));
        let at_the_cut = cut && chunks.peek().is_none();
        if !wrong.is_empty() && !at_the_cut {
            invalid = invalid.saturating_add(wrong.len());
            range = Some((range.map_or(start, |(from, _)| from), text.len()));
        }
    }
    let gap = range.map(|(from, to)| {
        let noun = if invalid == 1 { "byte is" } else { "bytes are" };
        let what = format!("{invalid} {noun} not UTF-8, the first at {from}; the rest was scanned");
        Gap::whole("input.not-utf8", what, from..to)
    });
    (text, gap.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn text_is_told_from_bytes() {
        for text in [
            &b""[..],
            b"plain\n",
            "gr\u{f6}\u{df}er \u{1f600}".as_bytes(),
            b"latin caf\xe9",
            b"\x1b[2J",
        ] {
            assert!(!is_binary(text), "{text:?}");
        }
        for bytes in [
            &b"\x00"[..],
            b"\x7fELF\x02\x01\x01\x00",
            b"\xff\xfea\x00b\x00",
            b"\x89PNG\r\n\x1a\n\x00",
            b"\xff\xfe\xfd",
        ] {
            assert!(is_binary(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn text_in_utf16_is_read() {
        assert_eq!(form(b"\xff\xfea\0"), Form::Utf16(ByteOrder::Little));
        assert_eq!(form(b"\xfe\xff\0a"), Form::Utf16(ByteOrder::Big));
        assert_eq!(form(b"\xff\xfe\0\0a\0\0\0"), Form::Binary);
        assert_eq!(form(b"\xff\xfe"), Form::Binary);
        let (text, gaps) = from_utf16(b"\xff\xfea\0\xf6\0\x3d\xd8\x00\xde", ByteOrder::Little);
        assert_eq!((text.as_str(), gaps.len()), ("a\u{f6}\u{1f600}", 0));
        assert_eq!(from_utf16(b"\xfe\xff\0a", ByteOrder::Big).0, "a");
        let (text, gaps) = from_utf16(b"\xff\xfea\0\x3d\xd8b\0c", ByteOrder::Little);
        assert_eq!(text, "a\u{fffd}b");
        assert!(gaps[0].what.starts_with("2 parts are not UTF-16"), "{gaps:?}");
    }

    #[test]
    fn what_is_not_utf8_is_said() {
        let (text, gaps) = text(b"a\xffb\xe2\x82c".to_vec(), '?', false);
        assert_eq!(text, "a?b??c");
        assert_eq!((gaps[0].rule, gaps[0].range.clone()), ("input.not-utf8", 1..5));
        assert!(gaps[0].what.starts_with("3 bytes are not UTF-8, the first at 1"));
        assert_eq!(super::text(b"a\xe2\x82".to_vec(), '?', true).1, Vec::new());
        assert_eq!(super::text(b"a\xe2\x82".to_vec(), '?', false).1.len(), 1);
    }

    proptest! {
        #[test]
        fn substitutes_move_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let (text, gaps) = text(bytes.clone(), '?', false);
            prop_assert_eq!(text.len(), bytes.len());
            prop_assert_eq!(gaps.is_empty(), str::from_utf8(&bytes).is_ok());
            for (found, given) in text.bytes().zip(&bytes) {
                prop_assert!(found == *given || found == b'?');
            }
        }
    }
}
