//! The control socket from both ends, and the lines that must be refused.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use testudo_ledger::entry::{ActorProof, Artifact, Chain, Digest, Evidence, EvidenceResult, Incident};
use testudo_types::TenantId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::members::MemberError;
use super::wire::{self, Request};
use super::{
    Added, AddedBody, Addition, Client, Custodian, Erased, Erasure, Failure, FailureKind, Flushed, LegalHold, Opened,
    Opening, Retained, Retention, Rotated, Rotation, SOCKET_NAME, Server, ShippingStatus, SocketError, Status,
    WitnessStatus,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// Notes what it was asked, and answers.
#[derive(Debug, Default)]
struct Noting {
    asked: Mutex<Vec<String>>,
    /// `flush` waits for this.
    go: Notify,
    flushed: Notify,
}

impl Noting {
    fn note<T: Send + 'static>(&self, what: String, answer: T) -> BoxFuture<'_, Result<T, Failure>> {
        self.asked.lock().unwrap().push(what);
        async { Ok(answer) }.boxed()
    }
}

impl Custodian for Noting {
    fn append(&self, it: Addition) -> BoxFuture<'_, Result<Added, Failure>> {
        let content = it.content.as_ref().map(|it| it.to_vec());
        self.note(format!("{:?} {content:?}", it.body), Added { index: 7, at_ms: 9 })
    }

    fn erase(&self, it: Erasure) -> BoxFuture<'_, Result<Erased, Failure>> {
        let answer = Erased { index: 8, payloads: 2 };
        self.note(format!("{it:?}"), answer)
    }

    fn hold(&self, it: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        self.note(format!("set {it:?}"), Added { index: 1, at_ms: 2 })
    }

    fn release(&self, it: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        let failure = Failure::new(
            FailureKind::Missing,
            format!("no hold `{}`", it.reason),
            "list the holds first",
        );
        async { Err(failure) }.boxed()
    }

    fn retain(&self, it: Retention) -> BoxFuture<'_, Result<Retained, Failure>> {
        let answer = Retained {
            index: None,
            deleted: 0,
            held: 3,
        };
        self.note(format!("{it:?}"), answer)
    }

    fn rotate(&self, it: Rotation) -> BoxFuture<'_, Result<Rotated, Failure>> {
        self.note(format!("{it:?}"), Rotated { index: 4, wrapped: 5 })
    }

    fn open(&self, it: Opening) -> BoxFuture<'_, Result<Opened, Failure>> {
        let content = vec![0, 255, b'"', b'\n'];
        let index = it.index;
        self.note(
            format!("{it:?}"),
            Opened {
                index,
                content: Zeroizing::new(content),
            },
        )
    }

    fn flush(&self) -> BoxFuture<'_, Result<Flushed, Failure>> {
        async {
            self.go.notified().await;
            self.flushed.notify_one();
            Ok(Flushed { size: 11 })
        }
        .boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Failure>> {
        self.note(String::new(), status())
    }
}

fn status() -> Status {
    Status {
        version: "1".to_owned(),
        origin: "testudo/0".to_owned(),
        writable: true,
        size: 12,
        queue: 1,
        checkpoint_age_ms: Some(3),
        last_error: Some("disk \"full\"\n".to_owned()),
        witnesses: vec![WitnessStatus {
            name: "w".to_owned(),
            size: 10,
            age_ms: None,
            error: Some("down".to_owned()),
        }],
        shipping: Some(ShippingStatus {
            size: 9,
            lag_entries: 3,
            lag_ms: 70,
            alarm: None,
            error: None,
        }),
    }
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

struct Served {
    folder: tempfile::TempDir,
    custodian: Arc<Noting>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let served = serve(folder.path());
        Self {
            folder,
            custodian: served.0,
            stop: served.1,
            server: served.2,
        }
    }

    fn client(&self) -> Client {
        Client::new(self.folder.path(), DEADLINE)
    }

    async fn say(&self, line: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.folder.path().join(SOCKET_NAME)).await.unwrap();
        // The server may refuse before it has read everything.
        let _sent = stream.write_all(line).await;
        let _closed = stream.shutdown().await;
        let mut answer = String::new();
        let _read = stream.read_to_string(&mut answer).await;
        answer
    }
}

