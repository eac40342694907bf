//! A real ledger, written, erased from and shipped at the same time; copies are verified as an outsider does.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use testudo_ledger::Policy;
use testudo_ledger::entry::{Incident, PrincipalPseudonym};
use testudo_ledger::verify::{self, LogFiles, Report, verify_log};
use testudo_types::TenantId;
use tokio_util::sync::CancellationToken;
use url::Url;
use zeroize::Zeroizing;

use super::super::{Dirty, Options, Passed, S3, Shipper, Store, fetch};
use super::Hand;
use crate::control::{Client, Custodian, Server, Watched};
use crate::custody::{Custody, Keeping};
use crate::recorder::{Limits, Options as RecorderOptions};
use crate::witness::{Options as WitnessOptions, Peer, Settings, Witness, Witnesses, generate_key};
use crate::{
    Code, Draft, ErasureRequest, FileKeyring, Folder, Level, LogFolder, ReadLogError, Recorder, Rules, SubjectName,
    Vault,
};

struct Outside(LogFolder);

impl LogFiles for Outside {
    type Error = ReadLogError;

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, ReadLogError> {
        self.0.read(path, bytes_max)
    }
}

fn verified(folder: &FilePath, policy: &Policy) -> Report {
    let files = Outside(LogFolder::new(folder));
    verify_log(&files, policy, &verify::Options::default()).unwrap_or_else(|it| panic!("{:?}", it.faults))
}

fn draft(name: &str, number: u64) -> Draft {
    Draft {
        tenant: Some(TenantId::parse("acme").unwrap()),
        subject: Some(SubjectName::parse(name).unwrap()),
        content: Some(Zeroizing::new(format!("what {name} said {number}").into_bytes())),
        ..Draft::new(Incident {
            id: format!("inc_{number}"),
            state: "open".to_owned(),
            step: "note".to_owned(),
        })
    }
}

struct Scene {
    root: tempfile::TempDir,
    clock: Arc<Hand>,
    log: testudo_ledger::VerifierKey,
    policy: Policy,
    witnesses: Arc<Witnesses>,
    dirty: Dirty,
    recorder: Recorder,
    custody: Arc<Custody>,
}

impl Scene {
    /// A ledger with a witness that must cosign.
    async fn open() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("ledger");
        let clock = Arc::new(Hand::default());
        clock.0.store(1_800_000_000_000, std::sync::atomic::Ordering::SeqCst);
        let held = Folder::prepare(&folder).unwrap();
        let (origin, log) = (held.origin().to_owned(), held.verifier().clone());
        let key = generate_key("witness.example").unwrap();
        let witness = key.verifier().clone();
        let url = serve_witness(WitnessOptions {
            folder: root.path().join("witness"),
            keys: vec![key],
            logs: vec![log.clone()],
            clock: clock.clone(),
        })
        .await;
        let policy = format!("log {log}\nwitness w {witness}\nquorum w\n");
        let policy = Policy::parse(policy.as_bytes()).unwrap();
        let settings = Settings {
            folder: folder.clone(),
            peers: vec![Peer::dangerous_plain(&url, vec![witness]).unwrap()],
            policy: policy.clone(),
            clock: clock.clone(),
            deadline: Duration::from_secs(20),
        };
        let witnesses = Arc::new(Witnesses::new(settings).unwrap());
        let keys = Arc::new(FileKeyring::open(folder.join("kek")).unwrap());
        let vault = Vault::open(&folder, keys, clock.clone()).await.unwrap();
        let mut options = RecorderOptions::new(clock.clone(), Box::new(vault.clone()), "1");
        options.witnessing = Some(witnesses.clone());
        options.limits = Limits {
            checkpoint_every_ms: 5,
            witness_wait_ms: 20_000,
            ..Limits::default()
        };
        let dirty = Dirty::open(&folder).unwrap();
        let recorder = Recorder::open(held, options).await.unwrap();
        let kept = Keeping {
            recorder: recorder.clone(),
            vault,
            log: LogFolder::new(&folder),
            origin,
            rules: Rules::default(),
            clock: clock.clone(),
            dirty: Some(dirty.clone()),
        };
        let custody = Arc::new(Custody::start(kept).await.unwrap());
        Self {
            root,
            clock,
            log,
            policy,
            witnesses,
            dirty,
            recorder,
            custody,
        }
    }

    fn store(&self) -> Store {
        let url = Url::from_directory_path(self.root.path().join("copy")).unwrap();
        Store::open(&url, &S3::default()).unwrap()
    }

    fn shipper(&self) -> Shipper {
        let options = Options {
            folder: self.root.path().join("ledger"),
            log: self.log.clone(),
            store: self.store(),
            dirty: self.dirty.clone(),
            clock: self.clock.clone(),
            pause: Duration::from_secs(3600),
            concurrency: 4,
        };
        Shipper::new(options, CancellationToken::new()).unwrap()
    }

    /// Appends at a level, many at once.
    async fn say(&self, name: &str, numbers: std::ops::Range<u64>, level: Level) {
        let pending = numbers.map(|number| self.recorder.append(draft(name, number), level));
        for receipt in join_all(pending).await {
            receipt.unwrap();
        }
    }

    /// Downloads and verifies.
    async fn copy(&self, policy: &Policy) -> Report {
        let folder = tempfile::tempdir().unwrap();
        fetch(self.store(), folder.path(), 4).await.unwrap();
        verified(folder.path(), policy)
    }
}

