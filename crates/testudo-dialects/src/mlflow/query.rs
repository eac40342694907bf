//! Queries and paths of MLflow clients, decoded once and strictly.

use super::ask::is_plain;
use super::fault::Fault;

/// Pairs in a query at most.
const PAIRS_MAX: usize = 64;
/// Bytes of a query or of a path at most.
const BYTES_MAX: usize = 16 << 10;

/// The pairs of a query, decoded.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes a query apart.
    ///
    /// # Errors
    /// When it is too long, or what it holds is not UTF-8 in percent-encoding.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        if text.len() > BYTES_MAX {
            return Err(Fault::invalid("the query is too long"));
        }
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let mut read = Vec::new();
        for pair in pairs {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            read.push((decode(key, Plus::Space)?, decode(value, Plus::Space)?));
        }
        if read.len() > PAIRS_MAX {
            return Err(Fault::invalid("there are too many parameters"));
        }
        Ok(Self(read))
    }

    /// Every value of a key.
    pub(super) fn all(&self, key: &str) -> Vec<String> {
        let of_key = self.0.iter().filter(|(found, _)| found == key);
        of_key.map(|(_, value)| value.clone()).collect()
    }

    /// The one value of a key.
    pub(super) fn optional(&self, key: &'static str) -> Result<Option<String>, Fault> {
        let mut values = self.all(key).into_iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Fault::repeated(key)),
        }
    }

    /// The one value of a key, which says something.
    pub(super) fn required(&self, key: &'static str) -> Result<String, Fault> {
        let value = self.optional(key)?.filter(|value| !value.is_empty());
        value.ok_or(Fault::missing(key))
    }
}

/// The decoded parts of a path that was not decoded before.
///
/// # Errors
/// When a part is empty, leads elsewhere, or has a separator or a control character under its encoding.
pub(super) fn segments(path: &str) -> Result<Vec<String>, Fault> {
    if path.len() > BYTES_MAX {
        return Err(Fault::invalid("the path is too long"));
    }
    let parts = path.split('/').map(|part| decode(part, Plus::Plus));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    if parts.iter().all(|part| is_plain(part)) {
        Ok(parts)
    } else {
        Err(Fault::invalid("the path is not one inside a version"))
    }
}

/// What `+` stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Plus,
    Space,
}

fn decode(text: &str, plus: Plus) -> Result<String, Fault> {
    let wrong = || Fault::invalid("what was sent is not UTF-8 in percent-encoding");
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let (high, low) = (bytes.next().and_then(digit), bytes.next().and_then(digit));
                let (high, low) = high.zip(low).ok_or_else(wrong)?;
                (high << 4) | low
            }
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| wrong())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
