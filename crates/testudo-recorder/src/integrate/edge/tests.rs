//! Growing by any steps gives the files that the specification wants, and no other content for the same path.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use testudo_ledger::tree;
use testudo_ledger::{Frontier, Hash};

use super::*;

type Written = BTreeMap<String, Vec<u8>>;

fn leaf(index: u64) -> Leaf {
    Leaf {
        index,
        entry: format!("{index}").into_bytes(),
        payload: index
            .is_multiple_of(3)
            .then(|| [b"TSP1".as_slice(), &index.to_be_bytes()].concat()),
    }
}

/// Grows in these steps; returns the edge, the tiles and the payload files.
fn grown(steps: &[u64]) -> (Edge, Written, BTreeMap<u64, Vec<u8>>) {
    let mut edge = Edge::default();
    let (mut tiles, mut payloads) = (Written::new(), BTreeMap::<u64, Vec<u8>>::new());
    for step in steps {
        let leaves: Vec<Leaf> = (edge.size()..edge.size() + step).map(leaf).collect();
        let growth = edge.grow(&leaves).unwrap();
        for (tile, content) in growth.tiles {
            let before = tiles.insert(tile.path(), content.clone());
            assert!(before.is_none(), "{} is written twice", tile.path());
        }
        for write in growth.payloads {
            let file = payloads.entry(write.file).or_default();
            assert_eq!(file.len() as u64, write.offset);
            file.extend(write.content);
        }
        edge = growth.edge;
    }
    (edge, tiles, payloads)
}

fn check(steps: &[u64]) {
    let (edge, tiles, payloads) = grown(steps);
    let size: u64 = steps.iter().sum();
    assert_eq!(edge.size(), size);
    let mut frontier = Frontier::new();
    (0..size).for_each(|index| frontier.push(Hash::leaf(&leaf(index).entry)));
    assert_eq!(edge.frontier, frontier);
    let read = |tile: &Tile| tiles.get(&tile.path()).cloned().ok_or(());
    let root = tree::root(size, &tile::Tiles::new(size, read)).unwrap();
    assert_eq!(root, frontier.root());
    for number in 0..size.div_ceil(256) {
        let bundle_tile = Tile::of_tree(TileLevel::Entries, number, size).unwrap();
        let entries = bundle::decode(&tiles[&bundle_tile.path()], bundle_tile.width()).unwrap();
        assert!(
            (number * 256..)
                .zip(entries)
                .all(|(index, entry)| entry == leaf(index).entry)
        );
    }
    let records: u64 = payloads.values().map(|it| it.len() as u64 / 16).sum();
    assert_eq!(records, size.div_ceil(3));
}

#[test]
fn a_log_with_a_full_tile_of_the_second_level_is_whole() {
    check(&[1, 255, 256, 1, 65_023, 1, 900]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn steps_of_any_size_give_the_same_log(steps in prop::collection::vec(prop_oneof![1_u64..5, 200_u64..300, 1_u64..900], 1..8)) {
        check(&steps);
    }
}
