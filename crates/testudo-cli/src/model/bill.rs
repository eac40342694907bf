//! Judged files as components of a CycloneDX document, and such documents written while files are judged.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};
use testudo_formats::Source;
use testudo_vault::bill::{FileEntry, FileKind, file_component, writer};
use testudo_vault::signing::HashKind;

use super::scan::Judged;

/// What a piece is hashed at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Formats that hold weights or code of a model.
const MODELS: [&str; 19] = [
    "pickle",
    "pytorch",
    "torchscript",
    "npy",
    "npz",
    "safetensors",
    "gguf",
    "onnx",
    "keras",
    "hdf5",
    "savedmodel",
    "skops",
    "torch-model-archive",
    "gzip",
    "zlib",
    "bzip2",
    "xz",
    "zstd",
    "lz4",
];

/// A document under way: files that are no one model.
#[derive(Debug, Default)]
pub(super) struct Bill {
    components: u64,
}

impl Bill {
    pub(super) fn begin(out: &mut impl Write) -> io::Result<()> {
        writer(out)
    }

    pub(super) fn file(&mut self, judged: &Judged, out: &mut impl Write) -> io::Result<()> {
        let mut entry = entry(judged);
        if is_model(format(judged)) {
            entry.kind = FileKind::Model;
        }
        let component = file_component(&entry)?;
        let comma = if self.components == 0 { "" } else { "," };
        self.components = self.components.saturating_add(1);
        write!(out, "{comma}\n{component}")
    }

    pub(super) fn finish(out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "]}}")
    }
}

/// Whether a format holds weights or code of a model.
pub(super) fn is_model(format: &str) -> bool {
    MODELS.contains(&format)
}

/// What a judged file is.
pub(super) fn format(judged: &Judged) -> &'static str {
    judged.report.parts.first().map_or("unread", |part| part.format)
}

/// A judged file, as it stands in a bill.
pub(super) fn entry(judged: &Judged) -> FileEntry {
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut facts = vec![
        fact("verdict", judged.report.verdict.word()),
        fact("format", format(judged)),
        fact("bytes", &judged.bytes.to_string()),
    ];
    for (name, value) in judged.report.parts.first().into_iter().flat_map(|part| &part.facts) {
        facts.push(fact(&format!("fact:{name}"), value));
    }
    for finding in &judged.report.findings {
        let value = format!("{}: {}", finding.rule, finding.reason);
        facts.push((format!("finding:{}", finding.verdict), value));
    }
    let hash = |sha256: &String| (HashKind::Sha256, sha256.clone());
    FileEntry {
        name: judged.path.clone(),
        kind: FileKind::File,
        hashes: judged.sha256.iter().map(hash).collect(),
        facts,
    }
}

/// The hash of a whole file; nothing if it cannot be read.
pub(super) fn sha256(source: &dyn Source) -> Option<String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0_u8; PIECE_BYTES];
    let mut at = 0_u64;
    while at < source.size() {
        let count = source.read_at(at, &mut piece).ok().filter(|count| *count > 0)?;
        hash.update(piece.get(..count)?);
        at = at.saturating_add(u64::try_from(count).ok()?);
    }
    Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
