//! Exports: entries as JSON Lines, as CSV or as OCSF events, one after the other, in memory one at a time.

mod cells;
mod encrypt;
mod ocsf;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_ledger::Hash;
use testudo_ledger::entry::Entry;

pub use self::encrypt::{EncryptError, Encrypted, Recipient, RecipientError};

/// In which form entries are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line for each entry: `{"entry":…,"index":…,"leaf":"…"}`. What stands after `"entry":` are the
    /// very bytes of the leaf; `leaf` is their leaf hash in base64. An entry that is not JSON stands in
    /// `raw` instead, in base64.
    JsonLines,
    /// RFC 4180 with a heading. The last column is the whole entry, so that nothing is lost. A cell that
    /// begins with `=`, `+`, `-`, `@`, `'`, a tab or a carriage return gets a `'` in front, so that no
    /// spreadsheet takes it for a formula; a reader removes one leading `'`.
    Csv,
    /// OCSF 1.8.0, one event on each line; an exchange is followed by one event for each count of findings.
    Ocsf,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::JsonLines, Self::Csv, Self::Ocsf];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Ocsf => "ocsf",
        }
    }

    /// The format that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// Whose entries are exported, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The log's name.
    pub origin: String,
    /// The version of this program.
    pub version: String,
}

/// Writes entries as they come.
#[derive(Debug)]
pub struct Exporter<W> {
    format: Format,
    log: Log,
    output: W,
    /// The time of the last entry that could be read.
    at: u64,
}

impl<W: Write> Exporter<W> {
    /// Begins an export; a CSV begins with its heading.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn new(format: Format, log: Log, mut output: W) -> io::Result<Self> {
        if format == Format::Csv {
            output.write_all(cells::heading().as_bytes())?;
        }
        Ok(Self {
            format,
            log,
            output,
            at: 0,
        })
    }

    /// Adds an entry: its index and its bytes in the log. One that this program cannot read is exported
    /// as what it is, bytes.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&mut self, index: u64, bytes: &[u8]) -> io::Result<()> {
        let leaf = Hash::leaf(bytes);
        let entry = Entry::decode(bytes).ok();
        self.at = entry.as_ref().map_or(self.at, |it| it.at);
        match self.format {
            Format::JsonLines => self.json_line(index, bytes, leaf, entry.is_some()),
            Format::Csv => {
                let row = match &entry {
                    Some(entry) => cells::row(index, leaf, bytes, entry),
                    None => cells::unreadable(index, leaf, bytes),
                };
                self.output.write_all(row.as_bytes())
            }
            Format::Ocsf => self.events(index, bytes, leaf, entry.as_ref()),
        }
    }

    /// Ends the export and gives the output back, not flushed.
    pub fn finish(self) -> W {
        self.output
    }

    fn json_line(&mut self, index: u64, bytes: &[u8], leaf: Hash, readable: bool) -> io::Result<()> {
        let leaf = STANDARD.encode(leaf.as_bytes());
        if readable {
            self.output.write_all(b"{\"entry\":")?;
            self.output.write_all(bytes)?;
            writeln!(self.output, ",\"index\":{index},\"leaf\":\"{leaf}\"}}")
        } else {
            let raw = STANDARD.encode(bytes);
            writeln!(
                self.output,
                "{{\"index\":{index},\"leaf\":\"{leaf}\",\"raw\":\"{raw}\"}}"
            )
        }
    }

    fn events(&mut self, index: u64, bytes: &[u8], leaf: Hash, entry: Option<&Entry>) -> io::Result<()> {
        let place = ocsf::Place {
            log: &self.log,
            index,
            leaf,
        };
        let events = match entry {
            Some(entry) => ocsf::events(place, entry),
            None => vec![ocsf::unreadable(place, self.at, &STANDARD.encode(bytes))],
        };
        for event in events {
            writeln!(self.output, "{event}")?;
        }
        Ok(())
    }
}
