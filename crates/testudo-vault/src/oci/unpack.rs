//! Takes a model out of a layout: files under plain names into a folder that nobody else writes to.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::read::MultiGzDecoder;

use super::archive::{Archive, ArchiveFault};
use super::document::{Descriptor, LayerKind, OciError, Packing};
use super::read::{Blob, Packed};
use crate::hex;
use crate::signing::ResourceName;

/// How much may come out of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of all files, unpacked.
    pub bytes_max: u64,
    pub files_max: usize,
}

impl Default for Budget {
    /// Larger than any model that is one.
    fn default() -> Self {
        Self {
            bytes_max: 4 << 40,
            files_max: 100_000,
        }
    }
}

impl Packed<'_> {
    /// Writes every file below `folder`, which must be empty, and returns their names. When there is an error, what is
    /// there is worth nothing.
    ///
    /// # Errors
    /// When a blob is not what its descriptor says, a name leads elsewhere or comes twice, a layer holds anything but
    /// plain files, or there is more than `budget`.
    pub fn unpack(&self, folder: &Path, budget: Budget) -> Result<Vec<ResourceName>, OciError> {
        let mut unpacking = Unpacking {
            folder,
            budget,
            names: BTreeSet::new(),
        };
        for (layer, diff_id) in self.manifest.layers.iter().zip(&self.diff_ids) {
            let blob = self.layout.blob(layer)?;
            unpacking.layer(layer, diff_id, blob)?;
        }
        Ok(unpacking.names.into_iter().collect())
    }
}

struct Unpacking<'u> {
    folder: &'u Path,
    budget: Budget,
    names: BTreeSet<ResourceName>,
}

impl Unpacking<'_> {
    fn layer(&mut self, layer: &Descriptor, diff_id: &str, mut blob: Blob) -> Result<(), OciError> {
        let (_, packing) = LayerKind::parse(&layer.media_type)
            .ok_or_else(|| OciError::MediaType(layer.media_type.chars().take(200).collect()))?;
        let unpacked = match packing {
            Packing::Raw => {
                let mut plain = Counted::new(&mut blob);
                self.raw(layer, &mut plain)?;
                plain.finish()
            }
            Packing::Tar => {
                let mut plain = Counted::new(&mut blob);
                self.tar(layer, &mut plain)?;
                plain.finish()
            }
            Packing::TarGzip => {
                let mut plain = Counted::new(MultiGzDecoder::new(&mut blob));
                self.tar(layer, &mut plain)?;
                plain.finish()
            }
        };
        blob.finish()?;
        if unpacked != diff_id {
            return Err(OciError::DiffId(layer.digest()));
        }
        Ok(())
    }

    fn raw(&mut self, layer: &Descriptor, plain: &mut impl Read) -> Result<(), OciError> {
        let name = layer.file_name()?;
        let mut out = self.create(&name, layer.size)?;
        let mut buffer = vec![0_u8; 1 << 20];
        loop {
            let count = plain.read(&mut buffer).map_err(|source| self.failed(&name, source))?;
            match buffer.get(..count) {
                Some(part) if count > 0 => out.write_all(part).map_err(|source| self.failed(&name, source))?,
                _ => return Ok(()),
            }
        }
    }

    fn tar(&mut self, layer: &Descriptor, plain: &mut impl Read) -> Result<(), OciError> {
        let fault = |fault| match fault {
            ArchiveFault::Wrong(why) => OciError::Archive {
                digest: layer.digest(),
                why,
            },
            ArchiveFault::Name(error) => OciError::Name(error),
            ArchiveFault::Read(source) => OciError::File {
                path: self.folder.to_owned(),
                source,
            },
        };
        let mut archive = Archive::new(plain);
        let mut found = Vec::new();
        while let Some((name, size)) = archive.next_file().map_err(fault)? {
            let mut out = create(self.folder, &mut self.budget, &mut self.names, &name, size)?;
            archive.content(size, &mut |part| out.write_all(part)).map_err(fault)?;
            found.push(name);
        }
        if found.is_empty() {
            return Err(OciError::Archive {
                digest: layer.digest(),
                why: "there is no file in it",
            });
        }
        Ok(())
    }

    fn create(&mut self, name: &ResourceName, bytes: u64) -> Result<File, OciError> {
        create(self.folder, &mut self.budget, &mut self.names, name, bytes)
    }

    fn failed(&self, name: &ResourceName, source: io::Error) -> OciError {
        OciError::File {
            path: self.folder.join(name.as_str()),
            source,
        }
    }
}

/// A new file, paid for out of the budget before a byte of it is written.
fn create(
    folder: &Path,
    budget: &mut Budget,
    names: &mut BTreeSet<ResourceName>,
    name: &ResourceName,
    bytes: u64,
) -> Result<File, OciError> {
    budget.bytes_max = budget.bytes_max.checked_sub(bytes).ok_or(OciError::Budget {
        what: "the bytes that a model may have",
    })?;
    budget.files_max = budget.files_max.checked_sub(1).ok_or(OciError::Budget {
        what: "the files that a model may have",
    })?;
    let twice = || OciError::Twice(name.as_str().escape_debug().to_string());
    if !names.insert(name.clone()) {
        return Err(twice());
    }
    let mut path: PathBuf = folder.to_owned();
    let mut parts = name.parts().peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        if parts.peek().is_none() {
            break;
        }
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !path.symlink_metadata().is_ok_and(|look| look.is_dir()) {
                    return Err(twice());
                }
            }
            Err(source) => return Err(OciError::File { path, source }),
        }
    }
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(twice()),
        Err(source) => Err(OciError::File { path, source }),
    }
}

/// Hashes what is read through it.
struct Counted<R> {
    from: R,
    context: Context,
}

impl<R: Read> Counted<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            context: Context::new(&SHA256),
        }
    }

    fn finish(self) -> String {
        hex::encode(self.context.finish().as_ref())
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.context.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}
