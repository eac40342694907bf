//! Asks an upstream which model it serves.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use testudo_dialects::{SERVED_LIMITS, Unsaid};
use url::Url;

use super::answers::said;
use crate::settings::{AskWhat, Place, Timeouts, UpstreamBase, UpstreamSettings};
use crate::upstream::{ClientProblem, ExactClient, UpstreamError};

/// Whoever takes longer than this to say what it serves has not said it.
const TIMEOUTS_MAX: Timeouts = Timeouts {
    connect_ms: 2_000,
    first_byte_ms: 3_000,
    idle_ms: 3_000,
    total_ms: 4_000,
};

/// Asks one upstream at one address.
pub(crate) struct Asker {
    client: ExactClient,
    address: Url,
    what: AskWhat,
}

/// Why an upstream did not say what it serves.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("it answers with status {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Unsaid(#[from] Unsaid),
}

impl Asker {
    /// Nothing is dialled yet; `None` for an upstream without an address, which is in this process.
    ///
    /// # Errors
    /// The setting that cannot be used.
    pub(crate) fn new(upstream: &UpstreamSettings, what: &AskWhat) -> Result<Option<Self>, ClientProblem> {
        let UpstreamBase::Url(base) = &upstream.base else {
            return Ok(None);
        };
        let address = address(base, what);
        // The credential is for the upstream's own origin.
        let secret = upstream.secret.clone().filter(|_| address.origin() == base.origin());
        let timeouts = upstream.timeouts;
        let settings = UpstreamSettings {
            name: upstream.name.clone(),
            base: UpstreamBase::Url(address.clone()),
            family: upstream.family,
            secret,
            authorities: upstream.authorities.clone(),
            allow_private: upstream.allow_private,
            timeouts: Timeouts {
                connect_ms: timeouts.connect_ms.min(TIMEOUTS_MAX.connect_ms),
                first_byte_ms: timeouts.first_byte_ms.min(TIMEOUTS_MAX.first_byte_ms),
                idle_ms: timeouts.idle_ms.min(TIMEOUTS_MAX.idle_ms),
                total_ms: timeouts.total_ms.min(TIMEOUTS_MAX.total_ms),
            },
            retries_max: 0,
            serves: None,
        };
        Ok(Some(Self {
            client: ExactClient::new(&settings, SERVED_LIMITS.bytes_max)?,
            address,
            what: what.clone(),
        }))
    }

    /// Whether an answer to the other is an answer to this one.
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        self.address == other.address && self.what == other.what
    }

    /// What the upstream calls that which it serves.
    ///
    /// # Errors
    /// When it does not say it, in time and as expected.
    pub(crate) async fn ask(&self) -> Result<String, AskError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.client.send(Method::GET, headers, Bytes::new(), false).await?;
        if answer.status != StatusCode::OK {
            return Err(AskError::Status(answer.status));
        }
        let body = answer.body.collect().await?.to_bytes();
        Ok(said(&self.what, &body)?)
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

/// Where the answer is: below the base, of which a version at the end belongs to the dialect.
fn address(base: &Url, what: &AskWhat) -> Url {
    let path = match what {
        AskWhat::Ollama { .. } => "/api/tags",
        AskWhat::Tgi => "/info",
        AskWhat::Vllm { .. } => "/v1/models",
        AskWhat::Json {
            place: Place::Path(path),
            ..
        } => path,
        AskWhat::Json {
            place: Place::Address(address),
            ..
        } => return address.clone(),
    };
    let before = base.path().trim_end_matches('/');
    let before = before.strip_suffix("/v1").unwrap_or(before);
    let mut address = base.clone();
    address.set_path(&format!("{before}{path}"));
    address
}

/// Askers of all upstreams that are asked, by name.
pub(crate) type Askers = std::collections::BTreeMap<testudo_types::UpstreamName, Arc<Asker>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_below_the_base_without_its_version() {
        let vllm = AskWhat::Vllm { model: None };
        let ollama = AskWhat::Ollama { model: "m".to_owned() };
        let path = |text: &str| AskWhat::Json {
            place: Place::Path(text.to_owned()),
            pointer: "/a".to_owned(),
        };
        for (base, what, expected) in [
            ("http://h:8000", &vllm, "http://h:8000/v1/models"),
            ("http://h:8000/v1", &vllm, "http://h:8000/v1/models"),
            ("http://h:8000/team/v1/", &vllm, "http://h:8000/team/v1/models"),
            ("http://h:11434/v1", &ollama, "http://h:11434/api/tags"),
            ("https://h/tgi/v1", &AskWhat::Tgi, "https://h/tgi/info"),
            ("https://h/a", &path("/version"), "https://h/a/version"),
        ] {
            assert_eq!(address(&base.parse().unwrap(), what).as_str(), expected);
        }
        let elsewhere = AskWhat::Json {
            place: Place::Address("http://sidecar:1/x".parse().unwrap()),
            pointer: "/a".to_owned(),
        };
        let base = "https://h/v1".parse().unwrap();
        assert_eq!(address(&base, &elsewhere).as_str(), "http://sidecar:1/x");
    }
}
