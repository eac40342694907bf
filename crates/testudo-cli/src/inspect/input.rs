//! Texts from files and from standard input: whole, or one a line as JSON; nothing is read without a limit.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use serde_json::Value;
use testudo_types::Origin;

use crate::config::document::shown;
use crate::config::suggest::did_you_mean;

/// The longest line, and the longest whole text.
const TEXT_BYTES_MAX: usize = 32 << 20;

/// One text to inspect.
#[derive(Debug, PartialEq)]
pub(super) struct Text {
    /// As given, so that numbers stay numbers; else the place of the text.
    pub(super) id: Value,
    pub(super) text: String,
    pub(super) origin: Option<Origin>,
}

/// Gives each text of a file, in order, or what is wrong with it.
///
/// # Errors
/// Only what `give` returns; unreadable input is given as a mistake.
pub(super) fn each_text<E>(file: &Path, mut give: impl FnMut(Result<Text, String>) -> Result<(), E>) -> Result<(), E> {
    let name = file.display().to_string();
    if name == "-" {
        return each_of(io::stdin().lock(), "-", false, &mut give);
    }
    match File::open(file) {
        Ok(opened) => {
            let lines = file.extension().is_some_and(|end| end == "jsonl" || end == "ndjson");
            each_of(BufReader::new(opened), &name, lines, &mut give)
        }
        Err(error) => give(Err(format!("{name}: cannot be opened ({error})"))),
    }
}

fn each_of<E>(
    mut reader: impl BufRead,
    name: &str,
    lines: bool,
    give: &mut impl FnMut(Result<Text, String>) -> Result<(), E>,
) -> Result<(), E> {
    let mut line = Vec::new();
    let first = read_line(&mut reader, &mut line);
    let is_lines = lines || matches!(first, Ok(Line::Whole)) && parse(&line, "", 1).is_ok();
    if !is_lines {
        return give(whole(first, line, reader, name));
    }
    let mut number: usize = 0;
    let mut next = first;
    loop {
        number = number.saturating_add(1);
        match next {
            Ok(Line::End) => return Ok(()),
            Ok(Line::Whole) if line.trim_ascii().is_empty() => {}
            Ok(Line::Whole) => give(parse(&line, name, number))?,
            Ok(Line::TooLong) => give(Err(format!(
                "{name}:{number}: the line is longer than {TEXT_BYTES_MAX} bytes; split the text"
            )))?,
            Err(error) => return give(Err(format!("{name}:{number}: cannot be read ({error})"))),
        }
        next = read_line(&mut reader, &mut line);
    }
}

/// The first line and all that follows, as one text.
fn whole(first: io::Result<Line>, mut bytes: Vec<u8>, reader: impl BufRead, name: &str) -> Result<Text, String> {
    let too_long = || format!("{name}: is longer than {TEXT_BYTES_MAX} bytes; split it");
    match first {
        Ok(Line::TooLong) => return Err(too_long()),
        Err(error) => return Err(format!("{name}: cannot be read ({error})")),
        Ok(Line::End | Line::Whole) => {}
    }
    let left = TEXT_BYTES_MAX.saturating_sub(bytes.len());
    let rest = testudo_bounded::read_to_end(reader, left).map_err(|error| match error {
        testudo_bounded::ReaderError::TooLarge { .. } => too_long(),
        other => format!("{name}: {other}"),
    })?;
    bytes.extend(rest);
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("{name}: is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))?;
    Ok(Text {
        id: Value::from(name),
        text,
        origin: None,
    })
}

fn parse(line: &[u8], name: &str, number: usize) -> Result<Text, String> {
    let wrong = |what: String| format!("{name}:{number}: {what}");
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let value: Value = serde_json::from_slice(line).map_err(|error| wrong(format!("is not JSON ({error})")))?;
    let Value::Object(mut object) = value else {
        return Err(wrong("is not an object; write {\"id\": …, \"text\": …}".to_owned()));
    };
    let Some(Value::String(text)) = object.remove("text") else {
        return Err(wrong("has no `text`, or one that is not a string".to_owned()));
    };
    let id = match object.remove("id") {
        Some(id @ (Value::String(_) | Value::Number(_))) => id,
        None | Some(Value::Null) => Value::from(format!("{name}:{number}")),
        Some(_) => {
            return Err(wrong("has an `id` that is neither a string nor a number".to_owned()));
        }
    };
    let origin = match object.remove("origin") {
        None | Some(Value::Null) => None,
        Some(Value::String(origin)) => Some(Origin::from_name(&origin).ok_or_else(|| {
            let remedy = did_you_mean(&origin, Origin::ALL.iter().map(Origin::as_str));
            wrong(format!("has the unknown origin `{}`; {remedy}", shown(&origin)))
        })?),
        Some(_) => return Err(wrong("has an `origin` that is not a string".to_owned())),
    };
    Ok(Text { id, text, origin })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    End,
    /// With its line break, if it has one.
    Whole,
    /// Skipped to its end.
    TooLong,
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let limit = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    let read = reader.by_ref().take(limit).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Line::End);
    }
    if line.last() == Some(&b'\n') || read < TEXT_BYTES_MAX {
        return Ok(Line::Whole);
    }
    line.clear();
    loop {
        let buffer = reader.fill_buf()?;
        let (taken, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at.saturating_add(1), true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(taken);
        if ended {
            return Ok(Line::TooLong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(input: &[u8], lines: bool) -> Vec<Result<Text, String>> {
        let mut all = Vec::new();
        let done: Result<(), ()> = each_of(input, "f", lines, &mut |text| {
            all.push(text);
            Ok(())
        });
        assert_eq!(done, Ok(()));
        all
    }

    #[test]
    fn a_first_line_that_is_an_object_with_a_text_makes_lines() {
        let all = given(
            b"{\"id\":7,\"text\":\"a\"}\n\n{\"text\":\"b\",\"origin\":\"tool\"}\nx\n{\"text\":1}",
            false,
        );
        assert_eq!(all.len(), 4);
        assert_eq!(all[0].as_ref().unwrap().id, Value::from(7));
        assert_eq!(all[1].as_ref().unwrap().id, Value::from("f:3"));
        assert_eq!(all[1].as_ref().unwrap().origin, Some(Origin::ToolResult { tool: None }));
        assert!(all[2].as_ref().unwrap_err().starts_with("f:4: is not JSON"));
        assert!(all[3].as_ref().unwrap_err().starts_with("f:5: has no `text`"));
    }

    #[test]
    fn anything_else_is_one_text() {
        for text in ["", "plain\ntext", "{\"a\":1}\n{", "{ not json", "\n\n"] {
            let all = given(text.as_bytes(), false);
            assert_eq!(all.len(), 1, "{text}");
            assert_eq!(all[0].as_ref().unwrap().text, text);
        }
        assert!(
            given(b"ab\xff", false)[0]
                .as_ref()
                .unwrap_err()
                .contains("not UTF-8 at byte 2")
        );
    }

    #[test]
    fn every_bad_line_is_named() {
        for (line, why) in [
            ("[]", "not an object"),
            ("{\"id\":[],\"text\":\"\"}", "`id`"),
            ("{\"text\":\"\",\"origin\":\"usr\"}", "did you mean `user`?"),
            ("{\"text\":\"\",\"origin\":1}", "`origin`"),
            ("{\"text\":\"\\ud800\"}", "not JSON"),
        ] {
            let all = given(line.as_bytes(), true);
            assert!(all[0].as_ref().unwrap_err().contains(why), "{all:?}");
        }
    }
}
