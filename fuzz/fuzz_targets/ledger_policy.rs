//! A policy is read or refused at one of its lines; without a signature none accepts a checkpoint.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_ledger::{Policy, SignedCheckpoint};

/// A checkpoint with a signature that nobody made.
const UNSIGNED: &str = "log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} log AAAAAAA=\n";

fuzz_target!(|bytes: &[u8]| {
    let Ok(unsigned) = SignedCheckpoint::parse(UNSIGNED.as_bytes()) else {
        panic!("the checkpoint is well formed")
    };
    match Policy::parse(bytes) {
        Ok(policy) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!(policy.logs().len() + policy.witnesses().len() < lines);
            assert!(policy.check(&unsigned).is_err());
        }
        Err(error) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&error.line));
        }
    }
});
