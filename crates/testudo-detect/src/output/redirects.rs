//! Links that lead or load somewhere else than their host says.

use url::Url;

/// How an address names where it really leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrap {
    /// In a query parameter, or anywhere in query or path.
    Named,
    /// The first segment of the path is the host.
    PathHost,
    /// The host's own first labels are the target's, with `-` for `.`.
    Label,
    /// Only the service knows.
    Unknown,
}

/// Services that forward, fetch or translate other people's addresses: host, path before the target, how.
const SERVICES: &[(&str, &str, Wrap)] = &[
    ("google.com", "/url", Wrap::Named),
    ("google.com", "/amp/", Wrap::Named),
    ("googleadservices.com", "/pagead/aclk", Wrap::Named),
    ("doubleclick.net", "/", Wrap::Named),
    ("bing.com", "/ck/a", Wrap::Unknown),
    ("facebook.com", "/l.php", Wrap::Named),
    ("facebook.com", "/flx/warn", Wrap::Named),
    ("instagram.com", "/", Wrap::Named),
    ("messenger.com", "/l.php", Wrap::Named),
    ("youtube.com", "/redirect", Wrap::Named),
    ("linkedin.com", "/redir", Wrap::Named),
    ("lnkd.in", "/", Wrap::Unknown),
    ("out.reddit.com", "/", Wrap::Named),
    ("t.umblr.com", "/redirect", Wrap::Named),
    ("slack-redir.net", "/link", Wrap::Named),
    ("steamcommunity.com", "/linkfilter", Wrap::Named),
    ("vk.com", "/away.php", Wrap::Named),
    ("away.vk.com", "/away.php", Wrap::Named),
    ("exit.sc", "/", Wrap::Named),
    ("href.li", "/", Wrap::Named),
    ("anonym.to", "/", Wrap::Named),
    ("nullrefer.com", "/", Wrap::Named),
    ("safelinks.protection.outlook.com", "/", Wrap::Named),
    ("urldefense.com", "/v3/", Wrap::Named),
    ("urldefense.proofpoint.com", "/", Wrap::Named),
    ("linkprotect.cudasvc.com", "/url", Wrap::Named),
    ("clicktime.symantec.com", "/", Wrap::Named),
    ("teams.microsoft.com", "/urlp/", Wrap::Named),
    (
        "statics.teams.cdn.office.net",
        "/evergreen-assets/safelinks",
        Wrap::Named,
    ),
    ("go.microsoft.com", "/fwlink", Wrap::Unknown),
    ("translate.google.com", "/translate", Wrap::Named),
    ("translate.goog", "/", Wrap::Label),
    ("microsofttranslator.com", "/bv.aspx", Wrap::Named),
    ("web.archive.org", "/web/", Wrap::Named),
    ("web.archive.org", "/save/", Wrap::Named),
    ("webcache.googleusercontent.com", "/search", Wrap::Named),
    ("images.weserv.nl", "/", Wrap::Named),
    ("wsrv.nl", "/", Wrap::Named),
    ("i0.wp.com", "/", Wrap::PathHost),
    ("i1.wp.com", "/", Wrap::PathHost),
    ("i2.wp.com", "/", Wrap::PathHost),
    ("i3.wp.com", "/", Wrap::PathHost),
    ("s0.wp.com", "/mshots/v1/", Wrap::Named),
    ("cdn.statically.io", "/img/", Wrap::PathHost),
    ("external-content.duckduckgo.com", "/iu/", Wrap::Named),
    ("proxy.duckduckgo.com", "/iu/", Wrap::Named),
    ("googleusercontent.com", "/gadgets/proxy", Wrap::Named),
    ("camo.githubusercontent.com", "/", Wrap::Unknown),
    ("image.thum.io", "/", Wrap::Named),
    ("r.jina.ai", "/", Wrap::Named),
    ("12ft.io", "/", Wrap::Named),
    ("corsproxy.io", "/", Wrap::Named),
    ("api.allorigins.win", "/", Wrap::Named),
    ("cors-anywhere.herokuapp.com", "/", Wrap::Named),
    ("api.codetabs.com", "/v1/proxy", Wrap::Named),
    ("validator.w3.org", "/check", Wrap::Named),
    ("bit.ly", "/", Wrap::Unknown),
    ("buff.ly", "/", Wrap::Unknown),
    ("cutt.ly", "/", Wrap::Unknown),
    ("goo.gl", "/", Wrap::Unknown),
    ("is.gd", "/", Wrap::Unknown),
    ("ow.ly", "/", Wrap::Unknown),
    ("rb.gy", "/", Wrap::Unknown),
    ("rebrand.ly", "/", Wrap::Unknown),
    ("shorturl.at", "/", Wrap::Unknown),
    ("t.co", "/", Wrap::Unknown),
    ("t.ly", "/", Wrap::Unknown),
    ("tiny.cc", "/", Wrap::Unknown),
    ("tinyurl.com", "/", Wrap::Unknown),
    ("v.gd", "/", Wrap::Unknown),
];

