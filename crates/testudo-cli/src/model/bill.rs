//! Model files as one CycloneDX 1.6 document, written as they are judged.

use std::io::{self, Write};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testudo_formats::Source;

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

/// A document under way.
#[derive(Debug, Default)]
pub(super) struct Bill {
    components: u64,
}

impl Bill {
    pub(super) fn begin(out: &mut impl Write) -> io::Result<()> {
        let tool = json!({"type": "application", "name": "testudo", "version": env!("CARGO_PKG_VERSION")});
        write!(
            out,
            "{{\"$schema\":\"http://cyclonedx.org/schema/bom-1.6.schema.json\",\"bomFormat\":\"CycloneDX\",\
             \"specVersion\":\"1.6\",\"version\":1,\"metadata\":{{\"tools\":{{\"components\":[{tool}]}}}},\"components\":["
        )
    }

    pub(super) fn file(&mut self, judged: &Judged, out: &mut impl Write) -> io::Result<()> {
        let first = judged.report.parts.first();
        let format = first.map_or("unread", |part| part.format);
        let kind = if MODELS.contains(&format) {
            "machine-learning-model"
        } else {
            "file"
        };
        let mut properties = vec![
            json!({"name": "testudo:verdict", "value": judged.report.verdict.word()}),
            json!({"name": "testudo:format", "value": format}),
            json!({"name": "testudo:bytes", "value": judged.bytes.to_string()}),
        ];
        for (name, value) in first.into_iter().flat_map(|part| &part.facts) {
            properties.push(json!({"name": format!("testudo:fact:{name}"), "value": value}));
        }
        for finding in &judged.report.findings {
            let value = format!("{}: {}", finding.rule, finding.reason);
            properties.push(json!({"name": format!("testudo:finding:{}", finding.verdict), "value": value}));
        }
        let hashes: Vec<Value> = judged
            .sha256
            .iter()
            .map(|hash| json!({"alg": "SHA-256", "content": hash}))
            .collect();
        let component = json!({
            "type": kind, "bom-ref": judged.path, "name": judged.path, "hashes": hashes, "properties": properties,
        });
        let comma = if self.components == 0 { "" } else { "," };
        self.components = self.components.saturating_add(1);
        write!(out, "{comma}\n{component}")
    }

    pub(super) fn finish(out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "]}}")
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
