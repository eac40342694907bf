//! What stands beside signatures of models: trusted roots, entries of logs, time stamps and certificates, any bytes in
//! the place of each, are read or refused, and show nothing to somebody who trusts one log that signed none of it.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use testudo_vault::signing::{
    Bundle, Legacy, SigstoreTrust, StampAuthorities, Trust, TrustedRoot, VerifyingKey, verify_file,
};

/// One log, by the key below.
const ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{"baseUrl":"https://log","publicKey":{"rawBytes":"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vObl3wiUB+lG9ryN/TWZpQY0LfJVxpZP40Lif+GiriszV2sxXsv2N1x7zmgzuK9PN8aRYhN+9Q==","keyDetails":"PKIX_ECDSA_P256_SHA_256","validFor":{"start":"2020-01-01T00:00:00Z"}},"logId":{"keyId":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}]}"#;
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vObl3wiUB+lG9ryN/TWZpQY0LfJVxpZP
40Lif+GiriszV2sxXsv2N1x7zmgzuK9PN8aRYhN+9Q==
-----END PUBLIC KEY-----
";

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let root = match kind % 5 {
        0 => TrustedRoot::parse(bytes),
        _ => TrustedRoot::parse(ROOT.as_bytes()),
    };
    let Ok(root) = root else {
        return;
    };
    let trust = SigstoreTrust {
        root,
        identity: String::new(),
        provider: String::new(),
    };
    let encoded = STANDARD.encode(bytes);
    let (certificate, body, stamp, checkpoint) = match kind % 5 {
        1 => (encoded.as_str(), "AAAA", "AAAA", "x"),
        2 => ("AAAA", encoded.as_str(), "AAAA", "x"),
        3 => ("AAAA", "AAAA", encoded.as_str(), "x"),
        4 => ("AAAA", "AAAA", "AAAA", std::str::from_utf8(bytes).unwrap_or_default()),
        _ => ("AAAA", "AAAA", "AAAA", "x"),
    };
    let checkpoint = checkpoint.replace(['\\', '"'], "").replace('\n', "\\n");
    // They are looked at first, and without them the entry is.
    let stamps = match kind % 5 {
        3 => format!(r#"{{"signedTimestamp":"{stamp}"}}"#),
        _ => String::new(),
    };
    let hash = STANDARD.encode([0; 32]);
    let rest = format!(
        r#""tlogEntries":[{{"logIndex":"1","logId":{{"keyId":"{hash}"}},"kindVersion":{{"kind":"dsse","version":"0.0.1"}},"inclusionProof":{{"logIndex":"0","treeSize":"1","rootHash":"{hash}","checkpoint":{{"envelope":"{checkpoint}"}}}},"canonicalizedBody":"{body}"}}],"timestampVerificationData":{{"rfc3161Timestamps":[{stamps}]}}}},"dsseEnvelope":{{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{{"sig":"AAAA"}}]}}}}"#
    );
    let head = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"#;
    let through = format!(r#"{head}"certificate":{{"rawBytes":"{certificate}"}},{rest}"#);
    assert!(verify_file(through.as_bytes(), &[0; 32], &trust).is_err());
    if let Ok(bundle) = Bundle::parse(through.as_bytes()) {
        assert!(
            bundle
                .verify(&Trust::Sigstore(Box::new(trust)), Legacy::Refuse)
                .is_err()
        );
    }
    let by_key = format!(r#"{head}"publicKey":{{"rawBytes":"AAAA"}},{rest}"#);
    if let (Ok(bundle), Ok(key)) = (Bundle::parse(by_key.as_bytes()), VerifyingKey::from_pem(KEY.as_bytes())) {
        let nobody = StampAuthorities::default();
        assert!(
            bundle
                .verify_stamped(&Trust::Key(key), Legacy::Refuse, &nobody)
                .is_err()
        );
    }
});
