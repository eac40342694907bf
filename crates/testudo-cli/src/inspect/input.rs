//! Inputs from files, folders and standard input: whole texts, or one a line as JSON; nothing is read without a limit.

mod bytes;
mod line;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use testudo_bounded::json::StringLiteral;
use testudo_types::Origin;

use self::bytes::{ByteOrder, Form, skip};
pub(crate) use self::line::request_texts;
pub(super) use self::walk::Skip;
use self::walk::{Step, walk};
use crate::lines::{Line, count, read_line};

/// The longest line, and the longest whole text, in bytes. What is longer is read past and reported.
const INPUT_BYTES_MAX: usize = 32 << 20;

/// One input to inspect: a text, or a conversation with all its strings.
#[derive(Debug)]
pub(super) struct Input {
    /// As given, so that numbers stay numbers; else the place of the input.
    pub(super) id: Value,
    pub(super) place: Place,
    pub(super) parts: Vec<Part>,
    /// What of it cannot be scanned.
    pub(super) gaps: Vec<Gap>,
    /// The JSON that the parts were taken from; `None` when the only part is the file's text itself.
    pub(super) raw: Option<String>,
    /// The text was in UTF-16, so that its bytes are not those of the file.
    pub(super) converted: bool,
}

/// Where an input begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As named on the command line, or below a folder that was; `-` is standard input.
    pub(super) file: Arc<str>,
    /// Counted from 1.
    pub(super) line: usize,
    /// Of its first byte in the file.
    pub(super) offset: u64,
    /// In the file.
    pub(super) bytes: u64,
}

/// One string of an input.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// The string's place in a conversation, as a JSON Pointer; `None` for a text by itself.
    pub(super) path: Option<String>,
    pub(super) origin: Option<Origin>,
    pub(super) text: String,
    /// Where the string stands in the JSON it was taken from.
    pub(super) literal: Option<StringLiteral>,
    /// The literal holds JSON, and the text was taken from that.
    pub(super) nested: bool,
}

impl Part {
    /// A text by itself.
    fn alone(text: String) -> Self {
        Self {
            path: None,
            origin: None,
            text,
            literal: None,
            nested: false,
        }
    }
}

/// Something that no guard could scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) rule: &'static str,
    /// In words, for people.
    pub(super) what: String,
    /// The part it is in; `None` when it is the input itself.
    pub(super) part: Option<usize>,
    pub(super) range: Range<usize>,
}

/// Every rule id of a [`Gap`], with what it stands for.
pub(super) const GAP_RULES: [(&str, &str); 6] = [
    ("guard.arguments-not-json", "Tool arguments that are not JSON"),
    ("guard.model-failed", "Text that a model could not read"),
    ("guard.work-limit", "Text that costs more to scan than is granted"),
    ("input.binary", "Bytes that are not text"),
    ("input.not-utf8", "Bytes that are not UTF-8"),
    ("input.too-long", "Text beyond the longest that is read"),
];

impl Gap {
    pub(super) fn work_limit(part: usize, len: usize) -> Self {
        Self {
            rule: "guard.work-limit",
            what: "costs more to scan than is granted; the rest of it was not scanned".to_owned(),
            part: Some(part),
            range: 0..len,
        }
    }

    pub(super) fn model_failed(part: usize, len: usize) -> Self {
        Self {
            rule: "guard.model-failed",
            what: "was not read by the slower model, which failed; rules and n-grams read it".to_owned(),
            part: Some(part),
            range: 0..len,
        }
    }

    fn whole(rule: &'static str, what: String, range: Range<usize>) -> Self {
        Self {
            rule,
            what,
            part: None,
            range,
        }
    }
}

/// What reading comes upon.
#[derive(Debug)]
pub(super) enum Event {
    Input(Box<Input>),
    /// What is wrong, with its place.
    Bad(String),
    Skipped(Skip),
    /// A file is read to its end.
    FileDone,
}

