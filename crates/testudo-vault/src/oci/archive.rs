//! Tar archives in layers: plain files under plain names, and nothing that programs read differently.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::signing::{NameError, ResourceName};

const BLOCK: usize = 512;
/// The largest extended header.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;

/// Why an archive is not read on.
#[derive(Debug)]
pub(super) enum ArchiveFault {
    Wrong(&'static str),
    Name(NameError),
    Read(io::Error),
}

impl From<io::Error> for ArchiveFault {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<NameError> for ArchiveFault {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

/// What extended headers say about the next member.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    size: Option<u64>,
}

/// An archive, read from its beginning to its end.
pub(super) struct Archive<R> {
    from: R,
    extended: Extended,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            extended: Extended::default(),
        }
    }

    /// The next file with its size. The content must be taken with [`Self::content`] before the next is asked for.
    pub(super) fn next_file(&mut self) -> Result<Option<(ResourceName, u64)>, ArchiveFault> {
        loop {
            let mut header = [0_u8; BLOCK];
            if !fill(&mut self.from, &mut header)? {
                return Err(ArchiveFault::Wrong("it ends without two blocks of zeros"));
            }
            if header.iter().all(|byte| *byte == 0) {
                self.end()?;
                return Ok(None);
            }
            check_sum(&header)?;
            let size = number(bytes(&header, 124, 12)).ok_or(ArchiveFault::Wrong("a size is no octal number"))?;
            match header.get(156).copied().unwrap_or(1) {
                b'0' | 0 => {
                    let extended = std::mem::take(&mut self.extended);
                    let name = extended.path.map_or_else(|| plain_name(&header), Ok)?;
                    let name = ResourceName::parse(name.strip_prefix("./").unwrap_or(&name))?;
                    return Ok(Some((name, extended.size.unwrap_or(size))));
                }
                b'5' => {
                    self.extended = Extended::default();
                    if size != 0 {
                        return Err(ArchiveFault::Wrong("a folder has content"));
                    }
                }
                b'x' => self.pax(size, false)?,
                b'g' => self.pax(size, true)?,
                b'L' => {
                    let name = self.held(size)?;
                    let name = name.strip_suffix(b"\0").unwrap_or(&name).to_vec();
                    self.say_path(name)?;
                }
                b'1' | b'2' => return Err(ArchiveFault::Wrong("it holds a link")),
                _ => return Err(ArchiveFault::Wrong("it holds something else than files and folders")),
            }
        }
    }

