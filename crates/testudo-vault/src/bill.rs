//! Bills of materials: what a model is made of, as CycloneDX 1.6 writes it, and what of such a bill can be checked.
//!
//! [`Described::write`] makes a bill that depends on nothing but what it is given: equal models have equal bills, down to
//! the serial number, which is a hash of the rest. [`Bill::parse`] reads bills by anybody, strictly, and
//! [`Bill::covers`] holds one against the files of a model.

mod document;
mod licence;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use licence::Licence;
pub use read::{Bill, BillError, Listed};
pub use write::{Described, FileEntry, FileKind, PerformanceClaim, SignatureEntry, file_component, writer};
