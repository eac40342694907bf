//! Pickles and arrays: nothing panics, and no more than the budget is read or kept.

#![no_main]

#[path = "formats/judged.rs"]
mod judged;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["x", "x.pkl", "x.npy", "x.joblib"];
/// The first is empty, so that whole files can be seeds.
const STARTS: [&[u8]; 8] = [
    b"",
    b"\x80\x04",
    b"\x80\x02",
    b"\x93NUMPY\x01\x00\x10\x00",
    b"\x93NUMPY\x02\x00\x10\x00\x00\x00{",
    b"(",
    b"c",
    b"\x80\x05\x95",
];

fuzz_target!(|input: &[u8]| judged::judged(input, NAMES, STARTS));
