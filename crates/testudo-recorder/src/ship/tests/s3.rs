//! The same against an S3 server; `cargo xtask s3` installs and starts one and runs these.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::path::Path;
use testudo_ledger::payload;
use testudo_types::Secret;
use url::Url;

use super::faulty::Faulty;
use super::log::record;
use super::{Alarm, S3, Scene, ShipError, Store, StoreError, alarm, fetch};

/// The server's address, for example `http://127.0.0.1:5000`.
const VARIABLE: &str = "TESTUDO_TEST_S3";

fn settings() -> S3 {
    let endpoint = std::env::var_os(VARIABLE).expect("run `cargo xtask s3`, which starts a server for these tests");
    S3 {
        endpoint: Some(Url::parse(endpoint.to_str().unwrap()).unwrap()),
        region: None,
        access_key_id: Some("testing".to_owned()),
        secret_access_key: Some(Secret::new("testing")),
        session_token: None,
        retries: None,
        dangerous_allow_http: true,
    }
}

/// A new bucket, and its URL.
fn bucket() -> Url {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let name = format!("copies-{}-{number}", std::process::id());
    let endpoint = settings().endpoint.unwrap();
    let address = endpoint.socket_addrs(|| None).unwrap()[0];
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "PUT /{name} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let answer = testudo_bounded::read_to_end(stream, 1 << 16).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Url::parse(&format!("s3://{name}/a/b")).unwrap()
}

/// A ledger whose store is the server's, through the store that fails when it is told to.
fn scene() -> Scene {
    let store = Store::open(&bucket(), &settings()).unwrap();
    assert_eq!(store.prefix, Path::from("a/b"));
    let mut scene = Scene::new();
    scene.faulty = Arc::new(Faulty::over(store.objects));
    scene
}

#[tokio::test]
async fn a_copy_grows_and_verifies() {
    let mut scene = scene();
    let mut shipper = scene.shipper();
    for count in [1, 300, 255, 700] {
        scene.log.grow(count, "a");
        shipper.pass().await.unwrap();
        assert_eq!(scene.verified().await, scene.log.size());
    }
}

#[tokio::test]
async fn an_interrupted_run_is_continued() {
    let mut scene = scene();
    scene.log.grow(300, "a");
    scene.shipper().pass().await.unwrap();
    for requests in 1..12 {
        let shipped = scene.verified().await;
        scene.log.grow(300, "b");
        scene.faulty.fail_after(requests);
        assert!(
            matches!(scene.shipper().pass().await, Err(ShipError::Remote(_))),
            "{requests}"
        );
        scene.faulty.fail_after(0);
        assert_eq!(scene.verified().await, shipped);
    }
    scene.shipper().pass().await.unwrap();
    assert_eq!(scene.verified().await, scene.log.size());
}

#[tokio::test]
async fn erasure_reaches_the_store() {
    let mut scene = scene();
    scene.log.grow(600, "a");
    let mut shipper = scene.shipper();
    shipper.pass().await.unwrap();
    let marks = scene.dirty.begin([0, 1]).unwrap();
    scene.log.write_payload(0, &[0, 255]);
    scene.log.write_payload(1, &[]);
    marks.ready().unwrap();
    scene.faulty.fail();
    assert!(shipper.pass().await.is_err());
    scene.faulty.fail_after(0);
    shipper.pass().await.unwrap();
    let path = |window| format!("a/b/{}", payload::path(window));
    let kept = [record(0), record(255)].concat();
    assert_eq!(scene.faulty.content(&path(0)).await.unwrap(), kept);
    assert_eq!(scene.faulty.content(&path(1)).await, None);
    let folder = tempfile::tempdir().unwrap();
    let fetched = fetch(scene.store(), folder.path(), 4).await.unwrap();
    assert_eq!((fetched.size, fetched.payloads), (600, 2));
}

#[tokio::test]
async fn a_long_payload_file_goes_up_in_parts() {
    let mut scene = scene();
    scene.log.grow(3, "a");
    let long: Vec<u8> = (0..20_000_000_u32).map(|it| u8::try_from(it % 251).unwrap()).collect();
    let head = [b"TSP1".as_slice(), &1_u64.to_be_bytes()].concat();
    let len = u32::try_from(head.len() + long.len()).unwrap();
    let file = [&len.to_be_bytes(), head.as_slice(), &long].concat();
    std::fs::write(scene.log.path().join(payload::path(0)), &file).unwrap();
    scene.shipper().pass().await.unwrap();
    let shipped = scene
        .faulty
        .content(&format!("a/b/{}", payload::path(0)))
        .await
        .unwrap();
    assert!(shipped == file);
}

#[tokio::test]
async fn a_copy_that_is_ahead_is_an_alarm() {
    let mut scene = scene();
    scene.log.grow(10, "a");
    let checkpoint = scene.log.path().join("checkpoint");
    let old = testudo_bounded::read_file(&checkpoint, 1 << 20).unwrap();
    scene.log.grow(10, "a");
    scene.shipper().pass().await.unwrap();
    std::fs::write(&checkpoint, old).unwrap();
    let ahead = Alarm::Ahead { remote: 20, local: 10 };
    assert_eq!(alarm(scene.shipper().pass().await), ahead);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_of_the_store() {
    let mut scene = Scene::new();
    let url = Url::parse("s3://there-is-no-such-bucket/x").unwrap();
    scene.faulty = Arc::new(Faulty::over(Store::open(&url, &settings()).unwrap().objects));
    scene.log.grow(10, "a");
    let mut shipper = scene.shipper();
    assert!(matches!(shipper.pass().await, Err(ShipError::Remote(_))));
    let error = shipper.watch().status().error.unwrap();
    assert!(!error.contains("testing"), "{error}");
}

#[test]
fn plain_http_must_be_allowed_by_name() {
    let s3 = S3 {
        dangerous_allow_http: false,
        ..settings()
    };
    let refused = Store::open(&Url::parse("s3://bucket/x").unwrap(), &s3).unwrap_err();
    assert!(matches!(refused, StoreError::Plain { .. }));
    let shown = format!("{:?}", settings());
    assert!(!shown.contains("secret_access_key: Some(\"testing\")"), "{shown}");
}
