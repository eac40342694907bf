//! Roots and proofs against the definition, known values, and everything that must not pass.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A tree in memory, filled through the frontier.
#[derive(Default)]
struct Nodes {
    frontier: Frontier,
    hashes: BTreeMap<(u8, u64), Hash>,
}

impl Nodes {
    fn new(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut nodes = Self::default();
        for leaf in leaves {
            nodes.frontier.push_each(leaf, |level, index, hash| {
                assert_eq!(nodes.hashes.insert((level, index), hash), None);
            });
        }
        nodes
    }
}

/// The missing hash's place is the error.
impl HashSource for Nodes {
    type Error = (u8, u64);

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        self.hashes.get(&(level, index)).copied().ok_or((level, index))
    }
}

/// RFC 6962 section 2.1, word for word.
fn defined_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::EMPTY,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::node(&defined_root(left), &defined_root(right))
        }
    }
}

/// Leaves that all differ.
fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|it| Hash::leaf(&it.to_be_bytes())).collect()
}

fn hex(text: &str) -> Hash {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect();
    Hash::from_bytes(bytes.try_into().unwrap())
}

/// The eight leaves that Certificate Transparency's implementations test with.
fn known_leaves() -> Vec<Hash> {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    leaves.map(Hash::leaf).to_vec()
}

const KNOWN_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const LEAF_6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const NODES_2_TO_4: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const NODES_4_TO_6: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const NODES_6_TO_8: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const NODES_4_TO_8: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

#[test]
fn known_roots() {
    let nodes = Nodes::new(known_leaves());
    for (size, known) in (1..).zip(KNOWN_ROOTS) {
        assert_eq!(root(size, &nodes), Ok(hex(known)), "{size}");
    }
    assert_eq!(root(0, &nodes), Ok(Hash::EMPTY));
}

#[test]
fn known_inclusion_proofs() {
    let nodes = Nodes::new(known_leaves());
    let [one, two, _, four, ..] = KNOWN_ROOTS;
    let cases: [(u64, u64, &[&str]); 5] = [
        (0, 1, &[]),
        (0, 8, &[LEAF_1, NODES_2_TO_4, NODES_4_TO_8]),
        (5, 8, &[LEAF_4, NODES_6_TO_8, four]),
        (2, 3, &[two]),
        (1, 5, &[one, NODES_2_TO_4, LEAF_4]),
    ];
    for (index, size, known) in cases {
        let known: Vec<Hash> = known.iter().map(|it| hex(it)).collect();
        assert_eq!(inclusion(index, size, &nodes), Ok(known), "{index} in {size}");
    }
}

#[test]
fn known_consistency_proofs() {
    let nodes = Nodes::new(known_leaves());
    let [.., four, _, _, _, _] = KNOWN_ROOTS;
    let cases: [(u64, u64, &[&str]); 5] = [
        (1, 1, &[]),
        (1, 8, &[LEAF_1, NODES_2_TO_4, NODES_4_TO_8]),
        (6, 8, &[NODES_4_TO_6, NODES_6_TO_8, four]),
        (2, 5, &[NODES_2_TO_4, LEAF_4]),
        // The example of RFC 6962 section 2.1.3: c, d, g, l with 3 leaves of 7.
        (6, 7, &[NODES_4_TO_6, LEAF_6, four]),
    ];
    for (old, new, known) in cases {
        let known: Vec<Hash> = known.iter().map(|it| hex(it)).collect();
        assert_eq!(consistency(old, new, &nodes), Ok(known), "{old} to {new}");
    }
}

#[test]
fn frontier_and_stored_hashes_give_the_defined_root() {
    let all = leaves(300);
    let nodes = Nodes::new(all.iter().copied());
    let mut frontier = Frontier::new();
    for (size, leaf) in (0..).zip(&all) {
        let defined = defined_root(&all[..usize::try_from(size).unwrap()]);
        assert_eq!(frontier.root(), defined, "{size}");
        assert_eq!(root(size, &nodes), Ok(defined), "{size}");
        assert_eq!(Frontier::load(size, &nodes), Ok(frontier.clone()), "{size}");
        frontier.push(*leaf);
    }
    assert_eq!(frontier, nodes.frontier);
}

#[test]
fn what_is_not_there_is_not_proved() {
    let nodes = Nodes::new(leaves(5));
    let beyond = ProveError::IndexBeyondTree { index: 5, size: 5 };
    assert_eq!(inclusion(5, 5, &nodes), Err(beyond));
    let beyond = ProveError::IndexBeyondTree { index: 0, size: 0 };
    assert_eq!(inclusion(0, 0, &nodes), Err(beyond));
    assert_eq!(
        consistency(4, 3, &nodes),
        Err(ProveError::OldBeyondNew { old: 4, new: 3 })
    );
    assert_eq!(inclusion(0, 6, &nodes), Err(ProveError::Source((1, 2))));
    assert_eq!(consistency(4, 6, &nodes), Err(ProveError::Source((1, 2))));
    assert_eq!(root(6, &nodes), Err((1, 2)));
    // The largest sizes neither overflow nor run for long.
    assert_eq!(root(u64::MAX, &nodes), Err((63, 0)));
    assert!(consistency(u64::MAX - 1, u64::MAX, &nodes).is_err());
    let hash = Hash::EMPTY;
    for hashes in [0, 1, 63, 64, 65, 200] {
        let proof = vec![hash; hashes];
        assert!(check_inclusion(&hash, u64::MAX - 1, u64::MAX, &proof, &hash).is_err());
        assert!(check_consistency(u64::MAX - 1, &hash, u64::MAX, &hash, &proof).is_err());
        assert!(check_consistency(1 << 63, &hash, u64::MAX, &hash, &proof).is_err());
    }
}

