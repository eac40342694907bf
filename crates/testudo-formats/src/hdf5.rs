//! HDF5: the objects that links reach, their attributes, and what they take from other files.

mod blocks;
mod data;
mod groups;
mod heaps;
mod objects;
mod values;

use std::collections::{BTreeSet, VecDeque};

use self::blocks::{File, Wrong};
use self::groups::Target;
use crate::documents;
use crate::judge::{leads_outside, may_be_old_pickle};
use crate::pickle::{self, Surely};
use crate::scan::{Place, Scan};
use crate::source::{Source, Window, read_up_to};
use crate::verdict::{Verdict, shown};

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Stands at the top of files of hickle.
const HICKLE: &str = "hickle_types_table";
/// Places where the library looks first; further ones are powers of two.
const NEAR: [u64; 6] = [0, 512, 1024, 2048, 4096, 8192];

/// Where the superblock stands: at the start, or after a block of the user's that ends at a power of two.
pub(crate) fn superblock(source: &dyn Source) -> Option<u64> {
    let far = (14..63).map(|shift| 1_u64 << shift);
    NEAR.into_iter()
        .chain(far.take_while(|at| *at < source.size()))
        .find(|at| is_at(source, *at))
}

/// The same among the first places.
pub(crate) fn near(source: &dyn Source) -> Option<u64> {
    NEAR.into_iter().find(|at| is_at(source, *at))
}

fn is_at(source: &dyn Source, at: u64) -> bool {
    read_up_to(source, at, 8).is_ok_and(|bytes| bytes == SIGNATURE)
}

/// Reads the file whose superblock stands at `at`. What cannot be followed is searched for JSON nevertheless.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, at: u64, place: &Place) {
    scan.part(place, "hdf5", source.size());
    documents::classes(scan, source, place);
    if let Err(Wrong(reason)) = walk(scan, source, at, place) {
        scan.find(place, "hdf5.structure", Verdict::Unknown, reason, None);
    }
}

/// The file, and the header of its first group.
fn open(source: &dyn Source, at: u64) -> Result<(File<'_>, u64), Wrong> {
    let block = read_up_to(source, at, 128).map_err(|_| Wrong("its superblock cannot be read"))?;
    let byte = |index: usize| block.get(index).copied().ok_or(Wrong("its superblock ends too early"));
    let version = byte(8)?;
    let (widths, before) = match version {
        0 => ((byte(13)?, byte(14)?), 24),
        1 => ((byte(13)?, byte(14)?), 28),
        2 | 3 => ((byte(9)?, byte(10)?), 12),
        _ => return Err(Wrong("its superblock is of a version that is not known")),
    };
    let file = File::new(source, at, widths.0, widths.1)?;
    let mut fields = file.fields(&block);
    fields.take(before)?;
    // Base, free space or extension, end, and driver or the root itself.
    for _ in 0..3 {
        fields.address()?;
    }
    let fourth = fields.address()?;
    if version > 1 {
        return Ok((file, fourth));
    }
    fields.address()?;
    let root = fields.address()?;
    Ok((file, root))
}

/// Follows every link to every object, each once.
fn walk(scan: &mut Scan<'_>, source: &dyn Source, at: u64, place: &Place) -> Result<(), Wrong> {
    let (file, root) = open(source, at)?;
    let mut seen = BTreeSet::from([root]);
    let mut open = VecDeque::from([(root, String::new())]);
    let mut first_wrong = Ok(());
    while let Some((address, path)) = open.pop_front() {
        if !scan.count_member(place) {
            return Ok(());
        }
        let found = object(scan, &file, address, &path, place);
        for (name, child) in found.unwrap_or_else(|wrong| {
            // What else there is, is looked at all the same.
            first_wrong = first_wrong.and(Err(wrong));
            Vec::new()
        }) {
            if seen.insert(child) {
                let path = format!("{}/{name}", path.get(..path.len().min(1024)).unwrap_or_default());
                open.push_back((child, path));
            }
        }
    }
    scan.fact(place, "objects", &seen.len().to_string());
    first_wrong.and(collections(scan, &file, place))
}

