//! Tests of the listener's TLS.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::listener::{Peer, serve};
use crate::settings::Bounds;

/// An authority with a server's and a client's certificate, in a folder.
struct Files {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority,
        };
        files.write("ca.pem", &files.authority.pem(), 0o644);
        files.issue("server", ExtendedKeyUsagePurpose::ServerAuth);
        files.issue("client", ExtendedKeyUsagePurpose::ClientAuth);
        files
    }

    fn issue(&self, name: &str, purpose: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write(&format!("{name}.pem"), &certificate.pem(), 0o644);
        self.write(&format!("{name}.key"), &key.serialize_pem(), 0o600);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn settings(&self, mutual: bool) -> TlsSettings {
        TlsSettings {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_authorities: mutual.then(|| self.path("ca.pem")),
        }
    }

    fn client(&self, with_certificate: bool, alpn: &[&[u8]]) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(authorities(&self.path("ca.pem")).unwrap());
        let mut config = if with_certificate {
            let chain = certificates(&self.path("client.pem")).unwrap();
            builder
                .with_client_auth_cert(chain, private_key(&self.path("client.key")).unwrap())
                .unwrap()
        } else {
            builder.with_no_client_auth()
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let peer = request.extensions().get::<Peer>().unwrap();
    assert!(peer.encrypted);
    let text = if peer.certificate.is_some() { "known" } else { "unknown" };
    Ok(Response::new(Full::new(Bytes::from_static(text.as_bytes()))))
}

async fn start(settings: &TlsSettings) -> (TcpStream, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let tls = acceptor(settings).unwrap();
    tokio::spawn(serve(
        listener,
        Some(tls),
        service_fn(answer),
        shutdown.clone(),
        Bounds::DEFAULT,
    ));
    (TcpStream::connect(address).await.unwrap(), shutdown)
}

/// One request over TLS; what the server said, or the error that ended it.
async fn ask(files: &Files, mutual: bool, with_certificate: bool) -> std::io::Result<String> {
    let (stream, _shutdown) = start(&files.settings(mutual)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = files
        .client(with_certificate, &[b"http/1.1"])
        .connect(name, stream)
        .await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn mutual_tls_refuses_clients_without_a_certificate() {
    let files = Files::new();
    assert!(ask(&files, false, false).await.unwrap().ends_with("unknown"));
    assert!(ask(&files, true, true).await.unwrap().ends_with("known"));
    assert!(ask(&files, true, false).await.is_err());
    // A certificate of somebody else's authority is none.
    let strangers = Files::new();
    fs::copy(files.path("ca.pem"), strangers.path("trusted.pem")).unwrap();
    let (stream, _shutdown) = start(&files.settings(true)).await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authorities(&strangers.path("trusted.pem")).unwrap())
        .with_client_auth_cert(
            certificates(&strangers.path("client.pem")).unwrap(),
            private_key(&strangers.path("client.key")).unwrap(),
        )
        .unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let outcome = async {
        let mut stream = connector
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await
    };
    assert!(outcome.await.is_err());
}

#[tokio::test]
async fn http2_is_agreed_on_when_the_client_offers_it() {
    let files = Files::new();
    for (offered, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let (stream, _shutdown) = start(&files.settings(false)).await;
        let stream = files
            .client(false, offered)
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
    }
}

/// A hello of that version as a client without TLS 1.3 would send it.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7_u8; 32]);
    body.push(0);
    // Three cipher suites, no compression.
    body.extend([0, 6, 0xc0, 0x2b, 0xc0, 0x2f, 0x00, 0x2f, 1, 0]);
    // Signature algorithms, groups and point formats that the server knows.
    body.extend([
        0, 24, 0, 13, 0, 6, 0, 4, 4, 3, 8, 4, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0,
    ]);
    let length = u8::try_from(body.len()).unwrap();
    let with_header = length.checked_add(4).unwrap();
    let mut hello = vec![22, 3, 1, 0, with_header, 1, 0, 0, length];
    hello.extend(body);
    hello
}

/// The first bytes that the server answers to an old hello.
async fn answer_to(files: &Files, minor: u8) -> Vec<u8> {
    let (mut stream, _shutdown) = start(&files.settings(false)).await;
    stream.write_all(&old_hello(minor)).await.unwrap();
    let mut answer = vec![0; 7];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn tls_1_1_is_refused() {
    let files = Files::new();
    // SSL 3, TLS 1.0, TLS 1.1: an alert, fatal, about the version.
    for minor in [0, 1, 2] {
        assert_eq!(answer_to(&files, minor).await, [21, 3, 3, 0, 2, 2, 70], "3.{minor}");
    }
    // The same hello with TLS 1.2 is answered by a handshake.
    assert_eq!(answer_to(&files, 3).await.first(), Some(&22));
}

#[test]
fn problems_name_the_file_and_the_remedy() {
    let files = Files::new();
    files.write("empty.pem", "", 0o600);
    // Each is the server's settings with one file replaced: which, by what, and what the message says.
    for (which, file, remedy) in [
        ("certificate", "absent.pem", "exists"),
        ("certificate", "empty.pem", "intermediates"),
        ("certificate", "server.key", "no PEM certificate"),
        ("key", "absent.key", "exists"),
        ("key", "empty.pem", "PKCS#8"),
        ("key", "server.pem", "chmod 600"),
        ("key", "client.key", "does not belong"),
        ("authorities", "empty.pem", "certificate"),
    ] {
        let mut settings = files.settings(true);
        match which {
            "certificate" => settings.certificate = files.path(file),
            "key" => settings.key = files.path(file),
            _ => settings.client_authorities = Some(files.path(file)),
        }
        let text = server_config(&settings).unwrap_err().to_string();
        assert!(text.contains(file) && text.contains(remedy), "{text}");
    }
}

#[test]
fn keys_that_others_may_read_are_refused() {
    let files = Files::new();
    for (mode, fine) in [
        (0o400, true),
        (0o600, true),
        (0o440, true),
        (0o640, true),
        (0o660, false),
        (0o604, false),
        (0o700, false),
        (0o777, false),
    ] {
        fs::set_permissions(files.path("server.key"), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(server_config(&files.settings(false)).is_ok(), fine, "{mode:o}");
    }
}
