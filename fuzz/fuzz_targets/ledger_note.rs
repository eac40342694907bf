//! A note, checkpoint or key that is read is written the same way, and nobody's signature is made up.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_ledger::{Checkpoint, Note, SignedCheckpoint, SigningKey, VerifierKey, note};

/// The key in the specification of signed notes; what it signed there is no checkpoint.
const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SIGNED: &str = "This is an example message.\n";

fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = VerifierKey::parse(KEY) else {
        panic!("the key is good")
    };
    if let Ok(read) = Note::parse(bytes) {
        assert_eq!(read.to_string().as_bytes(), bytes);
        assert!(read.verify([&key]).is_err() || read.text() == SIGNED);
        let lines = note::lines(read.signatures());
        assert_eq!(note::parse_signatures(&lines).as_deref(), Ok(read.signatures()));
    }
    if let Ok(read) = SignedCheckpoint::parse(bytes) {
        assert_eq!(read.to_string().as_bytes(), bytes);
        assert_eq!(read.checkpoint().to_string(), read.note().text());
        assert!(read.verify_log([&key]).is_err());
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(read) = Checkpoint::parse(text) {
        assert_eq!(read.to_string(), text);
    }
    if let Ok(read) = VerifierKey::parse(text) {
        assert_eq!(read.to_string(), text);
    }
    if let Ok(read) = SigningKey::parse(text) {
        assert_eq!(read.to_text().as_str(), text);
    }
});