fn serve(folder: &Path) -> (Arc<Noting>, CancellationToken, JoinHandle<()>) {
    let custodian = Arc::new(Noting::default());
    let stop = CancellationToken::new();
    let server = Server::bind(folder).unwrap();
    let dynamic: Arc<dyn Custodian> = custodian.clone();
    let task = tokio::spawn(server.serve(dynamic, stop.clone()));
    (custodian, stop, task)
}

#[tokio::test]
async fn every_operation_reaches_the_custodian_and_its_answer_comes_back() {
    let served = Served::start();
    let client = served.client();
    let addition = Addition {
        body: AddedBody::Evidence(Evidence {
            control: "SC-1".to_owned(),
            digest: Some(Digest::from_bytes([3; 32])),
            result: EvidenceResult::Pass,
        }),
        by: Some("bea".to_owned()),
        tenant: Some(tenant()),
        subject: Some("ann".to_owned()),
        content: Some(Zeroizing::new(vec![1, 2])),
    };
    assert_eq!(client.append(addition).await, Ok(Added { index: 7, at_ms: 9 }));
    let erasure = Erasure {
        tenant: tenant(),
        subject: "ann".to_owned(),
        basis: "gdpr_17_1_b".to_owned(),
        request: "r-1".to_owned(),
        approver: "bob".to_owned(),
    };
    let erased = client.erase(erasure.clone()).await;
    assert_eq!(erased, Ok(Erased { index: 8, payloads: 2 }));
    let hold = LegalHold {
        tenant: tenant(),
        subject: "ann".to_owned(),
        reason: "case-1".to_owned(),
        approver: "bob".to_owned(),
    };
    assert_eq!(client.hold(hold.clone()).await, Ok(Added { index: 1, at_ms: 2 }));
    let failure = client.release(hold).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Missing);
    assert_eq!(failure.to_string(), "no hold `case-1`; list the holds first");
    let approver = "bob".to_owned();
    let retained = client
        .retain(Retention {
            approver: approver.clone(),
        })
        .await
        .unwrap();
    assert_eq!((retained.index, retained.held), (None, 3));
    let rotation = Rotation { tenant: None, approver };
    assert_eq!(client.rotate(rotation).await, Ok(Rotated { index: 4, wrapped: 5 }));
    let opening = Opening {
        index: 6,
        reader: "bob".to_owned(),
        purpose: "incident".to_owned(),
    };
    let opened = client.open(opening).await.unwrap();
    assert_eq!(*opened.content, vec![0, 255, b'"', b'\n']);
    served.custodian.go.notify_one();
    assert_eq!(client.flush().await, Ok(Flushed { size: 11 }));
    assert_eq!(client.status().await, Ok(status()));

    let asked = served.custodian.asked.lock().unwrap().clone();
    assert!(asked[0].ends_with("Some([1, 2])"), "{}", asked[0]);
    assert_eq!(asked[1], format!("{erasure:?}"));
}

#[tokio::test]
async fn the_socket_is_for_its_owner_only_and_goes_with_its_server() {
    let served = Served::start();
    let path = served.folder.path().join(SOCKET_NAME);
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    served.stop.cancel();
    served.server.await.unwrap();
    assert!(fs::symlink_metadata(&path).is_err());
    let client = Client::new(served.folder.path(), DEADLINE);
    assert_eq!(client.status().await.unwrap_err().kind, FailureKind::Unserved);
}

#[tokio::test]
async fn a_socket_without_a_server_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET_NAME);
    drop(StdListener::bind(&path).unwrap());
    let client = Client::new(folder.path(), DEADLINE);
    assert_eq!(client.status().await.unwrap_err().kind, FailureKind::Unserved);
    let (_custodian, _stop, _task) = serve(folder.path());
    assert!(client.status().await.is_ok());
}