/// One object; gives the objects that it links to.
fn object(
    scan: &mut Scan<'_>,
    file: &File<'_>,
    address: u64,
    path: &str,
    place: &Place,
) -> Result<Vec<(String, u64)>, Wrong> {
    let messages = objects::messages(file, address)?;
    let mut children = Vec::new();
    let links = groups::links(file, &messages);
    for link in links.as_ref().map(Vec::as_slice).unwrap_or_default() {
        if path.is_empty() && link.name == HICKLE {
            file.is_hickle.set(true);
        }
        match &link.target {
            Target::Object(address) => children.push((link.name.clone(), *address)),
            Target::Path => {}
            Target::File(name) => elsewhere(scan, &format!("{path}/{}", link.name), "leads to", name, place),
            Target::Plugin(kind) => {
                let reason = format!("link `{}` is of kind {kind}, which needs a plugin", shown(&link.name));
                scan.find(place, "hdf5.link", Verdict::Unknown, reason, None);
            }
        }
    }
    let files = values::files(file, &messages);
    for name in files.as_ref().map(Vec::as_slice).unwrap_or_default() {
        elsewhere(scan, path, "takes its data from", name, place);
    }
    let attributes = values::attributes(file, &messages);
    for attribute in attributes.as_ref().map(Vec::as_slice).unwrap_or_default() {
        let inner = place.member(&format!("{}@{}", path.trim_start_matches('/'), attribute.name));
        for value in &attribute.values {
            text(scan, value, &inner);
        }
    }
    let is_hickle = file.is_hickle.get();
    let is_unpickled = attributes
        .as_ref()
        .is_ok_and(|all| values::is_unpickled(all, is_hickle));
    let read = data(scan, file, &messages, path, is_unpickled, place);
    links
        .map(drop)
        .and(files.map(drop))
        .and(attributes.map(drop))
        .and(read)?;
    Ok(children)
}

/// Data that is bytes to HDF5, and that a program may unpickle: hickle says in an attribute which is that.
fn data(
    scan: &mut Scan<'_>,
    file: &File<'_>,
    messages: &[objects::Message],
    path: &str,
    is_unpickled: bool,
    place: &Place,
) -> Result<(), Wrong> {
    let inner = place.member(path.trim_start_matches('/'));
    let surely = if is_unpickled { Surely::Tried } else { Surely::Perhaps };
    match data::bytes(file, messages) {
        Ok(Some(bytes)) => may_be_loaded(scan, file, &bytes, surely, &inner)?,
        Ok(None) if is_unpickled && data::is_bytes(file, messages) => {
            let reason = "its data is a pickle to hickle, and is packed as is not read";
            scan.find(&inner, "hdf5.data", Verdict::Unknown, reason, None);
        }
        Ok(None) => {}
        Err(wrong) if is_unpickled => return Err(wrong),
        // Numbers, whose loader says what is wrong with them.
        Err(_) => {}
    }
    Ok(())
}

/// Data that lies in another file, which whoever loads this one reads unasked.
fn elsewhere(scan: &mut Scan<'_>, path: &str, what: &str, name: &str, place: &Place) {
    let (verdict, where_to) = if leads_outside(name) || name.contains("://") {
        (Verdict::Malicious, ", outside its folder")
    } else {
        (Verdict::Unknown, ", another file")
    };
    let reason = format!("`{}` {what} `{}`{where_to}", shown(path), shown(name));
    scan.find(place, "hdf5.external", verdict, reason, None);
}

/// A value that a program may read as more than a text: JSON with classes, or a pickle, as PyTables keeps them.
fn text(scan: &mut Scan<'_>, value: &[u8], place: &Place) {
    let end = value
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last.saturating_add(1));
    let bare = value.get(..end).unwrap_or_default();
    if bare.len() < 2 {
        return;
    }
    if documents::is_json(bare) {
        documents::json(scan, &bare, place);
    } else {
        pickle::judge(scan, &bare, 0, place, Surely::Tried);
    }
}

/// Every collection of the global heap, also those that no attribute names: lists of bytes in data lie there, in which
/// PyTables and pandas keep pickles.
fn collections(scan: &mut Scan<'_>, file: &File<'_>, place: &Place) -> Result<(), Wrong> {
    let inner = place.member("global heap");
    file.find(b"GCOL", |at| {
        for (start, bytes) in heaps::places(file, at)? {
            let object = Window::new(file.source, start, bytes);
            may_be_loaded(scan, file, &object, Surely::Tried, &inner)?;
        }
        Ok(())
    })
}

/// Bytes that some program unpickles.
fn may_be_loaded(
    scan: &mut Scan<'_>,
    file: &File<'_>,
    data: &dyn Source,
    surely: Surely,
    place: &Place,
) -> Result<(), Wrong> {
    file.spend(2)?;
    let head = read_up_to(data, 0, 2).unwrap_or_default();
    if matches!(head.as_slice(), [0x80, 0..=5]) || may_be_old_pickle(&head) {
        pickle::judge(scan, data, 0, place, surely);
    }
    Ok(())
}
