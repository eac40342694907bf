//! The witness: every status of the specification, rollbacks, forks, races and crashes.

use std::collections::BTreeSet;
use std::fs;

use http::StatusCode;
use testudo_ledger::witness::{AddCheckpoint, SIZE_TYPE, monitoring_path};
use testudo_ledger::{Hash, SignedCheckpoint, SigningKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::server::Answer;
use super::super::vault::{Vault, VaultError};
use super::{Served, copy, options};
use crate::ship::Source;
use crate::ship::tests::log::Log;
use crate::witness::{Witness, generate_key};

struct Scene {
    log: Log,
    key: SigningKey,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            log: Log::new(1),
            key: generate_key("witness.example/w1").unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn open(&self) -> Result<Witness, VaultError> {
        Witness::open(options(self.folder.path(), &self.key, self.log.verifier()))
    }
}

/// What a log asks that believes the witness to be at `old_size`.
fn request(log: &Log, old_size: u64) -> AddCheckpoint {
    let source = Source {
        folder: log.path().to_owned(),
    };
    AddCheckpoint {
        old_size,
        proof: source.consistency(old_size.min(log.size()), log.size()).unwrap(),
        checkpoint: log.signed(),
    }
}

fn add(witness: &Witness, request: &AddCheckpoint) -> Answer {
    witness.add(request.to_string().as_bytes())
}

fn status(witness: &Witness, request: &AddCheckpoint) -> u16 {
    add(witness, request).status.as_u16()
}

#[test]
fn what_continues_the_last_checkpoint_is_cosigned() {
    let mut scene = Scene::new();
    let witness = scene.open().unwrap();
    let mut old = 0;
    for count in [1, 299, 0, 700] {
        scene.log.grow(count, "a");
        let answer = add(&witness, &request(&scene.log, old));
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let mut signed = scene.log.signed();
        for signature in testudo_ledger::note::parse_signatures(&answer.body).unwrap() {
            signed.add(signature).unwrap();
        }
        let verified = signed.note().verify([scene.key.verifier()]).unwrap();
        assert_eq!(verified[0].time_s, Some(1_700_000_000));
        old = scene.log.size();
    }
}

#[test]
fn every_refusal_has_its_status() {
    let mut scene = Scene::new();
    let witness = scene.open().unwrap();
    scene.log.grow(10, "a");
    assert_eq!(status(&witness, &request(&scene.log, 0)), 200);
    scene.log.grow(10, "a");
    let good = request(&scene.log, 10);

    assert_eq!(witness.add(b"").status, StatusCode::BAD_REQUEST);
    assert_eq!(witness.add(b"old 10\n\nno note").status, StatusCode::BAD_REQUEST);
    let spelled = good.to_string().replace("old 10", "old 010");
    assert_eq!(witness.add(spelled.as_bytes()).status, StatusCode::BAD_REQUEST);
    let beyond = AddCheckpoint {
        old_size: 21,
        ..good.clone()
    };
    assert_eq!(status(&witness, &beyond), 400);

    let mut unsigned = Log::new(2);
    unsigned.grow(20, "a");
    assert_eq!(status(&witness, &request(&unsigned, 10)), 403);
    let forged = good.to_string().replace("\n20\n", "\n19\n");
    assert_eq!(witness.add(forged.as_bytes()).status, StatusCode::FORBIDDEN);

    let elsewhere = good.to_string().replace("\ntestudo/test\n", "\ntestudo/elsewhere\n");
    assert_eq!(witness.add(elsewhere.as_bytes()).status, StatusCode::NOT_FOUND);

    for old in [0, 9, 11, 20] {
        let conflict = add(&witness, &request(&scene.log, old));
        assert_eq!(conflict.status, StatusCode::CONFLICT, "{old}");
        assert_eq!((conflict.kind, conflict.body.as_str()), (SIZE_TYPE, "10\n"));
    }

    let mut wrong = good.clone();
    wrong.proof[0] = Hash::EMPTY;
    assert_eq!(status(&witness, &wrong), 422);
    let mut short = good.clone();
    short.proof.pop();
    assert_eq!(status(&witness, &short), 422);
    assert_eq!(status(&witness, &good), 200);
}

#[test]
fn a_restart_forgets_nothing() {
    let mut scene = Scene::new();
    let witness = scene.open().unwrap();
    scene.log.grow(10, "a");
    let first = request(&scene.log, 0);
    assert_eq!(status(&witness, &first), 200);
    scene.log.grow(10, "a");
    assert_eq!(status(&witness, &request(&scene.log, 10)), 200);
    drop(witness);
    let witness = scene.open().unwrap();
    // Back to ten, under every pretext.
    for old in [0, 10, 20] {
        let back = AddCheckpoint {
            old_size: old,
            ..first.clone()
        };
        assert!(matches!(status(&witness, &back), 400 | 409), "{old}");
    }
    let again = add(&witness, &request(&scene.log, 0));
    assert_eq!(again.body, "20\n");
    // The same once more only makes the time newer.
    assert_eq!(status(&witness, &request(&scene.log, 20)), 200);
}

#[test]
fn of_two_histories_only_one_is_cosigned_and_the_other_is_kept_as_proof() {
    let mut scene = Scene::new();
    let witness = scene.open().unwrap();
    scene.log.grow(10, "a");
    assert_eq!(status(&witness, &request(&scene.log, 0)), 200);
    let mut fork = Log::new(1);
    fork.grow(10, "b");
    assert_eq!(status(&witness, &request(&fork, 10)), 422);
    let proof = scene
        .folder
        .path()
        .join(format!("{}.fork", monitoring_path("testudo/test").replace('/', ".")));
    let kept = testudo_bounded::read_file(&proof, 1 << 20).unwrap();
    assert_eq!(SignedCheckpoint::parse(&kept).unwrap(), fork.signed());
    // The first proof is enough.
    let mut other = Log::new(1);
    other.grow(10, "c");
    assert_eq!(status(&witness, &request(&other, 0)), 409);
    assert_eq!(testudo_bounded::read_file(&proof, 1 << 20).unwrap(), kept);
    for longer in [11, 64, 300] {
        fork.grow(longer - fork.size(), "b");
        assert_eq!(status(&witness, &request(&fork, 10)), 422, "{longer}");
    }
}

#[test]
fn of_requests_from_the_same_size_at_the_same_time_one_wins() {
    for round in 0..10 {
        let mut scene = Scene::new();
        let witness = scene.open().unwrap();
        let requests: Vec<AddCheckpoint> = (0..6_u64)
            .map(|it| {
                // Half of them are of another history.
                let mut log = Log::new(1);
                log.grow(20 + it, if it % 2 == 0 { "a" } else { "b" });
                request(&log, 0)
            })
            .collect();
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let running: Vec<_> = requests.iter().map(|it| scope.spawn(|| status(&witness, it))).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let won: Vec<usize> = (0..6).filter(|it| answers[*it] == 200).collect();
        assert_eq!(won.len(), 1, "{round} {answers:?}");
        assert!(answers.iter().all(|it| matches!(it, 200 | 409)), "{answers:?}");
        drop(witness);
        // What was answered is what is remembered.
        scene.log.grow(20, "a");
        let witness = scene.open().unwrap();
        let latest = add(&witness, &request(&scene.log, 1)).body;
        assert_eq!(latest, format!("{}\n", 20 + won[0]));
    }
}

#[test]
fn a_crash_after_storing_leads_to_no_second_history() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    let witness = scene.open().unwrap();
    assert_eq!(status(&witness, &request(&scene.log, 0)), 200);
    drop(witness);
    // Decided and stored, and then the machine stopped: the log never saw the answer.
    scene.log.grow(10, "a");
    let mut signed = scene.log.signed();
    let text = signed.note().text().to_owned();
    signed
        .add(testudo_ledger::Signature::new(&scene.key, &text, 5))
        .unwrap();
    let vault = Vault::open(scene.folder.path()).unwrap();
    vault.store(&signed).unwrap();
    drop(vault);
    let witness = scene.open().unwrap();
    let mut fork = Log::new(1);
    fork.grow(10, "a");
    fork.grow(10, "b");
    assert_eq!(add(&witness, &request(&fork, 10)).body, "20\n");
    assert_eq!(status(&witness, &request(&fork, 20)), 422);
    assert_eq!(add(&witness, &request(&scene.log, 10)).body, "20\n");
    assert_eq!(status(&witness, &request(&scene.log, 20)), 200);
}

