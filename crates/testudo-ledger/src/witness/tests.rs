//! The witness protocol: every status of the specification, and a log and a witness against each other.

use std::convert::Infallible;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::checkpoint::CheckpointError;
use crate::key::{KeyKind, KeyName, SigningKey};
use crate::note::{Note, NoteError};
use crate::tree::ProofError;
use crate::{Checkpoint, Hash, HashSource, SignedCheckpoint, tree};

/// A tree of leaves that are numbers, from one on of another history.
#[derive(Clone, Copy)]
struct Numbers {
    forked_at: u64,
}

const HONEST: Numbers = Numbers { forked_at: u64::MAX };

impl HashSource for Numbers {
    type Error = Infallible;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(match level.checked_sub(1) {
            None => Hash::leaf(&[&[u8::from(index >= self.forked_at)], &index.to_be_bytes()[..]].concat()),
            Some(below) => Hash::node(&self.hash(below, index << 1)?, &self.hash(below, (index << 1) | 1)?),
        })
    }
}

fn key(name: &str, kind: KeyKind, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::parse(name).unwrap(), kind, Zeroizing::new([seed; 32])).unwrap()
}

fn log_key() -> SigningKey {
    key("log", KeyKind::Ed25519, 1)
}

fn witness() -> WitnessState {
    let keys = vec![key("w", KeyKind::Cosignature, 2), key("w2", KeyKind::Cosignature, 3)];
    let mut state = WitnessState::new(keys).unwrap();
    state.watch(log_key().verifier().clone()).unwrap();
    state
}

fn signed(size: u64, tree: Numbers) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new("log", size, tree::root(size, &tree).unwrap()).unwrap();
    SignedCheckpoint::sign(checkpoint, &log_key(), 0).unwrap()
}

fn request(old: u64, new: u64, tree: Numbers) -> AddCheckpoint {
    AddCheckpoint {
        old_size: old,
        proof: tree::consistency(old, new, &tree).unwrap_or_default(),
        checkpoint: signed(new, tree),
    }
}

/// A witness that has cosigned the tree of this size.
fn at(size: u64) -> WitnessState {
    let mut state = witness();
    let cosigned = state.decide(&request(0, size, HONEST), 100).unwrap();
    state.advance(&cosigned);
    state
}

fn status(state: &WitnessState, request: &AddCheckpoint) -> u16 {
    state.decide(request, 100).map_or_else(|it| it.status(), |_| 200)
}

/// The example of the specification, read and written.
#[test]
fn the_example_of_the_specification() {
    let text = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+z\
        yWE+xeMcTOAYQ8=\n\
        \u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5R\
        ovnzv++qbSzm9Q=\n";
    let read = AddCheckpoint::parse(text.as_bytes()).unwrap();
    assert_eq!((read.old_size, read.proof.len()), (20_852_014, 4));
    assert_eq!(read.to_string(), text);
    let refused = witness().decide(&read, 1).unwrap_err();
    assert_eq!(refused.status(), 404);
}

#[test]
fn a_log_grows_and_is_cosigned() {
    let mut state = witness();
    let keys = [2, 3].map(|seed| key(if seed == 2 { "w" } else { "w2" }, KeyKind::Cosignature, seed));
    let keys = keys.map(|it| it.verifier().clone());
    let mut old = 0;
    for new in [0, 0, 1, 1, 5, 8, 13, 300] {
        let request = request(old, new, HONEST);
        let read = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
        assert_eq!(read, request);
        let cosigned = state.decide(&read, 1_000 + new).unwrap();
        let answer = read_answer(200, cosigned.body().as_bytes(), &request.checkpoint, &keys).unwrap();
        let Answer::Cosigned(signatures) = answer else { panic!() };
        assert_eq!(signatures.len(), 2);
        // What monitors see has the log's and the witness's signatures, and comes back after a restart.
        let stored = SignedCheckpoint::parse(cosigned.signed().to_string().as_bytes()).unwrap();
        assert_eq!(stored.note().signatures().len(), 3);
        let verified = stored.note().verify(&keys).unwrap();
        assert!(verified.iter().all(|it| it.time_s == Some(1_000 + new)));
        state.advance(&cosigned);
        assert_eq!(state.latest("log"), Some(&stored));
        let mut restarted = witness();
        restarted.restore(stored).unwrap();
        assert_eq!(restarted.latest("log"), state.latest("log"));
        old = new;
    }
}