/// Gives all inputs of a file, of a folder, or of standard input, in order.
///
/// # Errors
/// Only what `give` returns; unreadable input is given as bad.
pub(super) fn each_input(path: &Path, give: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
    let name = path.display().to_string();
    if name == "-" {
        return read(io::stdin().lock(), Named::new("-", false, true), give);
    }
    if !path.is_dir() {
        return file(path, true, give);
    }
    walk(path, &mut |step| match step {
        Step::File(path) => file(&path, false, give),
        Step::Skip(skip) => give(Event::Skipped(skip)),
        Step::Bad(problem) => give(Event::Bad(problem)),
    })
}

/// A file as it was found.
struct Named {
    name: Arc<str>,
    /// Its name says that it holds one JSON object a line.
    lines: bool,
    /// It was asked for by name.
    explicit: bool,
}

impl Named {
    fn new(name: &str, lines: bool, explicit: bool) -> Self {
        Self {
            name: name.into(),
            lines,
            explicit,
        }
    }
}

fn file(path: &Path, explicit: bool, give: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(opened) => {
            let lines = path.extension().is_some_and(|end| end == "jsonl" || end == "ndjson");
            read(BufReader::new(opened), Named::new(&name, lines, explicit), give)
        }
        Err(error) => give(Event::Bad(format!("{name}: cannot be opened ({error})"))),
    }
}

fn read(mut reader: impl BufRead, named: Named, give: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
    let cannot = |error: io::Error| Event::Bad(format!("{}: cannot be read ({error})", named.name));
    let form = match reader.fill_buf() {
        Ok(beginning) => bytes::form(beginning),
        Err(error) => return give(cannot(error)),
    };
    match form {
        Form::Text => {}
        Form::Utf16(order) => {
            utf16(reader, &named, order, give)?;
            return give(Event::FileDone);
        }
        Form::Binary => {
            binary(reader, &named, give)?;
            return give(Event::FileDone);
        }
    }
    let mut first = Vec::new();
    let line = match read_line(&mut reader, &mut first, INPUT_BYTES_MAX) {
        Ok(line) => line,
        Err(error) => return give(cannot(error)),
    };
    if is_lines(line, &first, &named) {
        each_line(reader, &named, line, first, give)?;
    } else {
        whole(reader, &named, line, first, give)?;
    }
    give(Event::FileDone)
}

/// Files named `.jsonl` are lines, unless they were only found in a folder and hold something else.
fn is_lines(read: Line, first: &[u8], named: &Named) -> bool {
    match read {
        Line::Whole => {
            let blank = first.trim_ascii().is_empty();
            (named.lines && (named.explicit || blank)) || line::is_input(first)
        }
        Line::TooLong(_) | Line::End => named.lines && named.explicit,
    }
}

fn binary(reader: impl BufRead, named: &Named, give: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
    if !named.explicit {
        return give(Event::Skipped(Skip::Binary));
    }
    let bytes = match skip(reader) {
        Ok(bytes) => bytes,
        Err(error) => return give(Event::Bad(format!("{}: cannot be read ({error})", named.name))),
    };
    let what = format!("is binary; {bytes} bytes were not scanned");
    let range = 0..usize::try_from(bytes).unwrap_or(usize::MAX);
    give(Event::Input(Box::new(Input {
        id: Value::from(&*named.name),
        place: Place {
            file: Arc::clone(&named.name),
            line: 1,
            offset: 0,
            bytes,
        },
        parts: Vec::new(),
        gaps: vec![Gap::whole("input.binary", what, range)],
        raw: None,
        converted: false,
    })))
}

/// A text in UTF-16, as one text in UTF-8.
fn utf16(
    mut reader: impl BufRead,
    named: &Named,
    order: ByteOrder,
    give: &mut impl FnMut(Event) -> io::Result<()>,
) -> io::Result<()> {
    let read = testudo_bounded::read_to_end(reader.by_ref().take(count(INPUT_BYTES_MAX)), INPUT_BYTES_MAX);
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => return give(Event::Bad(format!("{}: {error}", named.name))),
    };
    let beyond = match skip(reader) {
        Ok(beyond) => beyond,
        Err(error) => return give(Event::Bad(format!("{}: cannot be read ({error})", named.name))),
    };
    let (text, mut gaps) = bytes::from_utf16(&bytes, order);
    if beyond > 0 {
        let what = format!(
            "goes on after byte {}; {beyond} bytes were not scanned, split it",
            bytes.len()
        );
        gaps.push(Gap::whole("input.too-long", what, text.len()..text.len()));
    }
    give(Event::Input(Box::new(Input {
        id: Value::from(&*named.name),
        place: Place {
            file: Arc::clone(&named.name),
            line: 1,
            offset: 0,
            bytes: count(bytes.len()).saturating_add(beyond),
        },
        parts: vec![Part::alone(text)],
        gaps,
        raw: None,
        converted: true,
    })))
}

