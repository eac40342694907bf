//! The log: cosignatures that are used, and answers that must not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use testudo_ledger::{Policy, Signature, SigningKey};
use tokio::net::TcpListener;
use url::Url;

use super::{Hasty, Served};
use crate::ship::tests::log::Log;
use crate::witness::{Peer, PeerError, Settings, Witness, Witnesses, generate_key};
use crate::witnessing::Witnessing as _;

/// All of these must cosign.
fn witnesses(log: &Log, peers: &[(&Url, &SigningKey)], deadline: Duration) -> Witnesses {
    let mut policy = format!("log {}\n", log.verifier());
    let mut all = String::from("group all all");
    for (at, (_, key)) in peers.iter().enumerate() {
        policy += &format!("witness w{at} {}\n", key.verifier());
        all += &format!(" w{at}");
    }
    policy += &format!("{all}\nquorum all\n");
    let settings = Settings {
        folder: log.path().to_owned(),
        peers: peers
            .iter()
            .map(|(url, key)| Peer::dangerous_plain(url, vec![key.verifier().clone()]).unwrap())
            .collect(),
        policy: Policy::parse(policy.as_bytes()).unwrap(),
        clock: Arc::new(Hasty::default()),
        deadline,
    };
    Witnesses::new(settings).unwrap()
}

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn all_witnesses_cosign_every_checkpoint() {
    let mut log = Log::new(1);
    let one = Served::start("one", log.verifier()).await;
    let two = Served::start("two", log.verifier()).await;
    let peers = [(&one.url, &one.key), (&two.url, &two.key)];
    let asking = witnesses(&log, &peers, DEADLINE);
    assert!(asking.status().iter().all(|it| it.age_ms.is_none()));
    for count in [1, 5, 300, 1000] {
        log.grow(count, "a");
        let cosigned = asking.cosign(&log.signed()).await;
        assert!(cosigned.quorum, "{}", cosigned.reason);
        assert_eq!(cosigned.signatures.len(), 2);
        let status = asking.status();
        assert!(
            status
                .iter()
                .all(|it| it.size == log.size() && it.age_ms.is_some() && it.error.is_none())
        );
    }
    // After a restart the log does not know where the witnesses stand; they tell.
    let asking = witnesses(&log, &peers, DEADLINE);
    log.grow(7, "a");
    assert!(asking.cosign(&log.signed()).await.quorum);
    assert!(one.stop().await.1.path().exists());
}

#[tokio::test]
async fn a_witness_that_is_down_is_named_and_the_others_count() {
    let mut log = Log::new(1);
    log.grow(10, "a");
    let one = Served::start("one", log.verifier()).await;
    let down = generate_key("down").unwrap();
    // Bound and let go: nobody answers there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nowhere = Url::parse(&format!("http://{free}/")).unwrap();
    let asking = witnesses(&log, &[(&one.url, &one.key), (&nowhere, &down)], DEADLINE);
    let cosigned = asking.cosign(&log.signed()).await;
    assert!(!cosigned.quorum);
    assert_eq!(cosigned.signatures.len(), 1);
    assert!(
        cosigned.reason.contains("down: it cannot be reached"),
        "{}",
        cosigned.reason
    );
    let status = asking.status();
    assert_eq!((status[0].size, status[1].size), (10, 0));
    assert!(status[0].error.is_none() && status[1].error.is_some());
}

