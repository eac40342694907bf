//! Sealed messages: no bytes open that were not sealed, and none crash the reader.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_vault::sealing::{InputKey, open, seal};

fuzz_target!(|bytes: &[u8]| {
    let key = InputKey::from_slice(&[7; 32]).unwrap();
    assert!(open(&key, b"context", bytes).is_err());
    let sealed = seal(&key, b"context", bytes).unwrap();
    assert_eq!(open(&key, b"context", &sealed).unwrap(), bytes);
});
