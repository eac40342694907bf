//! What a tool gave back is read as leaves or as one text; every leaf belongs to a record, and every record to one before.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_policy::provenance::Leaves;

fuzz_target!(|text: &str| {
    let read = Leaves::of_result(text);
    assert!(!read.plain || read.leaves.len() == 1);
    let records = read.records.len();
    for (at, above) in read.records.iter().enumerate() {
        assert!(above.is_none_or(|above| (above as usize) < at));
    }
    let mut bytes = 0;
    for leaf in &read.leaves {
        assert!(leaf.path.starts_with('$'));
        assert!((leaf.record as usize) < records);
        assert!(leaf.names.is_none_or(|names| (names as usize) < records));
        bytes += leaf.value.len();
    }
    // Nothing is followed twice: no text grows. Escapes such as `\N` in YAML give three bytes for two.
    assert!(bytes <= 2 * text.len() + 8, "{bytes} bytes of {}", text.len());
    if let Ok(value) = serde_json::from_str(text) {
        let _arguments = Leaves::of_arguments(&value);
    }
});
