//! What is written is read again, and what says two things is refused.

use super::*;
use crate::signing::{HashKind, Manifest};

fn described() -> Described {
    let file = |name: &str, digit: char| FileEntry {
        name: name.to_owned(),
        kind: FileKind::File,
        hashes: vec![(HashKind::Sha256, String::from(digit).repeat(64))],
        facts: vec![("verdict".to_owned(), "allowed".to_owned())],
    };
    Described {
        name: "m".to_owned(),
        licences: vec![Licence::parse("apache-2.0"), Licence::parse("own terms")],
        base_models: vec!["owner/base".to_owned(), "/local/base".to_owned()],
        files: vec![file("README.md", 'a'), file("sub/weights.bin", 'b')],
        root: Some("c".repeat(64)),
        ..Described::default()
    }
}

#[test]
fn what_is_written_is_read_again() {
    let bytes = described().write().unwrap();
    assert_eq!(bytes, described().write().unwrap(), "equal models have equal bills");
    let bill = Bill::parse(&bytes).unwrap();
    assert_eq!(bill.name(), "m");
    assert_eq!(bill.licences(), ["Apache-2.0", "own terms"]);
    assert_eq!(bill.files()["README.md"].verdict.as_deref(), Some("allowed"));
    bill.covers(&Manifest::of_files(&[("README.md", 'a'), ("sub/weights.bin", 'b')]))
        .unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("\"purl\": \"pkg:huggingface/owner/base\""));
    assert_eq!(text.matches("pkg:").count(), 1, "a local path is no package");
    let serial = bill.serial().unwrap().to_owned();
    let other = Described {
        version: Some("2".to_owned()),
        ..described()
    };
    let other = Bill::parse(&other.write().unwrap()).unwrap();
    assert_ne!(other.serial().unwrap(), serial);
    assert_eq!(serial.len(), "urn:uuid:".len() + 36);
    assert_eq!(serial.as_bytes()[9 + 14], b'8');
}

#[test]
fn one_expression_stands_alone() {
    let expression = Described {
        licences: vec![Licence::parse("MIT OR Apache-2.0")],
        ..described()
    };
    let bill = Bill::parse(&expression.write().unwrap()).unwrap();
    assert_eq!(bill.licences(), ["MIT OR Apache-2.0"]);
}

#[test]
fn a_bill_of_other_files_does_not_cover() {
    let bill = Bill::parse(&described().write().unwrap()).unwrap();
    let fault = |files: &[(&str, char)]| bill.covers(&Manifest::of_files(files)).unwrap_err().to_string();
    assert_eq!(
        fault(&[("README.md", 'a'), ("sub/weights.bin", 'b'), ("run.py", 'd')]),
        "the bill does not list `run.py`"
    );
    assert_eq!(
        fault(&[("README.md", 'a'), ("sub/weights.bin", 'd')]),
        "the bill has another hash for `sub/weights.bin`"
    );
    assert_eq!(
        fault(&[("sub/weights.bin", 'b')]),
        "the bill lists files that are not there: `README.md`"
    );
    let sharded = Manifest {
        hash: HashKind::Blake3,
        ..Manifest::of_files(&[("README.md", 'a')])
    };
    assert!(matches!(bill.covers(&sharded), Err(BillError::Measured)));
}

#[test]
fn unsound_bills_are_refused() {
    let sound = String::from_utf8(described().write().unwrap()).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(sound.contains(from), "{from}");
        Bill::parse(sound.replace(from, to).as_bytes()).unwrap_err().to_string()
    };
    for (from, to, expected) in [
        ("\"1.6\"", "\"1.4\"", "the bill is one of CycloneDX 1.4"),
        ("\"CycloneDX\"", "\"SPDX\"", "`bomFormat`"),
        ("machine-learning-model", "library", "`metadata.component.type`"),
        ("sub/weights.bin", "README.md", "`README.md` twice"),
        (&"b".repeat(64), "zz", "`components[].hashes[].content`"),
        ("\"version\": 1,", "\"version\": 1, \"version\": 1,", "not sound JSON"),
        ("\"id\": \"Apache-2.0\"", "\"url\": \"x\"", "licenses"),
    ] {
        let said = changed(from, to);
        assert!(said.contains(expected), "{from} -> {to}: {said}");
    }
    for bad in [
        "",
        "{}",
        "[]",
        "null",
        "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\"}",
    ] {
        assert!(Bill::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn anything_is_read_or_refused(text in "\\PC{0,200}") {
        let _read = Bill::parse(text.as_bytes());
    }

    #[test]
    fn names_and_texts_survive(name in "[^\0]{1,40}", said in "\\PC{0,60}") {
        let mut described = described();
        described.name = name.clone();
        described.limitations = Some(said);
        let bill = Bill::parse(&described.write().unwrap()).unwrap();
        proptest::prop_assert_eq!(bill.name(), name);
    }
}
