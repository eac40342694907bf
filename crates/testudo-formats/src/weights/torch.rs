//! Tensors of a PyTorch zip file: its pickle is carried out symbolically, and says where in which storage each lies.

use super::element::{Element, Kind};
use super::{Layout, LeftOut, Place, Tensor, Unreadable};
use crate::pickle::{self, Described};
use crate::source::{Source, Window, read_up_to};
use crate::unpack::{Packing, Unpacked};
use crate::zip::{Listed, Method};
use crate::{Options, scan};

/// Whether a member is the pickle of such a file.
pub(super) fn is_pickle(name: &str) -> bool {
    name == "data.pkl" || name.ends_with("/data.pkl")
}

pub(super) fn find(source: &dyn Source, members: &[Listed]) -> Result<Layout, Unreadable> {
    let mut pickles = members.iter().filter(|member| is_pickle(&member.name));
    let Some(member) = pickles.next() else {
        return Err(Unreadable::Format);
    };
    if pickles.next().is_some() {
        return Err(Unreadable::Malformed("it has more than one data.pkl".to_owned()));
    }
    let prefix = member.name.strip_suffix("data.pkl").unwrap_or_default();
    let window = Window::new(source, member.data_at, member.packed_bytes);
    let described = match member.method {
        Method::Stored => pickle::tensors(&window),
        Method::Deflated => {
            let options = Options::default();
            let place = scan::Place::outermost(&member.name);
            let unpacked = Unpacked::open(&mut scan::Scan::new(&options), &window, Packing::Deflate, &place);
            pickle::tensors(&unpacked)
        }
        Method::Other(number) => return Err(Unreadable::Malformed(format!("it is packed by method {number}"))),
    };
    let described =
        described.map_err(|reason| Unreadable::Malformed(format!("its pickle cannot be read: {reason}")))?;
    let is_big_endian = members
        .iter()
        .find(|member| member.name == format!("{prefix}byteorder"))
        .is_some_and(|member| read_up_to(source, member.data_at, 3).is_ok_and(|bytes| bytes == b"big"));
    let mut layout = Layout {
        format: "torch zip",
        tensors: Vec::new(),
        left_out: Vec::new(),
    };
    for it in described {
        let name = it.name.clone();
        match tensor(it, members, prefix, is_big_endian) {
            Ok(tensor) => layout.tensors.push(tensor),
            Err(reason) => layout.left_out.push(LeftOut { name, reason }),
        }
    }
    Ok(layout)
}

fn tensor(it: Described, members: &[Listed], prefix: &str, is_big_endian: bool) -> Result<Tensor, String> {
    let stored = format!("{prefix}data/{}", it.storage);
    let mut found = members.iter().filter(|member| member.name == stored);
    let (Some(member), None) = (found.next(), found.next()) else {
        return Err(format!("storage `{stored}` does not lie in the file once"));
    };
    if member.method != Method::Stored {
        return Err("its storage is packed".to_owned());
    }
    let (dtype, kind, size) = class(&it.class).ok_or_else(|| format!("values of `{}` are not read", it.class))?;
    if !lies_in_a_row(&it.shape, &it.strides) {
        return Err("its values do not lie one after the other".to_owned());
    }
    let overflow = || "its place overflows".to_owned();
    let count = it.shape.iter().try_fold(1_u64, |count, axis| count.checked_mul(*axis));
    let bytes = count.and_then(|count| count.checked_mul(size)).ok_or_else(overflow)?;
    let skip = it.offset.checked_mul(size).ok_or_else(overflow)?;
    if skip.checked_add(bytes).ok_or_else(overflow)? > member.packed_bytes {
        return Err("it is longer than its storage".to_owned());
    }
    Ok(Tensor {
        name: it.name,
        dtype: dtype.to_owned(),
        shape: it.shape,
        bytes,
        kind: kind.map(|kind| Kind { is_big_endian, ..kind }),
        is_column_major: false,
        place: Place::Plain {
            at: member.data_at.checked_add(skip).ok_or_else(overflow)?,
        },
    })
}

/// Whether the last axis moves by one value, and each other by all that is within it. Axes of one do not move.
fn lies_in_a_row(shape: &[u64], strides: &[u64]) -> bool {
    let mut within = 1_u64;
    shape.len() == strides.len()
        && shape.iter().zip(strides).rev().all(|(axis, stride)| {
            let fits = *axis <= 1 || *stride == within;
            within = within.saturating_mul(*axis);
            fits
        })
        || shape.contains(&0)
}

/// What a storage's class holds, and the bytes of one value.
fn class(name: &str) -> Option<(&'static str, Option<Kind>, u64)> {
    let plain = |dtype, element| {
        let kind = Kind::plain(element);
        Some((dtype, Some(kind), kind.bytes()))
    };
    match name.rsplit('.').next().unwrap_or(name) {
        "DoubleStorage" => plain("float64", Element::F64),
        "FloatStorage" => plain("float32", Element::F32),
        "HalfStorage" => plain("float16", Element::F16),
        "BFloat16Storage" => plain("bfloat16", Element::Bf16),
        "LongStorage" => plain("int64", Element::I64),
        "IntStorage" => plain("int32", Element::I32),
        "ShortStorage" => plain("int16", Element::I16),
        "CharStorage" => plain("int8", Element::I8),
        "ByteStorage" => plain("uint8", Element::U8),
        "BoolStorage" => plain("bool", Element::Bool),
        "ComplexFloatStorage" => Some(("complex64", Some(Kind::complex(Element::F32)), 8)),
        "ComplexDoubleStorage" => Some(("complex128", Some(Kind::complex(Element::F64)), 16)),
        "QInt8Storage" => Some(("qint8", None, 1)),
        "QUInt8Storage" => Some(("quint8", None, 1)),
        "QInt32Storage" => Some(("qint32", None, 4)),
        "float8_e4m3fn" => plain("float8_e4m3fn", Element::F8E4m3),
        "float8_e5m2" => plain("float8_e5m2", Element::F8E5m2),
        "uint16" => plain("uint16", Element::U16),
        "uint32" => plain("uint32", Element::U32),
        "uint64" => plain("uint64", Element::U64),
        _ => None,
    }
}
