//! Reads model files without running them, and says what loading them would do.
//!
//! [`scan`] takes bytes behind a [`Source`] and gives a [`Report`]: findings, each with its rule, place and verdict, and
//! what the file consists of. What a file is, is told by its content; its name only ever adds suspicion. Pickles are
//! carried out symbolically against an exact list of what real savers write; archives are read by each of their
//! directories. Whatever cannot be read to its end is [`Verdict::Unknown`], which is to be treated as malicious.
//! [`About`] is what a model says about itself, which nobody believes and bills of materials repeat.
//!
//! [`weights`] counts what the values of tensors look like, and how far two models are apart.
//!
//! No I/O, no clock, no randomness: bytes come from the caller, costs are bounded by [`Limits`].

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

mod about;
mod documents;
mod gguf;
mod graphs;
mod hdf5;
mod index;
mod judge;
mod limits;
mod lite;
mod numpy;
mod pickle;
mod protobuf;
mod safetensors;
mod scan;
mod sevenz;
mod source;
mod tar;
mod template;
mod torch;
mod unpack;
mod verdict;
pub mod weights;
mod zip;

pub use about::{About, Claimed};
pub use index::Folder;
pub use limits::Limits;
pub use scan::Options;
pub use source::Source;
pub use verdict::{Finding, Part, Report, Verdict};

/// Judges one file. `path` stands in the findings, and its last extension is a hint.
#[must_use]
pub fn scan(source: &dyn Source, path: &str, options: &Options) -> Report {
    judged(scan::Scan::new(options), source, path)
}

/// The same for a file in a folder: what it says about the files beside it is held against them.
#[must_use]
pub fn scan_in(source: &dyn Source, path: &str, options: &Options, folder: &dyn Folder) -> Report {
    let mut scan = scan::Scan::new(options);
    scan.folder = Some(folder);
    judged(scan, source, path)
}

fn judged(mut scan: scan::Scan<'_>, source: &dyn Source, path: &str) -> Report {
    let place = scan::Place::outermost(path);
    judge::judge(&mut scan, source, &place, judge::Inside::Nothing);
    scan.into_report()
}
