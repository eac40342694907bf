//! What an object of an HDF5 file leads to: links of its group, in each of the ways in which groups keep them.

use std::collections::BTreeSet;

use super::blocks::{File, Wrong};
use super::heaps::{self, Fractal};
use super::objects::{LINK, LINK_INFO, Message, SYMBOL_TABLE};

/// Nodes of one tree of names.
const NODES_MAX: usize = 100_000;

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The header of an object.
    Object(u64),
    /// A path within the file.
    Path,
    /// A file of its own.
    File(String),
    /// What only a program with a plugin can follow.
    Plugin(u8),
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) target: Target,
}

/// Every link of an object.
pub(super) fn links(file: &File<'_>, messages: &[Message]) -> Result<Vec<Link>, Wrong> {
    let mut out = Vec::new();
    for message in messages {
        let mut fields = file.fields(&message.data);
        match message.kind {
            SYMBOL_TABLE | LINK | LINK_INFO if message.is_shared => {
                return Err(Wrong("its links are shared, which is not followed"));
            }
            SYMBOL_TABLE => {
                let (tree, heap) = (fields.address()?, fields.address()?);
                let heap = heaps::local(file, heap)?;
                symbols(file, tree, &heap, &mut out)?;
            }
            LINK => out.push(link(file, &message.data)?),
            LINK_INFO => {
                fields.take(1)?;
                if fields.byte()? & 1 != 0 {
                    fields.take(8)?;
                }
                if let (Some(heap), Some(tree)) = (fields.address_or_none()?, fields.address_or_none()?) {
                    // Records begin with the hash of the name.
                    for message in Fractal::open(file, heap)?.named(file, tree, 4)? {
                        out.push(link(file, &message)?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

fn link(file: &File<'_>, message: &[u8]) -> Result<Link, Wrong> {
    let mut fields = file.fields(message);
    fields.take(1)?;
    let flags = fields.byte()?;
    let kind = if flags & 8 != 0 { fields.byte()? } else { 0 };
    if flags & 4 != 0 {
        fields.take(8)?;
    }
    if flags & 0x10 != 0 {
        fields.take(1)?;
    }
    let name_bytes = fields.count(1_usize << (flags & 3))?;
    let name = String::from_utf8_lossy(fields.take(name_bytes)?).into_owned();
    let target = match kind {
        0 => Target::Object(fields.address()?),
        1 => Target::Path,
        64 => {
            let bytes = fields.count(2)?;
            let mut inner = file.fields(fields.take(bytes)?);
            inner.take(1)?;
            Target::File(inner.text()?)
        }
        other => Target::Plugin(other),
    };
    Ok(Link { name, target })
}

/// The links of a group that keeps them in a tree of names.
fn symbols(file: &File<'_>, root: u64, heap: &[u8], out: &mut Vec<Link>) -> Result<(), Wrong> {
    let mut seen = BTreeSet::new();
    let mut open = vec![root];
    while let Some(address) = open.pop() {
        if !seen.insert(address) || seen.len() > NODES_MAX {
            return Err(Wrong("a tree of it goes round in a circle"));
        }
        let each = u64::try_from(file.address_bytes.saturating_add(file.length_bytes)).unwrap_or(16);
        let head = file.up_to(address, 32)?;
        if head.starts_with(b"SNOD") {
            leaf(file, address, heap, out)?;
            continue;
        }
        let mut fields = file.fields(&head);
        fields.signed(b"TREE")?;
        if fields.byte()? != 0 {
            return Err(Wrong("a group's tree is of another kind"));
        }
        fields.take(1)?;
        let used = fields.number(2)?;
        let before = u64::try_from(file.address_bytes)
            .unwrap_or(8)
            .saturating_mul(2)
            .saturating_add(8);
        let block = file.block(address.saturating_add(before), used.saturating_mul(each))?;
        let mut fields = file.fields(&block);
        for _ in 0..used {
            fields.length()?;
            open.push(fields.address()?);
        }
    }
    Ok(())
}

fn leaf(file: &File<'_>, address: u64, heap: &[u8], out: &mut Vec<Link>) -> Result<(), Wrong> {
    let mut fields_of = file.block(address, 8)?;
    let mut fields = file.fields(&fields_of);
    fields.take(6)?;
    let used = fields.number(2)?;
    let entry = u64::try_from(file.address_bytes)
        .unwrap_or(8)
        .saturating_mul(2)
        .saturating_add(24);
    fields_of = file.block(address.saturating_add(8), used.saturating_mul(entry))?;
    let mut fields = file.fields(&fields_of);
    for _ in 0..used {
        let name = fields.number(file.address_bytes)?;
        let (object, kind) = (fields.address()?, fields.number(4)?);
        fields.take(20)?;
        out.push(Link {
            name: heaps::text_in(file, heap, name)?,
            target: if kind == 2 {
                Target::Path
            } else {
                Target::Object(object)
            },
        });
    }
    Ok(())
}
