//! Notes: the specification's example, signing and reading back, and what must be refused.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::key::KeyKind;

fn key(name: &str, kind: KeyKind, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::parse(name).unwrap(), kind, Zeroizing::new([seed; 32])).unwrap()
}

fn signed(text: &str) -> (Note, SigningKey, SigningKey) {
    let [log, witness] = [("log", KeyKind::Ed25519, 1), ("witness", KeyKind::Cosignature, 2)]
        .map(|(name, kind, seed)| key(name, kind, seed));
    let mut note = Note::new(text).unwrap();
    note.sign(&log, 0);
    note.sign(&witness, 1_700_000_000);
    (note, log, witness)
}

/// The key and the note in the specification.
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXpp\
    zi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#[test]
fn the_example_of_the_specification() {
    let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
    let note = Note::parse(EXAMPLE_NOTE.as_bytes()).unwrap();
    assert_eq!(note.to_string(), EXAMPLE_NOTE);
    assert_eq!(note.text(), "This is an example message.\n");
    let verified = note.verify([&key]).unwrap();
    assert_eq!(
        verified,
        [Verified {
            key: &key,
            time_s: None
        }]
    );
}

#[test]
fn every_changed_byte_is_noticed() {
    let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
    for at in 0..EXAMPLE_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = EXAMPLE_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let believed = Note::parse(&bytes).is_ok_and(|note| note.verify([&key]).is_ok());
            assert!(!believed, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn known_signatures_are_checked_and_unknown_ones_ignored() {
    let (note, log, witness) = signed("a\n\nb\n");
    let [log, witness] = [log.verifier(), witness.verifier()];
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read, note);
    let by_log = Verified { key: log, time_s: None };
    let by_witness = Verified {
        key: witness,
        time_s: Some(1_700_000_000),
    };
    assert_eq!(read.verify([log]), Ok(vec![by_log]));
    assert_eq!(read.verify([witness]), Ok(vec![by_witness]));
    assert_eq!(read.verify([witness, log]), Ok(vec![by_log, by_witness]));
    // Keys of which only the name, or only the kind, is the same.
    let others = [
        ("log", KeyKind::Ed25519, 3),
        ("other", KeyKind::Ed25519, 1),
        ("log", KeyKind::Cosignature, 1),
    ];
    for (name, kind, seed) in others {
        let other = key(name, kind, seed);
        assert_eq!(read.verify([other.verifier()]), Err(VerifyError::Unknown));
        assert_eq!(read.verify([other.verifier(), log]), Ok(vec![by_log]));
    }
    assert_eq!(read.verify([]), Err(VerifyError::Unknown));
}

/// One wrong signature of a known key spoils the note, wherever it stands and whoever else has signed.
#[test]
fn a_wrong_signature_of_a_known_key_spoils_the_note() {
    let (note, log, witness) = signed("a\n");
    let (other, ..) = signed("b\n");
    for (kept, wrong) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
        for order in [[true, false], [false, true]] {
            let mut mixed = Note::new("a\n").unwrap();
            for from_kept in order {
                let from = if from_kept {
                    &note.signatures[kept]
                } else {
                    &other.signatures[wrong]
                };
                mixed.add(from.clone()).unwrap();
            }
            let refused = mixed.verify([log.verifier(), witness.verifier()]);
            assert!(matches!(refused, Err(VerifyError::Wrong { .. })), "{refused:?}");
        }
    }
    // Signatures of the wrong length, by a known key.
    for (at, key) in [(0, log.verifier()), (1, witness.verifier())] {
        for len in [1, 7, 8, 63, 65, 71, 73] {
            let mut short = Note::new("a\n").unwrap();
            let mut signature = note.signatures[at].clone();
            signature.bytes.resize(len, 0);
            short.add(signature).unwrap();
            if short.signatures[0].bytes.len() != note.signatures[at].bytes.len() {
                assert!(matches!(short.verify([key]), Err(VerifyError::Wrong { .. })), "{len}");
            }
        }
    }
    // A time above the limit, though signed.
    let time = u64::MAX;
    let mut late = note.signatures[1].clone();
    late.bytes = time.to_be_bytes().to_vec();
    late.bytes
        .extend(witness.sign(format!("cosignature/v1\ntime {time}\na\n").as_bytes()));
    assert_eq!(late.check(witness.verifier(), "a\n"), None);
}

