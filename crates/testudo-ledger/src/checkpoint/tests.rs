//! Checkpoints: the specification's example, reading and writing, and whose signature counts.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::key::KeyName;

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

fn key(name: &str, kind: KeyKind) -> SigningKey {
    SigningKey::from_seed(KeyName::parse(name).unwrap(), kind, Zeroizing::new([1; 32])).unwrap()
}

#[test]
fn the_example_of_the_specification() {
    let text = format!(
        "example.com/behind-the-sofa\n20852163\n{ROOT}\n\n\
         \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+\
         zyWE+xeMcTOAYQ8=\n\
         \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5n\
         No0xUe+mbIUBkBIfZ+qnA==\n"
    );
    let signed = SignedCheckpoint::parse(text.as_bytes()).unwrap();
    assert_eq!(signed.to_string(), text);
    let checkpoint = signed.checkpoint();
    assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size(), 20_852_163);
    assert_eq!(checkpoint.root().to_string(), ROOT);
    assert_eq!(checkpoint.extensions().len(), 0);
    assert_eq!(signed.note().signatures().len(), 2);
}

#[test]
fn extension_lines_are_kept() {
    let text = format!("log\n0\n{ROOT}\nsome thing\n{ROOT}\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.extensions(), ["some thing", ROOT]);
    assert_eq!(checkpoint.to_string(), text);
}

#[test]
fn other_texts_are_not_checkpoints() {
    use CheckpointError::{Lines, Note, Origin, Root, Size};
    let cases = [
        (String::new(), Lines),
        ("\n".to_owned(), Lines),
        ("log\n1\n".to_owned(), Lines),
        (format!("log\n1\n{ROOT}"), Lines),
        (format!("\n1\n{ROOT}\n"), Lines),
        (format!("log\n\n{ROOT}\n"), Lines),
        (format!("log\n1\n{ROOT}\n\n"), Lines),
        (format!("log\n1\n{ROOT}\n\nx\n"), Lines),
        (format!("log\n01\n{ROOT}\n"), Size),
        (format!("log\n+1\n{ROOT}\n"), Size),
        (format!("log\n-1\n{ROOT}\n"), Size),
        (format!("log\n1 \n{ROOT}\n"), Size),
        (format!("log\n0x1\n{ROOT}\n"), Size),
        (format!("log\n9223372036854775808\n{ROOT}\n"), Size),
        (format!("log\n18446744073709551616\n{ROOT}\n"), Size),
        (format!("log\n1\n{ROOT} \n"), Root(HashError)),
        ("log\n1\nAAAA\n".to_owned(), Root(HashError)),
        (format!("log\n1\n{}\n", ROOT.replace("2I=", "2J=")), Root(HashError)),
        (format!("log\r\n1\r\n{ROOT}\r\n"), Note(NoteError::Characters)),
    ];
    for (text, error) in cases {
        assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
    }
    assert!(Checkpoint::parse(&format!("log\n9223372036854775807\n{ROOT}\n")).is_ok());
    let new = |origin, size| Checkpoint::new(origin, size, Hash::EMPTY);
    assert_eq!(new("", 0), Err(Origin));
    assert_eq!(new("a\nb", 0), Err(Origin));
    assert_eq!(new("a", 1 << 63), Err(Size));
}

#[test]
fn only_the_log_itself_signs_a_checkpoint() {
    let [own, other, cosigner] = [
        ("log", KeyKind::Ed25519),
        ("other", KeyKind::Ed25519),
        ("log", KeyKind::Cosignature),
    ]
    .map(|(name, kind)| key(name, kind));
    let checkpoint = Checkpoint::new("log", 3, Hash::leaf(b"")).unwrap();
    let all = [&own, &other, &cosigner].map(SigningKey::verifier);
    for (signer, good) in [(&own, true), (&other, false), (&cosigner, false)] {
        let signed = SignedCheckpoint::sign(checkpoint.clone(), signer, 5).unwrap();
        let read = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
        assert_eq!(read, signed);
        assert_eq!(read.verify_log(all).is_ok(), good);
    }
    let signed = SignedCheckpoint::sign(checkpoint.clone(), &own, 0).unwrap();
    assert_eq!(signed.verify_log(all), Ok(own.verifier()));
    // Another state under the same signature.
    for text in [
        signed.to_string().replace("\n3\n", "\n4\n"),
        signed
            .to_string()
            .replace("log\n3", "log\n3\nAAAA")
            .replace("AAAA", ROOT),
    ] {
        let forged = SignedCheckpoint::parse(text.as_bytes()).unwrap();
        assert!(
            matches!(forged.verify_log(all), Err(VerifyError::Wrong { .. })),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn checkpoints_come_back(origin in "[!-~]{1,20}", size in 0..=SIZE_MAX, root in any::<[u8; 32]>()) {
        let checkpoint = Checkpoint::new(&origin, size, Hash::from_bytes(root)).unwrap();
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
    }

    #[test]
    fn what_is_read_as_a_checkpoint_is_written_the_same(
        text in "[a\n]{1,3}\n[+0-9]{1,2}\n[A-D]{42}[A-H]=?\n([a\n]\n){0,2}",
    ) {
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_string(), text);
        }
    }
}
