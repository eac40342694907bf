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
}
