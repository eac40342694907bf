//! An entry that is read spells itself the same way, and is JSON for others; after cutting, any entry is written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_bounded::json::{Document, Limits};
use testudo_ledger::entry::{Body, Entry};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut entry) = Entry::decode(bytes) else {
        return;
    };
    assert_eq!(entry.encode().expect("what was read can be written"), bytes);
    let limits = Limits {
        bytes_max: 1 << 16,
        depth_max: 8,
        nodes_max: 1 << 16,
    };
    assert!(Document::parse(bytes, &limits).is_ok());
    // What callers may put into an exchange, at its worst.
    if let Body::Exchange(exchange) = &mut entry.body {
        let worst = format!("\u{7}{}", exchange.detail.repeat(300));
        exchange.model = Some(worst.clone());
        exchange.policies = vec![worst; 300];
        let bytes = entry.encode_clipped().expect("cutting mends all");
        assert_eq!(Entry::decode(&bytes).expect("what was written is read"), entry);
    }
});
