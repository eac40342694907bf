//! OpenSSF Model Signing 1.0: a signature over the digests of every file of a model.
//!
//! [`sign`] measures a folder or a file and returns a bundle: a Sigstore bundle around a DSSE
//! envelope around an in-toto statement. [`Bundle::parse`], [`Bundle::verify`] and
//! [`Verified::compare`] go the other way, each a type of its own, so that nothing is compared
//! with a statement whose signature was not checked.
//!
//! Stricter than the specification where it leaves room to an attacker: one reading of the JSON
//! only, no name twice, links neither followed nor skipped, and files that the signer excused
//! are shown and, where a program would load them, refused.

mod attested;
mod bundle;
mod certificates;
mod compare;
mod envelope;
mod hashing;
mod keys;
mod legacy;
mod manifest;
mod measure;
mod name;
mod pieces;
mod scope;
mod sign;
mod sigstore;
mod stamped;
mod stamps;
mod statement;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod verify;

pub use bundle::{Bundle, BundleError, MethodKind};
pub use certificates::{CertificateError, Chain, Expiry, Roots};
pub use compare::{CompareError, Comparison, Lookup, Unlisted};
pub(crate) use hashing::Hasher;
pub use hashing::{Digest, HashKind, sha256_of};
pub use keys::{KeyError, SigningKey, VerifyingKey};
pub use manifest::{Manifest, Method, Place, Resource};
pub use measure::{MeasureError, Measured};
pub use name::{NameError, ResourceName};
pub(crate) use pieces::{Checker, SignedPieces};
pub use scope::Scope;
pub use sign::{SignError, SignOptions, Signed, Signer, digest, sign};
pub use sigstore::{FileSignatureError, SigstoreError, SigstoreTrust, TrustedRoot, TrustedRootError, verify_file};
pub use stamped::{StampAuthorities, StampError};
pub use stamps::{Remembered, RememberedError};
pub use statement::StatementError;
pub use token::{TokenError, TokenUri, TokenUriError};
pub use tree::{Links, Model, TreeError, Warning};
pub use verify::{Legacy, SignedBy, Trust, Verified, VerifyError};
