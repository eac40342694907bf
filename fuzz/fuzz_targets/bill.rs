//! Bills of materials, and what models say about themselves: any bytes are read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_formats::About;
use testudo_vault::bill::Bill;

const HEAD: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"machine-learning-model","name":"m"}},"components":["#;

fuzz_target!(|bytes: &[u8]| {
    let _whole = Bill::parse(bytes);
    if let Ok(bill) = Bill::parse(&[HEAD.as_bytes(), bytes].concat()) {
        assert!(bill.files().values().all(|it| it.sha256.len() == 64));
    }
    for name in [
        "README.md",
        "config.json",
        "adapter_config.json",
        "x.gguf",
        "x.safetensors",
        "x.onnx",
    ] {
        About::default().read(name, &bytes);
    }
    About::default().read("README.md", &[b"---\n", bytes, b"\n---\ntext"].concat().as_slice());
    About::default().read("x.gguf", &[b"GGUF\x03\0\0\0", bytes].concat().as_slice());
});
