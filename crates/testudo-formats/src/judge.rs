//! What a piece of data is, by its content, and who reads it.

use crate::pickle::{self, Surely, Was};
use crate::scan::{Place, Scan};
use crate::source::{Source, Window, read_up_to};
use crate::unpack::{Packing, Unpacked};
use crate::verdict::Verdict;
use crate::{documents, gguf, graphs, hdf5, lite, numpy, safetensors, sevenz, tar, torch, zip};

/// What the data was found in.
#[derive(Clone, Copy)]
pub(crate) enum Inside<'n> {
    Nothing,
    /// A zip with members of these names.
    Zip(&'n [String]),
    /// Another archive of files.
    Archive,
    /// A compressed stream.
    Stream,
}

/// `ZF`, and the longest number of 64 bits in hexadecimal digits.
const ZFILE_HEAD_BYTES: u64 = 21;
/// Names under which people keep pickles and nothing else.
const PICKLES: [&str; 7] = [".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".pck"];
/// Names under which pickles are kept, among other things.
const PERHAPS_PICKLES: [&str; 8] = [".bin", ".ckpt", ".dat", ".data", ".model", ".sav", ".p", ".npy"];

/// Judges data, whatever it is.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, place: &Place, inside: Inside<'_>) {
    if place.depth > scan.limits().depth_max {
        let reason = "it lies deeper in other archives than the limit, and was not read";
        scan.find(place, "archive.depth", Verdict::Unknown, reason, None);
        return;
    }
    let head = match read_up_to(source, 0, 1024) {
        Ok(head) => head,
        Err(fault) => {
            scan.find(place, "file.read", Verdict::Unknown, fault.to_string(), None);
            return;
        }
    };
    if head.is_empty() {
        scan.part(place, "empty", 0);
        return;
    }
    if is_storage(place, inside) {
        scan.part(place, "tensor data", source.size());
        return;
    }
    if archive(scan, source, &head, place) {
        return also_hdf5(scan, source, place);
    }
    content(scan, source, &head, place, inside);
    let is_other = head.starts_with(b"\x93NUMPY") || head.starts_with(b"GGUF");
    if is_other || hdf5::near(source).is_none() {
        also_hdf5(scan, source, place);
    }
    if zip::has_directory(source) {
        // Labels and descriptions of a TensorFlow Lite model are kept that way.
        if !lite::is_one(&head) {
            let reason = "a zip archive stands at the end of something else; both were read";
            scan.find(place, "polyglot.zip", Verdict::Suspicious, reason, None);
        }
        zip::judge(scan, source, place);
    }
}

/// An HDF5 file behind something else, which its library finds at any power of two.
fn also_hdf5(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    if let Some(at) = hdf5::superblock(source) {
        let reason = "an HDF5 file begins within something else; both were read";
        scan.find(place, "polyglot.hdf5", Verdict::Suspicious, reason, Some(at));
        hdf5::judge(scan, source, at, place);
    }
}

/// Bytes of a tensor in a PyTorch zip, which nothing reads as anything else.
fn is_storage(place: &Place, inside: Inside<'_>) -> bool {
    let Inside::Zip(names) = inside else {
        return false;
    };
    let mut steps = place.name.rsplit('/');
    let is_number = steps
        .next()
        .is_some_and(|step| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()));
    is_number && matches!(steps.next(), Some("data" | "constants" | ".data")) && has_member(names, "data.pkl")
}

/// Whether a member has this file name.
pub(crate) fn has_member(names: &[String], name: &str) -> bool {
    names.iter().any(|member| {
        member
            .strip_suffix(name)
            .is_some_and(|before| before.is_empty() || before.ends_with('/'))
    })
}

/// What kind of zip has members of these names.
pub(crate) fn layout(names: &[String]) -> &'static str {
    let has = |name: &str| has_member(names, name);
    if has("data.pkl") && names.iter().any(|name| name.contains("code/")) && has("constants.pkl") {
        "torchscript"
    } else if has("data.pkl") {
        "pytorch"
    } else if has("config.json") && (has("model.weights.h5") || has("metadata.json")) {
        "keras"
    } else if has("schema.json") {
        "skops"
    } else if has("MAR-INF/MANIFEST.json") {
        "torch-model-archive"
    } else if !names.is_empty() && names.iter().all(|name| name.ends_with(".npy")) {
        "npz"
    } else {
        "zip"
    }
}