#[test]
fn at_least_sixteen_signatures_and_at_most_a_hundred() {
    let mut note = Note::new("a\n").unwrap();
    let keys: Vec<SigningKey> = (0..=100)
        .map(|it| key(&format!("k{it}"), KeyKind::Ed25519, it))
        .collect();
    for key in keys.iter().take(100) {
        let signature = Signature::new(key, "a\n", 0);
        note.add(signature.clone()).unwrap();
        note.add(signature).unwrap();
    }
    assert_eq!(note.signatures().len(), 100);
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read.verify(keys.iter().map(SigningKey::verifier)).unwrap().len(), 100);
    let one_more = Signature::new(&keys[100], "a\n", 0);
    assert_eq!(note.add(one_more.clone()), Err(NoteError::TooMany));
    let text = format!("{note}{one_more}\n");
    assert_eq!(Note::parse(text.as_bytes()), Err(NoteError::TooMany));
}

#[test]
fn other_bytes_are_not_notes() {
    use NoteError::{Characters, Line, Separator, Text, TooLong};
    let line = "\u{2014} k AAAAAAA=";
    let cases: [(Vec<u8>, NoteError); 20] = [
        (b"".to_vec(), Separator),
        (b"a\n".to_vec(), Separator),
        (b"a\n\n".to_vec(), Line { line: 2 }),
        (format!("a\n{line}\n").into(), Separator),
        (format!("a\n\n{line}").into(), Line { line: 2 }),
        (format!("a\n\n{line}\n{line}").into(), Line { line: 3 }),
        (format!("a\n\n{line} \n").into(), Line { line: 2 }),
        (format!("a\n\n {line}\n").into(), Line { line: 2 }),
        (format!("a\n\n{line}\r\n").into(), Line { line: 2 }),
        (format!("a\tb\n\n{line}\n").into(), Characters),
        (b"\xff\n\n".to_vec(), Characters),
        ("a\n\n- k AAAAAAA=\n".into(), Line { line: 2 }),
        ("a\n\n\u{2014}k AAAAAAA=\n".into(), Line { line: 2 }),
        ("a\n\n\u{2014}  AAAAAAA=\n".into(), Line { line: 2 }),
        ("a\n\n\u{2014} k+ AAAAAAA=\n".into(), Line { line: 2 }),
        ("a\n\n\u{2014} k\u{a0} AAAAAAA=\n".into(), Line { line: 2 }),
        // Four bytes only, bits behind the last byte, no padding.
        ("a\n\n\u{2014} k AAAAAA==\n".into(), Line { line: 2 }),
        ("a\n\n\u{2014} k AAAAAAB=\n".into(), Line { line: 2 }),
        ("a\n\n\u{2014} k AAAAAAA\n".into(), Line { line: 2 }),
        (vec![b'a'; NOTE_BYTES_MAX + 1], TooLong),
    ];
    for (bytes, error) in cases {
        assert_eq!(Note::parse(&bytes), Err(error), "{}", String::from_utf8_lossy(&bytes));
    }
    assert!(Note::parse(format!("\n\n{line}\n").as_bytes()).is_ok());
    assert_eq!(Note::new(""), Err(Text));
    assert_eq!(Note::new("a"), Err(Text));
    assert_eq!(Note::new("a\r\n"), Err(Characters));
}

proptest! {
    #[test]
    fn signed_texts_come_back(text in "[ -~\u{80}-\u{2fff}\n]{0,80}", time_s in 0..=i64::MAX.unsigned_abs()) {
        let text = format!("{text}\n");
        let mut note = Note::new(&text).unwrap();
        let [log, witness] = [key("a", KeyKind::Ed25519, 1), key("b", KeyKind::Cosignature, 2)];
        note.sign(&log, time_s);
        note.sign(&witness, time_s);
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&read, &note);
        let verified = read.verify([log.verifier(), witness.verifier()]).unwrap();
        let times: Vec<_> = verified.iter().map(|it| it.time_s).collect();
        prop_assert_eq!(times, [None, Some(time_s)]);
    }

    #[test]
    fn what_is_read_as_a_note_is_written_the_same(
        text in "[a\n]{0,4}\n\n(\u{2014} [k +]{1,2} ?([A-D]{4}){0,2}[AQg]{2,3}=?=?\n){0,3}",
    ) {
        if let Ok(note) = Note::parse(text.as_bytes()) {
            prop_assert_eq!(note.to_string(), text);
        }
    }
}
