//! Proof files: made, read and checked; and what must be refused.

use std::convert::Infallible;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::key::{KeyKind, KeyName, SigningKey};
use crate::{Checkpoint, HashSource, tree};

/// A tree whose leaves are their own numbers.
struct Numbers;

impl HashSource for Numbers {
    type Error = Infallible;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(match level.checked_sub(1) {
            None => leaf(index),
            Some(below) => Hash::node(&self.hash(below, index << 1)?, &self.hash(below, (index << 1) | 1)?),
        })
    }
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(KeyName::parse(name).unwrap(), KeyKind::Ed25519, Zeroizing::new([9; 32])).unwrap()
}

fn policy() -> Policy {
    Policy::parse(format!("log {}\nquorum none\n", key("log").verifier()).as_bytes()).unwrap()
}

fn proof(index: u64, size: u64, extra: &[u8]) -> Proof {
    let checkpoint = Checkpoint::new("log", size, tree::root(size, &Numbers).unwrap()).unwrap();
    let signed = SignedCheckpoint::sign(checkpoint, &key("log"), 0).unwrap();
    let hashes = tree::inclusion(index, size, &Numbers).unwrap();
    Proof::new(index, hashes, signed, extra.to_vec())
}

#[test]
fn a_proof_holds_for_its_leaf_only() {
    let policy = policy();
    let file = Proof::parse(proof(5, 11, b"more").to_string().as_bytes()).unwrap();
    assert_eq!(file.unauthenticated_extra(), b"more");
    assert_eq!(file.verify(&leaf(5), &policy).unwrap().log, key("log").verifier());
    let inclusion = |error| Err(VerifyProofError::Inclusion(error));
    assert_eq!(file.verify(&leaf(4), &policy), inclusion(ProofError::Root));
    let text = file.to_string();
    let changed = |from: &str, to: &str| {
        let other = Proof::parse(text.replacen(from, to, 1).as_bytes()).unwrap();
        other.verify(&leaf(5), &policy)
    };
    assert_eq!(changed("index 5", "index 4"), inclusion(ProofError::Root));
    assert_eq!(changed("index 5", "index 11"), inclusion(ProofError::Outside));
    let first = file.hashes()[0].to_string();
    assert_eq!(changed(&format!("{first}\n"), ""), inclusion(ProofError::Length));
    assert_eq!(
        changed(&format!("{first}\n"), &format!("{first}\n{first}\n")),
        inclusion(ProofError::Length)
    );
    assert_eq!(changed(&first, &Hash::EMPTY.to_string()), inclusion(ProofError::Root));
    assert!(matches!(
        changed("log\n11\n", "log\n12\n"),
        Err(VerifyProofError::Checkpoint(Refused::Log { .. }))
    ));
    assert!(matches!(
        changed("log\n11\n", "lag\n11\n"),
        Err(VerifyProofError::Checkpoint(Refused::Log { .. }))
    ));
    // What is put beside the proof is not protected by it.
    assert!(changed("extra bW9yZQ==\n", "").is_ok());
}

#[test]
fn the_smallest_proof() {
    let text = proof(0, 1, b"").to_string();
    assert!(
        text.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nlog\n1\n"),
        "{text}"
    );
    let file = Proof::parse(text.as_bytes()).unwrap();
    assert!(file.verify(&leaf(0), &policy()).is_ok());
}

#[test]
fn other_bytes_are_not_proof_files() {
    use ProofFileError::{Checkpoint, Extra, Header, Index, Separator, Text, TooMany};
    let good = proof(5, 11, b"more").to_string();
    let (head, rest) = good.split_once("index 5\n").unwrap();
    let (hashes, note) = rest.split_once("\n\n").unwrap();
    let hash = Hash::EMPTY;
    let many = format!("{hash}\n").repeat(64);
    let cases = [
        (String::new(), Header),
        (head.replace("@v1", "@v2"), Header),
        (good.replacen('\n', "\r\n", 1), Header),
        (format!(" {good}"), Header),
        (head.to_owned(), Index),
        (good.replace("extra bW9yZQ==", "extra bW9yZQ"), Extra),
        (good.replace("extra bW9yZQ==", "extra bW9yZR=="), Extra),
        (good.replace("extra bW9yZQ==", "extra "), Extra),
        (good.replace("extra bW9yZQ==", "extra"), Index),
        (
            good.replace("extra bW9yZQ==\n", "extra bW9yZQ==\nextra bW9yZQ==\n"),
            Index,
        ),
        (good.replace("index 5", "index 05"), Index),
        (good.replace("index 5", "index -5"), Index),
        (good.replace("index 5", "index 9223372036854775808"), Index),
        (good.replace("index 5\n", ""), Index),
        (format!("{head}index 5\n{hashes}\n"), Separator),
        (format!("{head}index 5\n{hashes}"), Separator),
        (format!("{head}index 5\n{many}\n{note}"), TooMany),
        (
            format!("{head}index 5\n{hashes} \n\n{note}"),
            ProofFileError::Hash(HashError),
        ),
        (
            format!("{head}index 5\n\n{hashes}\n\n{note}"),
            Checkpoint(CheckpointError::Size),
        ),
        ("x".repeat(PROOF_BYTES_MAX + 1), Text),
    ];
    for (text, error) in cases {
        let found = Proof::parse(text.as_bytes());
        match error {
            // Which of the checkpoint's errors is its own matter.
            Checkpoint(_) => assert!(matches!(found, Err(Checkpoint(_))), "{text}"),
            _ => assert_eq!(found, Err(error), "{text}"),
        }
    }
    assert_eq!(Proof::parse(b"\xff"), Err(Text));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_come_back(
        (size, index) in (1..200_u64).prop_flat_map(|size| (Just(size), 0..size)),
        extra in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let file = proof(index, size, &extra);
        let read = Proof::parse(file.to_string().as_bytes()).unwrap();
        prop_assert!(read.verify(&leaf(index), &policy()).is_ok());
        prop_assert_eq!(read, file);
    }

    /// A byte changed anywhere, except beside the proof, is noticed.
    #[test]
    fn no_byte_is_free(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = proof(5, 11, b"").to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let believed = Proof::parse(&bytes).is_ok_and(|it| it.verify(&leaf(5), &policy()).is_ok());
        prop_assert!(!believed, "bit {bit} of byte {at}");
    }
}