/// Whether unpacking under this name writes outside the folder.
pub(crate) fn leads_outside(name: &str) -> bool {
    let mut depth = 0_i64;
    for step in name.split(['/', '\\']) {
        match step {
            "" | "." => {}
            ".." => {
                depth = depth.saturating_sub(1);
                if depth < 0 {
                    return true;
                }
            }
            _ => depth = depth.saturating_add(1),
        }
    }
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    drive || name.starts_with(['/', '\\'])
}

/// Archives and compressed streams; whether it was one.
fn archive(scan: &mut Scan<'_>, source: &dyn Source, head: &[u8], place: &Place) -> bool {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        zip::judge(scan, source, place);
        return true;
    }
    if tar::is_tar(head) {
        tar::judge(scan, source, place);
        // The first name is the first bytes: it can be a pickle at the same time.
        if matches!(head, [0x80, 0..=5, ..]) || may_be_old_pickle(head) {
            pickle::judge(scan, source, 0, place, Surely::Perhaps);
        }
        return true;
    }
    if head.starts_with(b"7z\xbc\xaf\x27\x1c") {
        sevenz::judge(scan, source, place);
        return true;
    }
    if head.starts_with(b"ZF0x") {
        // joblib before 0.10: the size in hexadecimal digits, padded, then zlib.
        scan.part(place, "joblib zfile", source.size());
        let packed = Window::new(source, ZFILE_HEAD_BYTES, u64::MAX);
        let unpacked = Unpacked::open(scan, &packed, Packing::Zlib, place);
        judge(scan, &unpacked, &place.unpacked(), Inside::Stream);
        unpacked.close(scan, place);
        return true;
    }
    let Some((packing, is_sure)) = packing(head) else {
        return false;
    };
    let mut tried = Scan::new(scan.options);
    if !is_sure && Unpacked::open(&mut tried, source, packing, place).size() == 0 {
        return false;
    }
    scan.part(place, packing.word(), source.size());
    let unpacked = Unpacked::open(scan, source, packing, place);
    judge(scan, &unpacked, &place.unpacked(), Inside::Stream);
    unpacked.close(scan, place);
    true
}

/// How a stream is packed, and whether its first bytes leave no doubt.
fn packing(head: &[u8]) -> Option<(Packing, bool)> {
    Some(match head {
        [0x1f, 0x8b, 8, ..] => (Packing::Gzip, true),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..] => (Packing::Bzip2, true),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => (Packing::Xz, true),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => (Packing::Zstd, true),
        [0x04, 0x22, 0x4d, 0x18, ..] => (Packing::Lz4, true),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => (Packing::Zlib, false),
        [0x5d, 0, 0, _, _, size @ ..] if matches!(size.get(..8), Some([0xff, ..] | [.., 0, 0])) => {
            (Packing::Lzma, false)
        }
        _ => return None,
    })
}

