//! Attestations of models: any bytes are read or refused, and what is read has subjects, once each, with digests.

#![no_main]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use testudo_vault::attest::{Attested, AttestedError};

const HEAD: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}],"payload":""#;
/// What a statement begins with that the fuzzer need not guess.
const STATEMENT: &str = r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","subject":[{"name":"a","digest":{"x":"y"}}],"#;
const PREDICATE: &str =
    r#""predicate":{"buildDefinition":{"buildType":"t","externalParameters":{}},"runDetails":{"builder":{"id":"b"}"#;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&[STATEMENT.as_bytes(), bytes].concat());
    check(&[STATEMENT.as_bytes(), PREDICATE.as_bytes(), bytes].concat());
});

fn check(statement: &[u8]) {
    let framed = [HEAD.as_bytes(), STANDARD.encode(statement).as_bytes(), b"\"}}"].concat();
    match Attested::dangerous_unverified(&framed) {
        Ok(provenance) => {
            let names: BTreeSet<_> = provenance.subjects.iter().map(|it| &it.name).collect();
            assert_eq!(names.len(), provenance.subjects.len());
            assert!(
                provenance
                    .subjects
                    .iter()
                    .all(|it| !it.name.is_empty() && !it.digest.is_empty())
            );
        }
        Err(AttestedError::Bundle(_)) => assert!(statement.is_empty()),
        Err(_) => {}
    }
}