#[test]
fn each_refusal_has_its_status() {
    let state = at(7);
    assert_eq!(status(&state, &request(7, 12, HONEST)), 200);
    assert_eq!(status(&state, &request(7, 7, HONEST)), 200);
    let cases = [
        (400, request(8, 7, HONEST)),
        (400, request(u64::MAX, 12, HONEST)),
        (409, request(0, 12, HONEST)),
        (409, request(6, 12, HONEST)),
        (409, request(8, 12, HONEST)),
        (409, request(0, 0, HONEST)),
        (422, request(7, 12, Numbers { forked_at: 3 })),
        (422, request(7, 7, Numbers { forked_at: 3 })),
        (200, request(7, 12, Numbers { forked_at: 7 })),
    ];
    for (expected, request) in cases {
        assert_eq!(status(&state, &request), expected, "{request}");
    }
    let mut longer = request(7, 12, HONEST);
    longer.proof.push(Hash::EMPTY);
    let mut shorter = request(7, 12, HONEST);
    shorter.proof.pop();
    let mut same = request(7, 7, HONEST);
    same.proof.push(Hash::EMPTY);
    let mut first = request(0, 7, HONEST);
    first.proof.push(Hash::EMPTY);
    assert_eq!([&longer, &shorter, &same].map(|it| status(&state, it)), [422; 3]);
    assert_eq!(status(&witness(), &first), 422);
    // The empty tree has one root only.
    let odd = Checkpoint::new("log", 0, Hash::leaf(b"")).unwrap();
    let odd = AddCheckpoint {
        old_size: 0,
        proof: vec![],
        checkpoint: SignedCheckpoint::sign(odd, &log_key(), 0).unwrap(),
    };
    assert_eq!(status(&witness(), &odd), 422);
}

#[test]
fn whoever_is_not_the_log_is_refused() {
    let state = at(7);
    let good = request(7, 12, HONEST);
    let with = |checkpoint| AddCheckpoint {
        checkpoint,
        ..good.clone()
    };
    let checkpoint = good.checkpoint.checkpoint().clone();
    let stranger = key("log", KeyKind::Ed25519, 9);
    let by_stranger = SignedCheckpoint::sign(checkpoint.clone(), &stranger, 0).unwrap();
    assert_eq!(status(&state, &with(by_stranger.clone())), 403);
    let other_log = Checkpoint::new("other", 12, *checkpoint.root()).unwrap();
    let other_log = SignedCheckpoint::sign(other_log, &log_key(), 0).unwrap();
    assert_eq!(status(&state, &with(other_log)), 404);
    // The log's signature, but over another size.
    let forged = good.checkpoint.to_string().replace("log\n12\n", "log\n13\n");
    assert_eq!(
        status(&state, &with(SignedCheckpoint::parse(forged.as_bytes()).unwrap())),
        403
    );
    // A good and a wrong signature of the log; a good one beside a stranger's.
    let mut both = good.checkpoint.clone();
    both.add(signed(3, HONEST).note().signatures()[0].clone()).unwrap();
    assert_eq!(status(&state, &with(both)), 403);
    let mut beside = good.checkpoint.clone();
    beside.add(by_stranger.note().signatures()[0].clone()).unwrap();
    let cosigned = state.decide(&with(beside), 5).unwrap();
    let names: Vec<_> = cosigned
        .signed()
        .note()
        .signatures()
        .iter()
        .map(|it| it.name().as_str())
        .collect();
    assert_eq!(names, ["log", "w", "w2"]);
    // The signature is judged before sizes, so that strangers learn nothing.
    let mut early = with(by_stranger);
    early.old_size = 99;
    assert_eq!(status(&state, &early), 403);
}

