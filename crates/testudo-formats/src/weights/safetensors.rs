//! Tensors of a safetensors file.

use testudo_bounded::json::{Document, Limits, Node};

use super::element::{Element, Kind};
use super::{Layout, LeftOut, Place, Tensor, Unreadable};
use crate::safetensors::HEADER_BYTES_MAX;
use crate::source::{Source, read_exact};

pub(super) fn find(source: &dyn Source) -> Result<Layout, Unreadable> {
    let mut length = [0; 8];
    length.copy_from_slice(&read_exact(source, 0, 8)?);
    let length = u64::from_le_bytes(length);
    let bytes = usize::try_from(length.min(HEADER_BYTES_MAX)).unwrap_or(0);
    if length > HEADER_BYTES_MAX {
        return Err(Unreadable::Malformed(format!("its header has {length} bytes")));
    }
    let header = read_exact(source, 8, bytes)?;
    let limits = Limits {
        bytes_max: header.len(),
        depth_max: 8,
        nodes_max: 4_000_000,
    };
    let document = Document::parse(&header, &limits)
        .map_err(|error| Unreadable::Malformed(format!("its header cannot be read: {error}")))?;
    let data_at = length.saturating_add(8);
    let mut tensors = Vec::new();
    let mut left_out = Vec::new();
    for (_, value) in document.root().entries() {
        let name = value.key_text().unwrap_or_default().into_owned();
        if name == "__metadata__" {
            continue;
        }
        match tensor(value, &name, data_at) {
            Some(tensor) => tensors.push(tensor),
            None => left_out.push(LeftOut {
                name,
                reason: "it is not described as the format asks".to_owned(),
            }),
        }
    }
    Ok(Layout {
        format: "safetensors",
        tensors,
        left_out,
    })
}

fn tensor(value: Node<'_>, name: &str, data_at: u64) -> Option<Tensor> {
    let (from, to) = crate::safetensors::tensor(value)?;
    let dtype = value.get("dtype")?.as_str()?.into_owned();
    let shape: Option<Vec<u64>> = value.get("shape")?.items().map(|axis| axis.as_u64()).collect();
    let kind = match dtype.as_str() {
        "F64" => Some(Kind::plain(Element::F64)),
        "F32" => Some(Kind::plain(Element::F32)),
        "F16" => Some(Kind::plain(Element::F16)),
        "BF16" => Some(Kind::plain(Element::Bf16)),
        "F8_E4M3" => Some(Kind::plain(Element::F8E4m3)),
        "F8_E5M2" => Some(Kind::plain(Element::F8E5m2)),
        "I64" => Some(Kind::plain(Element::I64)),
        "I32" => Some(Kind::plain(Element::I32)),
        "I16" => Some(Kind::plain(Element::I16)),
        "I8" => Some(Kind::plain(Element::I8)),
        "U64" => Some(Kind::plain(Element::U64)),
        "U32" => Some(Kind::plain(Element::U32)),
        "U16" => Some(Kind::plain(Element::U16)),
        "U8" => Some(Kind::plain(Element::U8)),
        "BOOL" => Some(Kind::plain(Element::Bool)),
        "C64" => Some(Kind::complex(Element::F32)),
        // Scales and packed floats: their bytes are known, and no more.
        _ => None,
    };
    Some(Tensor {
        name: name.to_owned(),
        dtype,
        shape: shape?,
        bytes: to.checked_sub(from)?,
        kind,
        is_column_major: false,
        place: Place::Plain {
            at: data_at.checked_add(from)?,
        },
    })
}
