//! A tile's path or a bundle that is read is written the same way; a tile gives hashes of its own tree only.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_ledger::tile::{Tiles, bundle, hashes};
use testudo_ledger::{HashSource, Tile};

fuzz_target!(|input: (&str, &[u8], u16, u64, u8, u64)| {
    let (path, bytes, width, size, level, index) = input;
    if let Ok(tile) = Tile::parse(path) {
        assert_eq!(tile.path(), path);
        assert_eq!(tile.is_full(), !path.contains(".p/"));
    }
    let width = width % 257;
    if let Ok(entries) = bundle::decode(bytes, width) {
        assert_eq!(entries.len(), usize::from(width));
        assert_eq!(bundle::encode(entries).as_deref(), Ok(bytes));
    }
    if let Some(hashes) = hashes(bytes, width) {
        let again: Vec<u8> = hashes.iter().flat_map(|it| *it.as_bytes()).collect();
        assert_eq!(again, bytes);
    }
    let tiles = Tiles::new(size, |tile: &Tile| Ok::<_, ()>(vec![0; usize::from(tile.width()) * 32]));
    let inside = index
        .checked_add(1)
        .and_then(|end| end.checked_mul(1_u64.checked_shl(level.into())?))
        .is_some_and(|end| end <= size);
    // Every complete subtree of the tree, and nothing else.
    assert_eq!(tiles.hash(level, index).is_ok(), inside);
});