#[test]
fn a_conflict_tells_the_size() {
    let refused = at(7).decide(&request(0, 12, HONEST), 1).unwrap_err();
    assert_eq!(refused, Refusal::Conflict { latest: 7 });
    assert_eq!(refused.body(), ("text/x.tlog.size", "7\n".to_owned()));
    let asked = signed(12, HONEST);
    assert_eq!(read_answer(409, b"7\n", &asked, &[]), Ok(Answer::Latest(7)));
    for body in ["", "7", "07\n", "7\n\n", "-7\n", "x\n", "18446744073709551616\n"] {
        assert_eq!(
            read_answer(409, body.as_bytes(), &asked, &[]),
            Err(AnswerError::Size),
            "{body}"
        );
    }
}

#[test]
fn answers_without_a_right_cosignature_are_of_no_use() {
    let asked = signed(12, HONEST);
    let own = key("w", KeyKind::Cosignature, 2);
    let keys = [own.verifier().clone()];
    let lines = |key: &SigningKey, text: &str, time_s| {
        let mut note = Note::new(text).unwrap();
        note.sign(key, time_s);
        crate::note::lines(note.signatures())
    };
    let text = asked.note().text();
    let good = lines(&own, text, 5);
    let stranger = lines(&key("w", KeyKind::Cosignature, 4), text, 5);
    let read = |body: &str| read_answer(200, body.as_bytes(), &asked, &keys);
    assert!(matches!(read(&good), Ok(Answer::Cosigned(it)) if it.len() == 1));
    assert!(matches!(read(&format!("{stranger}{good}")), Ok(Answer::Cosigned(it)) if it.len() == 1));
    let wrong = lines(&own, "log\n11\n", 5);
    let untimed = lines(&own, text, 0);
    for body in [&stranger, &wrong, &untimed, &format!("{good}{wrong}")] {
        assert_eq!(read(body), Err(AnswerError::Signature), "{body}");
    }
    let bad_line = AnswerError::Lines(NoteError::Line { line: 2 });
    for body in ["", "\n", good.trim_end(), &format!("\n{good}"), "200 OK\n"] {
        assert_eq!(read(body), Err(bad_line), "{body}");
    }
    assert_eq!(read_answer(200, b"\xff", &asked, &keys), Err(AnswerError::Text));
    for status in [201, 204, 301, 400, 403, 404, 422, 500] {
        assert_eq!(
            read_answer(status, good.as_bytes(), &asked, &keys),
            Err(AnswerError::Status(status))
        );
    }
    // A plain signature by a key that is no cosigner's carries no time.
    let plain = key("p", KeyKind::Ed25519, 5);
    let answer = read_answer(
        200,
        lines(&plain, text, 5).as_bytes(),
        &asked,
        &[plain.verifier().clone()],
    );
    assert_eq!(answer, Err(AnswerError::Signature));
}

#[test]
fn other_bytes_are_not_requests() {
    let good = request(3, 12, HONEST).to_string();
    let (hashes, note) = good.split_once("\n\n").unwrap();
    let many = format!("old 3\n{}\n{note}", format!("{}\n", Hash::EMPTY).repeat(64));
    let cases = [
        (String::new(), RequestError::Old),
        ("old 3".to_owned(), RequestError::Old),
        (good.replace("old 3", "old 03"), RequestError::Old),
        (good.replace("old 3", "old -3"), RequestError::Old),
        (good.replace("old 3", "old  3"), RequestError::Old),
        (good.replace("old 3", "Old 3"), RequestError::Old),
        (good.replace("old 3", "old 18446744073709551616"), RequestError::Old),
        (good.replace("old 3\n", "old 3\r\n"), RequestError::Old),
        (hashes.to_owned(), RequestError::Separator),
        (format!("{hashes} \n\n{note}"), RequestError::Hash(crate::HashError)),
        (many, RequestError::TooMany),
        (
            format!("old 3\n\n{}", note.trim_end()),
            RequestError::Checkpoint(CheckpointError::Note(NoteError::Line { line: 2 })),
        ),
        ("x".repeat(REQUEST_BYTES_MAX + 1), RequestError::Text),
    ];
    for (text, error) in cases {
        assert_eq!(AddCheckpoint::parse(text.as_bytes()), Err(error), "{text}");
        assert_eq!(Refusal::from(error).status(), 400);
    }
}

