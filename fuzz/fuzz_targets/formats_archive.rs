//! Archives and compressed streams: nothing panics, and no more than the budget is read or kept.

#![no_main]

#[path = "formats/judged.rs"]
mod judged;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["x", "x.zip", "x.tar", "x.pkl.gz"];
/// The first is empty, so that whole files can be seeds.
const STARTS: [&[u8]; 8] = [
    b"",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"7z\xbc\xaf\x27\x1c\x00\x04",
    b"\x1f\x8b\x08\x00",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ\x00",
    b"\x04\x22\x4d\x18",
];

fuzz_target!(|input: &[u8]| judged::judged(input, NAMES, STARTS));
