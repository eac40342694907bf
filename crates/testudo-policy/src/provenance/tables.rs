//! Tables in text: a line of headings and rows of as many fields, as spreadsheets and Markdown have them.

use super::leaves::Builder;

const COLUMNS_MAX: usize = 64;
const HEADING_BYTES_MAX: usize = 40;

/// Reads a text that is one table and nothing else; `None` when any line does not fit.
///
/// A field with a line break makes it plain text, and so does a field that hides a row of another width. What a tool
/// does not quote it cannot tell apart, and neither can this.
pub(super) fn read(text: &str, mut builder: Builder) -> Option<Builder> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let signs = [',', ';', '\t', '|'];
    let sign = signs.into_iter().max_by_key(|sign| first.matches(*sign).count())?;
    let headings = fields(first, sign)?;
    if !are_headings(&headings) {
        return None;
    }
    builder.open_list();
    let mut rows: usize = 0;
    for (number, line) in lines.enumerate() {
        if number == 0 && sign == '|' && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
            continue;
        }
        let row = fields(line, sign)?;
        if row.len() != headings.len() {
            return None;
        }
        builder.enter_element();
        builder.open_mapping();
        for (heading, field) in headings.iter().zip(&row) {
            builder.enter_key(heading)?;
            if !field.is_empty() {
                builder.scalar(field)?;
            }
            builder.leave();
        }
        builder.close();
        builder.leave();
        rows = rows.saturating_add(1);
    }
    builder.close();
    (rows > 0).then_some(builder)
}

/// Names of columns, and no sentence with commas in it.
fn are_headings(headings: &[String]) -> bool {
    let name = |heading: &String| {
        heading.len() <= HEADING_BYTES_MAX
            && heading.starts_with(char::is_alphabetic)
            && heading
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.'))
    };
    let words = headings.iter().all(|heading| !heading.contains(' '));
    let mut names = headings.to_vec();
    names.sort_unstable();
    names.dedup();
    let wide = headings.len() >= if words { 2 } else { 3 };
    wide && headings.len() <= COLUMNS_MAX && names.len() == headings.len() && headings.iter().all(name)
}

/// The fields of a line; `None` when a quotation mark does not close.
fn fields(line: &str, sign: char) -> Option<Vec<String>> {
    let line = match (sign, line.strip_prefix('|').and_then(|line| line.strip_suffix('|'))) {
        ('|', Some(inner)) => inner,
        _ => line,
    };
    let mut all = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted || field.trim().is_empty() => quoted = !quoted,
            _ if c == sign && !quoted => {
                all.push(field.trim().to_owned());
                field.clear();
                if all.len() > COLUMNS_MAX {
                    return None;
                }
            }
            _ => field.push(c),
        }
    }
    all.push(field.trim().to_owned());
    (!quoted).then_some(all)
}