#[test]
fn what_cannot_be_stored_is_not_cosigned() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    let witness = scene.open().unwrap();
    let name = monitoring_path("testudo/test").replace('/', ".");
    // A folder in the place of the temporary file: as if the disk did not take it.
    let obstacle = scene.folder.path().join(format!("{name}.tmp"));
    fs::create_dir(&obstacle).unwrap();
    let refused = add(&witness, &request(&scene.log, 0));
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!refused.body.contains('\u{2014}'), "{}", refused.body);
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(status(&witness, &request(&scene.log, 0)), 200);
}

#[test]
fn a_memory_that_is_not_sound_keeps_the_witness_from_starting() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    let witness = scene.open().unwrap();
    assert_eq!(status(&witness, &request(&scene.log, 0)), 200);
    assert!(matches!(scene.open(), Err(VaultError::Locked { .. })));
    drop(witness);
    let name = monitoring_path("testudo/test").replace('/', ".");
    let path = scene.folder.path().join(name);
    let sound = testudo_bounded::read_file(&path, 1 << 20).unwrap();
    for damaged in [Vec::new(), sound[..sound.len() - 9].to_vec()] {
        fs::write(&path, damaged).unwrap();
        assert!(matches!(scene.open(), Err(VaultError::Damaged { .. })));
    }
    // Signed by the log alone: not what this witness stores.
    fs::write(&path, scene.log.signed().to_string()).unwrap();
    assert!(matches!(scene.open(), Err(VaultError::Foreign { .. })));
    fs::write(&path, &sound).unwrap();
    let stranger = generate_key("witness.example/w1").unwrap();
    let changed = Witness::open(options(scene.folder.path(), &stranger, scene.log.verifier()));
    assert!(matches!(changed, Err(VaultError::Foreign { .. })));
    assert!(scene.open().is_ok());
}

