//! Numbers in running text, in a form in which writings of the same number compare equal.

use std::ops::Range;

/// Longer runs of figures are no numbers.
const NUMBER_BYTES_MAX: usize = 40;

/// The numbers of a text with their places, without grouping, leading zeros and trailing zeros of a fraction.
///
/// Figures behind a letter are part of a name. `1,234.50`, `1.234,5`, `1 234.5` and `1234.5` are all `1234.5`. A number of
/// one group and three more figures (`1.234`) reads as a whole number.
pub(crate) fn numbers(text: &str) -> impl Iterator<Item = (Range<usize>, String)> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..)?;
            let start = at.saturating_add(rest.iter().position(u8::is_ascii_digit)?);
            let end = end_of_number(bytes, start);
            at = end;
            let before = text.get(..start).and_then(|before| before.chars().next_back());
            if before.is_some_and(|c| c.is_alphabetic() || c == '_') {
                continue;
            }
            if end.saturating_sub(start) <= NUMBER_BYTES_MAX
                && let Some(plain) = text.get(start..end).and_then(plain)
            {
                return Some((start..end, plain));
            }
        }
    })
}

/// One past the last figure of the number that begins at `start`.
fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Some(byte) = bytes.get(end) {
        let figure_follows = bytes.get(end.saturating_add(1)).is_some_and(u8::is_ascii_digit);
        let joins = match byte {
            b'0'..=b'9' => true,
            b'.' | b',' | b'\'' => figure_follows,
            b' ' => figure_follows && is_group(bytes, start, end),
            _ => false,
        };
        if !joins {
            break;
        }
        end = end.saturating_add(1);
    }
    end
}

/// Whether a blank at `at` parts groups of three figures, as in `12 345`.
fn is_group(bytes: &[u8], start: usize, at: usize) -> bool {
    let figures = |range: Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
    };
    let next = at.saturating_add(1);
    let before = at.saturating_sub(start);
    let earlier = bytes
        .get(start..at)
        .and_then(|part| part.iter().rposition(|byte| *byte == b' '));
    let head = match earlier {
        Some(blank) => before.saturating_sub(blank.saturating_add(1)) == 3,
        None => (1..=3).contains(&before) && figures(start..at),
    };
    head && figures(next..next.saturating_add(3)) && !bytes.get(next.saturating_add(3)).is_some_and(u8::is_ascii_digit)
}

fn plain(written: &str) -> Option<String> {
    let marks: Vec<(usize, char)> = written.char_indices().filter(|(_, c)| ".,".contains(*c)).collect();
    let fraction = match marks.as_slice() {
        [] => None,
        [(at, mark)] => {
            let after = written.len().saturating_sub(at.saturating_add(1));
            // `1,234` and `1.234` are whole; `0.123` is not.
            let grouped = after == 3 && !written.starts_with('0') && *at <= 3;
            (!grouped || (*mark == '.' && *at > 3)).then_some(*at)
        }
        [.., (_, before), (at, last)] => (before != last).then_some(*at),
    };
    let (whole, rest) = match fraction {
        Some(at) => (written.get(..at)?, written.get(at.saturating_add(1)..)?),
        None => (written, ""),
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let whole = digits(whole);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let rest = digits(rest);
    let rest = rest.trim_end_matches('0');
    Some(if rest.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{rest}")
    })
}
