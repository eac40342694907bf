//! The tensors of one model, which may lie in many files.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use testudo_formats::weights::{self, Tensor, Unreadable};

use crate::model::files::{self, Opened};

/// A tensor and the file it lies in.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Under which it is compared: its own name, with its file's in front where two files have one of this name.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The file's name below the model.
    pub(super) file: String,
    pub(super) format: &'static str,
    pub(super) tensor: Tensor,
}

impl Item {
    pub(super) fn shown_name(&self) -> String {
        format!("{} in {}", self.name, self.file)
    }

    /// The part of the name up to its first number, as layers are called: `model.layers.7`; without one the first part.
    pub(super) fn layer(&self) -> &str {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let mut end = 0_usize;
        for part in self.name.split('.') {
            end = end.saturating_add(part.len());
            if is_number(part) {
                return self.name.get(..end).unwrap_or(&self.name);
            }
            end = end.saturating_add(1);
        }
        self.name.split('.').next().unwrap_or(&self.name)
    }
}

/// A model.
#[derive(Debug, Default)]
pub(super) struct Collection {
    /// In the order of their names, numbers by their size.
    pub(super) items: Vec<Item>,
    pub(super) unread: Vec<(String, String)>,
    /// Files that are no weights.
    pub(super) other_files: usize,
}

impl Collection {
    /// Finds the tensors below a path.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let found = files::find(&[path.to_owned()])?;
        let is_folder = path.is_dir();
        let mut out = Self::default();
        out.unread.extend(
            found
                .problems
                .into_iter()
                .map(|problem| (problem, "it cannot be read".to_owned())),
        );
        for candidate in found.files {
            let file = match candidate.path.strip_prefix(path) {
                Ok(rest) if is_folder => rest.display().to_string(),
                _ => candidate
                    .path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            };
            let layout = Opened::open(&candidate.path)
                .map_err(Unreadable::Read)
                .and_then(|opened| weights::find(&opened));
            let layout = match layout {
                Ok(layout) => layout,
                Err(Unreadable::Format) if is_folder => {
                    out.other_files = out.other_files.saturating_add(1);
                    continue;
                }
                Err(error) => {
                    out.unread.push((file, error.to_string()));
                    continue;
                }
            };
            for left in layout.left_out {
                out.unread.push((format!("{} in {file}", left.name), left.reason));
            }
            for tensor in layout.tensors {
                // An array that is a file has no other name.
                let name = if layout.format == "npy" && is_folder {
                    file.strip_suffix(".npy").unwrap_or(&file).to_owned()
                } else {
                    tensor.name.clone()
                };
                out.items.push(Item {
                    name,
                    path: candidate.path.clone(),
                    file: file.clone(),
                    format: layout.format,
                    tensor,
                });
            }
        }
        out.tell_apart();
        out.items.sort_by(|a, b| by_name(&a.name, &b.name));
        Ok(out)
    }

    /// Gives names that several have their file's in front, and a number behind if that is not enough.
    fn tell_apart(&mut self) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for item in &self.items {
            let count = counts.entry(item.name.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for item in &mut self.items {
            if counts.get(&item.name).is_some_and(|count| *count > 1) {
                item.name = format!("{}:{}", item.file, item.name);
            }
            let count = seen.entry(item.name.clone()).or_default();
            *count = count.saturating_add(1);
            if *count > 1 {
                item.name = format!("{}#{count}", item.name);
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.items
            .iter()
            .map(|item| item.tensor.bytes)
            .fold(0, u64::saturating_add)
    }
}

/// Compares names piece by piece, numbers by their size: layer 2 stands before layer 10.
pub(super) fn by_name(a: &str, b: &str) -> Ordering {
    pieces(a).cmp(pieces(b)).then_with(|| a.cmp(b))
}

fn pieces(name: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let first_is_digit = rest.bytes().next()?.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != first_is_digit)
            .unwrap_or(rest.len());
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(match piece.parse() {
            Ok(number) if first_is_digit => (number, ""),
            _ => (u64::MAX, piece),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::by_name;

    #[test]
    fn layers_are_in_the_order_of_their_numbers() {
        let mut names = ["h.10.w", "h.2.w", "h.2.b", "a", "h", "h.02.w"];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(names, ["a", "h", "h.2.b", "h.02.w", "h.2.w", "h.10.w"]);
    }
}
