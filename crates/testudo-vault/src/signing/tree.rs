//! The files of a model, found and opened by descriptors so that no link leads out of it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::name::{NameError, ResourceName};
use super::scope::{Excuse, Scope};

/// Folders within each other.
const DEPTH_MAX: usize = 128;
/// Files of one model.
pub(crate) const FILES_MAX: usize = 1_000_000;

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// A link is an error.
    Refuse,
    /// The file behind a link is read under the link's name; a link to a folder is an error.
    Follow,
}

/// What a person should know about a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The link leads out of the model.
    Outside(ResourceName),
}

/// Why the files of a model could not be found or opened.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("cannot read `{}`", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "`{}` is a symbolic link; sign a copy of what it points to, or allow links to files with `--allow-symlinks`",
        path.display()
    )]
    Link { path: PathBuf },
    #[error("`{}` links to a folder, whose files would go unsigned; put the folder itself in its place", path.display())]
    FolderLink { path: PathBuf },
    #[error("`{}` is neither a file nor a folder; take it out of the model", path.display())]
    Special { path: PathBuf },
    #[error("the name of `{}` is not UTF-8 and cannot be signed; rename it", path.display())]
    NotUtf8 { path: PathBuf },
    #[error("a file cannot be signed under its name")]
    Name(#[from] NameError),
    #[error("folders lie deeper than {DEPTH_MAX} within each other at `{}`", path.display())]
    TooDeep { path: PathBuf },
    #[error("there are more than {FILES_MAX} files below `{}`", path.display())]
    TooMany { path: PathBuf },
    #[error("there is no file to sign in `{}`; everything is left out, or it is empty", path.display())]
    Empty { path: PathBuf },
    #[error("`{}` changed while it was read; run again when nothing writes to it", path.display())]
    Changed { path: PathBuf },
}

/// What a file looked like; two equal stamps before and after reading mean that it was one file throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) bytes: u64,
    pub(crate) modified_ns: i128,
    pub(crate) changed_ns: i128,
}

/// A file of the model.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) name: ResourceName,
    pub(crate) stamp: Stamp,
}

/// A folder or a file that is signed as one.
#[derive(Debug)]
pub struct Model {
    path: PathBuf,
    name: String,
    base: OwnedFd,
    single: Option<ResourceName>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) files: Vec<Found>,
    /// Files that only the signer excused.
    pub(crate) excused: Vec<(ResourceName, bool)>,
    pub(crate) warnings: Vec<Warning>,
}

impl Model {
    /// Opens a folder, or a single file.
    ///
    /// # Errors
    /// When it cannot be read, is neither, or is a link and `links` says that links are refused.
    pub fn open(path: &Path, links: Links) -> Result<Self, TreeError> {
        let failed = |source| TreeError::Io {
            path: path.to_owned(),
            source,
        };
        let look = path.symlink_metadata().map_err(failed)?;
        if look.is_symlink() && links == Links::Refuse {
            return Err(TreeError::Link { path: path.to_owned() });
        }
        let whole = path.canonicalize().map_err(failed)?;
        let kind = whole.metadata().map_err(failed)?;
        let name = named(path)
            .or_else(|| named(&whole))
            .unwrap_or_else(|| "model".to_owned());
        let (base, single) = if kind.is_dir() {
            (whole.as_path(), None)
        } else if kind.is_file() {
            let single = ResourceName::parse(&name)?;
            // By the name it was given under: a link's own name when links are followed.
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            (folder, Some(single))
        } else {
            return Err(TreeError::Special { path: path.to_owned() });
        };
        let base = rustix::fs::open(base, folder_flags().difference(OFlags::NOFOLLOW), Mode::empty())
            .map_err(|error| failed(error.into()))?;
        Ok(Self {
            path: path.to_owned(),
            name,
            base,
            single,
        })
    }

    /// The last part of its path; it is signed, and means nothing.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a single file.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.single.is_some()
    }

    /// The name of the single file that it is.
    pub(crate) fn single(&self) -> Option<&ResourceName> {
        self.single.as_ref()
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name inside the model of a file that lies at `path`, if it does; the file need not exist.
    #[must_use]
    pub fn name_of(&self, path: &Path) -> Option<ResourceName> {
        if self.single.is_some() {
            return None;
        }
        let root = self.path.canonicalize().ok()?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize().ok()?,
            _ => Path::new(".").canonicalize().ok()?,
        };
        let whole = folder.join(path.file_name()?);
        ResourceName::parse(whole.strip_prefix(&root).ok()?.to_str()?).ok()
    }

    /// Every file that `scope` does not leave out, by name.
    pub(crate) fn walk(&self, scope: &Scope, links: Links) -> Result<Walked, TreeError> {
        let mut walked = Walked::default();
        if let Some(single) = &self.single {
            walked.files.push(self.look(single, links)?);
            return Ok(walked);
        }
        let walk = Walk {
            model: self,
            scope,
            links,
        };
        walk.folder(self.base.as_fd(), None, 0, &mut walked)?;
        walked.files.sort_by(|a, b| a.name.cmp(&b.name));
        walked.excused.sort();
        Ok(walked)
    }

    /// One file by name.
    pub(crate) fn look(&self, name: &ResourceName, links: Links) -> Result<Found, TreeError> {
        let file = self.open_file(name, links)?;
        let stat = rustix::fs::fstat(&file).map_err(|error| self.failed(name, error.into()))?;
        Ok(Found {
            name: name.clone(),
            stamp: stamp(&stat),
        })
    }

    /// Opens a regular file of the model; no folder on the way may be a link.
    pub(crate) fn open_file(&self, name: &ResourceName, links: Links) -> Result<File, TreeError> {
        let failed = |error: rustix::io::Errno| match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => TreeError::Link { path: self.at(name) },
            _ => self.failed(name, error.into()),
        };
        let mut folder: Option<OwnedFd> = None;
        let mut parts = name.parts().peekable();
        while let Some(part) = parts.next() {
            let at = folder.as_ref().map_or(self.base.as_fd(), |it| it.as_fd());
            let last = parts.peek().is_none();
            let flags = match (last, links) {
                (false, _) => folder_flags(),
                (true, Links::Refuse) => file_flags() | OFlags::NOFOLLOW,
                (true, Links::Follow) => file_flags(),
            };
            let opened = rustix::fs::openat(at, part, flags, Mode::empty()).map_err(failed)?;
            if last {
                let stat = rustix::fs::fstat(&opened).map_err(failed)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(TreeError::Special { path: self.at(name) });
                }
                return Ok(File::from(opened));
            }
            folder = Some(opened);
        }
        Err(self.failed(name, io::Error::from(io::ErrorKind::NotFound)))
    }

    pub(crate) fn at(&self, name: &ResourceName) -> PathBuf {
        if self.single.is_some() {
            self.path.clone()
        } else {
            self.path.join(name.to_path())
        }
    }

    fn failed(&self, name: &ResourceName, source: io::Error) -> TreeError {
        TreeError::Io {
            path: self.at(name),
            source,
        }
    }
}