async fn serve_witness(options: WitnessOptions) -> Url {
    let witness = Witness::open(options).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { witness.serve(listener, CancellationToken::new()).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_made_while_the_ledger_is_written_verify() {
    let scene = Scene::open().await;
    let alone = Policy::parse(format!("log {}\nquorum none\n", scene.log).as_bytes()).unwrap();
    let mut shipper = scene.shipper();
    for round in 0..6 {
        let writing = scene.say("ann", round * 150..round * 150 + 150, Level::Durable);
        let shipping = async {
            // Each of these meets another state of the writer.
            for _ in 0..4 {
                let _passed: Passed = shipper.pass().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(writing, shipping);
        scene.recorder.flush().await.unwrap();
        shipper.pass().await.unwrap();
        let report = scene.copy(&alone).await;
        assert_eq!(
            report.size,
            LogFolder::new(&scene.root.path().join("ledger")).size().unwrap()
        );
        assert_eq!(report.payloads.beyond, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_through_the_socket_reaches_the_witnessed_copy() {
    let scene = Scene::open().await;
    let ledger = scene.root.path().join("ledger");
    scene.say("ann", 0..400, Level::Durable).await;
    scene.say("bob", 400..402, Level::Witnessed).await;
    let mut shipper = scene.shipper();
    let stop = CancellationToken::new();
    let watched = Watched {
        custodian: scene.custody.clone(),
        witnesses: Some(Arc::clone(&scene.witnesses)),
        shipping: Some(shipper.watch()),
    };
    let server = Server::bind(&ledger).unwrap();
    let serving = tokio::spawn(server.serve(Arc::new(watched), stop.clone()));
    let client = Client::new(&ledger, Duration::from_secs(60));
    shipper.pass().await.unwrap();
    let before = scene.copy(&scene.policy).await;
    assert_eq!((before.payloads.present, before.payloads.deleted), (402, 0));
    let status = client.status().await.unwrap();
    assert_eq!(status.witnesses[0].name, "witness.example");
    assert!(status.witnesses[0].size >= 402);
    assert_eq!(status.shipping.unwrap().size, before.size);

    let erased = client.erase(crate::control::Erasure {
        tenant: TenantId::parse("acme").unwrap(),
        subject: "ann".to_owned(),
        basis: "gdpr_17_1_b".to_owned(),
        request: "request-1".to_owned(),
        approver: "carol".to_owned(),
    });
    assert_eq!(erased.await.unwrap().payloads, 400);
    scene.say("bob", 402..403, Level::Witnessed).await;
    client.flush().await.unwrap();
    shipper.pass().await.unwrap();
    let after = scene.copy(&scene.policy).await;
    assert_eq!((after.payloads.present, after.payloads.deleted), (3, 400));
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_copy_lacks_or_has_changed_is_found_by_verifying() {
    let scene = Scene::open().await;
    scene.say("ann", 0..300, Level::Witnessed).await;
    scene.recorder.flush().await.unwrap();
    scene.shipper().pass().await.unwrap();
    let copy = scene.root.path().join("copy");
    for path in ["tile/entries/000", "tile/0/000", "payload/000", "checkpoint"] {
        let place = copy.join(path);
        let sound = testudo_bounded::read_file(&place, 1 << 24).unwrap();
        let mut damaged = sound.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        std::fs::write(&place, damaged).unwrap();
        let folder = tempfile::tempdir().unwrap();
        if fetch(scene.store(), folder.path(), 4).await.is_ok() {
            let files = Outside(LogFolder::new(folder.path()));
            assert!(
                verify_log(&files, &scene.policy, &verify::Options::default()).is_err(),
                "{path}"
            );
        }
        std::fs::write(&place, sound).unwrap();
    }
    assert!(scene.copy(&scene.policy).await.size >= 300);
    let request = ErasureRequest {
        request: Code::parse("r").unwrap(),
        subject: scene
            .custody
            .subject(&TenantId::parse("acme").unwrap(), "ann")
            .await
            .unwrap(),
        basis: Code::parse("b").unwrap(),
        approver: PrincipalPseudonym::from_bytes([1; 16]),
    };
    // In the store nothing is erased before the next run; the marks wait for it.
    scene.custody.erase(&request).await.unwrap();
    assert_eq!(scene.dirty.ready().unwrap().len(), 2);
}
