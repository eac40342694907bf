//! The bytes that a DSSE signature is over.

/// What every envelope of a model holds.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// `DSSEv1`, the type and the body, each with its length.
pub(crate) fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_holds() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
