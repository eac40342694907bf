//! Attributes of objects in HDF5 files, and the other files that their data comes from.

use super::blocks::{Fields, File, Wrong};
use super::heaps::{self, Fractal};
use super::objects::{ATTRIBUTE, ATTRIBUTE_INFO, EXTERNAL_FILES, LAYOUT, Message};

/// Elements of one attribute that are looked at; beyond, all collections of the file are.
const ELEMENTS_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    /// Its value, or one for each of its elements if they have lengths of their own.
    pub(super) values: Vec<Vec<u8>>,
}

/// Whether hickle unpickles the data of an object with these attributes: what it knows how to keep otherwise says so.
pub(super) fn is_unpickled(attributes: &[Attribute], is_hickle: bool) -> bool {
    let is_pickle = |value: &Vec<u8>| value.windows(6).any(|part| part.eq_ignore_ascii_case(b"pickle"));
    match attributes.iter().find(|attribute| attribute.name == "base_type") {
        Some(kind) => kind.values.iter().any(is_pickle),
        None => is_hickle,
    }
}

/// Every attribute of an object.
pub(super) fn attributes(file: &File<'_>, messages: &[Message]) -> Result<Vec<Attribute>, Wrong> {
    let mut out = Vec::new();
    for message in messages {
        match message.kind {
            ATTRIBUTE if message.is_shared => return Err(Wrong("an attribute of it is shared, which is not followed")),
            ATTRIBUTE => out.push(attribute(file, &message.data)?),
            ATTRIBUTE_INFO => {
                let mut fields = file.fields(&message.data);
                fields.take(1)?;
                if fields.byte()? & 1 != 0 {
                    fields.take(2)?;
                }
                if let (Some(heap), Some(tree)) = (fields.address_or_none()?, fields.address_or_none()?) {
                    for message in Fractal::open(file, heap)?.named(file, tree, 0)? {
                        out.push(attribute(file, &message)?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

fn attribute(file: &File<'_>, message: &[u8]) -> Result<Attribute, Wrong> {
    let mut fields = file.fields(message);
    let version = fields.byte()?;
    let flags = fields.byte()?;
    let (name_bytes, type_bytes, space_bytes) = (fields.count(2)?, fields.count(2)?, fields.count(2)?);
    let padded = |bytes: usize| if version == 1 { bytes.next_multiple_of(8) } else { bytes };
    match version {
        1 | 2 => {}
        3 => drop(fields.take(1)?),
        _ => return Err(Wrong("an attribute of it is of a version that is not known")),
    }
    let name = fields.take(padded(name_bytes))?;
    let name = String::from_utf8_lossy(name.get(..name_bytes).unwrap_or(name));
    let kind = fields.take(padded(type_bytes))?;
    fields.take(padded(space_bytes))?;
    let is_shared = version > 1 && flags & 1 != 0;
    let kind = kind.first().map_or(0, |first| first & 0x0f);
    let mut values = Vec::new();
    // Texts and lists of their own lengths lie in collections of the global heap.
    if kind == 9 || is_shared {
        match elements(file, fields) {
            Ok(elements) => values = elements,
            Err(wrong) if !is_shared => return Err(wrong),
            Err(_) => {}
        }
    }
    if kind != 9 {
        values.push(fields.rest.to_vec());
    }
    Ok(Attribute {
        name: name.trim_end_matches('\0').to_owned(),
        values,
    })
}

/// The collection that was read last: elements mostly lie in the same one.
struct Collection {
    address: u64,
    objects: Vec<(u64, Vec<u8>)>,
}

fn elements(file: &File<'_>, mut fields: Fields<'_>) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut out = Vec::new();
    let mut last = Collection {
        address: 0,
        objects: Vec::new(),
    };
    while fields.rest.len() >= file.address_bytes.saturating_add(8) && out.len() < ELEMENTS_MAX {
        let bytes = fields.number(4)?;
        let (address, index) = (fields.address_or_none()?, fields.number(4)?);
        let Some(address) = address.filter(|address| *address != 0 && bytes > 0) else {
            continue;
        };
        if last.address != address {
            let objects = heaps::collection(file, address)?;
            last = Collection { address, objects };
        }
        let found = last.objects.iter().find(|(at, _)| *at == index);
        let (_, object) = found.ok_or(Wrong("a text of it is in no collection"))?;
        out.push(object.clone());
    }
    Ok(out)
}

/// Names of files that an object's data is read from.
pub(super) fn files(file: &File<'_>, messages: &[Message]) -> Result<Vec<String>, Wrong> {
    let mut out = Vec::new();
    for message in messages {
        let mut fields = file.fields(&message.data);
        match message.kind {
            // The library shares neither.
            EXTERNAL_FILES | LAYOUT if message.is_shared => {
                return Err(Wrong("where its data lies is shared, which is not followed"));
            }
            EXTERNAL_FILES => {
                fields.take(6)?;
                let used = fields.number(2)?;
                let heap = heaps::local(file, fields.address()?)?;
                for _ in 0..used {
                    out.push(heaps::text_in(file, &heap, fields.length()?)?);
                    fields.length()?;
                    fields.length()?;
                }
            }
            LAYOUT => out.extend(composed(file, fields)?),
            _ => {}
        }
    }
    Ok(out)
}

/// The first file of data that is composed from others; the places of the rest depend on what is selected.
fn composed(file: &File<'_>, mut fields: Fields<'_>) -> Result<Option<String>, Wrong> {
    let (version, kind) = (fields.byte()?, fields.byte()?);
    if version < 4 || kind != 3 {
        return Ok(None);
    }
    let Some(address) = fields.address_or_none()? else {
        return Ok(None);
    };
    let index = fields.number(4)?;
    let objects = heaps::collection(file, address)?;
    let Some((_, list)) = objects.iter().find(|(at, _)| *at == index) else {
        return Err(Wrong("composed data does not say what it is composed of"));
    };
    let mut fields = file.fields(list);
    let version = fields.byte()?;
    fields.length()?;
    if version > 0 {
        // Names may be left out, or be those of an entry before.
        fields.take(1)?;
    }
    Ok(Some(fields.text()?))
}