#[tokio::test]
async fn a_log_that_was_rolled_back_or_forked_learns_it() {
    let mut log = Log::new(1);
    log.grow(20, "a");
    let one = Served::start("one", log.verifier()).await;
    let peers = [(&one.url, &one.key)];
    assert!(witnesses(&log, &peers, DEADLINE).cosign(&log.signed()).await.quorum);
    let mut older = Log::new(1);
    older.grow(10, "a");
    let cosigned = witnesses(&older, &peers, DEADLINE).cosign(&older.signed()).await;
    assert!(cosigned.signatures.is_empty());
    assert!(
        cosigned.reason.contains("the log was rolled back"),
        "{}",
        cosigned.reason
    );
    let told = cosigned.contradiction.unwrap();
    assert!(told.contains("one contradicts this log: it has cosigned 20"), "{told}");
    let mut fork = Log::new(1);
    fork.grow(30, "b");
    let cosigned = witnesses(&fork, &peers, DEADLINE).cosign(&fork.signed()).await;
    assert!(cosigned.signatures.is_empty() && cosigned.contradiction.is_some());
    assert!(cosigned.reason.contains("status 422"), "{}", cosigned.reason);
}

/// A server that answers everything with what `answer` makes of the number of the request.
async fn hostile<T: IntoResponse + 'static>(
    answer: impl Fn(u64) -> T + Clone + Send + Sync + 'static,
) -> (Url, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/w", listener.local_addr().unwrap())).unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let router = Router::new().fallback(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        let answer = answer(number).into_response();
        async move { answer }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, count)
}

/// Nothing of such an answer may be used; what the log says about it.
async fn refused<T: IntoResponse + 'static>(
    answer: impl Fn(u64) -> T + Clone + Send + Sync + 'static,
) -> (String, u64) {
    let mut log = Log::new(1);
    log.grow(10, "a");
    let key = generate_key("w").unwrap();
    let (url, count) = hostile(answer).await;
    let asking = witnesses(&log, &[(&url, &key)], DEADLINE);
    let cosigned = asking.cosign(&log.signed()).await;
    assert!(!cosigned.quorum && cosigned.signatures.is_empty());
    let contradicts = cosigned.reason.contains("rolled back");
    assert_eq!(cosigned.contradiction.is_some(), contradicts, "{}", cosigned.reason);
    let status = asking.status();
    assert_eq!(status[0].age_ms, None);
    (cosigned.reason, count.load(Ordering::SeqCst))
}

#[tokio::test]
async fn answers_that_are_not_cosignatures_are_not_used() {
    let redirect = |_| {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, "http://127.0.0.1:1/".parse().unwrap());
        (StatusCode::FOUND, headers)
    };
    assert!(refused(redirect).await.0.contains("status 302"));
    assert!(
        refused(|_| StatusCode::INTERNAL_SERVER_ERROR)
            .await
            .0
            .contains("status 500")
    );
    assert!(refused(|_| "").await.0.contains("not signature lines"));
    assert!(refused(|_| "hello").await.0.contains("not signature lines"));
    assert!(refused(|_| vec![0xff_u8; 10]).await.0.contains("not text"));
    assert!(refused(|_| "a".repeat(70_000)).await.0.contains("longer than 64 KiB"));
    assert!(
        refused(|_| (StatusCode::CONFLICT, "ten\n"))
            .await
            .0
            .contains("not a size")
    );
    assert!(
        refused(|_| (StatusCode::CONFLICT, "99\n"))
            .await
            .0
            .contains("rolled back")
    );
    let (reason, requests) = refused(|number| (StatusCode::CONFLICT, format!("{}\n", number % 7))).await;
    assert!(reason.contains("keeps naming another size"), "{reason}");
    // Three requests in each of three rounds.
    assert_eq!(requests, 9);
}

#[tokio::test]
async fn a_signature_of_another_key_or_text_is_not_used() {
    let mut log = Log::new(1);
    log.grow(10, "a");
    let text = log.signed().note().text().to_owned();
    let stranger = generate_key("w").unwrap();
    let line = format!("{}\n", Signature::new(&stranger, &text, 9));
    assert!(refused(move |_| line.clone()).await.0.contains("wrong signature"));

    let key = generate_key("w").unwrap();
    let signed = |text: &str, time_s| format!("{}\n", Signature::new(&key, text, time_s));
    for line in [signed("testudo/test\n11\nAAAA\n", 9), signed(&text, 0)] {
        let (url, _) = hostile(move |_| line.clone()).await;
        let cosigned = witnesses(&log, &[(&url, &key)], DEADLINE).cosign(&log.signed()).await;
        assert!(cosigned.signatures.is_empty() && !cosigned.quorum);
        assert!(cosigned.reason.contains("wrong signature"), "{}", cosigned.reason);
    }
}

