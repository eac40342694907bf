//! The parts of any text lie on its characters, and what they copy is what is written there.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_detect::structure::html::parts;

fuzz_target!(|page: &str| {
    for part in parts(page) {
        for piece in &part.pieces {
            let original = page.get(piece.original.clone()).expect("pieces lie on characters");
            if piece.is_copy {
                assert_eq!(part.text.get(piece.at..piece.at + original.len()), Some(original));
            }
        }
        for (at, c) in part.text.char_indices() {
            assert!(page.get(part.original(at..at + c.len_utf8())).is_some());
        }
    }
});
