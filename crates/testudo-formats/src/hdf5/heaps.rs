//! Heaps of HDF5 files, and the trees that find what lies in them.

use std::collections::BTreeSet;

use super::blocks::{Fields, File, Wrong};

/// Nodes of one tree.
const NODES_MAX: usize = 100_000;
/// Levels of blocks within blocks.
const DEPTH_MAX: u32 = 16;

/// The data of a local heap: names of links and of files.
pub(super) fn local(file: &File<'_>, address: u64) -> Result<Vec<u8>, Wrong> {
    let head = file.up_to(address, 64)?;
    let mut fields = file.fields(&head);
    fields.signed(b"HEAP")?;
    fields.take(4)?;
    let bytes = fields.length()?;
    fields.length()?;
    file.block(fields.address()?, bytes)
}

/// The text at an offset of a local heap.
pub(super) fn text_in(file: &File<'_>, heap: &[u8], offset: u64) -> Result<String, Wrong> {
    let at = usize::try_from(offset).map_err(|_| Wrong("a number in it is too long"))?;
    let rest = heap.get(at..).ok_or(Wrong("a name of it lies outside its heap"))?;
    file.fields(rest).text()
}

/// A collection of the global heap: what lies in it, by number.
pub(super) fn collection(file: &File<'_>, address: u64) -> Result<Vec<(u64, Vec<u8>)>, Wrong> {
    let head = file.up_to(address, 32)?;
    let mut fields = file.fields(&head);
    fields.signed(b"GCOL")?;
    fields.take(4)?;
    let block = file.block(address, fields.length()?)?;
    let mut fields = file.fields(&block);
    fields.take(8)?;
    fields.length()?;
    let mut out = Vec::new();
    while fields.rest.len() > 16 {
        let index = fields.number(2)?;
        fields.take(6)?;
        let bytes = usize::try_from(fields.length()?).map_err(|_| Wrong("a number in it is too long"))?;
        if index == 0 {
            break;
        }
        out.push((index, fields.take(bytes)?.to_vec()));
        let padding = bytes.next_multiple_of(8).saturating_sub(bytes).min(fields.rest.len());
        fields.take(padding)?;
    }
    Ok(out)
}

/// Where the objects of a collection lie in the source, and how long they are, as far as they can be followed. Unlike
/// [`collection`] it reads none of them: one may be longer than what is read whole.
pub(super) fn places(file: &File<'_>, start: u64) -> Result<Vec<(u64, u64)>, Wrong> {
    let number = |at: u64, bytes: usize| file.number_at(at, bytes);
    let width = u64::try_from(file.length_bytes).unwrap_or(8);
    let end = start.saturating_add(number(start.saturating_add(8), file.length_bytes)?);
    let head = width.saturating_add(8).next_multiple_of(8);
    let mut at = start.saturating_add(head);
    let mut out = Vec::new();
    while at.saturating_add(head) < end.min(file.source.size()) {
        let index = number(at, 2)?;
        if index == 0 {
            break;
        }
        let bytes = number(at.saturating_add(8), file.length_bytes)?;
        let object = at.saturating_add(head);
        out.push((object, bytes));
        at = match object
            .checked_add(bytes)
            .and_then(|end| end.checked_next_multiple_of(8))
        {
            Some(next) => next,
            None => break,
        };
    }
    Ok(out)
}

/// A heap for many small objects: links or attributes of one object.
pub(super) struct Fractal {
    id_bytes: usize,
    offset_bytes: usize,
    length_bytes: usize,
    width: u64,
    start_bytes: u64,
    direct_bytes_max: u64,
    huge_tree: Option<u64>,
    /// Where in the heap a block begins, how long it is, and where it lies in the file.
    blocks: Vec<(u64, u64, u64)>,
}

/// Bytes that hold numbers below a power of two.
fn bytes_of(bits: u32) -> usize {
    usize::try_from(bits.div_ceil(8)).unwrap_or(8)
}

