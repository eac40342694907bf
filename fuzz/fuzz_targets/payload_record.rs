//! A record that is read is written the same way; a change of any byte moves the commitment.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_ledger::payload::{Record, Records, append};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode().expect("what was read can be written"), bytes);
        let mut changed = bytes.to_vec();
        for at in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
            changed[at] ^= 1;
            if let Ok(other) = Record::decode(&changed) {
                assert_ne!(other.commitment(), record.commitment());
            }
            changed[at] ^= 1;
        }
    }
    let mut records = Records::new(bytes, 0);
    let mut written = Vec::new();
    for record in records.by_ref().flatten() {
        append(&mut written, &record).expect("what was read can be written");
    }
    assert_eq!(written, bytes[..bytes.len() - records.rest_bytes()]);
});
