//! Addresses, as a browser reads them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ::url::{Host, Url};

use super::{ANYTHING, insert, narrow};

/// Addresses in the arguments of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UrlFacts {
    pub present: bool,
    /// No address, or one that programs read differently.
    pub unparsed: bool,
    pub schemes: BTreeSet<String>,
    /// As a browser would look them up: in ASCII, lower case, numbers in their usual form.
    pub hosts: BTreeSet<String>,
    /// Names that all hosts are, or are below.
    pub under: BTreeSet<String>,
    pub ports: BTreeSet<u16>,
    /// Leads to this machine, a private network or a cloud's metadata service, in any notation.
    pub private: bool,
    /// A host is a number and no name.
    pub numeric: bool,
    /// Carries a user name or a password.
    pub userinfo: bool,
    /// Bytes of queries and fragments, together.
    pub query_bytes: u64,
    /// Bits that paths, queries and fragments could carry, together, by how often each character stands in them.
    pub entropy_bits: u64,
}

impl UrlFacts {
    pub(super) fn add(&mut self, value: &str) {
        // A list in one text is several addresses to some tools, and one to others.
        let listed = value
            .split([' ', ',', ';', '|', '\n', '\t'])
            .filter(|it| it.contains("://"));
        let listed: Vec<&str> = listed.take(64).collect();
        if listed.len() > 1 {
            for one in listed {
                self.add_one(one);
            }
            self.add_unparsed();
        } else {
            self.add_one(value);
        }
    }

    pub(super) fn add_unparsed(&mut self) {
        self.present = true;
        self.unparsed = true;
        insert(&mut self.hosts, ANYTHING);
        insert(&mut self.schemes, ANYTHING);
        self.under.clear();
    }

    fn add_one(&mut self, written: &str) {
        let written = written.trim();
        let first = !self.present;
        self.present = true;
        let Some(url) = read(written) else {
            return self.add_unparsed();
        };
        if is_disputed(written) {
            self.add_unparsed();
        }
        insert(&mut self.schemes, url.scheme());
        if let Some(port) = url.port_or_known_default() {
            self.ports.insert(port);
        }
        self.userinfo |= !url.username().is_empty() || url.password().is_some();
        let tail = url
            .query()
            .map_or(0, str::len)
            .saturating_add(url.fragment().map_or(0, str::len));
        self.query_bytes = self.query_bytes.saturating_add(u64::try_from(tail).unwrap_or(u64::MAX));
        let carried = [
            url.path(),
            url.query().unwrap_or_default(),
            url.fragment().unwrap_or_default(),
        ]
        .concat();
        self.entropy_bits = self.entropy_bits.saturating_add(entropy_bits(&carried));
        self.private |= matches!(url.scheme(), "file" | "javascript" | "data" | "blob" | "vbscript");
        match host(&url) {
            Some(host) => self.add_host(first, &host),
            None => narrow(&mut self.under, first, BTreeSet::new()),
        }
        if self.unparsed {
            self.under.clear();
        }
    }

    fn add_host(&mut self, first: bool, host: &Host<String>) {
        let name = name_of(host);
        insert(&mut self.hosts, &name);
        if matches!(host, Host::Domain(_))
            && !name
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-._".contains(&it))
        {
            // No name that is looked up has such a character, and programs end the host at different ones.
            self.add_unparsed();
        }
        let mut under = BTreeSet::from([name.clone()]);
        if let Host::Domain(_) = host {
            let dots = name
                .match_indices('.')
                .filter_map(|(at, _)| name.get(at.saturating_add(1)..));
            under.extend(dots.map(str::to_owned));
        }
        narrow(&mut self.under, first, under);
        self.numeric |= !matches!(host, Host::Domain(_));
        self.private |= match host {
            Host::Domain(name) => is_private_name(name),
            Host::Ipv4(address) => is_private(IpAddr::V4(*address)),
            Host::Ipv6(address) => is_private(IpAddr::V6(*address)),
        };
    }
}

/// The host of a link; `None` when it has none.
pub(super) fn host_of(link: &str) -> Option<String> {
    read(link.trim()).as_ref().and_then(host).map(|host| name_of(&host))
}

/// Schemes that take no host, so that what follows them is none.
const HOSTLESS: [&str; 11] = [
    "about",
    "blob",
    "data",
    "file",
    "javascript",
    "mailto",
    "sms",
    "tel",
    "urn",
    "vbscript",
    "view-source",
];

