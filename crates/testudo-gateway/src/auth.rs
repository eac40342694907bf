//! The credential a request presents, and why one is refused.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::keys::{TOKEN_BYTES_MAX, TokenError};

/// Headers that hold nothing but a key.
const KEY_HEADERS: [&str; 2] = ["x-api-key", "api-key"];

/// Why a caller was not recognised; holds nothing of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("no key was sent; send a virtual key as `Authorization: Bearer tsk_…` or `x-api-key: tsk_…`")]
    Missing,
    #[error("the headers hold different credentials; send one virtual key")]
    Conflicting,
    #[error("the credential is not a virtual key; send a key made by `testudo key create`")]
    Malformed,
    #[error("the key is not known; send a key made by `testudo key create`")]
    Unknown,
    #[error("the key has expired; ask for a new one")]
    Expired,
    #[error("the key was revoked; ask for a new one")]
    Revoked,
    #[error("keys cannot be checked right now; try again later")]
    Unavailable,
}

impl AuthError {
    /// Every error, in the order used for tables.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Conflicting,
        Self::Malformed,
        Self::Unknown,
        Self::Expired,
        Self::Revoked,
        Self::Unavailable,
    ];

    /// The name used in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Conflicting => "conflicting",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
        }
    }

    /// 401, or 503 when it is not the caller's fault.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Missing | Self::Conflicting | Self::Malformed | Self::Unknown | Self::Expired | Self::Revoked => {
                StatusCode::UNAUTHORIZED
            }
        }
    }
}

impl From<TokenError> for AuthError {
    fn from(_: TokenError) -> Self {
        Self::Malformed
    }
}

/// The one credential in `Authorization: Bearer`, `x-api-key` or `api-key`; its form is not checked yet.
///
/// The same credential may be sent more than once. Keys in the query are never looked at.
///
/// # Errors
/// When there is none, there are different ones, or one is too long or not printable ASCII.
pub fn presented_key(headers: &HeaderMap) -> Result<&str, AuthError> {
    let bearers = headers.get_all(AUTHORIZATION).iter().map(bearer);
    let plain = KEY_HEADERS.iter().flat_map(|name| headers.get_all(*name)).map(text);
    let mut found: Option<&str> = None;
    for credential in bearers.chain(plain) {
        let credential = credential?;
        match found {
            Some(earlier) if earlier != credential => return Err(AuthError::Conflicting),
            _ => found = Some(credential),
        }
    }
    found.ok_or(AuthError::Missing)
}

/// The token of a `Bearer` header; other schemes are not spoken here.
fn bearer(value: &HeaderValue) -> Result<&str, AuthError> {
    // The scheme and one space come on top of the credential's own bound.
    if value.len() > TOKEN_BYTES_MAX.saturating_add(7) {
        return Err(AuthError::Malformed);
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(AuthError::Malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(AuthError::Malformed)
    }
}

fn text(value: &HeaderValue) -> Result<&str, AuthError> {
    if value.len() > TOKEN_BYTES_MAX {
        return Err(AuthError::Malformed);
    }
    value
        .to_str()
        .ok()
        .filter(|text| !text.is_empty())
        .ok_or(AuthError::Malformed)
}

#[cfg(test)]
mod tests;
