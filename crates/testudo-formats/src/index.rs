//! Indexes of models in several files: which tensor lies in which of them, held against the files themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use testudo_bounded::json::Document;

use crate::judge::leads_outside;
use crate::safetensors;
use crate::scan::{Place, Scan};
use crate::source::Source;
use crate::verdict::{Verdict, shown};

/// Files that one index is held against.
const SHARDS_MAX: usize = 10_000;

/// The files beside the one that is scanned. The caller implements it for folders.
pub trait Folder {
    /// Their names, without folders.
    fn names(&self) -> Vec<String>;

    /// One of them.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be read.
    fn open(&self, name: &str) -> io::Result<Box<dyn Source + '_>>;
}

/// Whether a file of this name is an index.
pub(crate) fn is_one(name: &str) -> bool {
    name.ends_with(".index.json")
}

/// Judges what an index names, and holds it against the shards if there is a folder.
pub(crate) fn judge(scan: &mut Scan<'_>, document: &Document<'_>, place: &Place) {
    let Some(map) = document.root().get("weight_map") else {
        return;
    };
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, value) in map.entries() {
        let (Some(tensor), Some(shard)) = (value.key_text(), value.as_str()) else {
            let reason = "a tensor of the index lies in no file";
            scan.find(place, "index.shard", Verdict::Unknown, reason, None);
            continue;
        };
        let tensors = said.entry(shard.into_owned()).or_default();
        tensors.insert(tensor.into_owned());
    }
    for shard in said.keys() {
        if leads_outside(shard) || shard.contains("://") {
            let reason = format!("tensors are read from `{}`, outside its folder", shown(shard));
            scan.find(place, "index.shard", Verdict::Malicious, reason, None);
        } else if shard.contains(['/', '\\']) {
            let reason = format!(
                "tensors are read from `{}`, another folder, which was not looked at",
                shown(shard)
            );
            scan.find(place, "index.shard", Verdict::Suspicious, reason, None);
        }
    }
    if place.depth == 0
        && let Some(folder) = scan.folder
    {
        held(scan, folder, &said, place);
    }
}

/// Holds the index against the folder.
fn held(scan: &mut Scan<'_>, folder: &dyn Folder, said: &BTreeMap<String, BTreeSet<String>>, place: &Place) {
    let odd = |scan: &mut Scan<'_>, reason: String| {
        scan.find(place, "index.shard", Verdict::Suspicious, reason, None);
    };
    let names: BTreeSet<String> = folder.names().into_iter().collect();
    // `model.safetensors.index.json` is the index of `model-00001-of-00002.safetensors`.
    let whole = place.file_name().trim_end_matches(".index.json").to_owned();
    let (start, end) = whole.rsplit_once('.').unwrap_or((&whole, ""));
    for name in names.iter().filter(|name| !said.contains_key(*name)) {
        let lower = name.to_lowercase();
        let numbered = lower.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        if numbered.is_some_and(|rest| rest.starts_with('-') && rest.contains("-of-")) {
            odd(
                scan,
                format!("`{}` lies beside the index, which does not name it", shown(name)),
            );
        }
    }
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    for (shard, tensors) in said.iter().take(SHARDS_MAX) {
        if shard.contains(['/', '\\', ':']) {
            continue;
        }
        if !names.contains(shard) {
            odd(scan, format!("`{}` is named and is not there", shown(shard)));
            continue;
        }
        if !shard.ends_with(".safetensors") {
            continue;
        }
        let opened = folder.open(shard);
        let Some(found) = opened.ok().and_then(|source| safetensors::names(source.as_ref())) else {
            let reason = format!("`{}` cannot be read as safetensors", shown(shard));
            scan.find(place, "index.shard", Verdict::Unknown, reason, None);
            continue;
        };
        if let Some(tensor) = tensors.difference(&found).next() {
            odd(
                scan,
                format!(
                    "tensor `{}` is not in `{}`, which the index names",
                    shown(tensor),
                    shown(shard)
                ),
            );
        }
        if let Some(tensor) = found.difference(tensors).next() {
            odd(
                scan,
                format!(
                    "tensor `{}` is in `{}`, and the index says otherwise",
                    shown(tensor),
                    shown(shard)
                ),
            );
        }
        for tensor in found {
            if let Some(other) = places.insert(tensor.clone(), shard) {
                odd(
                    scan,
                    format!(
                        "tensor `{}` is in `{}` and in `{}`",
                        shown(&tensor),
                        shown(other),
                        shown(shard)
                    ),
                );
            }
        }
    }
    scan.fact(place, "shards", &said.len().to_string());
}
