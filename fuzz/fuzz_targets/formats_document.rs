//! Configurations, schemas, templates and TorchScript's code: nothing panics, and no more than the budget is read or kept.

#![no_main]

#[path = "formats/judged.rs"]
mod judged;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["x", "config.yaml", "schema.json", "x.jinja"];
/// The first is empty, so that whole files can be seeds.
const STARTS: [&[u8]; 8] = [
    b"",
    b"{",
    b"{\"__module__\":",
    b"{{",
    b"{\"chat_template\": \"{%",
    b"{\"class_name\": \"",
    b"{\"weight_map\": {",
    b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0data.pkl\
      PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0\x20\0\0\x09\0\0\0code/x.py",
];

fuzz_target!(|input: &[u8]| judged::judged(input, NAMES, STARTS));
