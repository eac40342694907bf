//! A layout that anybody made: blobs by their digests, one model of it, and what vouches for that.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::{Mode, OFlags};

use super::document::{
    Descriptor, Index, MANIFEST_BYTES_MAX, MANIFEST_TYPE, Manifest, OciError, TAG, diff_ids, is_layout,
};
use super::{ARTIFACT_TYPE, CONFIG_TYPE};
use crate::hex;

/// Manifests of one layout that are looked at.
const MANIFESTS_MAX: usize = 1_000;
/// The largest signature, bill or report beside a model.
const VOUCHER_BYTES_MAX: u64 = 256 << 20;

/// A layout, open.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
    manifests: Vec<(Descriptor, Manifest)>,
}

/// A model in a layout.
#[derive(Debug)]
pub struct Packed<'l> {
    pub(super) layout: &'l Layout,
    pub(super) descriptor: &'l Descriptor,
    pub(super) manifest: &'l Manifest,
    pub(super) diff_ids: Vec<String>,
}

/// What somebody says about a model in the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Such as [`super::BUNDLE_TYPE`].
    pub artifact_type: String,
    pub content: Vec<u8>,
}

impl Layout {
    /// Opens a layout and reads every manifest that its index names.
    ///
    /// # Errors
    /// When it is none, or a manifest is not what its descriptor says.
    pub fn open(root: &Path) -> Result<Self, OciError> {
        let mut layout = Self {
            root: root.to_owned(),
            manifests: Vec::new(),
        };
        let version = layout.small("oci-layout", 4096)?;
        if !is_layout(&version) {
            return Err(OciError::NotALayout);
        }
        let index = Index::parse(&layout.small("index.json", MANIFEST_BYTES_MAX)?)?;
        for descriptor in index.manifests.into_iter().take(MANIFESTS_MAX) {
            // Indices of images within the index are nobody's model.
            if descriptor.media_type != MANIFEST_TYPE {
                continue;
            }
            let bytes = layout.held(&descriptor, MANIFEST_BYTES_MAX)?;
            let manifest = Manifest::parse(&bytes, &descriptor.digest())?;
            layout.manifests.push((descriptor, manifest));
        }
        Ok(layout)
    }

    /// The model with a tag, or the only one.
    ///
    /// # Errors
    /// When there is none or several, or its configuration is not one.
    pub fn model(&self, tag: Option<&str>) -> Result<Packed<'_>, OciError> {
        let models = self.manifests.iter().filter(|(descriptor, manifest)| {
            let kind = manifest.artifact_type.as_ref().or(descriptor.artifact_type.as_ref());
            kind.is_some_and(|kind| kind == ARTIFACT_TYPE)
        });
        let called = |descriptor: &Descriptor| descriptor.annotations.get(TAG).cloned();
        let tags: Vec<String> = models
            .clone()
            .map(|(it, _)| called(it).unwrap_or_else(|| it.digest()))
            .collect();
        let mut wanted =
            models.filter(|(it, _)| tag.is_none_or(|tag| called(it).as_deref() == Some(tag) || it.digest() == tag));
        let (descriptor, manifest) = match (wanted.next(), wanted.next()) {
            (Some(found), None) => found,
            (None, _) => return Err(OciError::NoModel(shown(&tags))),
            (Some(_), Some(_)) => return Err(OciError::Several(shown(&tags))),
        };
        if manifest.config.media_type != CONFIG_TYPE || manifest.layers.is_empty() {
            return Err(OciError::Field {
                what: descriptor.digest(),
                field: "config or layers",
            });
        }
        let config = self.held(&manifest.config, MANIFEST_BYTES_MAX)?;
        let diff_ids: Vec<String> = diff_ids(&config)?.iter().map(|it| it.digits().to_owned()).collect();
        if diff_ids.len() != manifest.layers.len() {
            return Err(OciError::Field {
                what: "the configuration of the model".to_owned(),
                field: "modelfs.diffIds",
            });
        }
        Ok(Packed {
            layout: self,
            descriptor,
            manifest,
            diff_ids,
        })
    }

    fn small(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, OciError> {
        let path = self.root.join(name);
        let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let bytes = testudo_bounded::read_to_end(open_plain(&path)?, limit).map_err(|error| OciError::File {
            path: path.clone(),
            source: io::Error::other(error),
        })?;
        Ok(bytes)
    }

    /// A blob in memory.
    pub(super) fn held(&self, descriptor: &Descriptor, bytes_max: u64) -> Result<Vec<u8>, OciError> {
        if descriptor.size > bytes_max {
            return Err(OciError::Budget {
                what: "what a manifest or a signature may be",
            });
        }
        let mut blob = self.blob(descriptor)?;
        let limit = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        let bytes = testudo_bounded::read_to_end(&mut blob, limit).map_err(|error| OciError::File {
            path: self.root.clone(),
            source: io::Error::other(error),
        })?;
        blob.finish()?;
        Ok(bytes)
    }

    /// A blob, to be read to its end.
    pub(super) fn blob(&self, descriptor: &Descriptor) -> Result<Blob, OciError> {
        let path = self.root.join("blobs/sha256").join(descriptor.digest.digits());
        let file = open_plain(&path)?;
        let size = file.metadata().map_err(|source| OciError::File { path, source })?.len();
        if size != descriptor.size {
            return Err(OciError::Blob {
                digest: descriptor.digest(),
                why: "it has another size",
            });
        }
        Ok(Blob {
            file,
            context: Context::new(&SHA256),
            digest: descriptor.digest.digits().to_owned(),
        })
    }
}

