//! Doors for the fuzzer to what reads hostile bytes behind digests, which no fuzzer guesses.

use super::archive::Archive;
use super::document::{Index, Manifest, diff_ids, is_layout};

/// Reads the bytes as each document of a layout.
pub fn documents(bytes: &[u8]) {
    let _index = Index::parse(bytes);
    let _manifest = Manifest::parse(bytes, "x");
    let _ids = diff_ids(bytes);
    let _layout = is_layout(bytes);
}

/// The names of the files in an archive, up to where it is refused.
#[must_use]
pub fn archive(bytes: &[u8]) -> Vec<String> {
    let mut archive = Archive::new(bytes);
    let mut names = Vec::new();
    while let Ok(Some((name, size))) = archive.next_file() {
        names.push(name.to_string());
        if archive.content(size, &mut |_| Ok(())).is_err() {
            break;
        }
    }
    names
}