impl Fractal {
    pub(super) fn open(file: &File<'_>, address: u64) -> Result<Self, Wrong> {
        let head = file.up_to(address, 256)?;
        let mut fields = file.fields(&head);
        fields.signed(b"FRHP")?;
        fields.take(1)?;
        let id_bytes = fields.count(2)?;
        let filters = fields.number(2)?;
        fields.take(1)?;
        let object_bytes_max = fields.number(4)?;
        fields.length()?;
        let huge_tree = fields.address_or_none()?;
        fields.length()?;
        fields.address()?;
        for _ in 0..8 {
            fields.length()?;
        }
        let (width, start_bytes, direct_bytes_max) = (fields.number(2)?, fields.length()?, fields.length()?);
        let heap_bits = u32::try_from(fields.number(2)?).unwrap_or(u32::MAX);
        fields.take(2)?;
        let (root, rows) = (fields.address_or_none()?, fields.number(2)?);
        if filters != 0 {
            return Err(Wrong("a heap of it is packed, which no library does for models"));
        }
        if !start_bytes.is_power_of_two() || !direct_bytes_max.is_power_of_two() || width == 0 || heap_bits > 64 {
            return Err(Wrong("a heap of it has impossible sizes"));
        }
        let mut out = Self {
            id_bytes,
            offset_bytes: bytes_of(heap_bits),
            length_bytes: bytes_of(direct_bytes_max.ilog2()).min(bytes_of(
                object_bytes_max.checked_ilog2().unwrap_or(0).saturating_add(7) & !7,
            )),
            width,
            start_bytes,
            direct_bytes_max,
            huge_tree,
            blocks: Vec::new(),
        };
        match root {
            Some(root) if rows == 0 => out.blocks.push((0, start_bytes, root)),
            Some(root) => out.indirect(file, root, 0, rows, DEPTH_MAX)?,
            None => {}
        }
        Ok(out)
    }

    /// How long each block of a row is.
    fn row_bytes(&self, row: u64) -> Result<u64, Wrong> {
        let shift = u32::try_from(row.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u64.checked_shl(shift);
        factor
            .and_then(|factor| self.start_bytes.checked_mul(factor))
            .ok_or(Wrong("a heap of it has impossible sizes"))
    }

    fn indirect(&mut self, file: &File<'_>, address: u64, offset: u64, rows: u64, depth: u32) -> Result<(), Wrong> {
        let depth = depth
            .checked_sub(1)
            .ok_or(Wrong("blocks of a heap lie too deep in each other"))?;
        let entries = rows.saturating_mul(self.width);
        let each = u64::try_from(file.address_bytes).unwrap_or(8);
        let before = 5_u64
            .saturating_add(each)
            .saturating_add(u64::try_from(self.offset_bytes).unwrap_or(8));
        let block = file.block(address, before.saturating_add(entries.saturating_mul(each)))?;
        let mut fields = file.fields(&block);
        fields.signed(b"FHIB")?;
        fields.take(1)?;
        fields.address()?;
        fields.take(self.offset_bytes)?;
        let mut at = offset;
        for row in 0..rows {
            let bytes = self.row_bytes(row)?;
            for _ in 0..self.width {
                match fields.address_or_none()? {
                    Some(child) if bytes <= self.direct_bytes_max => {
                        if self.blocks.len() >= NODES_MAX {
                            return Err(Wrong("a heap of it has more blocks than the limit"));
                        }
                        self.blocks.push((at, bytes, child));
                    }
                    Some(child) => {
                        let first_row = self.start_bytes.saturating_mul(self.width);
                        let rows = bytes
                            .checked_div(first_row)
                            .and_then(u64::checked_ilog2)
                            .unwrap_or(0)
                            .saturating_add(1);
                        self.indirect(file, child, at, u64::from(rows), depth)?;
                    }
                    None => {}
                }
                at = at.saturating_add(bytes);
            }
        }
        Ok(())
    }

    /// What an identifier stands for.
    pub(super) fn object(&self, file: &File<'_>, id: &[u8]) -> Result<Vec<u8>, Wrong> {
        let mut fields = file.fields(id);
        let kind = fields.byte()?;
        match (kind >> 4) & 3 {
            0 => {
                let (offset, bytes) = (fields.number(self.offset_bytes)?, fields.number(self.length_bytes)?);
                let block = self
                    .blocks
                    .iter()
                    .find(|(at, long, _)| *at <= offset && offset.saturating_sub(*at) < *long);
                let (at, _, address) = block.ok_or(Wrong("an object of a heap lies in none of its blocks"))?;
                file.block(address.saturating_add(offset.saturating_sub(*at)), bytes)
            }
            1 => self.huge(file, fields),
            2 => {
                // Short objects lie in the identifier itself.
                let bytes = usize::from(kind & 0x0f).saturating_add(1);
                Ok(fields.take(bytes)?.to_vec())
            }
            _ => Err(Wrong("an object of a heap is of a kind that is not known")),
        }
    }

    /// An object that is too long for the heap: its place stands in the identifier, or in a tree.
    fn huge(&self, file: &File<'_>, mut id: Fields<'_>) -> Result<Vec<u8>, Wrong> {
        if id.rest.len() >= file.address_bytes.saturating_add(file.length_bytes) {
            let (address, bytes) = (id.address()?, id.length()?);
            return file.block(address, bytes);
        }
        let key_bytes = id.rest.len().min(file.length_bytes);
        let key = id.number(key_bytes)?;
        let tree = self.huge_tree.ok_or(Wrong("an object of a heap is in no tree"))?;
        for record in records(file, tree)? {
            let mut fields = file.fields(&record);
            let (address, bytes, said) = (fields.address()?, fields.length()?, fields.length()?);
            if said == key {
                return file.block(address, bytes);
            }
        }
        Err(Wrong("an object of a heap is in no tree"))
    }

    /// What each record of a tree of names stands for. `skip` bytes stand before the identifier in it.
    pub(super) fn named(&self, file: &File<'_>, tree: u64, skip: usize) -> Result<Vec<Vec<u8>>, Wrong> {
        let mut out = Vec::new();
        for record in records(file, tree)? {
            let mut fields = file.fields(&record);
            fields.take(skip)?;
            let id = fields.take(self.id_bytes)?;
            // Records of attributes begin with the id, and say then whether it is one of another heap.
            if skip == 0 && fields.byte()? & 2 != 0 {
                return Err(Wrong("an attribute of it is shared, which is not followed"));
            }
            out.push(self.object(file, id)?);
        }
        Ok(out)
    }
}

/// Every record of a tree of the second kind.
pub(super) fn records(file: &File<'_>, address: u64) -> Result<Vec<Vec<u8>>, Wrong> {
    let head = file.up_to(address, 64)?;
    let mut fields = file.fields(&head);
    fields.signed(b"BTHD")?;
    fields.take(2)?;
    let node_bytes = fields.number(4)?;
    let record_bytes = fields.count(2)?;
    let depth = fields.number(2)?;
    fields.take(2)?;
    let root = fields.address_or_none()?;
    let count = fields.number(2)?;
    if record_bytes == 0 || depth > u64::from(DEPTH_MAX) {
        return Err(Wrong("a tree of it has impossible sizes"));
    }
    let mut tree = Tree {
        file,
        node_bytes,
        record_bytes,
        seen: BTreeSet::new(),
        out: Vec::new(),
    };
    if let Some(root) = root {
        tree.node(root, count, u32::try_from(depth).unwrap_or(DEPTH_MAX))?;
    }
    Ok(tree.out)
}

struct Tree<'f, 's> {
    file: &'f File<'s>,
    node_bytes: u64,
    record_bytes: usize,
    seen: BTreeSet<u64>,
    out: Vec<Vec<u8>>,
}

impl Tree<'_, '_> {
    /// How many records a node of a level holds at most, and all nodes below it.
    fn most(&self, depth: u32) -> (u64, u64) {
        let record = u64::try_from(self.record_bytes).unwrap_or(u64::MAX);
        let body = self.node_bytes.saturating_sub(10);
        let mut own = body.checked_div(record).unwrap_or(0);
        let mut all = own;
        let address = u64::try_from(self.file.address_bytes).unwrap_or(8);
        for level in 1..=depth {
            let (counts, totals) = (number_bytes(own), if level > 1 { number_bytes(all) } else { 0 });
            let pointer = address.saturating_add(counts).saturating_add(totals);
            own = body
                .saturating_sub(pointer)
                .checked_div(record.saturating_add(pointer))
                .unwrap_or(0);
            all = own.saturating_add(1).saturating_mul(all).saturating_add(own);
        }
        (own, all)
    }