#[test]
fn keys_are_used_for_their_purpose_only() {
    assert_eq!(WitnessState::new(vec![]).err(), Some(NotAWitness::OwnKey));
    let mixed = vec![key("w", KeyKind::Cosignature, 2), log_key()];
    assert_eq!(WitnessState::new(mixed).err(), Some(NotAWitness::OwnKey));
    let cosigner = key("log", KeyKind::Cosignature, 1).verifier().clone();
    assert_eq!(witness().watch(cosigner), Err(NotAWitness::LogKey));
}

#[test]
fn only_what_was_cosigned_is_restored() {
    let mut state = witness();
    assert!(matches!(state.restore(signed(7, HONEST)), Err(Refusal::NotSigned(_))));
    let stored = at(7).latest("log").unwrap().to_string();
    let forged = SignedCheckpoint::parse(stored.replace("log\n7\n", "log\n6\n").as_bytes()).unwrap();
    assert!(matches!(state.restore(forged), Err(Refusal::NotSigned(_))));
    let mut watching_nothing = WitnessState::new(vec![key("w", KeyKind::Cosignature, 2)]).unwrap();
    let stored = SignedCheckpoint::parse(stored.as_bytes()).unwrap();
    assert_eq!(
        watching_nothing.restore(stored.clone()),
        Err(Refusal::UnknownLog {
            origin: "log".to_owned()
        })
    );
    assert_eq!(state.latest("log"), None);
    assert_eq!(state.restore(stored), Ok(()));
}

/// The first example of the specification's hash of an origin: SHA-256 in hex.
#[test]
fn monitors_find_a_log_by_its_hash() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/checkpoint";
    assert_eq!(monitoring_path(""), empty);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is asked in whatever order, the sizes cosigned never fall and every one continues the last.
    #[test]
    fn a_witness_never_goes_back(asks in prop::collection::vec((0..9_u64, 0..9_u64, prop::option::of(0..9_u64)), 1..40)) {
        let mut state = witness();
        let (mut size, mut root) = (0, Hash::EMPTY);
        for (old, new, forked_at) in asks {
            let tree = forked_at.map_or(HONEST, |forked_at| Numbers { forked_at });
            let asked = request(old, new, tree);
            match state.decide(&asked, 1) {
                Ok(cosigned) => {
                    let next = *cosigned.signed().checkpoint().root();
                    prop_assert!(old == size && new >= size);
                    prop_assert_eq!(tree::root(size, &tree).unwrap(), root);
                    state.advance(&cosigned);
                    (size, root) = (new, next);
                }
                Err(Refusal::OldBeyondNew { .. }) => prop_assert!(old > new),
                Err(Refusal::Conflict { latest }) => prop_assert!(latest == size && old != size),
                Err(Refusal::NotConsistent(error)) => {
                    prop_assert!(matches!(error, ProofError::OldRoot | ProofError::Root));
                    prop_assert_ne!(tree::root(size, &tree).unwrap(), root);
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    #[test]
    fn what_is_read_as_a_request_is_written_the_same(old in "0?[0-9]{1,2}", hashes in 0..3_usize, end in "\n?") {
        let line = format!("{}\n", Hash::EMPTY).repeat(hashes);
        let text = format!("old {old}\n{line}{end}{}", signed(3, HONEST));
        if let Ok(request) = AddCheckpoint::parse(text.as_bytes()) {
            prop_assert_eq!(request.to_string(), text);
        }
    }
}
