//! Every way of sharing the work gives the digests that one thread would.

use std::fs;
use std::num::NonZeroU64;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::signing::{Scope, hashing::Digest};

fn unwatched(_: Measured) {}

fn how(hash: HashKind) -> How<'static> {
    How {
        hash,
        links: Links::Refuse,
        watch: &unwatched,
    }
}

/// A model whose files have these sizes, and what is in them.
fn made(sizes: &[usize]) -> (TempDir, Vec<Vec<u8>>) {
    let folder = TempDir::new().unwrap();
    let contents = sizes.iter().enumerate().map(|(file, size)| {
        let seed = file.wrapping_mul(7).to_le_bytes()[0];
        let content: Vec<u8> = (0..*size).map(|at| at.to_le_bytes()[0] ^ seed).collect();
        fs::write(folder.path().join(format!("{file:04}")), &content).unwrap();
        content
    });
    let contents = contents.collect();
    (folder, contents)
}

fn expected(hash: HashKind, method: Method, contents: &[Vec<u8>]) -> Vec<Digest> {
    let of = |part: &[u8]| {
        let mut hasher = Hasher::new(hash);
        hasher.update(part);
        hasher.finish()
    };
    let cut = |content: &Vec<u8>| match method {
        Method::Shards(size) => content.chunks(usize::try_from(size.get()).unwrap()).map(of).collect(),
        Method::Files => vec![of(content)],
    };
    contents.iter().flat_map(cut).collect()
}

fn check(cores: usize, hash: HashKind, method: Method, sizes: &[usize]) {
    let (folder, contents) = made(sizes);
    let model = Model::open(folder.path(), Links::Refuse).unwrap();
    let files = model.walk(&Scope::without_git(), Links::Refuse).unwrap().files;
    let pieces = pieces(&files, method).unwrap();
    let found = measure_on(cores, &model, &files, &pieces, how(hash)).unwrap();
    assert_eq!(
        found,
        expected(hash, method, &contents),
        "{cores} {hash:?} {method:?} {sizes:?}"
    );
}

#[test]
fn large_files_few_and_many_are_measured_on_one_core_and_on_several() {
    let large = 17 << 20;
    let sizes = [3, large, 0, large + 1, 300_000, large - 63];
    for cores in [1, 2, 3, 8] {
        for hash in [HashKind::Sha256, HashKind::Blake3] {
            check(cores, hash, Method::Files, &sizes);
            check(cores, hash, Method::Files, &sizes[..2]);
        }
    }
}

#[test]
fn the_last_large_pieces_are_read_ahead() {
    let piece = |bytes| Piece {
        file: 0,
        start: 0,
        end: bytes,
    };
    let ahead = |cores, count: usize| {
        let mut pieces = vec![piece(1 << 30); count];
        pieces.push(piece(10));
        let plan = Plan::new(cores, &pieces, HashKind::Blake3);
        (0..=count).filter(|place| plan.reads_ahead(*place)).collect::<Vec<_>>()
    };
    assert_eq!(ahead(2, 0), [0; 0]);
    assert_eq!(ahead(2, 1), [0]);
    assert_eq!(ahead(2, 2), [0; 0]);
    assert_eq!(ahead(2, 5), [4]);
    assert_eq!(ahead(8, 3), [0, 1, 2]);
    assert_eq!(ahead(1, 3), [0; 0]);
}

#[test]
fn a_file_that_changed_is_an_error_whichever_way_it_is_read() {
    for (cores, sizes) in [
        (1, vec![10; 5]),
        (2, vec![17 << 20, 5]),
        (2, vec![5]),
        (4, vec![9_000; 9]),
    ] {
        let (folder, _) = made(&sizes);
        let model = Model::open(folder.path(), Links::Refuse).unwrap();
        let files = model.walk(&Scope::without_git(), Links::Refuse).unwrap().files;
        fs::write(folder.path().join("0000"), b"shorter").unwrap();
        let pieces = pieces(&files, Method::Files).unwrap();
        let error = measure_on(cores, &model, &files, &pieces, how(HashKind::Sha256)).unwrap_err();
        assert!(
            matches!(error, MeasureError::Tree(TreeError::Changed { .. })),
            "{error:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_sizes_on_any_cores_in_any_pieces(
        sizes in proptest::collection::vec(prop_oneof![0usize..200, 0usize..600_000], 1..12),
        cores in 1usize..5,
        cut in proptest::option::of(60u64..100_000),
    ) {
        let method = cut.map_or(Method::Files, |size| Method::Shards(NonZeroU64::new(size).unwrap()));
        check(cores, HashKind::Sha256, method, &sizes);
    }
}
