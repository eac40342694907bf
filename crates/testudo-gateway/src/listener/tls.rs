//! The listener's certificate, and the clients' when mutual TLS is on.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::settings::TlsSettings;

const PEM_BYTES_MAX: usize = 1 << 20;

/// Why the listener cannot speak TLS.
#[derive(Debug, Error)]
pub enum TlsProblem {
    #[error("`{}` cannot be read; check that the file exists and that this user may read it", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: testudo_bounded::ReadError,
    },
    #[error("`{}` holds no PEM certificate; give the server's certificate followed by its intermediates", path.display())]
    NoCertificate { path: PathBuf },
    #[error("`{}` holds no PEM private key; give an unencrypted PKCS#8, PKCS#1 or SEC1 key", path.display())]
    NoKey { path: PathBuf },
    #[error("`{}` can be read or written by others (mode {mode:03o}); run `chmod 600` on it", path.display())]
    KeyExposed { path: PathBuf, mode: u32 },
    #[error("the key in `{}` does not belong to the certificate or is of a kind that is not supported", key.display())]
    Mismatch {
        key: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("`{}` holds no certificate authority that can verify clients", path.display())]
    Authorities {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the TLS library refused the configuration")]
    Library(#[source] rustls::Error),
}

/// Reads the files and makes the acceptor for [`super::serve`].
///
/// # Errors
/// See [`server_config`].
pub fn acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, TlsProblem> {
    server_config(settings).map(TlsAcceptor::from)
}

/// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1 on offer; client certificates required when authorities are given.
///
/// # Errors
/// The file that cannot be used and what to do about it; the operator has to correct it.
pub fn server_config(settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsProblem> {
    let chain = certificates(&settings.certificate)?;
    let key = private_key(&settings.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsProblem::Library)?;
    let builder = match &settings.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|source| TlsProblem::Authorities {
                    path: path.clone(),
                    source: source.into(),
                })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|source| TlsProblem::Mismatch {
            key: settings.key.clone(),
            source,
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsProblem> {
    testudo_bounded::read_file(path, PEM_BYTES_MAX).map_err(|source| TlsProblem::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsProblem::NoCertificate { path: path.to_owned() }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsProblem> {
    check_mode(path)?;
    let pem = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_no_key| TlsProblem::NoKey { path: path.to_owned() })
}

/// Owner may read and write, the group may read, nobody else anything: 0600, 0640 or stricter.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), TlsProblem> {
    use std::os::unix::fs::PermissionsExt as _;
    // A file that is not there is reported when it is read.
    let Ok(metadata) = std::fs::metadata(path) else {
        return Ok(());
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o137 == 0 {
        Ok(())
    } else {
        Err(TlsProblem::KeyExposed {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<(), TlsProblem> {
    Ok(())
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsProblem> {
    let problem = |source| TlsProblem::Authorities {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| problem(source.into()))?;
    }
    Ok(roots)
}
