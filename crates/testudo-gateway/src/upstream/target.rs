//! The upstream's URI: its own base, and of the client's target only a plain path and known query keys.

#[cfg(test)]
mod tests;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use thiserror::Error;
use url::Url;

use super::error::UpstreamError;

const PATH_BYTES_MAX: usize = 2048;

/// Query keys that the providers' documentation knows and that carry neither text nor credentials.
const QUERY_KEYS: &[&str] = &[
    "after",
    "after_id",
    "api-version",
    "before",
    "before_id",
    "beta",
    "limit",
    "order",
];

/// Where an upstream is, in the pieces a request needs.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Without a trailing slash; ends in a version segment such as `/v1`.
    path: String,
}

/// A base that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BaseProblem {
    #[error("the base URL has to begin with https:// or http://")]
    Scheme,
    #[error("the base URL must not carry a user name or password; set `secret` instead")]
    Credentials,
    #[error("the base URL must not carry a query or fragment")]
    Query,
    #[error("the base URL names no host")]
    Host,
}

/// Scheme and authority of an address that carries no credentials, query or fragment.
pub(super) fn origin(url: &Url) -> Result<(Scheme, Authority), BaseProblem> {
    let scheme = match url.scheme() {
        "https" => Scheme::HTTPS,
        "http" => Scheme::HTTP,
        _ => return Err(BaseProblem::Scheme),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BaseProblem::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(BaseProblem::Query);
    }
    let host = url.host_str().ok_or(BaseProblem::Host)?;
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let authority = authority.parse().map_err(|_not_a_host| BaseProblem::Host)?;
    Ok((scheme, authority))
}

impl Base {
    pub(crate) fn new(url: &Url) -> Result<Self, BaseProblem> {
        let (scheme, authority) = origin(url)?;
        let mut path = url.path().trim_end_matches('/').to_owned();
        if !path.rsplit('/').next().is_some_and(is_version) {
            path.push_str("/v1");
        }
        Ok(Self {
            scheme,
            authority,
            path,
        })
    }

    pub(crate) fn is_plaintext(&self) -> bool {
        self.scheme == Scheme::HTTP
    }

    /// The URI for a client's target, of which scheme and authority are ignored.
    ///
    /// A leading `/v1` of the client's path is replaced by the base's own path.
    pub(crate) fn join(&self, target: &Uri) -> Result<Uri, UpstreamError> {
        let path = target.path();
        check_path(path)?;
        let rest = match path.strip_prefix("/v1") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => path,
        };
        let query = target.query().unwrap_or_default();
        check_query(query)?;
        let mut joined = String::with_capacity(
            self.path
                .len()
                .saturating_add(rest.len())
                .saturating_add(query.len())
                .saturating_add(1),
        );
        joined.push_str(&self.path);
        joined.push_str(rest);
        if !query.is_empty() {
            joined.push('?');
            joined.push_str(query);
        }
        let path_and_query: PathAndQuery = joined
            .parse()
            .map_err(|_invalid| UpstreamError::Target("not a valid path"))?;
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
            .map_err(|_invalid| UpstreamError::Target("not a valid path"))
    }
}

fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Segments of unreserved characters, `:` and `@`; nothing encoded, empty or dotted can change the path's meaning upstream.
fn check_path(path: &str) -> Result<(), UpstreamError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(UpstreamError::Target("the path is too long"));
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err(UpstreamError::Target("the path has to begin with a slash"));
    };
    for segment in rest.split('/') {
        let plain = segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~:@".contains(&b));
        if segment.is_empty() || segment == "." || segment == ".." || !plain {
            return Err(UpstreamError::Target("use a path of plain segments without encoding"));
        }
    }
    Ok(())
}

fn check_query(query: &str) -> Result<(), UpstreamError> {
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = value.len() <= 128 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !plain || !QUERY_KEYS.contains(&key) {
            return Err(UpstreamError::Target("a query parameter is not one that is forwarded"));
        }
    }
    Ok(())
}
