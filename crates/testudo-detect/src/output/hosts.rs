//! The hosts that links in answers may lead to.

use url::{Host, Url};

/// Hosts of one list.
const HOSTS_MAX: usize = 4096;

/// Why a host was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostProblem {
    #[error("`{0}` is no host name; write `example.com`, or `*.example.com` for its subdomains")]
    Name(String),
    #[error("`*.{0}` would allow the hosts of strangers; name a domain below it")]
    Wide(String),
    #[error("{0} hosts are more than the {HOSTS_MAX} allowed")]
    Count(usize),
}

/// Hosts by name: `example.com` is that host alone, `*.example.com` all below it and not itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostList {
    exact: Vec<Box<str>>,
    /// With their leading dot.
    below: Vec<Box<str>>,
}

impl HostList {
    /// Reads entries; names compare in their ASCII form, without case.
    ///
    /// # Errors
    /// All entries that are no host name or that a stranger could register under.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<HostProblem>> {
        let mut list = Self::default();
        let mut problems = Vec::new();
        for entry in entries {
            let (wildcard, name) = match entry.strip_prefix("*.") {
                Some(name) => (true, name),
                None => (false, entry),
            };
            match canonical(name) {
                Some(host) if wildcard && !host.contains('.') => problems.push(HostProblem::Wide(host)),
                Some(host) if wildcard => list.below.push(format!(".{host}").into()),
                Some(host) => list.exact.push(host.into()),
                None => problems.push(HostProblem::Name(entry.to_owned())),
            }
        }
        let count = list.exact.len().saturating_add(list.below.len());
        if count > HOSTS_MAX {
            problems.push(HostProblem::Count(count));
        }
        list.exact.sort_unstable();
        list.below.sort_unstable();
        if problems.is_empty() { Ok(list) } else { Err(problems) }
    }

    /// Whether no host is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// The entries as written, in their ASCII form.
    pub fn entries(&self) -> impl Iterator<Item = String> + '_ {
        let below = self.below.iter().map(|suffix| format!("*{suffix}"));
        self.exact.iter().map(|host| host.to_string()).chain(below)
    }

    /// Whether a host, in its ASCII form, is of the list.
    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.exact.binary_search_by(|known| known.as_ref().cmp(host)).is_ok()
            || host.match_indices('.').any(|(at, _)| {
                let suffix = host.get(at..).unwrap_or_default();
                at > 0 && self.below.binary_search_by(|known| known.as_ref().cmp(suffix)).is_ok()
            })
    }
}

/// A host name as browsers write it: lower case, ASCII, without port or path.
fn canonical(name: &str) -> Option<String> {
    let sound = !name.is_empty() && !name.contains(['/', ':', '@', '*', '?', '#', ' ', '\\', '%', '[']);
    let url = sound.then(|| Url::parse(&format!("https://{name}/")).ok()).flatten()?;
    match url.host()? {
        Host::Domain(host) => Some(host.strip_suffix('.').unwrap_or(host).to_owned()),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(_) => None,
    }
}