/// One walk.
struct Walk<'w> {
    model: &'w Model,
    scope: &'w Scope,
    links: Links,
}

impl Walk<'_> {
    fn folder(
        &self,
        folder: BorrowedFd<'_>,
        name: Option<&ResourceName>,
        depth: usize,
        walked: &mut Walked,
    ) -> Result<(), TreeError> {
        let here = || name.map_or_else(|| self.model.path.clone(), |name| self.model.at(name));
        let failed = |error: rustix::io::Errno| TreeError::Io {
            path: here(),
            source: error.into(),
        };
        if depth > DEPTH_MAX {
            return Err(TreeError::TooDeep { path: here() });
        }
        let mut seen = BTreeSet::new();
        for entry in Dir::read_from(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let part = entry.file_name();
            if !matches!(part.to_bytes(), b"." | b"..") {
                let part = part.to_str().map_err(|_| TreeError::NotUtf8 {
                    path: here().join(OsStr::from_bytes(part.to_bytes())),
                })?;
                seen.insert(part.to_owned());
            }
        }
        for part in seen {
            let name = ResourceName::below(name, &part)?;
            self.entry(folder, &part, &name, depth, walked)?;
        }
        Ok(())
    }

    fn entry(
        &self,
        folder: BorrowedFd<'_>,
        part: &str,
        name: &ResourceName,
        depth: usize,
        walked: &mut Walked,
    ) -> Result<(), TreeError> {
        let failed = |error: rustix::io::Errno| self.model.failed(name, error.into());
        let excuse = self.scope.excuse_for(name);
        if excuse == Some(Excuse::Ours) {
            return Ok(());
        }
        let stat = rustix::fs::statat(folder, part, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let below = rustix::fs::openat(folder, part, folder_flags(), Mode::empty()).map_err(failed)?;
            return self.folder(below.as_fd(), Some(name), depth.saturating_add(1), walked);
        }
        if walked.files.len().saturating_add(walked.excused.len()) >= FILES_MAX {
            return Err(TreeError::TooMany {
                path: self.model.path.clone(),
            });
        }
        if excuse == Some(Excuse::Signer) {
            let runs = Mode::from_raw_mode(stat.st_mode).intersects(Mode::XUSR | Mode::XGRP | Mode::XOTH);
            walked.excused.push((name.clone(), runs));
            return Ok(());
        }
        match kind {
            FileType::RegularFile => {
                walked.files.push(Found {
                    name: name.clone(),
                    stamp: stamp(&stat),
                });
                Ok(())
            }
            FileType::Symlink => self.link(folder, part, name, walked),
            _ => Err(TreeError::Special {
                path: self.model.at(name),
            }),
        }
    }

    fn link(
        &self,
        folder: BorrowedFd<'_>,
        part: &str,
        name: &ResourceName,
        walked: &mut Walked,
    ) -> Result<(), TreeError> {
        let path = self.model.at(name);
        if self.links == Links::Refuse {
            return Err(TreeError::Link { path });
        }
        let failed = |source| TreeError::Io {
            path: path.clone(),
            source,
        };
        let stat = rustix::fs::statat(folder, part, AtFlags::empty()).map_err(|error| failed(error.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(TreeError::FolderLink { path }),
            _ => return Err(TreeError::Special { path }),
        }
        let root = self.model.path.canonicalize().map_err(failed)?;
        if !path.canonicalize().map_err(failed)?.starts_with(root) {
            walked.warnings.push(Warning::Outside(name.clone()));
        }
        walked.files.push(Found {
            name: name.clone(),
            stamp: stamp(&stat),
        });
        Ok(())
    }
}

fn named(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(ToOwned::to_owned)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Without waiting for whoever would write to a pipe.
fn file_flags() -> OFlags {
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK
}

/// What `stat` says of a file.
#[expect(
    clippy::useless_conversion,
    reason = "these numbers have other types on other systems"
)]
pub(crate) fn stamp(stat: &Stat) -> Stamp {
    let nanoseconds = |seconds: i128, rest: i128| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Stamp {
        device: u64::try_from(stat.st_dev).unwrap_or(0),
        inode: u64::try_from(stat.st_ino).unwrap_or(0),
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: nanoseconds(i128::from(stat.st_mtime), i128::from(stat.st_mtime_nsec)),
        changed_ns: nanoseconds(i128::from(stat.st_ctime), i128::from(stat.st_ctime_nsec)),
    }
}
