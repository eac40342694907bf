//! Headers of weights: safetensors, GGUF, and what an ONNX graph takes and gives.

use testudo_bounded::json::{Document, Limits};

use super::{About, add, say};
use crate::protobuf::{Field, Fields, text as short_text};
use crate::source::{Cursor, Fault, Source, Window, read_exact, read_up_to};

/// The largest header that is read for what it says.
const HEADER_BYTES_MAX: u64 = 64 << 20;
/// Keys and tensors of a GGUF.
const COUNT_MAX: u64 = 1 << 20;
const TEXT_BYTES_MAX: usize = 1 << 16;
const DEPTH_MAX: u32 = 4;

pub(super) fn read(about: &mut About, name: &str, source: &dyn Source) {
    let head = read_up_to(source, 0, 16).unwrap_or_default();
    // What cannot be read says nothing; the scan tells why.
    if head.starts_with(b"GGUF") {
        let _read = gguf(about, &mut Cursor::new(source, 4));
    } else if crate::safetensors::is_one(source, &head) {
        let _read = safetensors(about, source, &head);
    } else if name.to_lowercase().ends_with(".onnx") && crate::graphs::is_onnx(source, &head) {
        onnx(about, source);
    }
}

fn safetensors(about: &mut About, source: &dyn Source, head: &[u8]) -> Option<()> {
    let length = u64::from_le_bytes(head.get(..8)?.try_into().ok()?);
    if length > HEADER_BYTES_MAX {
        return None;
    }
    let header = read_exact(source, 8, usize::try_from(length).ok()?).ok()?;
    let limits = Limits {
        bytes_max: header.len(),
        depth_max: 8,
        nodes_max: 4_000_000,
    };
    let document = Document::parse(&header, &limits).ok()?;
    for (_, value) in document.root().entries() {
        let name = value.key_text().unwrap_or_default();
        if name == "__metadata__" {
            if let Some(text) = value.get("modelspec.architecture").and_then(|it| it.as_str()) {
                say(&mut about.family, &text);
            }
            if let Some(text) = value.get("modelspec.title").and_then(|it| it.as_str()) {
                say(&mut about.name, &text);
            }
            if let Some(license) = value.get("modelspec.license").and_then(|it| it.as_str()) {
                add(&mut about.licenses, &license);
            }
            continue;
        }
        let Some(kind) = value.get("dtype").and_then(|it| it.as_str()) else {
            continue;
        };
        let axes = value.get("shape").map(|it| it.items());
        let count = axes
            .into_iter()
            .flatten()
            .try_fold(1_u64, |all, axis| all.checked_mul(axis.as_u64()?));
        about.count(&name, precision(&kind), count.unwrap_or(0));
    }
    Some(())
}

/// As model packages call it.
fn precision(kind: &str) -> &str {
    match kind {
        "F64" => "float64",
        "F32" => "float32",
        "F16" => "float16",
        "BF16" => "bfloat16",
        "F8_E4M3" | "F8_E4M3FNUZ" => "float8_e4m3",
        "F8_E5M2" | "F8_E5M2FNUZ" => "float8_e5m2",
        "C64" => "complex64",
        "I8" => "int8",
        "I16" => "int16",
        "I32" => "int32",
        "I64" => "int64",
        "U8" => "uint8",
        "U16" => "uint16",
        "U32" => "uint32",
        "U64" => "uint64",
        "BOOL" => "bool",
        _ => "other",
    }
}

fn text(cursor: &mut Cursor<'_>) -> Result<String, Fault> {
    let bytes = cursor.u64_le()?;
    Ok(String::from_utf8_lossy(&cursor.take(bytes, TEXT_BYTES_MAX)?).into_owned())
}

/// The keys, then the tensors; stops at the first that is wrong, and keeps what was read.
fn gguf(about: &mut About, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    let version = cursor.u32_le()?;
    let (tensors, keys) = (cursor.u64_le()?, cursor.u64_le()?);
    if !matches!(version, 2 | 3) || tensors > COUNT_MAX || keys > COUNT_MAX {
        return Ok(());
    }
    for _ in 0..keys {
        let key = text(cursor)?;
        let kind = cursor.u32_le()?;
        match kind {
            8 if is_about(&key) => {
                let value = text(cursor)?;
                said(about, &key, &value);
            }
            4 if key.ends_with(".context_length") => {
                let value = cursor.u32_le()?.to_string();
                about.sizes.entry("max_position_embeddings").or_insert(value);
            }
            4 if key.ends_with(".embedding_length") => {
                let value = cursor.u32_le()?.to_string();
                about.sizes.entry("hidden_size").or_insert(value);
            }
            4 if key.ends_with(".block_count") => {
                let value = cursor.u32_le()?.to_string();
                about.sizes.entry("num_hidden_layers").or_insert(value);
            }
            9 if matches!(key.as_str(), "general.datasets" | "general.languages" | "general.tags") => {
                array(about, &key, cursor)?;
            }
            _ => skip(cursor, kind, DEPTH_MAX)?,
        }
    }
    for _ in 0..tensors {
        let name = text(cursor)?;
        let axes = cursor.u32_le()?;
        let mut count = 1_u64;
        for _ in 0..axes.min(8) {
            count = count.saturating_mul(cursor.u64_le()?);
        }
        let kind = cursor.u32_le()?;
        cursor.skip(8)?;
        about.count(&name, quantized(kind), count);
    }
    Ok(())
}