#[test]
fn empty_trees_are_consistent_only_when_they_are_empty() {
    let [a, b] = [Hash::leaf(b"a"), Hash::leaf(b"b")];
    assert_eq!(check_consistency(0, &Hash::EMPTY, 5, &a, &[]), Ok(()));
    assert_eq!(check_consistency(0, &Hash::EMPTY, 0, &Hash::EMPTY, &[]), Ok(()));
    assert_eq!(check_consistency(0, &a, 5, &a, &[]), Err(ProofError::OldRoot));
    assert_eq!(check_consistency(0, &Hash::EMPTY, 0, &a, &[]), Err(ProofError::Root));
    assert_eq!(check_consistency(0, &Hash::EMPTY, 5, &a, &[b]), Err(ProofError::Length));
    assert_eq!(check_consistency(5, &a, 5, &a, &[b]), Err(ProofError::Length));
    assert_eq!(check_consistency(5, &a, 5, &b, &[]), Err(ProofError::OldRoot));
    assert_eq!(check_consistency(3, &a, 5, &b, &[]), Err(ProofError::Length));
    assert_eq!(check_consistency(6, &a, 5, &a, &[]), Err(ProofError::Outside));
    assert_eq!(check_inclusion(&a, 0, 0, &[], &a), Err(ProofError::Outside));
    assert_eq!(check_inclusion(&a, 1, 1, &[], &a), Err(ProofError::Outside));
}

/// One hash of a proof changed, left out, doubled or added.
fn damaged(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..=proof.len() {
        let mut longer = proof.to_vec();
        longer.insert(at, Hash::leaf(b"added"));
        all.push(longer);
    }
    for at in 0..proof.len() {
        // One bit of each byte, another one each time.
        for bit in (0..256).step_by(9) {
            let mut bytes = *proof[at].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut other = proof.to_vec();
            other[at] = Hash::from_bytes(bytes);
            all.push(other);
        }
        let mut shorter = proof.to_vec();
        let moved = shorter.remove(at);
        all.push(shorter.clone());
        shorter.push(moved);
        if shorter != proof {
            all.push(shorter);
        }
        let mut doubled = proof.to_vec();
        doubled.insert(at, proof[at]);
        all.push(doubled);
    }
    all
}

/// Every proof of every small tree, and that nothing near it passes.
#[test]
fn small_trees_completely() {
    const SIZE_MAX: u64 = 17;
    let all = leaves(SIZE_MAX);
    let nodes = Nodes::new(all.iter().copied());
    let roots: Vec<Hash> = (0..=SIZE_MAX).map(|it| root(it, &nodes).unwrap()).collect();
    let at = |it: u64| usize::try_from(it).unwrap();
    for size in 1..=SIZE_MAX {
        for index in 0..size {
            let proof = inclusion(index, size, &nodes).unwrap();
            for (other_index, other_size) in (0..SIZE_MAX).flat_map(|i| (1..=SIZE_MAX).map(move |s| (i, s))) {
                let leaf = &all[at(index)];
                let passes = check_inclusion(leaf, other_index, other_size, &proof, &roots[at(other_size)]).is_ok();
                assert_eq!(passes, (other_index, other_size) == (index, size), "{index} of {size}");
            }
        }
        for old in 1..size {
            let proof = consistency(old, size, &nodes).unwrap();
            for (other, other_size) in (1..=SIZE_MAX).flat_map(|o| (1..=SIZE_MAX).map(move |s| (o, s))) {
                let passes =
                    check_consistency(other, &roots[at(other)], other_size, &roots[at(other_size)], &proof).is_ok();
                assert_eq!(passes, (other, other_size) == (old, size), "{old} to {size}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn inclusion_holds_and_nothing_near_it_does(size in 1..400_u64, which in any::<prop::sample::Index>()) {
        let all = leaves(size);
        let nodes = Nodes::new(all.iter().copied());
        let index = which.index(all.len());
        let (leaf, index) = (all[index], u64::try_from(index).unwrap());
        let top = nodes.frontier.root();
        let proof = inclusion(index, size, &nodes).unwrap();
        prop_assert_eq!(check_inclusion(&leaf, index, size, &proof, &top), Ok(()));
        for other in damaged(&proof) {
            prop_assert!(check_inclusion(&leaf, index, size, &other, &top).is_err());
        }
        for other in (0..size).filter(|it| *it != index) {
            prop_assert!(check_inclusion(&leaf, other, size, &proof, &top).is_err());
        }
        prop_assert!(check_inclusion(&Hash::leaf(b"x"), index, size, &proof, &top).is_err());
        prop_assert!(check_inclusion(&leaf, index, size, &proof, &leaf).is_err() || size == 1);
    }

    #[test]
    fn consistency_holds_and_nothing_near_it_does((new, old) in (2..400_u64).prop_flat_map(|new| (Just(new), 1..new))) {
        let all = leaves(new);
        let nodes = Nodes::new(all);
        let [old_root, new_root] = [old, new].map(|it| root(it, &nodes).unwrap());
        let proof = consistency(old, new, &nodes).unwrap();
        prop_assert_eq!(check_consistency(old, &old_root, new, &new_root, &proof), Ok(()));
        for other in damaged(&proof) {
            prop_assert!(check_consistency(old, &old_root, new, &new_root, &other).is_err());
        }
        prop_assert!(check_consistency(old, &new_root, new, &new_root, &proof).is_err());
        prop_assert!(check_consistency(old, &old_root, new, &old_root, &proof).is_err());
    }
}
