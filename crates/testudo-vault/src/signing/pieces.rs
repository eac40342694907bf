//! What a signature says of the pieces of files, held against the bytes as they go by.

use std::collections::BTreeMap;
use std::fmt;

use super::hashing::{Digest, HashKind, Hasher};
use super::manifest::{Manifest, Method, Place};
use super::name::ResourceName;

/// A piece of a file that was signed; a whole file goes on to its end.
#[derive(Debug, Clone)]
struct Signed {
    start: u64,
    end: Option<u64>,
    digest: Digest,
}

/// Every piece that was signed, by file.
#[derive(Debug)]
pub(crate) struct SignedPieces {
    hash: HashKind,
    is_cut: bool,
    by_file: BTreeMap<ResourceName, Vec<Signed>>,
}

impl SignedPieces {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let mut by_file: BTreeMap<_, Vec<Signed>> = BTreeMap::new();
        for resource in &manifest.resources {
            let (start, end) = match &resource.place {
                Place::File(_) => (0, None),
                Place::Shard { start, end, .. } => (*start, Some(*end)),
            };
            let pieces = by_file.entry(resource.place.file().clone()).or_default();
            pieces.push(Signed {
                start,
                end,
                digest: resource.digest.clone(),
            });
        }
        for pieces in by_file.values_mut() {
            pieces.sort_by_key(|it| it.start);
        }
        Self {
            hash: manifest.hash,
            is_cut: matches!(manifest.method, Method::Shards(_)),
            by_file,
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &ResourceName> {
        self.by_file.keys()
    }

    /// What is to be held against the bytes of a file; nothing of one that nobody signed. Pieces do not show a file
    /// without content.
    pub(crate) fn checker(&self, file: &ResourceName, bytes: u64) -> Option<Checker> {
        let pieces = match self.by_file.get(file) {
            Some(pieces) => pieces.clone(),
            None if self.is_cut && bytes == 0 => Vec::new(),
            None => return None,
        };
        Some(Checker {
            hash: self.hash,
            pieces: pieces.into_iter(),
            now: None,
            at: 0,
            fits: true,
        })
    }
}

/// Holds the bytes of one file, as they go by, against what was signed.
pub(crate) struct Checker {
    hash: HashKind,
    pieces: std::vec::IntoIter<Signed>,
    now: Option<(Signed, Hasher)>,
    at: u64,
    fits: bool,
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Checker {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.fits {
            let Some((piece, mut hasher)) = self.now.take().or_else(|| self.next()) else {
                // More than was signed.
                self.fits = false;
                return;
            };
            let room = piece.end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
            let taken = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (part, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
            hasher.update(part);
            bytes = rest;
            self.at = self.at.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
            if piece.end.is_some_and(|end| self.at >= end) {
                self.fits &= hasher.finish() == piece.digest;
            } else {
                self.now = Some((piece, hasher));
            }
        }
    }

    /// The piece that begins where the last one ended.
    fn next(&mut self) -> Option<(Signed, Hasher)> {
        let piece = self.pieces.next().filter(|it| it.start == self.at)?;
        Some((piece, Hasher::new(self.hash)))
    }

    /// Whether all that went by was signed, and nothing that did not go by.
    pub(crate) fn finish(mut self) -> bool {
        // A file without content has a digest, too, when it is signed whole.
        let last = self.now.take().or_else(|| self.next());
        if let Some((piece, hasher)) = last {
            self.fits &= piece.end.is_none() && hasher.finish() == piece.digest;
        }
        self.fits && self.pieces.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;

    use super::*;
    use crate::signing::Resource;

    fn digest(hash: HashKind, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(hash);
        hasher.update(bytes);
        hasher.finish()
    }

    fn manifest(hash: HashKind, content: &[u8], shard: Option<u64>) -> Manifest {
        let file = ResourceName::parse("w").unwrap();
        let whole = |digest| Resource {
            place: Place::File(file.clone()),
            digest,
        };
        let (method, resources) = match shard.and_then(NonZeroU64::new) {
            None => (Method::Files, vec![whole(digest(hash, content))]),
            Some(size) => {
                let step = usize::try_from(size.get()).unwrap();
                let shards = content.chunks(step).enumerate().map(|(number, part)| {
                    let start = u64::try_from(number.saturating_mul(step)).unwrap();
                    let end = start.saturating_add(u64::try_from(part.len()).unwrap());
                    let file = file.clone();
                    let place = Place::Shard { file, start, end };
                    let digest = digest(hash, part);
                    Resource { place, digest }
                });
                (Method::Shards(size), shards.collect())
            }
        };
        Manifest {
            name: "m".to_owned(),
            method,
            hash,
            follows_links: false,
            ignored: Vec::new(),
            is_nameless: false,
            resources,
        }
    }

    fn fits(manifest: &Manifest, content: &[u8], read: usize) -> bool {
        let bytes = u64::try_from(content.len()).unwrap();
        let file = ResourceName::parse("w").unwrap();
        let pieces = SignedPieces::of(manifest);
        let Some(mut checker) = pieces.checker(&file, bytes) else {
            return false;
        };
        content.chunks(read).for_each(|part| checker.update(part));
        checker.finish()
    }

    proptest! {
        #[test]
        fn exactly_what_was_signed_fits(
            content in prop::collection::vec(any::<u8>(), 0..80), other in prop::collection::vec(any::<u8>(), 0..80),
            shard in prop::option::of(1..30_u64), read in 1..40_usize, at in any::<prop::sample::Index>(),
        ) {
            for hash in [HashKind::Sha256, HashKind::Blake2b, HashKind::Blake3] {
                let manifest = manifest(hash, &content, shard);
                prop_assert!(fits(&manifest, &content, read));
                prop_assert_eq!(fits(&manifest, &other, read), other == content);
                let longer = [&content[..], b"x"].concat();
                prop_assert!(!fits(&manifest, &longer, read));
                if !content.is_empty() {
                    prop_assert!(!fits(&manifest, &content[1..], read));
                    let mut changed = content.clone();
                    changed[at.index(content.len())] ^= 1;
                    prop_assert!(!fits(&manifest, &changed, read));
                }
            }
        }
    }

    #[test]
    fn shards_that_leave_something_out_or_overlap_fit_nothing() {
        let content = b"0123456789";
        let mut cut = manifest(HashKind::Sha256, content, Some(4));
        cut.resources.remove(1);
        assert!(!fits(&cut, content, 3));
        let mut twice = manifest(HashKind::Sha256, content, Some(4));
        let first = twice.resources[0].clone();
        twice.resources.push(first);
        assert!(!fits(&twice, content, 3));
        let mut nothing = manifest(HashKind::Sha256, content, Some(4));
        nothing.resources.push(Resource {
            place: Place::Shard {
                file: ResourceName::parse("w").unwrap(),
                start: 10,
                end: 10,
            },
            digest: digest(HashKind::Sha256, b""),
        });
        assert!(!fits(&nothing, content, 3));
    }
}
