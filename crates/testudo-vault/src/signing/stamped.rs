//! Time stamps of RFC 3161: an authority's word that a signature existed at some time.

mod token;

use rustls_pki_types::CertificateDer;
use testudo_types::UnixMillis;

use super::certificates::{CertificateError, Roots};
pub(crate) use token::Token;

/// Time stamps of one bundle that are looked at.
pub(crate) const STAMPS_MAX: usize = 8;

/// Why a time stamp shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    #[error("the signature bears no time stamp")]
    None,
    #[error("a time stamp is not a sound answer of RFC 3161: {0}")]
    Shape(&'static str),
    #[error("a time stamp is of another signature")]
    OtherMessage,
    #[error("a time stamp is by none of the authorities that you trust, or is not what they signed")]
    Unknown,
    #[error("the authority of a time stamp is not vouched for")]
    Certificate(#[source] CertificateError),
    #[error("a time stamp is from a time for which its authority is not trusted")]
    Outside,
}

/// A span of time, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: UnixMillis,
    pub(crate) until: Option<UnixMillis>,
}

impl Span {
    const ALWAYS: Self = Self {
        from: UnixMillis(0),
        until: None,
    };

    pub(crate) fn holds(&self, time: UnixMillis) -> bool {
        self.from.0 <= time.0 && self.until.is_none_or(|until| time.0 <= until.0)
    }
}

/// Authorities whose time stamps are believed.
#[derive(Debug, Clone, Default)]
pub struct StampAuthorities(Vec<Authority>);

#[derive(Debug, Clone)]
struct Authority {
    roots: Roots,
    span: Span,
}

impl StampAuthorities {
    /// The authorities below those of the given certificates that are their own issuers.
    ///
    /// # Errors
    /// As [`Roots::from_pems`].
    pub fn from_pems(pems: &[Vec<u8>]) -> Result<Self, CertificateError> {
        let roots = Roots::from_pems(pems)?;
        Ok(Self(vec![Authority {
            roots,
            span: Span::ALWAYS,
        }]))
    }

    pub(crate) fn add(&mut self, roots: Roots, span: Span) {
        self.0.push(Authority { roots, span });
    }

    /// When `message` existed, by one time stamp.
    pub(crate) fn time(&self, stamp: &[u8], message: &[u8]) -> Result<UnixMillis, StampError> {
        let token = Token::parse(stamp)?;
        if !token.is_of(message) {
            return Err(StampError::OtherMessage);
        }
        let time = token.time();
        let mut refused = StampError::Unknown;
        for authority in &self.0 {
            let known = authority.roots.all();
            for signer in token.signers(known) {
                match authority.roots.vouch_for_stamps(&signer, &token.certificates, time) {
                    Ok(()) if authority.span.holds(time) => return Ok(time),
                    Ok(()) => refused = StampError::Outside,
                    Err(error) => refused = StampError::Certificate(error),
                }
            }
        }
        Err(refused)
    }

    /// The earliest time at which `message` existed by time stamps of these authorities; those of others show nothing.
    pub(crate) fn earliest(&self, stamps: &[Vec<u8>], message: &[u8]) -> Result<UnixMillis, StampError> {
        let mut earliest: Result<UnixMillis, StampError> = Err(StampError::None);
        for stamp in stamps.iter().take(STAMPS_MAX) {
            earliest = match (earliest, self.time(stamp, message)) {
                (Ok(a), Ok(b)) => Ok(a.min(b)),
                (Ok(time), Err(_)) | (Err(_), Ok(time)) => Ok(time),
                (Err(_), Err(error)) => Err(error),
            };
        }
        earliest
    }
}

/// What a time stamp's certificate must look like is checked by [`Roots::vouch_for_stamps`].
pub(crate) type StampSigner = CertificateDer<'static>;
