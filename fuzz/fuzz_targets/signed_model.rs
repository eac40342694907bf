//! Signatures of models: any bytes are read or refused, and what is read has sound names, once each.

#![no_main]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use testudo_vault::signing::{Bundle, ResourceName};

const HEAD: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}],"payload":""#;

fuzz_target!(|bytes: &[u8]| {
    let _whole = Bundle::parse(bytes);
    // The statement inside is hostile too, and no fuzzer guesses base64.
    let framed = [HEAD.as_bytes(), STANDARD.encode(bytes).as_bytes(), b"\"}}"].concat();
    let Ok(bundle) = Bundle::parse(&framed) else {
        assert!(bytes.is_empty());
        return;
    };
    if let Ok(manifest) = bundle.dangerous_unverified_manifest() {
        let mut seen = BTreeSet::new();
        for resource in &manifest.resources {
            assert!(ResourceName::parse(resource.place.file().as_str()).is_ok());
            assert!(seen.insert(resource.place.clone()));
        }
    }
});
