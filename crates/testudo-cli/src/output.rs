//! Tables and texts for people.

use std::io::{self, Write};

use testudo_types::UnixMillis;

/// Prints rows in columns, the last one unpadded.
pub(crate) fn table<const N: usize>(out: &mut impl Write, indent: &str, rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = [0usize; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut line = String::from(indent);
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            let missing = width.saturating_sub(cell.chars().count()).saturating_add(2);
            line.extend(std::iter::repeat_n(' ', missing));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `1 key`, `2 keys`.
pub(crate) fn counted(count: usize, singular: &str) -> String {
    if count == 1 {
        format!("1 {singular}")
    } else {
        format!("{count} {singular}s")
    }
}

/// An amount of millionths as dollars.
pub(crate) fn dollars(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} USD")
}

/// A moment to the second, as RFC 3339.
pub(crate) fn day_and_time(at: UnixMillis) -> String {
    let timestamp = i64::try_from(at.0 / 1000)
        .ok()
        .and_then(|second| jiff::Timestamp::from_second(second).ok());
    timestamp.map_or("beyond the calendar".to_owned(), |timestamp| timestamp.to_string())
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    let tenths = |tenth: u64, unit: &str| {
        let count = bytes.checked_div(tenth).unwrap_or(0);
        format!("{}.{} {unit}", count / 10, count % 10)
    };
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => tenths(100, "kB"),
        1_000_000..1_000_000_000 => tenths(100_000, "MB"),
        _ => tenths(100_000_000, "GB"),
    }
}

/// Adds a text for a terminal: control characters, invisible ones and those that reorder text are spelled out.
pub(crate) fn push_printable(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            '\n' | '\r' | '\t' => out.push(' '),
            _ => out.extend(c.escape_debug()),
        }
    }
}

/// A text as a terminal may show it.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::new();
    push_printable(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        let rows = [["a".into(), "longer".into()], ["größer".into(), "b".into()]];
        table(&mut out, " ", &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), " a       longer\n größer  b\n");
        assert_eq!(dollars(1_500_000), "1.5 USD");
        assert_eq!(dollars(10_000_000), "10 USD");
    }

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}\u{200b}\u{e0041}é\"\n"),
            "a\\u{1b}[31m\\u{202e}\\u{200b}\\u{e0041}é\" "
        );
    }

    #[test]
    fn sizes_are_short() {
        let shown = [0, 999, 1_000, 1_949_999, 25_000_000_000].map(size);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.9 MB", "25.0 GB"]);
    }
}
