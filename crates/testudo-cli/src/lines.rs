//! Lines of any length, read within a limit.

use std::io::{self, BufRead, Read as _};

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    End,
    /// With its line break, if it has one.
    Whole,
    /// It has so many bytes in all; the first of them were kept, up to the limit.
    TooLong(u64),
}

/// Reads up to and with the next line break; of a line longer than `bytes_max` only the beginning stays.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, bytes_max: usize) -> io::Result<Line> {
    line.clear();
    let read = reader.by_ref().take(count(bytes_max)).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Line::End);
    }
    if line.last() == Some(&b'\n') || read < bytes_max {
        return Ok(Line::Whole);
    }
    let mut all = count(read);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            // Exactly as long as it may be, and the last one without a line break.
            return Ok(if all == count(bytes_max) {
                Line::Whole
            } else {
                Line::TooLong(all)
            });
        }
        let (taken, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at.saturating_add(1), true),
            None => (buffer.len(), false),
        };
        reader.consume(taken);
        all = all.saturating_add(count(taken));
        if ended {
            return Ok(Line::TooLong(all));
        }
    }
}

pub(crate) fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn long_lines_are_counted_and_passed() {
        let mut reader: &[u8] = b"abcdef\nab\nabc\nabcd";
        let mut line = Vec::new();
        let mut next = || (read_line(&mut reader, &mut line, 4).unwrap(), line.clone());
        assert_eq!(next(), (Line::TooLong(7), b"abcd".to_vec()));
        assert_eq!(next(), (Line::Whole, b"ab\n".to_vec()));
        assert_eq!(next(), (Line::Whole, b"abc\n".to_vec()));
        assert_eq!(next(), (Line::Whole, b"abcd".to_vec()));
        assert_eq!(next(), (Line::End, Vec::new()));
        let mut reader: &[u8] = b"abcd\nabcde";
        let mut next = || read_line(&mut reader, &mut line, 4).unwrap();
        assert_eq!(
            [next(), next(), next()],
            [Line::TooLong(5), Line::TooLong(5), Line::End]
        );
    }

    proptest! {
        #[test]
        fn no_byte_of_any_line_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..200), max in 1usize..20) {
            let mut reader = &bytes[..];
            let mut all: u64 = 0;
            let mut line = Vec::new();
            loop {
                match read_line(&mut reader, &mut line, max).unwrap() {
                    Line::End => break,
                    Line::Whole => all = count(line.len()).saturating_add(all),
                    Line::TooLong(long) => {
                        prop_assert_eq!(line.len(), max);
                        all = long.saturating_add(all);
                    }
                }
            }
            prop_assert_eq!(all, count(bytes.len()));
        }
    }
}
