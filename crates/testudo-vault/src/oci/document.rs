//! Indices, manifests and descriptors, read strictly.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use testudo_bounded::json::{Document, JsonError, Kind, Limits, Node};

use crate::hex;
use crate::signing::{NameError, ResourceName};

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
pub(super) const FILE_PATH: &str = "org.cncf.model.filepath";
pub(super) const FILE_METADATA: &str = "org.cncf.model.file.metadata+json";
pub(super) const UNTESTED: &str = "org.cncf.model.file.mediatype.untested";
pub(super) const TITLE: &str = "org.opencontainers.image.title";
pub(super) const TAG: &str = "org.opencontainers.image.ref.name";

/// The largest index or manifest, as registries have it.
pub(super) const MANIFEST_BYTES_MAX: u64 = 4 << 20;
const LIMITS: Limits = Limits {
    bytes_max: 4 << 20,
    depth_max: 32,
    nodes_max: 500_000,
};
const DESCRIPTORS_MAX: usize = 50_000;
const ANNOTATIONS_MAX: usize = 256;

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    #[error("`{}` cannot be read or written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is there already; choose another place, or take it away", path.display())]
    Exists { path: PathBuf },
    #[error("`{}` is no plain file, or lies behind a link", path.display())]
    NotPlain { path: PathBuf },
    #[error("`{what}` is not sound JSON")]
    Json {
        what: String,
        #[source]
        source: JsonError,
    },
    #[error("`{what}` lacks `{field}`, or it is not what it should be")]
    Field { what: String, field: &'static str },
    #[error("it is no OCI layout of version 1.0.0")]
    NotALayout,
    #[error("there is no model with that tag in the layout; there are: {0}")]
    NoModel(String),
    #[error("there are several models in the layout; say which with --tag: {0}")]
    Several(String),
    #[error("blob {digest} is not what its descriptor says: {why}")]
    Blob { digest: String, why: &'static str },
    #[error("a layer is of type `{0}`, which is not read; raw, tar and tar+gzip layers of models are")]
    MediaType(String),
    #[error("a file in the layout has a name that is no path inside a model")]
    Name(#[from] NameError),
    #[error("`{0}` comes twice in the layout, or is a file and a folder")]
    Twice(String),
    #[error("layer {digest} is no archive that all programs read alike: {why}")]
    Archive { digest: String, why: &'static str },
    #[error("layer {0} has no name: neither `org.cncf.model.filepath` nor `org.opencontainers.image.title`")]
    Nameless(String),
    #[error("the model is larger than {what}; if that is right, raise it")]
    Budget { what: &'static str },
    #[error("layer {0}, unpacked, is not what the configuration says")]
    DiffId(String),
    #[error("the layout cannot be written")]
    Write(#[from] serde_json::Error),
}

/// How a layer holds its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// It is the one file.
    Raw,
    Tar,
    TarGzip,
}

/// What the files of a layer are to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    Weight,
    /// Configuration of the weights, tokenizers.
    WeightConfig,
    Doc,
    Code,
    Dataset,
}

impl LayerKind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::WeightConfig, "weight.config"),
        (Self::Weight, "weight"),
        (Self::Doc, "doc"),
        (Self::Code, "code"),
        (Self::Dataset, "dataset"),
    ];

    /// The type of a layer that is one such file.
    #[must_use]
    pub fn raw_type(self) -> String {
        let word = Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("doc", |it| it.1);
        format!("application/vnd.cncf.model.{word}.v1.raw")
    }

    pub(super) fn parse(media_type: &str) -> Option<(Self, Packing)> {
        let rest = media_type.strip_prefix("application/vnd.cncf.model.")?;
        let (word, packing) = rest.split_once(".v1.")?;
        let packing = match packing {
            "raw" => Packing::Raw,
            "tar" => Packing::Tar,
            "tar+gzip" => Packing::TarGzip,
            _ => return None,
        };
        let kind = Self::ALL.iter().find(|(_, name)| *name == word)?.0;
        Some((kind, packing))
    }
}

/// SHA-256 of a blob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlobDigest(String);

impl BlobDigest {
    pub(super) fn of_hex(digits: String) -> Self {
        Self(digits)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let bytes = hex::decode(digits)?;
        (bytes.len() == 32).then(|| Self(digits.to_owned()))
    }

    pub(super) fn digits(&self) -> &str {
        &self.0
    }

    pub(super) fn text(&self) -> String {
        format!("sha256:{}", self.0)
    }
}

/// A blob that something names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: BlobDigest,
    pub(super) size: u64,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// `sha256:` and hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest.text()
    }

    /// Bytes of the blob.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the blob is.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    fn read(node: Node<'_>, what: &str) -> Result<Self, OciError> {
        let field = |field| OciError::Field {
            what: what.to_owned(),
            field,
        };
        // Content that lies elsewhere is not fetched, and two places could hold two contents.
        if node.get("urls").is_some_and(|it| !it.is_null()) {
            return Err(field("urls"));
        }
        let digest = text(node, "digest").and_then(|it| BlobDigest::parse(&it));
        Ok(Self {
            media_type: text(node, "mediaType").ok_or_else(|| field("mediaType"))?,
            digest: digest.ok_or_else(|| field("digest"))?,
            size: node
                .get("size")
                .and_then(|it| it.as_u64())
                .ok_or_else(|| field("size"))?,
            artifact_type: optional(node, "artifactType").map_err(|()| field("artifactType"))?,
            annotations: annotations(node).ok_or_else(|| field("annotations"))?,
        })
    }

    /// The name of the file that a raw layer is.
    pub(super) fn file_name(&self) -> Result<ResourceName, OciError> {
        let name = self.annotations.get(FILE_PATH).or_else(|| self.annotations.get(TITLE));
        let name = name.ok_or_else(|| OciError::Nameless(self.digest.text()))?;
        Ok(ResourceName::parse(name)?)
    }
}

