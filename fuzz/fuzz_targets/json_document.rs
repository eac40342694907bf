//! A document that parses gives ranges inside itself, and pointers that find the values again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_bounded::json::{Document, Limits};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        bytes_max: 1 << 16,
        depth_max: 64,
        nodes_max: 4096,
    };
    let Ok(document) = Document::parse(bytes, &limits) else {
        return;
    };
    for node in document.root().descendants() {
        let range = node.range();
        assert_eq!(node.raw(), &bytes[range.clone()]);
        // Each value, cut out, is a document by itself.
        if node.parent().is_none_or(|parent| parent.parent().is_none()) {
            assert!(Document::parse(&bytes[range], &limits).is_ok());
        }
        let (Some(parent), Some(key)) = (node.parent(), node.key()) else {
            continue;
        };
        // Looking up is linear, so only small objects are looked into.
        if parent.entries().take(32).count() < 32 {
            assert_eq!(parent.get(&key.decode(bytes)).map(|found| found.id()), Some(node.id()));
        }
    }
});
