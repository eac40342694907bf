//! ONNX models and TensorFlow graphs: nothing panics, and no more than the budget is read or kept.

#![no_main]

#[path = "formats/judged.rs"]
mod judged;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["x", "x.onnx", "saved_model.pb", "x.pbtxt"];
/// The first is empty, so that whole files can be seeds.
const STARTS: [&[u8]; 8] = [
    b"",
    b"\x08\x08",
    b"\x08\x01\x12",
    b"\x08\x08\x3a",
    b"\x08\x08\x12\x01a\x3a",
    b"\x0a\x03\x12\x01a",
    b"\x14\0\0\0TFL3\x08\0\x0c\0\x04\0\x08\0\0\0\0\0\x0c\0\0\0\x03\0\0\0\x04\0\0\0\x01\0\0\0",
    b"\x08\x07\xca\x01",
];

fuzz_target!(|input: &[u8]| judged::judged(input, NAMES, STARTS));
