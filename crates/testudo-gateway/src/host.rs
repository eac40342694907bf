//! Whether a request names this gateway and comes from a page that may call it.
//!
//! The names decide nothing else: routes come from the request target's path only.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, StatusCode, Version};
use thiserror::Error;

/// Longest `Host`, `:authority` or `Origin` that is looked at, in bytes.
const NAME_BYTES_MAX: usize = 300;

/// Host names and browser origins that may be used.
#[derive(Debug, Clone)]
pub struct HostRules {
    hosts: BTreeSet<Authority>,
    origins: BTreeSet<String>,
}

/// A host name or address in lower case, with its port when one was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Authority {
    host: String,
    port: Option<u16>,
}

/// Why a request is refused before anything else is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HostRefusal {
    #[error("the request carries no host; send exactly one `Host` header")]
    Missing,
    #[error("the request carries several `Host` headers; send exactly one")]
    Several,
    #[error("the host is not a plain name or address with an optional port")]
    Malformed,
    #[error("the request target and the `Host` header name different hosts")]
    Disagree,
    #[error("this gateway does not answer to that host; add it to `listen.hosts`")]
    Unknown,
    #[error("the request target has to be a path")]
    Target,
    #[error("pages of that origin may not call this gateway; add it to `listen.origins`")]
    Origin,
}

impl HostRefusal {
    /// The HTTP status that answers the refusal: 400, 403 or 421.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Several | Self::Malformed | Self::Disagree | Self::Target => StatusCode::BAD_REQUEST,
            Self::Unknown => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }
}

/// A configured host or origin that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostRulesProblem {
    #[error(
        "`{0}` in listen.hosts is not a host name; write a name or address such as `gateway.example.com` or `[::1]:8080`"
    )]
    Host(String),
    #[error("`{0}` in listen.origins is not an origin; write scheme and host such as `https://app.example.com`")]
    Origin(String),
}

impl HostRules {
    /// Rules for a listener bound to `bound`.
    ///
    /// A configured host without a port matches any port, since port mappings are common. The
    /// loopback names are added when the listener is on loopback or nothing is configured.
    ///
    /// # Errors
    /// The first entry that is not a host or an origin; the operator has to correct it.
    pub fn new(hosts: &[String], origins: &[String], bound: SocketAddr) -> Result<Self, HostRulesProblem> {
        let mut known = BTreeSet::new();
        for host in hosts {
            let parsed = Authority::parse(host).ok_or_else(|| HostRulesProblem::Host(host.clone()))?;
            known.insert(parsed);
        }
        if bound.ip().is_loopback() || hosts.is_empty() {
            for name in ["localhost", "127.0.0.1", "[::1]"] {
                known.insert(Authority {
                    host: name.to_owned(),
                    port: None,
                });
            }
        }
        let mut pages = BTreeSet::new();
        for origin in origins {
            let parsed = parse_origin(origin).ok_or_else(|| HostRulesProblem::Origin(origin.clone()))?;
            pages.insert(parsed);
        }
        Ok(Self {
            hosts: known,
            origins: pages,
        })
    }

    fn knows(&self, authority: &Authority) -> bool {
        self.hosts.contains(authority)
            || self.hosts.contains(&Authority {
                host: authority.host.clone(),
                port: None,
            })
    }
}

/// Checks target form, `Host`, `:authority` and `Origin` of one request.
///
/// # Errors
/// The first reason to refuse; the fault is the client's, its status is [`HostRefusal::status`].
pub fn check(version: Version, uri: &Uri, headers: &HeaderMap, rules: &HostRules) -> Result<(), HostRefusal> {
    if !uri.path().starts_with('/') || uri.scheme().is_some_and(|s| *s != Scheme::HTTP && *s != Scheme::HTTPS) {
        return Err(HostRefusal::Target);
    }
    let header = host_header(headers)?;
    let target = match uri.authority() {
        Some(authority) => Some(Authority::parse(authority.as_str()).ok_or(HostRefusal::Malformed)?),
        None => None,
    };
    let named = match (target, header) {
        (Some(target), Some(header)) if target != header => return Err(HostRefusal::Disagree),
        // HTTP/1 needs the header even when the target is absolute.
        (Some(_), None) if version < Version::HTTP_2 => return Err(HostRefusal::Missing),
        (Some(named), _) | (None, Some(named)) => named,
        (None, None) => return Err(HostRefusal::Missing),
    };
    if !rules.knows(&named) {
        return Err(HostRefusal::Unknown);
    }
    check_origin(headers, rules)
}

fn host_header(headers: &HeaderMap) -> Result<Option<Authority>, HostRefusal> {
    let mut values = headers.get_all(HOST).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(HostRefusal::Several);
    }
    let text = value.to_str().map_err(|_not_ascii| HostRefusal::Malformed)?;
    Authority::parse(text).map(Some).ok_or(HostRefusal::Malformed)
}

fn check_origin(headers: &HeaderMap, rules: &HostRules) -> Result<(), HostRefusal> {
    let mut values = headers.get_all(ORIGIN).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    if values.next().is_some() {
        return Err(HostRefusal::Origin);
    }
    let known = value
        .to_str()
        .ok()
        .and_then(parse_origin)
        .is_some_and(|origin| rules.origins.contains(&origin));
    if known { Ok(()) } else { Err(HostRefusal::Origin) }
}

impl Authority {
    /// `reg-name[:port]`, `IPv4[:port]` or `[IPv6][:port]`; anything else is `None`.
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return None;
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = match after.strip_prefix(':') {
                Some(digits) => Some(parse_port(digits)?),
                None if after.is_empty() => None,
                None => return None,
            };
            return Some(Self {
                host: format!("[{address}]"),
                port,
            });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, digits)) => (name, Some(parse_port(digits)?)),
            None => (text, None),
        };
        is_name(name).then(|| Self {
            host: name.to_ascii_lowercase(),
            port,
        })
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Dot-separated labels of letters, digits, hyphens and underscores, or an IPv4 address.
fn is_name(name: &str) -> bool {
    let labels_fit = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    let numeric_end = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    // A last label of digits is an address or a disguise of one.
    name.len() <= 253 && labels_fit && (!numeric_end || name.parse::<IpAddr>().is_ok())
}

/// `scheme://host[:port]` in lower case, with the scheme's own port left out.
fn parse_origin(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = Authority::parse(rest)?;
    Some(match authority.port {
        Some(port) if port != default_port => format!("{scheme}://{}:{port}", authority.host),
        _ => format!("{scheme}://{}", authority.host),
    })
}
