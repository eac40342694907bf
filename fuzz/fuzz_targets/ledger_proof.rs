//! A proof file that is read is written the same way; hashes that nobody computed prove nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_ledger::tree::{check_consistency, check_inclusion};
use testudo_ledger::{Hash, Proof};

fuzz_target!(|input: (&[u8], u64, u64)| {
    let (bytes, a, b) = input;
    if let Ok(read) = Proof::parse(bytes) {
        assert_eq!(read.to_string().as_bytes(), bytes);
    }
    let (hashes, _) = bytes.as_chunks::<32>();
    let proof: Vec<Hash> = hashes.iter().map(|it| Hash::from_bytes(*it)).collect();
    let [leaf, root] = [b"leaf", b"root"].map(|it| Hash::leaf(it));
    assert!(check_inclusion(&leaf, a, b, &proof, &root).is_err());
    // Only the empty tree is consistent with what nobody has built.
    let consistent = check_consistency(a, &leaf, b, &root, &proof).is_ok();
    assert!(!consistent);
    let consistent = check_consistency(a, &Hash::EMPTY, b, &root, &proof).is_ok();
    assert_eq!(consistent, a == 0 && b != 0 && proof.is_empty());
});
