//! Every string of an MCP message is scanned or a word of the protocol, and a definition has one canonical spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_bounded::json::{Document, Limits};
use testudo_dialects::mcp::{Presented, Whose, check_mirrors, definition, read_message, sentinel, texts};
use testudo_types::Origin;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        bytes_max: 1 << 16,
        depth_max: 64,
        nodes_max: 4096,
    };
    if let Ok(message) = read_message(bytes, &limits) {
        let root = message.document.root();
        let spans = texts(&message.document, root, &Origin::Unknown, Whose::Server, &[]);
        for span in &spans {
            assert!(span.literal.range().end <= bytes.len());
        }
        let header = |_: &str| Presented::One("=?base64?YQ==?=");
        let _mirrored = check_mirrors(&message, true, &header);
    }
    let Ok(document) = Document::parse(bytes, &limits) else {
        return;
    };
    if let Ok(tool) = definition(document.root()) {
        let again = Document::parse(&tool.canonical, &limits).expect("a canonical spelling is JSON");
        let again = definition(again.root()).expect("and a definition");
        assert_eq!(again.canonical, tool.canonical);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _decoded = sentinel(text);
    }
});
