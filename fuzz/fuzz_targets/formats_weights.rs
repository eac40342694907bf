//! Tensors of hostile files: nothing panics, places lie within the file, and reading ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_formats::weights::{Options, compare, find, measure};

const STARTS: [&[u8]; 6] = [
    b"",
    b"\x20\x00\x00\x00\x00\x00\x00\x00{",
    b"GGUF\x03\x00\x00\x00",
    b"\x93NUMPY\x01\x00",
    b"PK\x03\x04",
    b"PK\x03\x04\x14\x00\x00\x00\x00\x00",
];

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let bytes = [STARTS[usize::from(*first) % 6], rest].concat();
    let source = bytes.as_slice();
    let Ok(layout) = find(&source) else { return };
    let options = Options {
        rows_max: 1 << 12,
        outliers_max: 4,
        ..Options::DEFAULT
    };
    for tensor in layout.tensors.iter().take(16) {
        let mut heard = 0_u64;
        if let Ok(measured) = measure(&source, tensor, &options, &mut |bytes| {
            heard = heard.saturating_add(bytes)
        }) {
            assert_eq!(heard, tensor.bytes);
            assert!(measured.rows.is_none_or(|rows| rows.farthest.len() <= 4));
            let same = compare((&source, tensor), (&source, tensor), &mut |_| ());
            let difference = same.ok().and_then(|same| same.difference);
            assert!(difference.is_none_or(|difference| difference.changed == 0));
        }
    }
});