/// What lies in a layout.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) manifests: Vec<Descriptor>,
}

impl Index {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OciError> {
        let what = "index.json";
        let document = parse(bytes, what)?;
        let root = document.root();
        version(root, what)?;
        kind(root, INDEX_TYPE, what)?;
        let manifests = descriptors(root, "manifests", what)?;
        Ok(Self { manifests })
    }
}

/// One manifest.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) artifact_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    pub(super) subject: Option<Descriptor>,
}

impl Manifest {
    pub(super) fn parse(bytes: &[u8], what: &str) -> Result<Self, OciError> {
        let document = parse(bytes, what)?;
        let root = document.root();
        let field = |field| OciError::Field {
            what: what.to_owned(),
            field,
        };
        version(root, what)?;
        kind(root, MANIFEST_TYPE, what)?;
        let config = root.get("config").ok_or_else(|| field("config"))?;
        let subject = root.get("subject").filter(|it| !it.is_null());
        annotations(root).ok_or_else(|| field("annotations"))?;
        Ok(Self {
            artifact_type: optional(root, "artifactType").map_err(|()| field("artifactType"))?,
            config: Descriptor::read(config, what)?,
            layers: descriptors(root, "layers", what)?,
            subject: subject.map(|it| Descriptor::read(it, what)).transpose()?,
        })
    }
}

/// The digests of unpacked layers that a model's configuration lists.
pub(super) fn diff_ids(config: &[u8]) -> Result<Vec<BlobDigest>, OciError> {
    let what = "the configuration of the model";
    let field = |field| OciError::Field {
        what: what.to_owned(),
        field,
    };
    let document = parse(config, what)?;
    let root = document.root();
    let fs = root.get("modelfs").ok_or_else(|| field("modelfs"))?;
    if text(fs, "type").as_deref() != Some("layers") {
        return Err(field("modelfs.type"));
    }
    // The specification spells it one way, its earlier releases another.
    let list = fs.get("diffIds").or_else(|| fs.get("diff_ids"));
    let list = list
        .filter(|it| it.kind() == Kind::Array)
        .ok_or_else(|| field("modelfs.diffIds"))?;
    let ids = list.items().map(|it| BlobDigest::parse(&it.as_str()?));
    let ids = ids.take(DESCRIPTORS_MAX.saturating_add(1)).collect::<Option<Vec<_>>>();
    ids.filter(|ids| ids.len() <= DESCRIPTORS_MAX)
        .ok_or_else(|| field("modelfs.diffIds"))
}

pub(super) fn is_layout(bytes: &[u8]) -> bool {
    parse(bytes, "oci-layout").is_ok_and(|it| text(it.root(), "imageLayoutVersion").as_deref() == Some("1.0.0"))
}

fn parse<'b>(bytes: &'b [u8], what: &str) -> Result<Document<'b>, OciError> {
    Document::parse(bytes, &LIMITS).map_err(|source| OciError::Json {
        what: what.to_owned(),
        source,
    })
}

fn version(root: Node<'_>, what: &str) -> Result<(), OciError> {
    match root.get("schemaVersion").and_then(|it| it.as_u64()) {
        Some(2) => Ok(()),
        _ => Err(OciError::Field {
            what: what.to_owned(),
            field: "schemaVersion",
        }),
    }
}

/// An index may leave its own type out; it may not say another.
fn kind(root: Node<'_>, expected: &str, what: &str) -> Result<(), OciError> {
    match root.get("mediaType").map(|it| it.as_str()) {
        None => Ok(()),
        Some(Some(found)) if found == expected => Ok(()),
        Some(_) => Err(OciError::Field {
            what: what.to_owned(),
            field: "mediaType",
        }),
    }
}

fn descriptors(root: Node<'_>, key: &'static str, what: &str) -> Result<Vec<Descriptor>, OciError> {
    let wrong = || OciError::Field {
        what: what.to_owned(),
        field: key,
    };
    let list = root.get(key).filter(|it| it.kind() == Kind::Array).ok_or_else(wrong)?;
    let mut found = Vec::new();
    for item in list.items() {
        if found.len() >= DESCRIPTORS_MAX {
            return Err(wrong());
        }
        found.push(Descriptor::read(item, what)?);
    }
    Ok(found)
}

fn text(node: Node<'_>, key: &str) -> Option<String> {
    node.get(key)?.as_str().map(std::borrow::Cow::into_owned)
}

fn optional(node: Node<'_>, key: &str) -> Result<Option<String>, ()> {
    match node.get(key).filter(|it| !it.is_null()) {
        None => Ok(None),
        Some(value) => value.as_str().map(|it| Some(it.into_owned())).ok_or(()),
    }
}

fn annotations(node: Node<'_>) -> Option<BTreeMap<String, String>> {
    let Some(map) = node.get("annotations").filter(|it| !it.is_null()) else {
        return Some(BTreeMap::new());
    };
    if map.kind() != Kind::Object {
        return None;
    }
    let entries = map.entries().take(ANNOTATIONS_MAX.saturating_add(1));
    let read = entries.map(|(_, value)| Some((value.key_text()?.into_owned(), value.as_str()?.into_owned())));
    let read: BTreeMap<_, _> = read.collect::<Option<_>>()?;
    (read.len() <= ANNOTATIONS_MAX).then_some(read)
}