fn is_about(key: &str) -> bool {
    key.starts_with("general.") && !key.starts_with("general.file_type")
}

fn said(about: &mut About, key: &str, value: &str) {
    match key {
        "general.architecture" => say(&mut about.family, value),
        "general.name" => say(&mut about.name, value),
        "general.description" => say(&mut about.description, value),
        "general.license" => add(&mut about.licenses, value),
        "general.license.name" => say(&mut about.license_name, value),
        "general.license.link" => say(&mut about.license_link, value),
        "general.base_model.0.repo_url" | "general.base_model.1.repo_url" => {
            let bare = value.strip_prefix("https://huggingface.co/").unwrap_or(value);
            add(&mut about.base_models, bare);
        }
        _ => {}
    }
}

fn array(about: &mut About, key: &str, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    let (inner, count) = (cursor.u32_le()?, cursor.u64_le()?);
    if count > cursor.left() {
        return Err(Fault::Truncated);
    }
    for _ in 0..count {
        if inner == 8 {
            let value = text(cursor)?;
            let list = match key {
                "general.datasets" => &mut about.datasets,
                "general.languages" => &mut about.languages,
                _ => &mut about.tags,
            };
            add(list, &value);
        } else {
            skip(cursor, inner, DEPTH_MAX)?;
        }
    }
    Ok(())
}

fn skip(cursor: &mut Cursor<'_>, kind: u32, depth: u32) -> Result<(), Fault> {
    match kind {
        0 | 1 | 7 => cursor.skip(1),
        2 | 3 => cursor.skip(2),
        4..=6 => cursor.skip(4),
        10..=12 => cursor.skip(8),
        8 => {
            let bytes = cursor.u64_le()?;
            cursor.skip(bytes)
        }
        9 => {
            let (inner, count) = (cursor.u32_le()?, cursor.u64_le()?);
            let depth = depth.checked_sub(1).ok_or(Fault::Truncated)?;
            if count > cursor.left() {
                return Err(Fault::Truncated);
            }
            for _ in 0..count {
                skip(cursor, inner, depth)?;
            }
            Ok(())
        }
        _ => Err(Fault::Truncated),
    }
}

/// How llama.cpp calls a type of tensors.
fn quantized(kind: u32) -> &'static str {
    match kind {
        0 => "float32",
        1 => "float16",
        2 => "Q4_0",
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        8 => "Q8_0",
        10 => "Q2_K",
        11 => "Q3_K",
        12 => "Q4_K",
        13 => "Q5_K",
        14 => "Q6_K",
        15 => "Q8_K",
        24 => "int8",
        28 => "float64",
        30 => "bfloat16",
        _ => "other",
    }
}

/// The ports of the graph; weights are not counted, since tools keep them in many ways.
fn onnx(about: &mut About, source: &dyn Source) {
    for (number, field) in Fields::new(source) {
        let (7, Field::Bytes(graph)) = (number, field) else {
            continue;
        };
        let mut weights = std::collections::BTreeSet::new();
        for (number, field) in Fields::new(&graph) {
            if let (5, Field::Bytes(tensor)) = (number, field)
                && weights.len() < super::NAMES_MAX
            {
                weights.extend(named(&tensor, 8));
            }
        }
        for (number, field) in Fields::new(&graph) {
            let Field::Bytes(port) = field else { continue };
            let Some(name) = named(&port, 1) else { continue };
            match number {
                // Older files list the weights as inputs, too.
                11 if !weights.contains(&name) => add(&mut about.inputs, &format!("{name}{}", kind(&port))),
                12 => add(&mut about.outputs, &format!("{name}{}", kind(&port))),
                _ => {}
            }
        }
    }
}

fn named(message: &Window<'_>, at: u64) -> Option<String> {
    inner(message, at).map(|name| short_text(&name))
}

fn inner<'s>(message: &'s Window<'s>, at: u64) -> Option<Window<'s>> {
    Fields::new(message).find_map(|(number, field)| match field {
        Field::Bytes(inner) if number == at => Some(inner),
        _ => None,
    })
}

/// The shape of a port, where each axis has a name; numbers of axes are not read.
fn kind(port: &Window<'_>) -> String {
    let Some(kind) = inner(port, 2) else {
        return String::new();
    };
    let Some(tensor) = inner(&kind, 1) else {
        return String::new();
    };
    let Some(shape) = inner(&tensor, 2) else {
        return String::new();
    };
    let axes = Fields::new(&shape).filter_map(|(number, field)| match field {
        Field::Bytes(axis) if number == 1 => Some(named(&axis, 2).unwrap_or_else(|| "fixed".to_owned())),
        _ => None,
    });
    let axes: Vec<String> = axes.take(16).collect();
    format!(": tensor [{}]", axes.join(", "))
}