#[test]
fn keys_of_the_wrong_kind_are_refused() {
    let scene = Scene::new();
    let mut wrong = options(scene.folder.path(), &scene.key, scene.log.verifier());
    wrong.logs = vec![scene.key.verifier().clone()];
    assert!(matches!(Witness::open(wrong), Err(VaultError::Key(_))));
    let mut none = options(scene.folder.path(), &scene.key, scene.log.verifier());
    none.keys.clear();
    assert!(matches!(Witness::open(none), Err(VaultError::Key(_))));
    let mut idle = options(scene.folder.path(), &scene.key, scene.log.verifier());
    idle.logs.clear();
    assert!(matches!(Witness::open(idle), Err(VaultError::NoLogs)));
}

#[test]
fn made_keys_are_for_cosigning_and_differ() {
    let keys: BTreeSet<String> = (0..8)
        .map(|_| generate_key("w").unwrap().verifier().to_string())
        .collect();
    assert_eq!(keys.len(), 8);
    assert!(generate_key("two words").is_err());
    assert!(generate_key("").is_err());
    let key = generate_key("w").unwrap();
    assert_eq!(copy(&key).verifier(), key.verifier());
}

async fn say(served: &Served, request: &str) -> String {
    let address = served.url.socket_addrs(|| None).unwrap()[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The witness may answer before it has read everything.
    let _sent = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn over_http_it_speaks_the_specification() {
    let mut log = Log::new(1);
    log.grow(10, "a");
    let served = Served::start("w", log.verifier()).await;
    let post = |body: &str| {
        format!(
            "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n");
    let shown = format!("/{}", monitoring_path("testudo/test"));
    assert!(say(&served, &get(&shown)).await.starts_with("HTTP/1.1 404"));
    let cosigned = say(&served, &post(&request(&log, 0).to_string())).await;
    assert!(cosigned.starts_with("HTTP/1.1 200"), "{cosigned}");
    assert!(cosigned.contains("\r\n\r\n\u{2014} w "), "{cosigned}");
    let conflict = say(&served, &post(&request(&log, 0).to_string())).await;
    assert!(conflict.starts_with("HTTP/1.1 409"), "{conflict}");
    assert!(conflict.contains("content-type: text/x.tlog.size\r\n"), "{conflict}");
    assert!(conflict.ends_with("\r\n\r\n10\n"), "{conflict}");
    let latest = say(&served, &get(&shown)).await;
    assert!(
        latest.contains("testudo/test\n10\n") && latest.contains("\u{2014} w "),
        "{latest}"
    );
    assert!(say(&served, &get("/add-checkpoint")).await.starts_with("HTTP/1.1 405"));
    assert!(say(&served, &get("/")).await.starts_with("HTTP/1.1 404"));
    let long = post(&"a".repeat(1_100_000));
    assert!(say(&served, &long).await.starts_with("HTTP/1.1 413"));
    let (_key, folder) = served.stop().await;
    assert!(folder.path().join("lock").exists());
}
