//! Traces from files, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::recorded;
use super::trace::Trace;
use crate::lines::{Line, read_line};

/// The longest line.
const LINE_BYTES_MAX: usize = 32 << 20;

/// Gives each trace of a file, or what is wrong with it.
///
/// # Errors
/// Only what `give` returns.
pub(super) fn each_trace(
    path: &Path,
    from_ledger: bool,
    give: &mut impl FnMut(Result<Trace, String>) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.display().to_string();
    if name == "-" {
        return each_of(io::stdin().lock(), &name, from_ledger, give);
    }
    match File::open(path) {
        Ok(file) => each_of(BufReader::new(file), &name, from_ledger, give),
        Err(error) => give(Err(format!("{name}: cannot be opened ({error})"))),
    }
}

/// What begins as gzip does is read through it, whatever the file is called. No more than one line is kept at a time,
/// so that a small file which grows without end costs time only.
fn each_of(
    mut reader: impl BufRead,
    name: &str,
    from_ledger: bool,
    give: &mut impl FnMut(Result<Trace, String>) -> io::Result<()>,
) -> io::Result<()> {
    let packed = match reader.fill_buf() {
        Ok(start) => start.starts_with(&[0x1f, 0x8b]),
        Err(error) => return give(Err(format!("{name}: cannot be read ({error})"))),
    };
    let mut reader: Box<dyn BufRead + '_> = if packed {
        let unpacked: Box<dyn Read + '_> = Box::new(MultiGzDecoder::new(reader));
        Box::new(BufReader::new(unpacked))
    } else {
        Box::new(reader)
    };
    let mut line = Vec::new();
    let mut number: usize = 0;
    loop {
        number = number.saturating_add(1);
        let wrong = |what: String| Err(format!("{name}:{number}: {what}"));
        match read_line(&mut reader, &mut line, LINE_BYTES_MAX) {
            Ok(Line::End) => return Ok(()),
            Ok(Line::Whole) if line.trim_ascii().is_empty() => {}
            Ok(Line::Whole) if from_ledger => match recorded::read(&line) {
                Ok(None) => {}
                Ok(Some(trace)) => give(Ok(trace))?,
                Err(what) => give(wrong(what))?,
            },
            Ok(Line::Whole) => give(Trace::read(&line).or_else(wrong))?,
            Ok(Line::TooLong(bytes)) => give(wrong(format!(
                "is a line of {bytes} bytes; at most {LINE_BYTES_MAX} are read"
            )))?,
            Err(error) => return give(wrong(format!("cannot be read ({error})"))),
        }
    }
}