    fn node(&mut self, address: u64, count: u64, depth: u32) -> Result<(), Wrong> {
        if !self.seen.insert(address) || self.seen.len() > NODES_MAX {
            return Err(Wrong("a tree of it goes round in a circle"));
        }
        let file = self.file;
        let block = file.block(address, self.node_bytes)?;
        let mut fields = file.fields(&block);
        fields.signed(if depth == 0 { b"BTLF" } else { b"BTIN" })?;
        fields.take(2)?;
        for _ in 0..count {
            let record = fields.take(self.record_bytes)?.to_vec();
            self.out.push(record);
        }
        let Some(below) = depth.checked_sub(1) else {
            return Ok(());
        };
        let (own, all) = self.most(below);
        let counts = usize::try_from(number_bytes(own)).unwrap_or(8);
        let totals = if below > 0 {
            usize::try_from(number_bytes(all)).unwrap_or(8)
        } else {
            0
        };
        for _ in 0..=count {
            let (child, inside) = (fields.address()?, fields.number(counts)?);
            fields.take(totals)?;
            self.node(child, inside, below)?;
        }
        Ok(())
    }
}

/// How many bytes a tree spends on numbers up to one.
fn number_bytes(most: u64) -> u64 {
    u64::from(most.checked_ilog2().unwrap_or(0) / 8).saturating_add(1)
}
