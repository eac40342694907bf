//! Rows of the corpora: JSON Lines, one labelled text each.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Larger corpora are not read.
const CORPUS_BYTES_MAX: usize = 512 << 20;

/// One labelled text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Auxiliary collections have none.
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) text: String,
    /// `benign`, `injection` or `jailbreak`.
    pub(crate) label: String,
    /// `benign`, `benign_hard`, `direct` or `indirect`.
    #[serde(default)]
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) licence: String,
    #[serde(default)]
    pub(crate) meta: Map<String, Value>,
}

impl Row {
    pub(crate) fn is_attack(&self) -> bool {
        self.label != "benign"
    }

    pub(crate) fn meta(&self, key: &str) -> Option<&str> {
        self.meta.get(key).and_then(Value::as_str)
    }
}

/// Every row of a JSON Lines file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = testudo_bounded::read_text(path, CORPUS_BYTES_MAX)
        .with_context(|| format!("`{}` cannot be read", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("`{}` line {}: not a row", path.display(), at.saturating_add(1)))
        })
        .collect()
}

pub(crate) fn write(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("`{}` cannot be written", path.display()))?;
    let mut out = BufWriter::new(file);
    for row in rows {
        serde_json::to_writer(&mut out, row)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
