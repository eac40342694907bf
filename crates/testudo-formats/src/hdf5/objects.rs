//! Headers of objects in HDF5 files: messages that say what the object is and where its parts lie.

use std::collections::BTreeSet;

use super::blocks::{Fields, File, Wrong};

/// Blocks that one header is spread over.
const BLOCKS_MAX: usize = 10_000;

pub(super) const DATASPACE: u16 = 0x01;
pub(super) const LINK_INFO: u16 = 0x02;
pub(super) const DATATYPE: u16 = 0x03;
pub(super) const LINK: u16 = 0x06;
pub(super) const EXTERNAL_FILES: u16 = 0x07;
pub(super) const LAYOUT: u16 = 0x08;
pub(super) const FILTERS: u16 = 0x0b;
pub(super) const ATTRIBUTE: u16 = 0x0c;
const CONTINUATION: u16 = 0x10;
pub(super) const SYMBOL_TABLE: u16 = 0x11;
pub(super) const ATTRIBUTE_INFO: u16 = 0x15;

#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    /// Its content lies elsewhere, shared with other objects.
    pub(super) is_shared: bool,
    pub(super) data: Vec<u8>,
}

/// Every message of the header at an address.
pub(super) fn messages(file: &File<'_>, address: u64) -> Result<Vec<Message>, Wrong> {
    let mut out = Vec::new();
    let start = file.up_to(address, 64)?;
    let (first, is_new, has_order) = match start.as_slice() {
        [b'O', b'H', b'D', b'R', ..] => new_start(file, address, &start)?,
        [1, ..] => {
            let mut fields = file.fields(&start);
            fields.take(8)?;
            let bytes = fields.number(4)?;
            ((address.saturating_add(16), bytes), false, false)
        }
        _ => return Err(Wrong("an object of it has no header")),
    };
    let mut blocks = vec![first];
    let mut seen = BTreeSet::new();
    while let Some((at, bytes)) = blocks.pop() {
        if !seen.insert(at) || seen.len() > BLOCKS_MAX {
            return Err(Wrong("a header goes round in a circle"));
        }
        let block = file.block(at, bytes)?;
        let mut fields = file.fields(&block);
        while let Some(message) = message(&mut fields, is_new, has_order)? {
            if message.kind == CONTINUATION {
                let mut fields = file.fields(&message.data);
                let (at, bytes) = (fields.address()?, fields.length()?);
                blocks.push(if is_new {
                    continued(file, at, bytes)?
                } else {
                    (at, bytes)
                });
            } else if message.kind != 0 {
                out.push(message);
            }
        }
    }
    Ok(out)
}

/// Where the messages of a header of the second kind lie, and whether they are numbered.
fn new_start(file: &File<'_>, address: u64, start: &[u8]) -> Result<((u64, u64), bool, bool), Wrong> {
    let mut fields = file.fields(start);
    fields.take(4)?;
    if fields.byte()? != 2 {
        return Err(Wrong("a header is of a version that is not known"));
    }
    let flags = fields.byte()?;
    if flags & 0x20 != 0 {
        fields.take(16)?;
    }
    if flags & 0x10 != 0 {
        fields.take(4)?;
    }
    let bytes = fields.number(1_usize << (flags & 3))?;
    let before = start.len().saturating_sub(fields.rest.len());
    let at = address.saturating_add(u64::try_from(before).unwrap_or(0));
    Ok(((at, bytes), true, flags & 4 != 0))
}

/// The messages between the signature and the checksum of a continued header.
fn continued(file: &File<'_>, at: u64, bytes: u64) -> Result<(u64, u64), Wrong> {
    file.fields(&file.block(at, 4)?).signed(b"OCHK")?;
    let inner = bytes.checked_sub(8).ok_or(Wrong("a block of it ends too early"))?;
    Ok((at.saturating_add(4), inner))
}

fn message(fields: &mut Fields<'_>, is_new: bool, has_order: bool) -> Result<Option<Message>, Wrong> {
    let least = if is_new { 4 } else { 8 };
    // What is left over is a gap.
    if fields.rest.len() < least {
        return Ok(None);
    }
    let (kind, bytes, flags);
    if is_new {
        (kind, bytes, flags) = (fields.number(1)?, fields.count(2)?, fields.byte()?);
        if has_order {
            if fields.rest.len() < 2 {
                return Ok(None);
            }
            fields.take(2)?;
        }
    } else {
        (kind, bytes, flags) = (fields.number(2)?, fields.count(2)?, fields.byte()?);
        fields.take(3)?;
    }
    Ok(Some(Message {
        kind: u16::try_from(kind).unwrap_or(u16::MAX),
        is_shared: flags & 2 != 0,
        data: fields.take(bytes)?.to_vec(),
    }))
}
