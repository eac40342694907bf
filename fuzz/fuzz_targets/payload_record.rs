//! A record that is read is written the same way; a change of any byte moves the commitment.

#![no_main]

use std::convert::Infallible;

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
    let mut records = Records::new(0, |offset, len| {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|it| bytes.get(it..))
            .unwrap_or_default();
        Ok::<_, Infallible>(rest[..rest.len().min(len)].to_vec())
    });
    let mut written = Vec::new();
    while let Ok(Some((place, record))) = records.next_record() {
        assert_eq!(place.start, written.len() as u64);
        append(&mut written, &record.encode().expect("what was read can be written")).expect("it is as long");
    }
    assert!(bytes.starts_with(&written));
});
