//! Paths, growth and bundles.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Frontier, Hash, HashSource as _};

fn tile(level: TileLevel, index: u64, width: u16) -> Tile {
    Tile::new(level, index, width).unwrap()
}

#[test]
fn paths_are_those_of_the_specification() {
    let cases = [
        ("tile/0/x001/x234/067", tile(TileLevel::Hashes(0), 1_234_067, 256)),
        ("tile/0/000.p/1", tile(TileLevel::Hashes(0), 0, 1)),
        ("tile/63/999.p/255", tile(TileLevel::Hashes(63), 999, 255)),
        ("tile/entries/x001/000", tile(TileLevel::Entries, 1000, 256)),
        (
            "tile/1/x018/x446/x744/x073/x709/x551/615",
            tile(TileLevel::Hashes(1), u64::MAX, 256),
        ),
    ];
    for (path, tile) in cases {
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::parse(path), Ok(tile));
    }
}

#[test]
fn other_paths_are_refused() {
    let cases = [
        ("", PathError::Shape),
        ("tile/0", PathError::Shape),
        ("/tile/0/000", PathError::Shape),
        ("checkpoint", PathError::Shape),
        ("tile/64/000", PathError::Level),
        ("tile/00/000", PathError::Level),
        ("tile/+1/000", PathError::Level),
        ("tile/-1/000", PathError::Level),
        ("tile/data/000", PathError::Level),
        ("tile/Entries/000", PathError::Level),
        ("tile/0/0", PathError::Index),
        ("tile/0/0000", PathError::Index),
        ("tile/0/+00", PathError::Index),
        ("tile/0/x000", PathError::Index),
        ("tile/0/x000/001", PathError::Index),
        ("tile/0/001/000", PathError::Index),
        ("tile/0/x1/000", PathError::Index),
        ("tile/0/x001/000/", PathError::Index),
        ("tile/0/x001//000", PathError::Index),
        ("tile/0/000 ", PathError::Index),
        ("tile/0/x018/x446/x744/x073/x709/x551/616", PathError::Index),
        ("tile/0/000.p", PathError::Index),
        ("tile/0/000.p/", PathError::Width),
        ("tile/0/000.p/0", PathError::Width),
        ("tile/0/000.p/01", PathError::Width),
        ("tile/0/000.p/256", PathError::Width),
        ("tile/0/000.p/1/", PathError::Width),
    ];
    for (path, error) in cases {
        assert_eq!(Tile::parse(path), Err(error), "{path}");
    }
    assert_eq!(Tile::new(TileLevel::Hashes(64), 0, 1), None);
    assert_eq!(Tile::new(TileLevel::Entries, 0, 0), None);
    assert_eq!(Tile::new(TileLevel::Entries, 0, 257), None);
}

/// The examples of the specification: trees of 70 000 and of 256.
#[test]
fn trees_have_the_tiles_of_the_specification() {
    let all = for_growth(0, 70_000);
    let count = |level, full| {
        let of_level = all.iter().filter(|it| it.level() == TileLevel::Hashes(level));
        of_level.filter(|it| it.is_full() == full).count()
    };
    assert_eq!([count(0, true), count(0, false)], [273, 1]);
    assert_eq!([count(1, true), count(1, false)], [1, 1]);
    assert_eq!([count(2, true), count(2, false)], [0, 1]);
    let partial = |level, index| Tile::of_tree(TileLevel::Hashes(level), index, 70_000).map(|it| it.width());
    assert_eq!([partial(0, 273), partial(1, 1)], [Some(112), Some(17)]);
    assert_eq!([partial(2, 0), partial(2, 1), partial(3, 0)], [Some(1), None, None]);
    let expected = [tile(TileLevel::Hashes(0), 0, 256), tile(TileLevel::Hashes(1), 0, 1)];
    assert_eq!(for_growth(0, 256), expected);
    assert_eq!(for_growth(255, 256), expected);
    assert_eq!(for_growth(256, 256), []);
    assert_eq!(for_growth(256, 255), []);
    assert_eq!(for_growth(256, 257), [tile(TileLevel::Hashes(0), 1, 1)]);
    let bundles: Vec<Tile> = growth(TileLevel::Entries, 255, 513).collect();
    let widths = [(0, 256), (1, 256), (2, 1)];
    assert_eq!(
        bundles,
        widths.map(|(index, width)| tile(TileLevel::Entries, index, width))
    );
    assert_eq!(growth(TileLevel::Hashes(7), u64::MAX - 1, u64::MAX).count(), 0);
    assert_eq!(growth(TileLevel::Hashes(0), u64::MAX - 1, u64::MAX).count(), 1);
}