#[tokio::test]
async fn a_successor_keeps_its_socket_when_the_old_server_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (_custodian, stop, task) = serve(folder.path());
    let (_successor, _stop, _task) = serve(folder.path());
    let number = fs::symlink_metadata(folder.path().join(SOCKET_NAME)).unwrap().ino();
    stop.cancel();
    task.await.unwrap();
    let after = fs::symlink_metadata(folder.path().join(SOCKET_NAME)).unwrap().ino();
    assert_eq!(number, after);
    assert!(Client::new(folder.path(), DEADLINE).status().await.is_ok());
}

#[tokio::test]
async fn a_file_in_the_socket_s_place_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(SOCKET_NAME), b"precious").unwrap();
    let refused = Server::bind(folder.path()).unwrap_err();
    assert!(matches!(refused, SocketError::NotASocket { .. }), "{refused}");
    assert!(folder.path().join(SOCKET_NAME).is_file());
}

#[tokio::test]
async fn a_long_path_is_reached_through_the_open_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder: PathBuf = root.path().join("long".repeat(40)).join("longer".repeat(30));
    fs::create_dir_all(&folder).unwrap();
    if !Path::new("/proc/self/fd").is_dir() {
        assert!(matches!(Server::bind(&folder), Err(SocketError::TooLong { .. })));
        return;
    }
    let (_custodian, stop, task) = serve(&folder);
    assert!(folder.join(SOCKET_NAME).exists());
    assert!(Client::new(&folder, DEADLINE).status().await.is_ok());
    stop.cancel();
    task.await.unwrap();
    assert!(!folder.join(SOCKET_NAME).exists());
}

