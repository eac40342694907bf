//! A request to a witness that is read is written the same way, and is not cosigned without the log's signature;
//! an answer without a witness's signature is of no use.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_ledger::witness::{AddCheckpoint, Answer, WitnessState, read_answer};
use testudo_ledger::{SigningKey, VerifierKey};

/// A log's key, with which nothing here is signed, and a witness's.
const LOG: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SEED: [u8; 32] = [7; 32];

fuzz_target!(|input: (u16, &[u8], &[u8])| {
    let (status, body, bytes) = input;
    let Some((state, own)) = witness() else {
        panic!("the keys are good")
    };
    let Ok(read) = AddCheckpoint::parse(bytes) else {
        return;
    };
    assert_eq!(read.to_string().as_bytes(), bytes);
    match state.decide(&read, 1) {
        Ok(_) => panic!("cosigned what the log has not signed"),
        Err(refused) => assert!(matches!(refused.status(), 403 | 404)),
    }
    match read_answer(status, body, &read.checkpoint, &[own]) {
        Ok(Answer::Cosigned(_)) => panic!("nobody has cosigned"),
        Ok(Answer::Latest(size)) => assert_eq!(format!("{size}\n").as_bytes(), body),
        Err(_) => {}
    }
});

fn witness() -> Option<(WitnessState, VerifierKey)> {
    let name = testudo_ledger::KeyName::parse("witness").ok()?;
    let key = SigningKey::from_seed(name, testudo_ledger::KeyKind::Cosignature, SEED.into()).ok()?;
    let own = key.verifier().clone();
    let mut state = WitnessState::new(vec![key]).ok()?;
    state.watch(VerifierKey::parse(LOG).ok()?).ok()?;
    Some((state, own))
}
