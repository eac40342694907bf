//! Models as OCI artifacts in a layout folder: CNCF's ModelPack, written and read.
//!
//! [`LayoutWriter`] makes a layout: a layer for each file, and what vouches for the model (its signature, its bill of
//! materials, the report of a scan) as manifests whose subject is the model's. [`Layout`] reads one that anybody made:
//! every blob is held against its digest and size before a byte of it is used, and files come out of it under plain
//! names only, once each, within a budget.

mod archive;
mod document;
#[cfg(fuzzing)]
pub mod fuzzing;
mod read;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

pub use document::{Descriptor, LayerKind, OciError, Packing};
pub use read::{Layout, Packed, Referrer};
pub use unpack::Budget;
pub use write::{LayoutWriter, Written};

/// What a model's manifest says that it is.
pub const ARTIFACT_TYPE: &str = "application/vnd.cncf.model.manifest.v1+json";
/// What a model's configuration says that it is.
pub const CONFIG_TYPE: &str = "application/vnd.cncf.model.config.v1+json";
/// A signature over a model.
pub const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// A bill of materials.
pub const BILL_TYPE: &str = "application/vnd.cyclonedx+json";
/// The report of a scan, a JSON object a line.
pub const SCAN_TYPE: &str = "application/vnd.testudo.scan.v1+jsonl";
