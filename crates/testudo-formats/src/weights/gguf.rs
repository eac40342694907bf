//! Tensors of a GGUF file.

use super::element::{Element, Kind};
use super::{Layout, LeftOut, Place, Tensor, Unreadable};
use crate::gguf::{KEYS_MAX, NAME_BYTES_MAX, TENSORS_MAX, Wrong, block, skip, text};
use crate::source::{Cursor, Source};
use crate::verdict::shown;

const DEPTH_MAX: u32 = 4;

impl From<Wrong> for Unreadable {
    fn from(Wrong(reason): Wrong) -> Self {
        Self::Malformed(format!("its header cannot be read: {reason}"))
    }
}

/// What a header says about a tensor.
struct Described {
    name: String,
    shape: Vec<u64>,
    kind: u32,
    offset: u64,
}

pub(super) fn find(source: &dyn Source) -> Result<Layout, Unreadable> {
    let mut cursor = Cursor::new(source, 4);
    let version = cursor.u32_le()?;
    if !matches!(version, 2 | 3) {
        return Err(Wrong(format!("version {version} is not known")).into());
    }
    let (tensors, keys) = (cursor.u64_le()?, cursor.u64_le()?);
    if keys > KEYS_MAX || tensors > TENSORS_MAX {
        return Err(Wrong(format!("{keys} keys and {tensors} tensors are over the limit")).into());
    }
    let mut alignment = 32_u64;
    for _ in 0..keys {
        let key = text(&mut cursor, NAME_BYTES_MAX)?;
        let kind = cursor.u32_le()?;
        if key == "general.alignment" && kind == 4 {
            alignment = u64::from(cursor.u32_le()?);
            if !alignment.is_power_of_two() {
                return Err(Wrong(format!("an alignment of {alignment} is none")).into());
            }
        } else {
            skip(&mut cursor, kind, DEPTH_MAX)?;
        }
    }
    let mut all = Vec::new();
    for _ in 0..tensors {
        all.push(described(&mut cursor)?);
    }
    let data_at = cursor.position().div_ceil(alignment).saturating_mul(alignment);
    let mut layout = Layout {
        format: "gguf",
        tensors: Vec::new(),
        left_out: Vec::new(),
    };
    for it in all {
        let kind = it.kind;
        let name = it.name.clone();
        match tensor(it, data_at) {
            Some(tensor) => layout.tensors.push(tensor),
            None => layout.left_out.push(LeftOut {
                name,
                reason: format!("type {kind} is not known, or its size overflows"),
            }),
        }
    }
    Ok(layout)
}

fn described(cursor: &mut Cursor<'_>) -> Result<Described, Unreadable> {
    let name = text(cursor, NAME_BYTES_MAX)?;
    let axes = cursor.u32_le()?;
    if axes > 4 {
        return Err(Wrong(format!("tensor `{}` has {axes} axes", shown(&name))).into());
    }
    let mut shape = Vec::new();
    for _ in 0..axes {
        shape.push(cursor.u64_le()?);
    }
    // The file has the axis first whose neighbours lie next to each other; everybody else has it last.
    shape.reverse();
    Ok(Described {
        name,
        shape,
        kind: cursor.u32_le()?,
        offset: cursor.u64_le()?,
    })
}

fn tensor(it: Described, data_at: u64) -> Option<Tensor> {
    let (weights, bytes) = block(it.kind)?;
    let count = it
        .shape
        .iter()
        .try_fold(1_u64, |count, axis| count.checked_mul(*axis))?;
    let (dtype, kind) = named(it.kind);
    Some(Tensor {
        name: it.name,
        dtype: dtype.to_owned(),
        shape: it.shape,
        bytes: count.div_ceil(weights).checked_mul(bytes)?,
        kind,
        is_column_major: false,
        place: Place::Plain {
            at: data_at.checked_add(it.offset)?,
        },
    })
}

/// Quantised weights are blocks of scales and small integers: their bytes are compared, not their values.
fn named(kind: u32) -> (&'static str, Option<Kind>) {
    let plain = |element| Some(Kind::plain(element));
    match kind {
        0 => ("F32", plain(Element::F32)),
        1 => ("F16", plain(Element::F16)),
        2 => ("Q4_0", None),
        3 => ("Q4_1", None),
        6 => ("Q5_0", None),
        7 => ("Q5_1", None),
        8 => ("Q8_0", None),
        9 => ("Q8_1", None),
        10 => ("Q2_K", None),
        11 => ("Q3_K", None),
        12 => ("Q4_K", None),
        13 => ("Q5_K", None),
        14 => ("Q6_K", None),
        15 => ("Q8_K", None),
        24 => ("I8", plain(Element::I8)),
        25 => ("I16", plain(Element::I16)),
        26 => ("I32", plain(Element::I32)),
        27 => ("I64", plain(Element::I64)),
        28 => ("F64", plain(Element::F64)),
        30 => ("BF16", plain(Element::Bf16)),
        _ => ("quantised", None),
    }
}