fn content(scan: &mut Scan<'_>, source: &dyn Source, head: &[u8], place: &Place, inside: Inside<'_>) {
    if let Inside::Zip(names) = inside
        && torch::member(scan, source, names, place)
    {
        return;
    }
    if head.starts_with(b"\x93NUMPY") {
        return numpy::judge(scan, source, place);
    }
    if by_content(scan, source, head, place) {
        return;
    }
    let in_torch = matches!(inside, Inside::Zip(names) if has_member(names, "data.pkl"));
    let named = place.ends_with(&PICKLES) || (in_torch && place.name.ends_with(".pkl"));
    let starts = matches!(head, [0x80, 0..=5, next, ..] if next.is_ascii_graphic() || *next >= 0x80);
    let plain_name = place.ends_with(&PERHAPS_PICKLES) || !place.file_name().contains('.');
    let starts_as_named = starts && plain_name;
    // What begins as an image breaks every unpickler at its first or seventh byte, before anything is done.
    let image = image(head);
    let surely = if image.is_none() && (named || starts_as_named) {
        Surely::Pickle
    } else {
        Surely::Perhaps
    };
    if starts || surely == Surely::Pickle || may_be_old_pickle(head) {
        let was = pickle::judge(scan, source, 0, place, surely);
        if was == Was::Pickle {
            return;
        }
    }
    if let Some(what) = image {
        scan.part(place, what, source.size());
        if named {
            let reason = format!("it is named as a pickle and is a {what}");
            scan.find(place, "file.name", Verdict::Suspicious, reason, None);
        }
        named_otherwise(scan, place);
        if named || place.ends_with(&PERHAPS_PICKLES) {
            pickle::search(scan, source, 0, place);
        }
        return;
    }
    if let Some(what) = native(head) {
        scan.part(place, what, source.size());
        let reason = "it is a program or library, which models do not need";
        scan.find(place, "native.code", Verdict::Unknown, reason, Some(0));
        return;
    }
    let is_text = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    scan.part(place, if is_text { "text" } else { "data" }, source.size());
    if is_text || place.ends_with(&[".yaml", ".yml"]) {
        documents::texts(scan, source, place);
    }
    named_otherwise(scan, place);
    if place.ends_with(&PERHAPS_PICKLES) {
        pickle::search(scan, source, 0, place);
    }
}

/// Formats that their first bytes or their structure tell; whether it was one.
fn by_content(scan: &mut Scan<'_>, source: &dyn Source, head: &[u8], place: &Place) -> bool {
    if head.starts_with(b"GGUF") {
        gguf::judge(scan, source, place);
    } else if let Some(at) = hdf5::near(source) {
        hdf5::judge(scan, source, at, place);
    } else if safetensors::is_one(source, head) {
        safetensors::judge(scan, source, head, place);
    } else if documents::is_json(head) && !place.ends_with(&PICKLES) {
        documents::json(scan, source, place);
    } else if graphs::is_onnx(source, head) || (place.ends_with(&[".onnx"]) && head.first() == Some(&8)) {
        graphs::onnx(scan, source, place);
    } else if lite::is_one(head) {
        lite::judge(scan, source, place);
    } else if place.ends_with(&[".pb"]) {
        // Keras keeps its architecture beside the graph.
        documents::classes(scan, source, place);
        return graphs::tensorflow(scan, source, place);
    } else {
        return false;
    }
    true
}

/// Opcodes with which pickles without PROTO begin.
pub(crate) fn may_be_old_pickle(head: &[u8]) -> bool {
    matches!(
        head.first(),
        Some(
            b'B' | b'C'
                | b'c'
                | b'('
                | b']'
                | b'}'
                | b')'
                | b'S'
                | b'V'
                | b'U'
                | b'X'
                | b'I'
                | b'K'
                | b'J'
                | b'M'
                | b'N'
                | b'i'
                | b'F'
                | b'G'
                | b'L'
                | b'T'
                | b'P'
                | b'l'
                | b'd'
                | b't'
                | 0x82..=0x98
        )
    )
}

/// A name that promises a format, and content that is none.
fn named_otherwise(scan: &mut Scan<'_>, place: &Place) {
    const PROMISED: [&str; 7] = [".safetensors", ".gguf", ".onnx", ".npy", ".npz", ".h5", ".keras"];
    if let Some(end) = PROMISED.iter().find(|end| place.name.ends_with(**end)) {
        let reason = format!("it is called {end} and is none");
        scan.find(place, "file.name", Verdict::Suspicious, reason, None);
    }
}

fn image(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("png")
    } else {
        head.starts_with(b"\xff\xd8\xff").then_some("jpeg")
    }
}

fn native(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x7f, b'E', b'L', b'F', ..] => Some("elf"),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] => Some("mach-o"),
        [b'M', b'Z', ..] => {
            let at = head
                .get(0x3c..0x40)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u32::from_le_bytes)?;
            let at = usize::try_from(at).ok()?;
            (head.get(at..at.checked_add(4)?) == Some(b"PE\0\0")).then_some("pe")
        }
        _ => None,
    }
}
