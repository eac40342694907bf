//! Stores: a folder, or an S3-compatible service and how it is reached.

use testudo_recorder::ship::S3;
use url::Url;

use crate::config::document::At;
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::typed::{self, SecretSource};

/// How a section speaks about its store.
pub(super) struct Words {
    /// The section's name.
    pub(super) section: &'static str,
    /// What becomes of it without S3.
    pub(super) without: &'static str,
    /// What can be done without S3.
    pub(super) instead: &'static str,
    /// What crosses the network.
    pub(super) crosses: &'static str,
}

/// The address of a store.
pub(super) fn url(text: &At<String>, section: &str, problems: &mut Problems) -> Option<Url> {
    web_address(text, &["s3", "file"], &format!("`{section}.url`"), problems)
}

/// How the store at `url` is reached.
pub(super) fn reached(
    typed: &typed::Ship,
    url: &Url,
    words: &Words,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> S3 {
    let Words { section, .. } = words;
    let endpoint = typed
        .endpoint
        .as_ref()
        .and_then(|it| web_address(it, &["https", "http"], &format!("`{section}.endpoint`"), problems));
    if url.scheme() == "s3" && !cfg!(feature = "s3") {
        problems.at(
            typed.line,
            format!("this testudo was built without S3, so {}", words.without),
            format!("build it with `--features s3`, or {} with file:///PATH", words.instead),
        );
    }
    if let (Some(endpoint), "file") = (&typed.endpoint, url.scheme()) {
        problems.at(
            endpoint.line,
            format!("`{section}.endpoint` has no effect on a folder"),
            "remove it",
        );
    }
    let mut secret = |source: &Option<At<SecretSource>>, name: &str, problems: &mut Problems| {
        files.secret(source.as_ref()?, &format!("`{section}.{name}`"), problems)
    };
    let access_key_id = secret(&typed.access_key_id, "access_key_id", problems);
    let secret_access_key = secret(&typed.secret_access_key, "secret_access_key", problems);
    let plain = endpoint.as_ref().is_some_and(|it| it.scheme() == "http");
    if let (Some(text), Some(found), true) = (&typed.endpoint, &endpoint, plain)
        && !is_loopback(found)
    {
        problems.at(
            text.line,
            format!("{} would cross the network in the clear", words.crosses),
            "write https, or run the store on loopback",
        );
    }
    S3 {
        endpoint,
        region: typed.region.as_ref().map(|it| it.value.clone()),
        access_key_id: access_key_id.map(|it| String::from_utf8_lossy(it.expose()).into_owned()),
        secret_access_key,
        session_token: None,
        retries: None,
        dangerous_allow_http: plain,
    }
}

/// An address with one of these schemes, without user, query or fragment.
pub(super) fn web_address(text: &At<String>, schemes: &[&str], name: &str, problems: &mut Problems) -> Option<Url> {
    let parsed = Url::parse(&text.value).ok().filter(|url| {
        schemes.contains(&url.scheme())
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && (url.scheme() == "file" || url.has_host())
    });
    if parsed.is_none() {
        // The text is not shown: a key may stand in it.
        problems.at(
            text.line,
            format!("{name} is not an address that can be used"),
            format!(
                "write {} with host and path, without user, query or fragment",
                schemes
                    .iter()
                    .map(|scheme| format!("{scheme}://…"))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
        );
    }
    parsed
}

/// Whether an address is of this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
