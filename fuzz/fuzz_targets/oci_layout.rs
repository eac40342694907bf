//! OCI layouts: indices, manifests, configurations and archives of any bytes are read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_vault::oci::fuzzing;
use testudo_vault::signing::ResourceName;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::documents(bytes);
    for name in fuzzing::archive(bytes) {
        assert!(ResourceName::parse(&name).is_ok());
    }
    // A header whose sum fits, which no fuzzer guesses; the rest is what follows.
    let Some((header, rest)) = bytes.split_at_checked(512) else {
        return;
    };
    let mut header = header.to_vec();
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    for name in fuzzing::archive(&[header.as_slice(), rest, [0; 1024].as_slice()].concat()) {
        assert!(ResourceName::parse(&name).is_ok());
    }
});
