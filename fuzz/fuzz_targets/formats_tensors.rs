//! Headers of tensor files: nothing panics, and no more than the budget is read or kept.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_formats::{Limits, Options, scan};

const NAMES: [&str; 4] = ["x.safetensors", "x.gguf", "x.h5", "x"];
const STARTS: [&[u8]; 4] = [
    &b"\x20\x00\x00\x00\x00\x00\x00\x00{"[..],
    b"GGUF\x03\x00\x00\x00",
    b"\x89HDF\r\n\x1a\n",
    b"GGUF",
];

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let at = usize::from(*first);
    let bytes = [STARTS[at % 4], rest].concat();
    let options = Options {
        limits: Limits {
            unpacked_bytes_max: 4 << 20,
            held_bytes_max: 1 << 16,
            ratio_free_bytes: 1 << 20,
            opcodes_max: 200_000,
            members_max: 200,
            findings_max: 50,
            parts_max: 50,
            ..Limits::DEFAULT
        },
        ..Options::default()
    };
    let report = scan(&bytes.as_slice(), NAMES[(at >> 2) % 4], &options);
    assert!(report.findings.len() <= 50 && report.parts.len() <= 50);
    let worst = report.findings.iter().map(|finding| finding.verdict).max();
    assert!(worst.is_none_or(|worst| worst <= report.verdict));
});
