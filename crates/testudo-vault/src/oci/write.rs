//! A layout, written: beside its place first, and named when it is whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;

use super::document::{
    BlobDigest, Descriptor, EMPTY_TYPE, FILE_METADATA, FILE_PATH, INDEX_TYPE, LayerKind, MANIFEST_TYPE, OciError, TAG,
    UNTESTED,
};
use super::{ARTIFACT_TYPE, CONFIG_TYPE};
use crate::hex;
use crate::signing::ResourceName;

const EMPTY: &[u8] = b"{}";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDescriptor<'d> {
    media_type: &'d str,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'d str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'d BTreeMap<String, String>,
}

impl<'d> From<&'d Descriptor> for WrittenDescriptor<'d> {
    fn from(descriptor: &'d Descriptor) -> Self {
        Self {
            media_type: &descriptor.media_type,
            digest: descriptor.digest.text(),
            size: descriptor.size,
            artifact_type: descriptor.artifact_type.as_deref(),
            annotations: &descriptor.annotations,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenManifest<'m> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'m str,
    config: WrittenDescriptor<'m>,
    layers: Vec<WrittenDescriptor<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<WrittenDescriptor<'m>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenIndex<'i> {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<WrittenDescriptor<'i>>,
}

#[derive(Serialize)]
struct FileMetadata<'f> {
    name: &'f str,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: &'static str,
    typeflag: u8,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Of the model's manifest.
    pub digest: String,
    pub layers: usize,
    pub referrers: usize,
}

/// A layout under way.
#[derive(Debug)]
pub struct LayoutWriter {
    to: PathBuf,
    part: PathBuf,
    layers: Vec<Descriptor>,
    referrers: Vec<(&'static str, Descriptor)>,
}

impl LayoutWriter {
    /// Begins a layout that will be the folder `to`, which must not be there.
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    pub fn create(to: &Path) -> Result<Self, OciError> {
        let exists = || OciError::Exists { path: to.to_owned() };
        if to.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let name = to.file_name().and_then(|it| it.to_str()).ok_or_else(exists)?;
        let part = to.with_file_name(format!(".{name}.part"));
        // An earlier attempt; a link in its place is removed and not followed.
        let cleared = match part.symlink_metadata() {
            Ok(look) if look.is_dir() => fs::remove_dir_all(&part),
            Ok(_) => fs::remove_file(&part),
            Err(_) => Ok(()),
        };
        let made = cleared.and_then(|()| fs::create_dir_all(part.join("blobs/sha256")));
        made.map_err(|source| OciError::File {
            path: part.clone(),
            source,
        })?;
        Ok(Self {
            to: to.to_owned(),
            part,
            layers: Vec::new(),
            referrers: Vec::new(),
        })
    }

    /// Adds a file of the model as a layer of its own. `read` fills a buffer and tells how far; 0 is the end.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn file(
        &mut self,
        name: &ResourceName,
        kind: LayerKind,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Result<String, OciError> {
        let mut layer = self.blob(&kind.raw_type(), read)?;
        // Times and owners are not the model's, and the same model is the same layout.
        let metadata = FileMetadata {
            name: name.as_str(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: layer.size,
            mtime: "1970-01-01T00:00:00Z",
            typeflag: b'0',
        };
        layer.annotations = BTreeMap::from([
            (FILE_PATH.to_owned(), name.to_string()),
            (FILE_METADATA.to_owned(), serde_json::to_string(&metadata)?),
            // What it is was told by name and content, and by nobody who tried it.
            (UNTESTED.to_owned(), "true".to_owned()),
        ]);
        let digest = layer.digest.digits().to_owned();
        self.layers.push(layer);
        Ok(digest)
    }

    /// The digests of all layers so far, as a configuration lists them.
    #[must_use]
    pub fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(|it| it.digest.text()).collect()
    }

    /// Adds what vouches for the model; its manifest will name the model's as its subject.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn vouch(&mut self, media_type: &'static str, content: &[u8]) -> Result<(), OciError> {
        let blob = self.bytes(media_type, content)?;
        self.referrers.push((media_type, blob));
        Ok(())
    }

    /// Writes the manifests and the index, and gives the folder its name.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn finish(self, config: &[u8], tag: &str) -> Result<Written, OciError> {
        let config = self.bytes(CONFIG_TYPE, config)?;
        let mut model = self.manifest(ARTIFACT_TYPE, &config, &self.layers, None)?;
        model.annotations.insert(TAG.to_owned(), tag.to_owned());
        let bare = Descriptor {
            annotations: BTreeMap::new(),
            artifact_type: None,
            ..model.clone()
        };
        let empty = self.bytes(EMPTY_TYPE, EMPTY)?;
        let mut manifests = vec![model];
        for (artifact_type, blob) in &self.referrers {
            manifests.push(self.manifest(artifact_type, &empty, std::slice::from_ref(blob), Some(&bare))?);
        }
        let index = WrittenIndex {
            schema_version: 2,
            media_type: INDEX_TYPE,
            manifests: manifests.iter().map(Into::into).collect(),
        };
        self.place("index.json", &serde_json::to_vec(&index)?)?;
        self.place("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        fs::rename(&self.part, &self.to).map_err(|source| OciError::File {
            path: self.to.clone(),
            source,
        })?;
        Ok(Written {
            digest: bare.digest(),
            layers: self.layers.len(),
            referrers: self.referrers.len(),
        })
    }

    fn manifest(
        &self,
        artifact_type: &str,
        config: &Descriptor,
        layers: &[Descriptor],
        subject: Option<&Descriptor>,
    ) -> Result<Descriptor, OciError> {
        let manifest = WrittenManifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE,
            artifact_type,
            config: config.into(),
            layers: layers.iter().map(Into::into).collect(),
            subject: subject.map(Into::into),
        };
        let mut written = self.bytes(MANIFEST_TYPE, &serde_json::to_vec(&manifest)?)?;
        written.artifact_type = Some(artifact_type.to_owned());
        Ok(written)
    }

    fn bytes(&self, media_type: &str, content: &[u8]) -> Result<Descriptor, OciError> {
        let mut rest = content;
        self.blob(media_type, &mut |into| {
            let count = rest.len().min(into.len());
            let (now, later) = rest.split_at_checked(count).unwrap_or_default();
            if let Some(to) = into.get_mut(..count) {
                to.copy_from_slice(now);
            }
            rest = later;
            Ok(count)
        })
    }

    fn blob(
        &self,
        media_type: &str,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Descriptor, OciError> {
        let fresh = self.part.join("blobs/fresh");
        let failed = |source| OciError::File {
            path: fresh.clone(),
            source,
        };
        let mut out = File::create(&fresh).map_err(failed)?;
        let mut context = Context::new(&SHA256);
        let mut buffer = vec![0_u8; 1 << 20];
        let mut size = 0_u64;
        loop {
            let count = read(&mut buffer).map_err(failed)?;
            let Some(part) = buffer.get(..count).filter(|it| !it.is_empty()) else {
                break;
            };
            context.update(part);
            out.write_all(part).map_err(failed)?;
            size = size.saturating_add(u64::try_from(count).unwrap_or(0));
        }
        out.sync_all().map_err(failed)?;
        let digits = hex::encode(context.finish().as_ref());
        let path = self.part.join("blobs/sha256").join(&digits);
        fs::rename(&fresh, &path).map_err(|source| OciError::File { path, source })?;
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            digest: BlobDigest::of_hex(digits),
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
        })
    }

    fn place(&self, name: &str, content: &[u8]) -> Result<(), OciError> {
        let path = self.part.join(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut out| out.write_all(content).and_then(|()| out.sync_all()));
        written.map_err(|source| OciError::File { path, source })
    }
}
