//! Tensor files and what describes them: nothing panics, and no more than the budget is read or kept.

#![no_main]

#[path = "formats/judged.rs"]
mod judged;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["x", "x.safetensors", "x.gguf", "x.h5"];
/// The first is empty, so that whole files can be seeds.
const STARTS: [&[u8]; 8] = [
    b"",
    b"\x20\x00\x00\x00\x00\x00\x00\x00{",
    b"GGUF\x03\x00\x00\x00",
    b"GGUF",
    b"\x89HDF\r\n\x1a\n",
    b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00",
    b"\x89HDF\r\n\x1a\n\x02\x08\x08\x00",
    b"\x89HDF\r\n\x1a\n\x03\x08\x08\x00",
];

fuzz_target!(|input: &[u8]| judged::judged(input, NAMES, STARTS));