/// Tiles written while a tree grows hold every hash of it.
#[test]
fn hashes_come_back_out_of_tiles() {
    let mut frontier = Frontier::new();
    let mut complete: BTreeMap<(u8, u64), Hash> = BTreeMap::new();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut old = 0;
    for size in [1, 2, 255, 256, 257, 700, 65_537] {
        while frontier.size() < size {
            let leaf = Hash::leaf(&frontier.size().to_be_bytes());
            frontier.push_each(leaf, |level, index, hash| {
                complete.insert((level, index), hash);
            });
        }
        for tile in for_growth(old, size) {
            let TileLevel::Hashes(level) = tile.level() else {
                panic!()
            };
            let first = tile.index() * 256;
            let hashes = (first..first + u64::from(tile.width())).map(|it| complete[&(level * 8, it)]);
            files.insert(tile.path(), hashes.flat_map(|it| *it.as_bytes()).collect());
        }
        let tiles = Tiles::new(size, |tile: &Tile| files.get(&tile.path()).cloned().ok_or("missing"));
        assert_eq!(crate::tree::root(size, &tiles), Ok(frontier.root()));
        if size < 1000 {
            for (&(level, index), hash) in &complete {
                assert_eq!(tiles.hash(level, index), Ok(*hash), "{level} {index} of {size}");
            }
        }
        old = size;
    }
}

#[test]
fn tiles_that_are_not_there_or_not_whole_are_named() {
    let at = |level, index| Tiles::new(300, |_: &Tile| Err::<Vec<u8>, _>("gone")).hash(level, index);
    let first = tile(TileLevel::Hashes(0), 0, 256);
    let gone = TilesError::Read {
        tile: first,
        source: "gone",
    };
    assert_eq!(gone.to_string(), "`tile/0/000` cannot be read");
    assert_eq!(at(0, 0), Err(gone));
    for (level, index) in [(0, 512), (8, 256), (16, 0), (0, u64::MAX), (7, u64::MAX), (255, 0)] {
        let outside = TilesError::Outside {
            level,
            index,
            size: 300,
        };
        assert_eq!(at(level, index), Err(outside), "{level} {index}");
    }
    for bytes in [0, 31, 32, 256 * 32 - 1, 256 * 32 + 1, 257 * 32] {
        let short = Tiles::new(300, |_: &Tile| Ok::<_, &str>(vec![0; bytes]));
        assert_eq!(short.hash(0, 0), Err(TilesError::Length { tile: first }), "{bytes}");
    }
    // Beyond the partial tile's width.
    let whole = Tiles::new(300, |tile: &Tile| {
        Ok::<_, &str>(vec![0; usize::from(tile.width()) * 32])
    });
    assert!(whole.hash(0, 299).is_ok());
    assert!(whole.hash(0, 300).is_err());
    assert!(whole.hash(3, 37).is_err());
}

#[test]
fn bundles_are_read_whole_or_not_at_all() {
    use bundle::BundleError::{Ends, Follows, TooLong};
    assert_eq!(bundle::encode(["", "ab"]).unwrap(), b"\0\0\0\x02ab");
    let decode = bundle::decode;
    assert_eq!(decode(b"\0\0\0\x02ab", 2), Ok(vec![&b""[..], b"ab"]));
    assert_eq!(decode(b"", 0), Ok(vec![]));
    assert_eq!(decode(b"", 1), Err(Ends { entry: 0, width: 1 }));
    assert_eq!(decode(b"\0", 1), Err(Ends { entry: 0, width: 1 }));
    assert_eq!(decode(b"\0\0\0\x02a", 2), Err(Ends { entry: 1, width: 2 }));
    assert_eq!(decode(b"\0\0", 2), Err(Ends { entry: 1, width: 2 }));
    assert_eq!(decode(b"\0\0\0\0", 1), Err(Follows { bytes: 2, width: 1 }));
    assert_eq!(bundle::encode([vec![0; 65_536]]), Err(TooLong { bytes: 65_536 }));
    let longest = bundle::encode([vec![7; 65_535]]).unwrap();
    assert_eq!(decode(&longest, 1).unwrap(), [vec![7; 65_535]]);
}

proptest! {
    #[test]
    fn every_tile_has_one_path(level in 0..=64_u8, index in any::<u64>(), shift in 0..64_u32, width in 1..=256_u16) {
        let level = if level == 64 { TileLevel::Entries } else { TileLevel::Hashes(level) };
        let tile = tile(level, index >> shift, width);
        prop_assert_eq!(Tile::parse(&tile.path()), Ok(tile));
    }

    #[test]
    fn what_is_read_as_a_path_is_written_the_same(path in "tile/(0|7|63|64|07|entries|data)/(x[0-9]{2,3}/){0,7}[0-9]{3}([.]p/[0-9]{1,3})?") {
        if let Ok(tile) = Tile::parse(&path) {
            prop_assert_eq!(tile.path(), path);
        }
    }

    #[test]
    fn bundles_come_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let width = u16::try_from(entries.len()).unwrap();
        let bytes = bundle::encode(&entries).unwrap();
        let decoded = bundle::decode(&bytes, width).unwrap();
        prop_assert_eq!(&decoded, &entries);
        for cut in 0..bytes.len() {
            prop_assert!(bundle::decode(&bytes[..cut], width).is_err());
        }
    }

    #[test]
    fn what_is_read_as_a_bundle_is_written_the_same(bytes in prop::collection::vec(0..4_u8, 0..60), width in 0..20_u16) {
        if let Ok(entries) = bundle::decode(&bytes, width) {
            prop_assert_eq!(bundle::encode(entries).unwrap(), bytes);
        }
    }
}
