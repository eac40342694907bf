//! Arrays of numpy, in files of their own and in zip files.

use std::io::{self, Read as _};

use super::element::{Element, Kind};
use super::{Layout, LeftOut, Place, Tensor, Unreadable};
use crate::numpy;
use crate::source::{Cursor, Source, Window};
use crate::verdict::shown;
use crate::zip::{Listed, Method};

/// Unpacked for an array's header; numpy itself refuses longer ones than 10,000 bytes.
const HEAD_BYTES: u64 = 128 << 10;
/// Axes of an array; numpy has at most 64.
const AXES_MAX: usize = 64;

/// What a header says.
struct Header {
    dtype: String,
    is_column_major: bool,
    shape: Vec<u64>,
}

pub(super) fn find(source: &dyn Source) -> Result<Layout, Unreadable> {
    let mut layout = empty("npy");
    let mut cursor = Cursor::new(source, 0);
    let text = numpy::header(&mut cursor)?;
    let place = Place::Plain { at: cursor.position() };
    let there = cursor.left();
    add(&mut layout, "array", &text, there, place);
    if layout.tensors.first().is_some_and(|tensor| tensor.bytes < there) {
        layout.left_out.push(LeftOut {
            name: "what follows".to_owned(),
            reason: "only the first array of a file is read".to_owned(),
        });
    }
    Ok(layout)
}

/// Arrays of a zip file are called as its members, without `.npy`, as numpy calls them.
pub(super) fn find_in_zip(source: &dyn Source, members: &[Listed]) -> Result<Layout, Unreadable> {
    let mut layout = empty("npz");
    for member in members {
        let Some(name) = member.name.strip_suffix(".npy") else {
            continue;
        };
        let begun = match member.method {
            Method::Stored => begun(&Window::new(source, member.data_at, member.packed_bytes)),
            Method::Deflated => {
                let packed = Window::new(source, member.data_at, member.packed_bytes);
                inflated(&packed).and_then(|head| begun(&head.as_slice()))
            }
            Method::Other(number) => Err(format!("it is packed by method {number}")),
        };
        let (text, skip) = match begun {
            Ok(begun) => begun,
            Err(reason) => {
                layout.left_out.push(LeftOut {
                    name: name.to_owned(),
                    reason,
                });
                continue;
            }
        };
        let (at, packed_bytes) = (member.data_at, member.packed_bytes);
        let place = match member.method {
            Method::Stored => Place::Plain {
                at: at.saturating_add(skip),
            },
            _ => Place::Deflated { at, packed_bytes, skip },
        };
        add(&mut layout, name, &text, member.bytes.saturating_sub(skip), place);
    }
    Ok(layout)
}

fn empty(format: &'static str) -> Layout {
    Layout {
        format,
        tensors: Vec::new(),
        left_out: Vec::new(),
    }
}

/// The header's text, and where the values begin.
fn begun(source: &dyn Source) -> Result<(String, u64), String> {
    let mut cursor = Cursor::new(source, 0);
    let magic: [u8; 6] = cursor.array().map_err(|fault| fault.to_string())?;
    if magic != *b"\x93NUMPY" {
        return Err("it is no array".to_owned());
    }
    cursor.seek(0);
    let text = numpy::header(&mut cursor).map_err(|fault| format!("its header cannot be read: {fault}"))?;
    Ok((text, cursor.position()))
}

/// The first bytes of a deflated stream, enough for the header.
fn inflated(packed: &dyn Source) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut decoder = flate2::read::DeflateDecoder::new(Cursor::new(packed, 0)).take(HEAD_BYTES);
    io::copy(&mut decoder, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

fn add(layout: &mut Layout, name: &str, text: &str, there: u64, place: Place) {
    let reason = match header(text) {
        None => format!("its header is no plain dictionary: `{}`", shown(text)),
        Some(header) => match values(&header) {
            None => format!("type `{}` is not read", shown(&header.dtype)),
            Some((_, bytes)) if bytes > there => "its data ends before the array does".to_owned(),
            Some((kind, bytes)) => {
                layout.tensors.push(Tensor {
                    name: name.to_owned(),
                    dtype: header.dtype,
                    shape: header.shape,
                    bytes,
                    kind,
                    is_column_major: header.is_column_major,
                    place,
                });
                return;
            }
        },
    };
    layout.left_out.push(LeftOut {
        name: name.to_owned(),
        reason,
    });
}

/// How values are read, if they are numbers, and how many bytes they take.
fn values(header: &Header) -> Option<(Option<Kind>, u64)> {
    let size = numpy::item_bytes(&header.dtype)?;
    let bytes = header
        .shape
        .iter()
        .try_fold(size, |bytes, axis| bytes.checked_mul(*axis))?;
    let plain = header.dtype.trim_start_matches(['<', '>', '|', '=']);
    let kind = match plain {
        "f8" => Some(Kind::plain(Element::F64)),
        "f4" => Some(Kind::plain(Element::F32)),
        "f2" => Some(Kind::plain(Element::F16)),
        "i8" => Some(Kind::plain(Element::I64)),
        "i4" => Some(Kind::plain(Element::I32)),
        "i2" => Some(Kind::plain(Element::I16)),
        "i1" => Some(Kind::plain(Element::I8)),
        "u8" => Some(Kind::plain(Element::U64)),
        "u4" => Some(Kind::plain(Element::U32)),
        "u2" => Some(Kind::plain(Element::U16)),
        "u1" => Some(Kind::plain(Element::U8)),
        "b1" => Some(Kind::plain(Element::Bool)),
        "c16" => Some(Kind::complex(Element::F64)),
        "c8" => Some(Kind::complex(Element::F32)),
        // Texts, times and longer floats: their bytes are known.
        _ => None,
    };
    let is_big_endian = header.dtype.starts_with('>');
    Some((kind.map(|kind| Kind { is_big_endian, ..kind }), bytes))
}

/// Reads `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }` of simple types.
fn header(text: &str) -> Option<Header> {
    // What is no literal is told here.
    let understood = numpy::understood(text)?;
    if understood.has_objects {
        return None;
    }
    let descr = numpy::after_key(text, "descr")?.trim_start();
    let quote = descr.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let dtype = descr.get(1..)?.split(quote).next()?.to_owned();
    let order = numpy::after_key(text, "fortran_order")?.trim_start();
    let shape = numpy::after_key(text, "shape")?.trim_start().strip_prefix('(')?;
    let axes = shape.get(..shape.find(')')?)?;
    let shape: Option<Vec<u64>> = axes
        .split(',')
        .map(|axis| axis.trim().trim_end_matches('L'))
        .filter(|axis| !axis.is_empty())
        .map(|axis| axis.parse().ok())
        .collect();
    Some(Header {
        dtype,
        is_column_major: order.starts_with("True"),
        shape: shape.filter(|shape| shape.len() <= AXES_MAX)?,
    })
}
