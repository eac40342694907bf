//! The files below a folder, in the order of their names; links are not followed, so that no loop has to be.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

/// Why something in a folder is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Skip {
    Binary,
    /// What a version control keeps for itself.
    VersionControl,
    /// A symbolic link; what it leads to is inspected where it lies.
    Link,
    /// A pipe, socket or device: reading it may never end.
    Special,
}

impl Skip {
    /// For people: one of them, and several.
    pub(crate) fn nouns(self) -> (&'static str, &'static str) {
        match self {
            Self::Binary => ("binary file", "binary files"),
            Self::VersionControl => ("folder of a version control", "folders of a version control"),
            Self::Link => ("symbolic link", "symbolic links"),
            Self::Special => ("pipe, socket or device", "pipes, sockets and devices"),
        }
    }
}

/// What holds nothing that was written as text; where a work tree is linked, `.git` is a file.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// What the walk comes upon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    File(PathBuf),
    Skip(Skip),
    /// What is wrong, with its place.
    Bad(String),
}

/// Visits everything below `root`.
///
/// # Errors
/// Only what `give` returns.
pub(super) fn walk(root: &Path, give: &mut impl FnMut(Step) -> io::Result<()>) -> io::Result<()> {
    let mut waiting = vec![root.to_owned()];
    let mut is_root = true;
    while let Some(path) = waiting.pop() {
        // The folder that was named may be a link.
        let kind = if is_root {
            fs::metadata(&path)
        } else {
            fs::symlink_metadata(&path)
        };
        if !is_root && path.file_name().is_some_and(is_version_control) {
            give(Step::Skip(Skip::VersionControl))?;
            continue;
        }
        is_root = false;
        let step = match kind.map(|metadata| metadata.file_type()) {
            Err(error) => Step::Bad(format!("{}: cannot be looked at ({error})", path.display())),
            Ok(kind) if kind.is_dir() => {
                let mut problems = Vec::new();
                waiting.extend(entries(&path, &mut problems));
                for problem in problems {
                    give(Step::Bad(problem))?;
                }
                continue;
            }
            Ok(kind) => leaf(path, kind),
        };
        give(step)?;
    }
    Ok(())
}

fn is_version_control(name: &OsStr) -> bool {
    VERSION_CONTROL.iter().any(|known| name == *known)
}

/// What a folder holds, the last name first.
fn entries(folder: &Path, problems: &mut Vec<String>) -> Vec<PathBuf> {
    let mut wrong = |error: io::Error| problems.push(format!("{}: cannot be read ({error})", folder.display()));
    let mut found = Vec::new();
    match fs::read_dir(folder) {
        Err(error) => wrong(error),
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => found.push(entry.path()),
                    Err(error) => wrong(error),
                }
            }
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    found
}

fn leaf(path: PathBuf, kind: FileType) -> Step {
    if kind.is_symlink() {
        Step::Skip(Skip::Link)
    } else if kind.is_file() {
        Step::File(path)
    } else {
        Step::Skip(Skip::Special)
    }
}
