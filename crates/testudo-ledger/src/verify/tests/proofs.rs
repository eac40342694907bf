//! Proof files, checked away from the log.

use std::collections::BTreeMap;

use super::log::{self, plan, policy, sign};
use crate::verify::{FaultClass, FaultKind, verify_proof};
use crate::{Frontier, Hash, HashSource, Proof, tree};

struct Stored(BTreeMap<(u8, u64), Hash>);

impl HashSource for Stored {
    type Error = &'static str;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        self.0.get(&(level, index)).copied().ok_or("no such hash")
    }
}

/// The proof of an entry in a log of 300, and the entry.
fn prove(index: u64) -> (String, Vec<u8>) {
    let (entries, _) = log::write(&plan(300));
    let mut stored = Stored(BTreeMap::new());
    let mut frontier = Frontier::new();
    for entry in &entries {
        frontier.push_each(Hash::leaf(entry), |level, index, hash| {
            stored.0.insert((level, index), hash);
        });
    }
    let hashes = tree::inclusion(index, 300, &stored).unwrap();
    let entry = entries[usize::try_from(index).unwrap()].clone();
    let proof = Proof::new(index, hashes, sign((300, frontier.root())), entry.clone());
    (proof.to_string(), entry)
}

#[test]
fn a_proof_needs_nothing_else() {
    for index in [0, 7, 255, 256, 299] {
        let (proof, entry) = prove(index);
        let trusted = policy("quorum none");
        let proven = verify_proof("a.tlog-proof", proof.as_bytes(), None, &trusted).unwrap();
        assert_eq!((proven.index, proven.size), (index, 300));
        assert_eq!(proven.entry.encode().unwrap(), entry);
        assert_eq!(proven.entry.at, log::START + index * 1000);
        assert_eq!(
            verify_proof("a", proof.as_bytes(), Some(&entry), &trusted).unwrap(),
            proven
        );
    }
}

#[test]
fn what_proves_nothing() {
    let (proof, entry) = prove(7);
    let (other, _) = prove(8);
    let trusted = policy("quorum none");
    let class = |proof: &str, entry: Option<&[u8]>| {
        let fault = verify_proof("p", proof.as_bytes(), entry, &trusted).unwrap_err();
        assert_eq!(fault.place.file, "p");
        fault.kind.class()
    };
    // Another entry, another place, a proof without the entry.
    assert_eq!(class(&other, Some(&entry)), FaultClass::Inconsistent);
    assert_eq!(
        class(&proof.replace("index 7", "index 6"), None),
        FaultClass::Inconsistent
    );
    assert_eq!(
        class(&proof.replace("index 7", "index 300"), None),
        FaultClass::Inconsistent
    );
    assert_eq!(class(&proof, Some(b"")), FaultClass::Inconsistent);
    let bare: String = proof
        .split_inclusive('\n')
        .filter(|it| !it.starts_with("extra"))
        .collect();
    assert_eq!(class(&bare, None), FaultClass::Inconsistent);
    assert!(verify_proof("p", bare.as_bytes(), Some(&entry), &trusted).is_ok());
    assert_eq!(class("", None), FaultClass::Malformed);
    assert_eq!(class(&proof.replace("\n300\n", "\n301\n"), None), FaultClass::Signature);
    // Policies that it does not satisfy.
    let strict = policy("quorum w11");
    let fault = verify_proof("p", proof.as_bytes(), None, &strict).unwrap_err();
    assert_eq!(fault.kind.class(), FaultClass::Quorum);
    let stranger = crate::Policy::parse(
        format!(
            "log {}\nquorum none\n",
            log::key("other", crate::KeyKind::Ed25519, 3).verifier()
        )
        .as_bytes(),
    )
    .unwrap();
    let fault = verify_proof("p", proof.as_bytes(), None, &stranger).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::UnknownLog { .. }));
}

#[test]
fn every_flipped_byte_of_a_proof_is_seen() {
    let (proof, entry) = prove(256);
    let trusted = policy("quorum none");
    let bytes = proof.into_bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(verify_proof("p", &flipped, None, &trusted).is_err(), "byte {at}");
        // With the entry at hand, what stands beside the proof does not matter.
        let extra = flipped.starts_with(b"c2sp.org/tlog-proof@v1\nextra ")
            && at < flipped.iter().rposition(|it| *it == b'i').unwrap_or(0);
        assert!(
            extra || verify_proof("p", &flipped, Some(&entry), &trusted).is_err(),
            "byte {at}"
        );
    }
}

/// A leaf that is no entry is in the log, and still not taken for one.
#[test]
fn a_proven_leaf_that_is_no_entry() {
    let leaf = b"{}";
    let proof = Proof::new(0, Vec::new(), sign((1, Hash::leaf(leaf))), leaf.to_vec());
    let fault = verify_proof("p", proof.to_string().as_bytes(), None, &policy("quorum none")).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::EntryMalformed(_)));
    assert_eq!((fault.place.entry, fault.place.byte), (Some(0), Some(1)));
}
