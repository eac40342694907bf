//! Tests of dialling, and resolvers for the other tests.

use std::sync::atomic::{AtomicU32, Ordering};

use hyper_util::client::legacy::connect::dns::Name;

use super::*;

/// What a made-up resolver says.
#[derive(Debug)]
pub(crate) enum Answers {
    Never,
    Fails,
    Fixed(Vec<SocketAddr>),
}

impl Lookup for Answers {
    fn lookup(&self, _: String) -> Pending<io::Result<Vec<SocketAddr>>> {
        match self {
            Self::Never => Box::pin(std::future::pending()),
            Self::Fails => Box::pin(async { Err(io::ErrorKind::NotFound.into()) }),
            Self::Fixed(addresses) => {
                let addresses = addresses.clone();
                Box::pin(async { Ok(addresses) })
            }
        }
    }
}

#[derive(Debug)]
struct Counted {
    lookups: Arc<AtomicU32>,
    answers: Answers,
}

impl Lookup for Counted {
    fn lookup(&self, name: String) -> Pending<io::Result<Vec<SocketAddr>>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.answers.lookup(name)
    }
}

/// `answers`, and how often they were asked for.
pub(crate) fn counted(lookups: &Arc<AtomicU32>, answers: Answers) -> Arc<dyn Lookup> {
    Arc::new(Counted {
        lookups: Arc::clone(lookups),
        answers,
    })
}

fn resolver(addresses: &[&str], reach: Reach) -> CheckedResolver {
    let addresses = addresses
        .iter()
        .map(|address| SocketAddr::new(address.parse().unwrap(), 0))
        .collect();
    CheckedResolver {
        lookup: Arc::new(Answers::Fixed(addresses)),
        reach,
    }
}

async fn resolved(addresses: &[&str], reach: Reach) -> Result<Vec<String>, DialError> {
    let mut resolver = resolver(addresses, reach);
    let name: Name = "model.example".parse().unwrap();
    Ok(resolver
        .call(name)
        .await?
        .map(|address| address.ip().to_string())
        .collect())
}

#[tokio::test]
async fn denied_addresses_are_dropped_from_a_mixed_answer() {
    let mixed = [
        "10.0.0.1",
        "8.8.8.8",
        "::1",
        "169.254.169.254",
        "2606:4700::1111",
        "::ffff:127.0.0.1",
    ];
    assert_eq!(
        resolved(&mixed, Reach::Public).await.unwrap(),
        ["8.8.8.8", "2606:4700::1111"]
    );
    let private = resolved(&mixed, Reach::Private).await.unwrap();
    assert_eq!(
        private,
        ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111", "::ffff:127.0.0.1"]
    );
}

#[tokio::test]
async fn an_answer_with_nothing_left_is_an_error() {
    for addresses in [&["127.0.0.1", "10.0.0.1", "fe80::1"][..], &[]] {
        assert!(matches!(
            resolved(addresses, Reach::Public).await,
            Err(DialError::Denied)
        ));
    }
}

#[tokio::test]
async fn no_more_addresses_are_tried_than_allowed() {
    let many = vec!["8.8.8.8"; 100];
    assert_eq!(resolved(&many, Reach::Public).await.unwrap().len(), ADDRESSES_MAX);
}

fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

#[tokio::test]
async fn nodelay_is_set_on_the_upstream_side() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut dialer = Dialer::new(tls(), Arc::new(SystemLookup), Reach::Private, Duration::from_secs(5));
    match dialer.call(uri).await.unwrap() {
        MaybeHttpsStream::Http(io) => assert!(io.inner().nodelay().unwrap()),
        MaybeHttpsStream::Https(_) => panic!("the address is a plain one"),
    }
}