impl Packed<'_> {
    /// The digest of its manifest.
    #[must_use]
    pub fn digest(&self) -> String {
        self.descriptor.digest()
    }

    /// What manifests in the same layout say whose subject it is.
    ///
    /// # Errors
    /// When one of them is not what its descriptor says.
    pub fn referrers(&self) -> Result<Vec<Referrer>, OciError> {
        let mut found = Vec::new();
        for (descriptor, manifest) in &self.layout.manifests {
            let is_about =
                |subject: &Descriptor| subject.digest == self.descriptor.digest && subject.size == self.descriptor.size;
            if !manifest.subject.as_ref().is_some_and(is_about) {
                continue;
            }
            let [blob] = manifest.layers.as_slice() else {
                continue;
            };
            let kind = manifest
                .artifact_type
                .clone()
                .or_else(|| descriptor.artifact_type.clone());
            found.push(Referrer {
                artifact_type: kind.unwrap_or_else(|| blob.media_type.clone()),
                content: self.layout.held(blob, VOUCHER_BYTES_MAX)?,
            });
        }
        Ok(found)
    }
}

/// A blob under way; nothing of it counts before [`Self::finish`].
pub(super) struct Blob {
    file: File,
    context: Context,
    digest: String,
}

impl Read for Blob {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.context.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Blob {
    /// Reads what is left, and compares the digest.
    pub(super) fn finish(mut self) -> Result<(), OciError> {
        let mut buffer = vec![0_u8; 1 << 16];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => {
                    return Err(OciError::Blob {
                        digest: self.digest,
                        why: "it cannot be read",
                    });
                }
            }
        }
        if hex::encode(self.context.finish().as_ref()) == self.digest {
            Ok(())
        } else {
            Err(OciError::Blob {
                digest: self.digest,
                why: "it has another digest",
            })
        }
    }
}

/// Opens a file that is one, and no link; does not wait for whoever would write to a pipe.
fn open_plain(path: &Path) -> Result<File, OciError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => OciError::NotPlain { path: path.to_owned() },
        error => OciError::File {
            path: path.to_owned(),
            source: error.into(),
        },
    })?;
    let file = File::from(opened);
    match file.metadata() {
        Ok(look) if look.is_file() => Ok(file),
        _ => Err(OciError::NotPlain { path: path.to_owned() }),
    }
}

fn shown(tags: &[String]) -> String {
    if tags.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = tags
        .iter()
        .take(10)
        .map(|it| it.chars().take(120).collect::<String>().escape_debug().to_string())
        .collect();
    shown.join(", ")
}