/// Where an address leads beside its own host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Onward {
    /// The host that the address names inside; `None` when only the service knows it.
    pub(super) host: Option<String>,
    /// The service is known to forward or fetch.
    pub(super) known: bool,
}

/// What an address leads on to; `None` when it leads nowhere else.
pub(super) fn onward(url: &Url) -> Option<Onward> {
    let host = url.host_str()?;
    let service = SERVICES
        .iter()
        .find(|(name, path, _)| is_of(host, name) && url.path().starts_with(path));
    let inner = named(url).filter(|inner| !same_house(inner, host));
    match service {
        None => inner.map(|host| Onward {
            host: Some(host),
            known: false,
        }),
        Some((_, _, Wrap::Unknown)) if url.path().len() > 1 || url.query().is_some() => Some(Onward {
            host: inner,
            known: true,
        }),
        Some((_, _, Wrap::Unknown)) => None,
        Some((_, path, Wrap::PathHost)) => {
            let first = url.path().get(path.len()..)?.split('/').next()?;
            host_of(&format!("https://{first}/")).map(|host| Onward {
                host: Some(host),
                known: true,
            })
        }
        Some((name, _, Wrap::Label)) => {
            let label = host.strip_suffix(name)?.strip_suffix('.')?;
            let host = label.replace("--", "\n").replace('-', ".").replace('\n', "-");
            Some(Onward {
                host: Some(host),
                known: true,
            })
        }
        Some((_, _, Wrap::Named)) => inner.map(|host| Onward {
            host: Some(host),
            known: true,
        }),
    }
}

/// The first address that stands inside another one's query, path or fragment.
fn named(url: &Url) -> Option<String> {
    let values = url
        .query_pairs()
        .flat_map(|(key, value)| [value.into_owned(), key.into_owned()]);
    let rest = [
        url.path(),
        url.query().unwrap_or_default(),
        url.fragment().unwrap_or_default(),
    ];
    values
        .filter_map(|value| address_at_start(&value))
        .next()
        .or_else(|| rest.into_iter().find_map(address_inside))
}

/// A parameter that is an address: with its scheme, or beginning with `//` or `www.`.
fn address_at_start(value: &str) -> Option<String> {
    let value = value.trim();
    let lower = value.get(..8.min(value.len())).unwrap_or(value).to_ascii_lowercase();
    if lower.starts_with("http:") || lower.starts_with("https:") {
        host_of(value)
    } else if lower.starts_with("//") || lower.starts_with("\\\\") || lower.starts_with("/\\") {
        host_of(&format!("https:{value}"))
    } else if lower.starts_with("www.") {
        host_of(&format!("https://{value}"))
    } else {
        let decoded = percent_decoded(value);
        (decoded != value).then(|| address_at_start(&decoded)).flatten()
    }
}

fn address_inside(part: &str) -> Option<String> {
    let decoded = percent_decoded(part);
    let lower = decoded.to_ascii_lowercase();
    ["https:/", "http:/"]
        .iter()
        .filter_map(|scheme| lower.find(scheme))
        .min()
        .and_then(|at| decoded.get(at..).map(str::to_owned))
        .and_then(|address| host_of(&address))
}

fn host_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    url.host_str().filter(|host| host.contains('.')).map(str::to_owned)
}

pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let pair = (byte == b'%')
            .then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?)))
            .flatten();
        match pair {
            Some((high, low)) => {
                bytes.push((high << 4_u32) | low);
                rest = ahead;
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn is_of(host: &str, name: &str) -> bool {
    host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
}

/// Two hosts whose last two labels agree: `login.example.com` leads on within `example.com`.
fn same_house(a: &str, b: &str) -> bool {
    let house = |host: &str| host.rsplit('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    house(a) == house(b)
}
