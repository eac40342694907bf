//! Which files a path stands for, and their bytes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use testudo_formats::{Folder, Source};

/// Folders within each other.
const DEPTH_MAX: u32 = 64;

/// A file to scan.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// Reached through a link that leads out of the folder that was named, and not into the store of a model cache.
    pub(super) leads_outside: bool,
}

/// What was found under the paths, and what was passed over.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<Candidate>,
    /// Sockets, devices, links to folders, links to nothing.
    pub(super) passed_over: u64,
    pub(super) problems: Vec<String>,
}

/// Every file under the paths, each once, in the order of their names; those that links name under the links' names.
pub(super) fn find(paths: &[PathBuf]) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut linked = Vec::new();
    let mut plain = Vec::new();
    for path in paths {
        let shown = path.display();
        let meta = fs::metadata(path).with_context(|| format!("cannot read `{shown}`"))?;
        if meta.is_dir() {
            let root = fs::canonicalize(path).with_context(|| format!("cannot read `{shown}`"))?;
            walk(path, &root, DEPTH_MAX, &mut linked, &mut plain, &mut found);
        } else {
            plain.push(Candidate {
                path: path.clone(),
                leads_outside: false,
            });
        }
    }
    let mut seen = BTreeSet::new();
    for candidate in linked.into_iter().chain(plain) {
        match fs::metadata(&candidate.path) {
            Ok(meta) if seen.insert((meta.dev(), meta.ino())) => found.files.push(candidate),
            Ok(_) => {}
            Err(error) => found.problems.push(format!("`{}`: {error}", candidate.path.display())),
        }
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(
    folder: &Path,
    root: &Path,
    depth: u32,
    linked: &mut Vec<Candidate>,
    plain: &mut Vec<Candidate>,
    found: &mut Found,
) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            found.problems.push(format!("`{}`: {error}", folder.display()));
            return;
        }
    };
    for entry in entries {
        let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
        let (path, kind) = match kind {
            Ok(it) => it,
            Err(error) => {
                found.problems.push(format!("`{}`: {error}", folder.display()));
                continue;
            }
        };
        if kind.is_dir() {
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            match depth.checked_sub(1) {
                Some(depth) => walk(&path, root, depth, linked, plain, found),
                None => found
                    .problems
                    .push(format!("`{}`: folders lie too deep", path.display())),
            }
        } else if kind.is_file() {
            plain.push(Candidate {
                path,
                leads_outside: false,
            });
        } else if kind.is_symlink() && fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
            let leads_outside = fs::canonicalize(&path).map_or(true, |target| !belongs(&target, root, &path));
            linked.push(Candidate { path, leads_outside });
        } else {
            found.passed_over = found.passed_over.saturating_add(1);
        }
    }
}

/// Whether the target of a link lies in the named folder, or in the store of the cache that the link is in: there,
/// `snapshots/REVISION/FILE` leads to `blobs/DIGEST` beside `snapshots`.
fn belongs(target: &Path, root: &Path, link: &Path) -> bool {
    if target.starts_with(root) {
        return true;
    }
    let Some(folder) = link.parent().and_then(|folder| fs::canonicalize(folder).ok()) else {
        return false;
    };
    let store = target
        .parent()
        .filter(|folder| folder.file_name().is_some_and(|name| name == "blobs"));
    let Some(home) = store.and_then(Path::parent) else {
        return false;
    };
    folder.starts_with(home.join("snapshots"))
}

/// An open file.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    bytes: u64,
}

impl Opened {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // What is no file now could block or never end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes })
    }
}

impl Source for Opened {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        match into.get_mut(..count) {
            Some(part) if count > 0 => self.file.read_at(part, offset),
            _ => Ok(0),
        }
    }
}

/// The files beside one.
#[derive(Debug)]
pub(super) struct Beside {
    folder: PathBuf,
}

impl Beside {
    pub(super) fn of(path: &Path) -> Self {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self {
            folder: parent.unwrap_or(Path::new(".")).to_owned(),
        }
    }
}

impl Folder for Beside {
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Source + '_>> {
        Ok(Box::new(Opened::open(&self.folder.join(name))?))
    }
}