fn read(written: &str) -> Option<Url> {
    let (scheme, rest) = written.split_once(':').unwrap_or(("", written));
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let known = HOSTLESS.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let web = ["http", "https", "ws", "wss", "ftp"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    if is_scheme && (known || web || rest.starts_with("//")) {
        return Url::parse(written).ok();
    }
    // A browser's address line takes a name without a scheme.
    let bare = written.strip_prefix("//").unwrap_or(written);
    let url = Url::parse(&format!("https://{bare}")).ok()?;
    let names_a_host = url
        .host_str()
        .is_some_and(|host| host.contains(['.', ':']) || host == "localhost");
    (names_a_host && !bare.starts_with('/')).then_some(url)
}

/// Programs read it differently, so that nobody knows which host it means.
fn is_disputed(written: &str) -> bool {
    let (scheme, rest) = written.split_once(':').unwrap_or(("", written));
    let web = ["http", "https", "ws", "wss", "ftp"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    // `http:host`, `https:///host`
    let slashes = rest.chars().take_while(|c| *c == '/').count();
    let authority = rest.trim_start_matches('/');
    let authority = authority
        .get(..authority.find(['/', '?', '#']).unwrap_or(authority.len()))
        .unwrap_or_default();
    web && slashes != 2
        || written.contains(char::is_control)
        || written
            .split(['?', '#'])
            .next()
            .is_some_and(|before| before.contains('\\'))
        || authority.matches('@').count() > 1
        || authority.contains(char::is_whitespace)
}

/// The host; that of a scheme a browser does not know is read as if it were the web's.
fn host(url: &Url) -> Option<Host<String>> {
    let written = url.host_str().filter(|host| !host.is_empty())?;
    match url.host()? {
        Host::Domain(_) => {
            let name = written.trim_end_matches('.');
            Host::parse(name)
                .ok()
                .or_else(|| Some(Host::Domain(name.to_ascii_lowercase())))
        }
        Host::Ipv4(address) => Some(Host::Ipv4(address)),
        Host::Ipv6(address) => Some(Host::Ipv6(address)),
    }
}

fn name_of(host: &Host<String>) -> String {
    match host {
        Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

/// Names below these are of this machine or network.
const PRIVATE_NAMES: [&str; 12] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "arpa",
    // Public names that lead to this machine, known since people test with them.
    "localtest.me",
    "lvh.me",
];

fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let below = |parent: &&str| {
        name.strip_suffix(*parent)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    !name.contains('.') || PRIVATE_NAMES.iter().any(below) || spells_private(&name)
}

/// Wildcard services resolve `10.0.0.1.site.example` and `10-0-0-1.site.example` to the number in the name.
fn spells_private(name: &str) -> bool {
    let labels: Vec<&str> = name.split(['.', '-']).collect();
    labels.windows(4).any(|four| {
        let address: Result<Ipv4Addr, _> = four.join(".").parse();
        address.is_ok_and(|address| is_private(IpAddr::V4(address)))
    })
}

/// Not on the public network, or a cloud's metadata service.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => {
            let [first, second, third, ..] = v6.segments();
            let unique = first & 0xfe00 == 0xfc00;
            let link = first & 0xff80 == 0xfe80;
            let special = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast();
            // Numbers of the older network inside: mapped, compatible, translated, 6to4.
            let translated = first == 0x64 && second == 0xff9b;
            let inside = v4_at_end(v6).filter(|_| first == 0 && second == 0 && third == 0 || translated);
            let carried = (first == 0x2002).then(|| v4_of(second, third));
            unique || link || special || inside.into_iter().chain(carried).any(is_private_v4)
        }
    }
}

fn v4_at_end(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., high, low] = address.segments();
    Some(v4_of(high, low))
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let testing = a == 198 && b & 0xfe == 18 || a == 192 && b == 0 && c == 0;
    // The address of a cloud's own services that stands in public space.
    let wire = address == Ipv4Addr::new(168, 63, 129, 16);
    a == 0
        || a >= 224
        || shared
        || testing
        || wire
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
}

/// How many bits the text could carry: for each character the logarithm of how rare it is.
fn entropy_bits(text: &str) -> u64 {
    let mut counts = [0u64; 256];
    let mut total: u64 = 0;
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count = count.saturating_add(1);
        }
        total = total.saturating_add(1);
    }
    let bits = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| count.saturating_mul(log2_in_256ths(total).saturating_sub(log2_in_256ths(*count))));
    bits.fold(0, u64::saturating_add) >> 8
}

/// The logarithm to the base of two, in 256ths.
fn log2_in_256ths(number: u64) -> u64 {
    let Some(whole) = number.checked_ilog2() else {
        return 0;
    };
    // The mantissa between one and two, with 32 places.
    let mut mantissa = (u128::from(number) << 32) >> whole;
    let mut result = u64::from(whole);
    for _ in 0..8 {
        mantissa = mantissa.saturating_mul(mantissa) >> 32;
        let bit = u64::from(mantissa >= 2 << 32);
        mantissa >>= bit;
        result = result << 1 | bit;
    }
    result
}