fn each_line(
    mut reader: impl BufRead,
    named: &Named,
    first: Line,
    mut line: Vec<u8>,
    give: &mut impl FnMut(Event) -> io::Result<()>,
) -> io::Result<()> {
    let mut place = Place {
        file: Arc::clone(&named.name),
        line: 1,
        offset: 0,
        bytes: 0,
    };
    let mut next = first;
    loop {
        place.bytes = match next {
            Line::End => return Ok(()),
            Line::Whole => count(line.len()),
            Line::TooLong(bytes) => bytes,
        };
        let after = place.offset.saturating_add(place.bytes);
        match next {
            Line::TooLong(bytes) => give(Event::Input(Box::new(too_long(&place, bytes))))?,
            Line::Whole if line.trim_ascii().is_empty() => {}
            Line::Whole | Line::End => give(line::parse(std::mem::take(&mut line), &place))?,
        }
        place.line = place.line.saturating_add(1);
        place.offset = after;
        next = match read_line(&mut reader, &mut line, INPUT_BYTES_MAX) {
            Ok(line) => line,
            Err(error) => {
                let problem = format!("{}:{}: cannot be read ({error})", named.name, place.line);
                return give(Event::Bad(problem));
            }
        };
    }
}

/// A line that is not kept stands for itself: whoever reads the answers finds it among them.
fn too_long(place: &Place, bytes: u64) -> Input {
    let what = format!("is a line of {bytes} bytes, of which none were scanned; split the text");
    let range = 0..usize::try_from(bytes).unwrap_or(usize::MAX);
    Input {
        id: line::place_id(place),
        place: place.clone(),
        parts: Vec::new(),
        gaps: vec![Gap::whole("input.too-long", what, range)],
        raw: None,
        converted: false,
    }
}

/// The first line and all that follows, as one text or one conversation.
fn whole(
    mut reader: impl BufRead,
    named: &Named,
    first: Line,
    mut bytes: Vec<u8>,
    give: &mut impl FnMut(Event) -> io::Result<()>,
) -> io::Result<()> {
    let cannot = |error: io::Error| Event::Bad(format!("{}: cannot be read ({error})", named.name));
    let mut beyond = match first {
        Line::TooLong(all) => all.saturating_sub(count(bytes.len())),
        Line::Whole | Line::End => 0,
    };
    let left = INPUT_BYTES_MAX.saturating_sub(bytes.len());
    match testudo_bounded::read_to_end(reader.by_ref().take(count(left)), left) {
        Ok(rest) => bytes.extend(rest),
        Err(error) => return give(Event::Bad(format!("{}: {error}", named.name))),
    }
    match skip(reader) {
        Ok(more) => beyond = beyond.saturating_add(more),
        Err(error) => return give(cannot(error)),
    }
    let place = Place {
        file: Arc::clone(&named.name),
        line: 1,
        offset: 0,
        bytes: count(bytes.len()).saturating_add(beyond),
    };
    let kept = bytes.len();
    let (text, mut gaps) = bytes::text(bytes, '\u{1a}', beyond > 0);
    if beyond > 0 {
        let what = format!("goes on after byte {kept}; {beyond} bytes were not scanned, split it");
        let end = usize::try_from(place.bytes).unwrap_or(usize::MAX);
        gaps.push(Gap::whole("input.too-long", what, kept..end));
    } else if let Some(input) = line::conversation(&text, &place) {
        return give(Event::Input(Box::new(input)));
    }
    give(Event::Input(Box::new(Input {
        id: Value::from(&*named.name),
        place,
        parts: vec![Part::alone(text)],
        gaps,
        raw: None,
        converted: false,
    })))
}
