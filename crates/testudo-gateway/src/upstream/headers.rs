//! Which headers pass, in each direction; everything that is not named stays here.

#[cfg(test)]
mod tests;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::UpstreamError;

/// Client headers that providers act on and that neither authenticate nor choose an account.
const REQUEST: &[&str] = &[
    "accept",
    "content-type",
    "user-agent",
    "anthropic-beta",
    "anthropic-version",
    "idempotency-key",
    "openai-beta",
    "traceparent",
    "tracestate",
];

/// Prefixes of client headers that pass: the official libraries' own telemetry.
const REQUEST_PREFIXES: &[&str] = &["x-stainless-"];

const RESPONSE: &[&str] = &[
    "content-length",
    "content-type",
    "retry-after",
    "request-id",
    "retry-after-ms",
    "x-request-id",
    "x-should-retry",
];

const RESPONSE_PREFIXES: &[&str] = &["anthropic-", "openai-", "x-ratelimit-"];

/// Names the operator's account at the provider, which is not the client's business.
const RESPONSE_WITHHELD: &[&str] = &["anthropic-organization-id", "openai-organization", "openai-project"];

/// The headers that go to the upstream, before the credential is added.
pub(crate) fn to_upstream(client: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(client.len().min(32));
    for (name, value) in client {
        if REQUEST.contains(&name.as_str()) || has_prefix(name, REQUEST_PREFIXES) {
            kept.append(name, value.clone());
        }
    }
    kept.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    kept
}

/// The headers that go to the client.
///
/// `content-length` is among them and has to be removed by whoever edits the body.
pub(crate) fn to_client(upstream: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(upstream.len().min(32));
    for (name, value) in upstream {
        let named = RESPONSE.contains(&name.as_str()) || has_prefix(name, RESPONSE_PREFIXES);
        if named && !RESPONSE_WITHHELD.contains(&name.as_str()) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// Refuses bodies that are compressed, since they would pass uninspected.
///
/// # Errors
/// `Encoded` when any `content-encoding` but `identity` is present; the upstream ignored the request.
pub(crate) fn check_encoding(upstream: &HeaderMap) -> Result<(), UpstreamError> {
    let plain = upstream
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|value| value.is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain { Ok(()) } else { Err(UpstreamError::Encoded) }
}

fn has_prefix(name: &HeaderName, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.as_str().starts_with(prefix))
}