#[tokio::test]
async fn a_witness_that_does_not_answer_does_not_hold_up_the_log() {
    let mut log = Log::new(1);
    log.grow(10, "a");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let key = generate_key("silent").unwrap();
    let asking = witnesses(&log, &[(&silent, &key)], Duration::from_millis(20));
    let cosigned = asking.cosign(&log.signed()).await;
    assert!(
        cosigned.reason.contains("no answer within the deadline"),
        "{}",
        cosigned.reason
    );
}

#[tokio::test]
async fn a_policy_without_quorum_is_satisfied_by_nobody() {
    let mut log = Log::new(1);
    log.grow(10, "a");
    let policy = format!("log {}\nquorum none\n", log.verifier());
    let settings = Settings {
        folder: log.path().to_owned(),
        peers: Vec::new(),
        policy: Policy::parse(policy.as_bytes()).unwrap(),
        clock: Arc::new(Hasty::default()),
        deadline: DEADLINE,
    };
    let cosigned = Witnesses::new(settings).unwrap().cosign(&log.signed()).await;
    assert!(cosigned.quorum && cosigned.signatures.is_empty());
}

#[test]
fn addresses_are_https_or_private_by_name() {
    let key = generate_key("w").unwrap().verifier().clone();
    let keys = || vec![key.clone()];
    let plain = |url: &str| Peer::dangerous_plain(&Url::parse(url).unwrap(), keys());
    let secure = |url: &str| Peer::new(&Url::parse(url).unwrap(), keys());
    assert!(secure("https://witness.example/prefix/").is_ok());
    assert_eq!(secure("http://127.0.0.1/"), Err(PeerError::Plain));
    for url in [
        "http://127.0.0.1:8/",
        "http://localhost/",
        "http://10.1.2.3/x",
        "http://[::1]/",
        "http://[fd00::1]/",
    ] {
        assert!(plain(url).is_ok(), "{url}");
    }
    for url in [
        "http://witness.example/",
        "http://8.8.8.8/",
        "http://169.254.169.254/",
        "http://[2001:db8::1]/",
    ] {
        assert_eq!(plain(url), Err(PeerError::Plain), "{url}");
    }
    for url in [
        "https://u@witness.example/",
        "https://witness.example/?a",
        "https://witness.example/#a",
        "ftp://x/",
    ] {
        assert_eq!(plain(url), Err(PeerError::Address), "{url}");
    }
    let url = Url::parse("https://witness.example/").unwrap();
    assert_eq!(Peer::new(&url, Vec::new()), Err(PeerError::NoKey));
    let log = Log::new(1).verifier();
    assert!(matches!(Peer::new(&url, vec![log]), Err(PeerError::Key { .. })));
}

#[tokio::test]
async fn a_witness_that_comes_back_is_asked_again() {
    let mut log = Log::new(1);
    log.grow(10, "a");
    let one = Served::start("one", log.verifier()).await;
    let address = one.url.socket_addrs(|| None).unwrap()[0];
    let url = one.url.clone();
    let (key, folder) = one.stop().await;
    let asking = witnesses(&log, &[(&url, &key)], DEADLINE);
    assert!(!asking.cosign(&log.signed()).await.quorum);
    let witness = Witness::open(super::options(folder.path(), &key, log.verifier())).unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        witness
            .serve(listener, tokio_util::sync::CancellationToken::new())
            .await
    });
    log.grow(1, "a");
    let cosigned = asking.cosign(&log.signed()).await;
    assert!(cosigned.quorum, "{}", cosigned.reason);
    assert!(asking.status()[0].error.is_none());
}
