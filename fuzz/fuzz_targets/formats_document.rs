//! Configurations, schemas and templates: nothing panics, and no more than the budget is read or kept.

#![no_main]

#[path = "formats/judged.rs"]
mod judged;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["x", "config.json", "schema.json", "x.jinja"];
/// The first is empty, so that whole files can be seeds.
const STARTS: [&[u8]; 8] = [
    b"",
    b"{",
    b"{\"__module__\":",
    b"{{",
    b"{\"chat_template\": \"{%",
    b"{\"class_name\": \"",
    b"{\"weight_map\": {",
    b"{\"auto_map\":",
];

fuzz_target!(|input: &[u8]| judged::judged(input, NAMES, STARTS));