    /// The content of the file that was just named, `size` bytes.
    pub(super) fn content(
        &mut self,
        size: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), io::Error>,
    ) -> Result<(), ArchiveFault> {
        let mut buffer = vec![0_u8; 1 << 16];
        let mut left = size;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let Some(part) = buffer.get_mut(..room) else { break };
            if !fill(&mut self.from, part)? {
                return Err(ArchiveFault::Wrong("a file is cut"));
            }
            take(part)?;
            left = left.saturating_sub(u64::try_from(room).unwrap_or(left));
        }
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> Result<(), ArchiveFault> {
        let over = usize::try_from(size.checked_rem(BLOCK as u64).unwrap_or(0)).unwrap_or(0);
        if over > 0 {
            let mut padding = vec![0_u8; BLOCK.saturating_sub(over)];
            if !fill(&mut self.from, &mut padding)? {
                return Err(ArchiveFault::Wrong("a file is cut"));
            }
        }
        Ok(())
    }

    fn held(&mut self, size: u64) -> Result<Vec<u8>, ArchiveFault> {
        if size > EXTENDED_BYTES_MAX {
            return Err(ArchiveFault::Wrong("an extended header is too large"));
        }
        let mut held = Vec::new();
        self.content(size, &mut |part| {
            held.extend_from_slice(part);
            Ok(())
        })?;
        Ok(held)
    }

    /// Records of `LENGTH KEY=VALUE`; only names and sizes mean something here, and for all members nothing may.
    fn pax(&mut self, size: u64, global: bool) -> Result<(), ArchiveFault> {
        let held = self.held(size)?;
        let mut rest = held.as_slice();
        let mut seen = BTreeMap::new();
        while !rest.is_empty() {
            let (key, value, more) =
                record(rest).ok_or(ArchiveFault::Wrong("an extended header is no list of records"))?;
            rest = more;
            if seen.insert(key.to_vec(), ()).is_some() {
                return Err(ArchiveFault::Wrong("an extended header says something twice"));
            }
            match key {
                b"path" | b"size" | b"linkpath" if global => {
                    return Err(ArchiveFault::Wrong("one name or size for all members"));
                }
                b"path" => self.say_path(value.to_vec())?,
                b"size" => {
                    let text = std::str::from_utf8(value).ok();
                    let size = text.and_then(|it| it.parse().ok());
                    self.extended.size = Some(size.ok_or(ArchiveFault::Wrong("a size is no number"))?);
                }
                key if key.starts_with(b"GNU.sparse") => return Err(ArchiveFault::Wrong("it holds a sparse file")),
                b"linkpath" => return Err(ArchiveFault::Wrong("it holds a link")),
                _ => {}
            }
        }
        Ok(())
    }

    fn say_path(&mut self, name: Vec<u8>) -> Result<(), ArchiveFault> {
        let name = String::from_utf8(name).map_err(|_| ArchiveFault::Wrong("a name is not UTF-8"))?;
        if self.extended.path.replace(name).is_some() {
            return Err(ArchiveFault::Wrong("a member has two names"));
        }
        Ok(())
    }

    /// After the first block of zeros: another one, and nothing but zeros.
    fn end(&mut self) -> Result<(), ArchiveFault> {
        if self.extended.path.is_some() || self.extended.size.is_some() {
            return Err(ArchiveFault::Wrong("an extended header is followed by nothing"));
        }
        let mut blocks = 0_u64;
        let mut block = [0_u8; BLOCK];
        while fill(&mut self.from, &mut block)? {
            if block.iter().any(|byte| *byte != 0) {
                return Err(ArchiveFault::Wrong("something follows its end"));
            }
            blocks = blocks.saturating_add(1);
        }
        if blocks == 0 {
            return Err(ArchiveFault::Wrong("it ends without two blocks of zeros"));
        }
        Ok(())
    }
}

fn bytes(header: &[u8; BLOCK], at: usize, count: usize) -> &[u8] {
    header.get(at..at.saturating_add(count)).unwrap_or_default()
}

fn until_zero(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    field.get(..end).unwrap_or_default()
}

fn plain_name(header: &[u8; BLOCK]) -> Result<String, ArchiveFault> {
    let name = until_zero(bytes(header, 0, 100));
    // Only POSIX archives have the rest of a long name there.
    let is_posix = bytes(header, 257, 6) == b"ustar\0";
    let prefix = if is_posix {
        until_zero(bytes(header, 345, 155))
    } else {
        b""
    };
    let whole = if prefix.is_empty() {
        name.to_vec()
    } else {
        [prefix, b"/", name].concat()
    };
    String::from_utf8(whole).map_err(|_| ArchiveFault::Wrong("a name is not UTF-8"))
}

/// Octal digits with spaces or zeros around them, or a large number in base 256.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && *first == 0x80
    {
        let (high, low) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        let low: [u8; 8] = low.try_into().ok()?;
        return high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(low));
    }
    let text = std::str::from_utf8(until_zero(field)).ok()?.trim_matches(' ');
    if text.is_empty() || !text.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        return None;
    }
    u64::from_str_radix(text, 8).ok()
}

fn check_sum(header: &[u8; BLOCK]) -> Result<(), ArchiveFault> {
    let sum = header.iter().enumerate().fold(0_u64, |sum, (at, byte)| {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        sum.saturating_add(u64::from(byte))
    });
    if number(bytes(header, 148, 8)) == Some(sum) {
        Ok(())
    } else {
        Err(ArchiveFault::Wrong("a header has another sum than it says"))
    }
}

/// One record of an extended header, and what follows it.
fn record(from: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = from.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(from.get(..space)?).ok()?.parse().ok()?;
    let (whole, rest) = from.split_at_checked(length)?;
    let body = whole.get(space.saturating_add(1)..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((body.get(..equals)?, body.get(equals.saturating_add(1)..)?, rest))
}

/// Reads as much as fits; `false` when there is nothing left, an error when there is some but too little.
fn fill(from: &mut impl Read, into: &mut [u8]) -> Result<bool, ArchiveFault> {
    let mut filled = 0_usize;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(ArchiveFault::Wrong("it ends within a block")),
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
