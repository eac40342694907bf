//! What version 0.2 of the reference implementation signed; only read, and only when asked for.

use testudo_bounded::json::Document;

use super::envelope::PAYLOAD_TYPE;
use super::hashing::{Digest, HashKind};
use super::manifest::{Manifest, Method, Place, Resource};
use super::measure::PIECES_MAX;
use super::name::ResourceName;
use super::statement::{self, LIMITS, StatementError};

pub(crate) const PREDICATE_TYPE: &str = "https://model_signing/Digests/v0.1";

/// What 0.2 signed instead of the proper encoding: another version and the body as Python shows bytes.
pub(crate) fn pae(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEV1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), body.len()).into_bytes();
    show(body, &mut bytes);
    bytes
}

/// Python's `repr` of bytes.
fn show(body: &[u8], out: &mut Vec<u8>) {
    let quote = if body.contains(&b'\'') && !body.contains(&b'"') {
        b'"'
    } else {
        b'\''
    };
    out.extend_from_slice(&[b'b', quote]);
    for byte in body {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte if *byte == quote => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            byte => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(quote);
}

/// Reads a statement whose subjects are the files.
pub(crate) fn read(payload: &[u8]) -> Result<Manifest, StatementError> {
    let document = Document::parse(payload, &LIMITS)?;
    let root = document.root();
    statement::check_type(root)?;
    let found = statement::string(root, "predicateType", "predicateType")?;
    if found != PREDICATE_TYPE {
        return statement::read(payload);
    }
    let mut manifest = Manifest {
        name: "model".to_owned(),
        method: Method::Files,
        hash: HashKind::Sha256,
        follows_links: false,
        ignored: Vec::new(),
        is_nameless: false,
        resources: Vec::new(),
    };
    for (at, subject) in statement::array(root, "subject", "subject")?.items().enumerate() {
        if at >= PIECES_MAX {
            return Err(StatementError::TooMany);
        }
        let name = statement::string(subject, "name", "subject[].name")?;
        let digest = statement::object(subject, "digest", "subject[].digest")?;
        let digest = statement::string(digest, "sha256", "subject[].digest.sha256")?;
        manifest.resources.push(Resource {
            digest: Digest::from_hex(HashKind::Sha256, &digest).ok_or_else(|| StatementError::Digest(name.clone()))?,
            place: Place::File(ResourceName::parse(&name)?),
        });
    }
    // Nothing says in which order 0.2 wrote them.
    manifest.sort();
    statement::check(&manifest)?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_python_shows_them() {
        let shown = |body: &[u8]| {
            let mut out = Vec::new();
            show(body, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(b"{\"a\": 1}\n\xc3\x00"), r#"b'{"a": 1}\n\xc3\x00'"#);
        assert_eq!(shown(b"it's"), r#"b"it's""#);
        assert_eq!(shown(b"it's \"\\\""), r#"b'it\'s "\\"'"#);
        assert!(pae(b"x").starts_with(b"DSSEV1 28 application/vnd.in-toto+json 1 b'x'"));
    }
}