#[tokio::test]
async fn lines_that_make_no_sense_are_refused_with_a_reason() {
    let served = Served::start();
    for (line, reason) in [
        ("\n", "not one JSON object"),
        ("[]\n", "not one JSON object"),
        ("{\"op\":\"flush\"}\n", "`v` is missing"),
        ("{\"v\":1,\"op\":\"flush\"}\n", "version is 1"),
        ("{\"v\":\"1\",\"op\":\"flush\"}\n", "`v` is not a whole number"),
        ("{\"v\":3}\n", "`op` is missing"),
        ("{\"v\":3,\"op\":\"drop\"}\n", "operation is unknown"),
        ("{\"v\":3,\"op\":\"flush\",\"now\":true}\n", "`now` is unknown"),
        (
            "{\"v\":3,\"op\":\"open\",\"index\":-1}\n",
            "`index` is not a whole number",
        ),
        (
            "{\"v\":3,\"op\":\"retain\",\"approver\":\"a\\u0007b\"}\n",
            "`approver` is not a text of 1 to 256",
        ),
        (
            "{\"v\":3,\"op\":\"append\",\"type\":\"exchange\"}\n",
            "`type` is not `artifact`, `evidence` or `incident`",
        ),
        (
            "{\"v\":3,\"op\":\"rotate\",\"approver\":\"a\",\"tenant\":\"a b\"}\n",
            "`tenant` is not",
        ),
    ] {
        let answer = served.say(line.as_bytes()).await;
        assert!(
            answer.contains("\"protocol\"") && answer.contains(reason),
            "{line} {answer}"
        );
    }
    // Without an end the line may have been cut.
    assert_eq!(served.say(b"{\"v\":3,\"op\":\"status\"}").await, "");
    // A line without bounds is not read to its end.
    assert_eq!(served.say(&vec![b' '; wire::REQUEST_BYTES_MAX + 10]).await, "");
    assert!(served.client().status().await.is_ok());
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_what_it_asked_for() {
    let served = Served::start();
    let hasty = Client::new(served.folder.path(), Duration::from_millis(1));
    assert_eq!(hasty.flush().await.unwrap_err().kind, FailureKind::Late);
    let mut stream = UnixStream::connect(served.folder.path().join(SOCKET_NAME))
        .await
        .unwrap();
    stream.write_all(b"{\"v\":3,\"op\":\"flush\"}\n").await.unwrap();
    drop(stream);
    served.custodian.go.notify_one();
    served.custodian.flushed.notified().await;
}

#[tokio::test]
async fn stopping_waits_for_what_runs() {
    let served = Served::start();
    let client = served.client();
    let flushing = tokio::spawn(async move { client.flush().await });
    // A place is taken as soon as the flush waits for its signal.
    let client = served.client();
    assert!(client.status().await.is_ok());
    served.custodian.go.notify_one();
    assert!(flushing.await.unwrap().is_ok());
    served.stop.cancel();
    served.server.await.unwrap();
}

#[test]
fn content_is_not_printed() {
    let content = Some(Zeroizing::new(b"private".to_vec()));
    let incident = Incident {
        id: "i".to_owned(),
        state: "open".to_owned(),
        step: "found".to_owned(),
    };
    let addition = Addition {
        body: AddedBody::Incident(incident),
        by: None,
        tenant: None,
        subject: None,
        content,
    };
    assert!(format!("{addition:?}").contains("content_bytes: Some(7)"));
}

#[test]
fn answers_of_another_shape_are_refused() {
    for line in [
        "",
        "{}",
        "{\"v\":3}",
        "{\"v\":3,\"ok\":{\"size\":1},\"error\":{}}",
        "{\"v\":3,\"ok\":{\"size\":1,\"more\":2}}",
        "{\"v\":3,\"ok\":{\"size\":1},\"more\":2}",
        "{\"v\":3,\"ok\":{\"size\":1.5}}",
        "{\"v\":3,\"error\":{\"kind\":\"odd\",\"message\":\"m\",\"remedy\":\"r\"}}",
        "{\"v\":4,\"ok\":{\"size\":1}}",
    ] {
        assert!(wire::decode_answer::<Flushed>(line.as_bytes()).is_err(), "{line}");
    }
    let newer = wire::decode_answer::<Flushed>(b"{\"v\":4}").unwrap_err();
    assert_eq!(newer, MemberError::Version(4));
}

proptest! {
    #[test]
    fn any_content_survives(content in prop::collection::vec(any::<u8>(), 0..300), index in any::<u64>()) {
        let opened = Opened { index, content: Zeroizing::new(content) };
        let line = wire::encode_answer(Ok(opened.clone())).unwrap();
        prop_assert_eq!(wire::decode_answer::<Opened>(&line).unwrap().unwrap(), opened);
    }

    #[test]
    fn any_text_survives(subject in "[^\\p{Cc}]{1,60}", reason in "[^\\p{Cc}]{1,60}") {
        let hold = LegalHold { tenant: tenant(), subject, reason, approver: "a".to_owned() };
        let line = Request::Hold(hold.clone()).encode().unwrap();
        prop_assert_eq!(Request::decode(&line).unwrap(), Request::Hold(hold));
    }

    #[test]
    fn any_artifact_survives(
        action in "[a-z_:]{1,20}", digest in any::<[u8; 32]>(), name in prop::option::of("[^\\p{Cc}]{1,20}"),
        statements in prop::option::of(0..1_u64 << 53), proof in prop::sample::select(ActorProof::ALL),
    ) {
        let digest = Digest::from_bytes(digest);
        let body = AddedBody::Artifact(Artifact {
            action,
            chain: statements.map(|statements| Chain { hash: digest, place: digest, statements }),
            digest,
            proof: name.as_ref().map(|_| proof),
            version: name.clone(),
            name: name.clone(),
        });
        let addition = Addition { body, by: name, tenant: None, subject: None, content: None };
        let line = Request::Append(addition.clone()).encode().unwrap();
        prop_assert_eq!(Request::decode(&line).unwrap(), Request::Append(addition));
    }

    #[test]
    fn any_line_is_read_without_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let _read = Request::decode(&line);
    }
}
