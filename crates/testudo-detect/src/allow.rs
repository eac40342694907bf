//! Values that an operator has declared to be no findings: each for named rules, none of them broad.

mod problem;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};
use sha2::{Digest as _, Sha256};
use testudo_types::ThreatKind;
use url::{Host, Url};

pub use self::problem::{AllowFault, AllowProblem};
use crate::{Detector, Rule, RuleIndex};

/// Shorter values stand in too many texts.
const VALUE_BYTES_MIN: usize = 4;
/// A pattern matches at least this much, has so much fixed text in a row, and matches at most so much.
const PATTERN_BYTES_MIN: usize = 6;
const FIXED_BYTES_MIN: usize = 4;
const PATTERN_BYTES_MAX: usize = 512;
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Entries that one list may have.
const ENTRIES_MAX: usize = 10_000;

/// One line of an allow-list, as its owner wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowEntry {
    /// Ids of rules; `secret.*` stands for all rules that begin so, for values and digests only.
    pub rules: Vec<String>,
    pub what: Allowed,
    /// The line of the configuration in which it stands, for messages.
    pub line: Option<usize>,
}

/// What a found value is compared with.
#[derive(Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Exactly this value.
    Value(String),
    /// The value with this SHA-256. Short values can be guessed from it.
    Sha256([u8; 32]),
    /// The value with this HMAC-SHA-256 under the key of the list.
    Keyed { digest: [u8; 32], key: Arc<[u8]> },
    /// Values that this pattern matches from end to end.
    Pattern(String),
    /// Mail addresses at, and links to, this host and those below it.
    Host(String),
}

impl Allowed {
    /// The kind of comparison, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Value(_) => "value",
            Self::Sha256(_) => "sha256",
            Self::Keyed { .. } => "hmac_sha256",
            Self::Pattern(_) => "pattern",
            Self::Host(_) => "host",
        }
    }
}

impl fmt::Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(text) | Self::Host(text) => f.debug_tuple(self.kind()).field(text).finish(),
            Self::Value(_) | Self::Sha256(_) | Self::Keyed { .. } => f.write_str(self.kind()),
        }
    }
}

/// A checked allow-list; counts how often each entry acted.
#[derive(Debug, Default)]
pub struct AllowList {
    entries: Vec<Entry>,
    by_rule: BTreeMap<RuleIndex, Vec<usize>>,
}

#[derive(Debug)]
struct Entry {
    rules: String,
    test: Test,
    times: AtomicU64,
}

enum Test {
    Value(String),
    Sha256([u8; 32]),
    Keyed([u8; 32], Arc<[u8]>),
    Pattern(Regex),
    Host(String),
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Test")
    }
}

impl AllowList {
    /// Checks entries against the rules of a detector.
    ///
    /// # Errors
    /// All problems at once: an entry that names no rule, is too broad or cannot be read.
    pub fn new(entries: &[AllowEntry], detector: &Detector) -> Result<Self, Vec<AllowProblem>> {
        let mut list = Self::default();
        let mut problems = Vec::new();
        if entries.len() > ENTRIES_MAX {
            problems.push(AllowProblem::new(ENTRIES_MAX, AllowFault::TooMany { max: ENTRIES_MAX }));
        }
        for (at, entry) in entries.iter().enumerate().take(ENTRIES_MAX) {
            let mut faults = Vec::new();
            let rules = rules(entry, detector, &mut faults);
            let test = test(&entry.what).map_err(|fault| faults.push(fault)).ok();
            problems.extend(faults.into_iter().map(|fault| AllowProblem::new(at, fault)));
            if let Some(test) = test {
                list.add(entry, rules, test);
            }
        }
        if problems.is_empty() { Ok(list) } else { Err(problems) }
    }

    fn add(&mut self, entry: &AllowEntry, rules: Vec<RuleIndex>, test: Test) {
        for rule in rules {
            self.by_rule.entry(rule).or_default().push(self.entries.len());
        }
        self.entries.push(Entry {
            rules: entry.rules.join(", "),
            test,
            times: AtomicU64::new(0),
        });
    }

    /// Of what is allowed, so that two configurations can be told apart without showing values.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for entry in &self.entries {
            let (kind, content) = entry.test.content();
            for part in [entry.rules.as_bytes(), kind.as_bytes(), content] {
                digest.update(part.len().to_be_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How often each entry has acted since the list was made, in the order of the entries.
    pub fn times(&self) -> impl Iterator<Item = (&str, u64)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.rules.as_str(), entry.times.load(Ordering::Relaxed)))
    }

    /// Whether a value that a rule found is allowed; counts it when it is.
    pub(crate) fn allows(&self, rule: RuleIndex, value: &str) -> bool {
        let of_rule = self.by_rule.get(&rule).map(Vec::as_slice).unwrap_or_default();
        let mut entries = of_rule.iter().filter_map(|at| self.entries.get(*at));
        let acted = entries.find(|entry| entry.test.holds(value));
        if let Some(entry) = acted {
            entry.times.fetch_add(1, Ordering::Relaxed);
        }
        acted.is_some()
    }
}

impl Test {
    fn content(&self) -> (&'static str, &[u8]) {
        match self {
            Self::Value(text) => ("value", text.as_bytes()),
            Self::Sha256(digest) => ("sha256", digest),
            Self::Keyed(digest, _) => ("hmac_sha256", digest),
            Self::Pattern(pattern) => ("pattern", pattern.as_str().as_bytes()),
            Self::Host(host) => ("host", host.as_bytes()),
        }
    }

    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Value(allowed) => allowed == value,
            Self::Sha256(allowed) => Sha256::digest(value.as_bytes()).as_slice() == allowed,
            Self::Keyed(allowed, key) => hmac_sha256(key, value.as_bytes()) == *allowed,
            Self::Pattern(pattern) => pattern.is_match(value),
            Self::Host(allowed) => host(value).is_some_and(|host| is_below(&host, allowed)),
        }
    }
}

/// The rules that an entry names.
fn rules(entry: &AllowEntry, detector: &Detector, faults: &mut Vec<AllowFault>) -> Vec<RuleIndex> {
    if entry.rules.is_empty() {
        faults.push(AllowFault::NoRule);
    }
    let mut found = Vec::new();
    for name in &entry.rules {
        let group = name.strip_suffix('*').filter(|group| group.ends_with('.'));
        let wide = matches!(entry.what, Allowed::Pattern(_) | Allowed::Host(_));
        if group.is_some() && wide {
            faults.push(AllowFault::GroupForPattern { rules: name.clone() });
            continue;
        }
        let names = |rule: &Rule| match group {
            Some(group) => rule.id.as_str().starts_with(group),
            None => rule.id.as_str() == name,
        };
        let before = found.len();
        for (at, rule) in (0_u32..).zip(detector.rules()).filter(|(_, rule)| names(rule)) {
            match refusal(rule, &entry.what) {
                Some(fault) => faults.push(fault),
                None => found.push(RuleIndex(at)),
            }
        }
        if found.len() == before && !detector.rules().iter().any(names) {
            faults.push(AllowFault::UnknownRule { rule: name.clone() });
        }
    }
    found
}

/// Why a rule cannot have such an entry.
fn refusal(rule: &Rule, what: &Allowed) -> Option<AllowFault> {
    let id = || rule.id.as_str().to_owned();
    if matches!(rule.kind, ThreatKind::PromptLeak | ThreatKind::Unscannable) {
        return Some(AllowFault::NeverAllowed { rule: id() });
    }
    let has_host = rule.kind == ThreatKind::Exfiltration || &*rule.label == "EMAIL";
    let wants_host = matches!(what, Allowed::Host(_));
    (wants_host && !has_host).then(|| AllowFault::NoHost { rule: id() })
}

fn test(what: &Allowed) -> Result<Test, AllowFault> {
    match what {
        Allowed::Value(value) if value.len() < VALUE_BYTES_MIN => Err(AllowFault::ShortValue { min: VALUE_BYTES_MIN }),
        Allowed::Value(value) => Ok(Test::Value(value.clone())),
        Allowed::Sha256(digest) => Ok(Test::Sha256(*digest)),
        Allowed::Keyed { digest, key } => Ok(Test::Keyed(*digest, Arc::clone(key))),
        Allowed::Pattern(pattern) => narrow(pattern).map(Test::Pattern),
        Allowed::Host(host) => checked_host(host).map(Test::Host),
    }
}

/// A pattern that fits few texts.
fn narrow(pattern: &str) -> Result<Regex, AllowFault> {
    let hir = regex_syntax::parse(pattern).map_err(|error| AllowFault::Pattern(error.to_string()))?;
    let properties = hir.properties();
    let bounded = properties.maximum_len().is_some_and(|max| max <= PATTERN_BYTES_MAX);
    if !bounded {
        return Err(AllowFault::UnboundedPattern { max: PATTERN_BYTES_MAX });
    }
    let long = properties.minimum_len().is_some_and(|min| min >= PATTERN_BYTES_MIN);
    if !long || fixed_bytes(&hir) < FIXED_BYTES_MIN {
        return Err(AllowFault::BroadPattern {
            min: PATTERN_BYTES_MIN,
            fixed: FIXED_BYTES_MIN,
        });
    }
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| AllowFault::Pattern(error.to_string()))
}

/// The longest stretch of fixed text that every match has, in bytes.
fn fixed_bytes(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Capture(capture) => fixed_bytes(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => fixed_bytes(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().map(fixed_bytes).max().unwrap_or(0),
        HirKind::Alternation(choices) => choices.iter().map(fixed_bytes).min().unwrap_or(0),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => 0,
    }
}

/// A host name of somebody: at least two labels, and not a suffix under which everybody registers.
fn checked_host(host: &str) -> Result<String, AllowFault> {
    let refused = || AllowFault::BroadHost { host: host.to_owned() };
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
    };
    let labels: Vec<&str> = lower.split('.').collect();
    let [.., second, top] = labels.as_slice() else {
        return Err(refused());
    };
    // `co.uk`, `com.au`, `github.io`: below these stand the hosts of strangers.
    let registry = labels.len() == 2
        && ((top.len() == 2 && ["co", "com", "net", "org", "gov", "edu", "ac", "or", "ne", "go"].contains(second))
            || SHARED_HOSTS.contains(&lower.as_str()));
    if registry || !labels.iter().all(|it| label(it)) || top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    Ok(lower)
}

/// Services that give a host below their own to anybody.
const SHARED_HOSTS: &[&str] = &[
    "github.io",
    "gitlab.io",
    "pages.dev",
    "workers.dev",
    "vercel.app",
    "netlify.app",
    "herokuapp.com",
    "web.app",
    "firebaseapp.com",
    "azurewebsites.net",
    "amazonaws.com",
    "cloudfront.net",
    "blogspot.com",
    "ngrok.io",
    "ngrok.app",
    "onrender.com",
    "fly.dev",
    "surge.sh",
    "repl.co",
    "glitch.me",
    "trycloudflare.com",
    "appspot.com",
];

fn is_below(host: &str, allowed: &str) -> bool {
    host.strip_suffix(allowed)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The host of a link or mail address, as a browser would read it.
fn host(value: &str) -> Option<String> {
    let scheme = value.find("://").map(|at| {
        let before = value.get(..at).unwrap_or_default();
        before
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(0, |at| at.saturating_add(1))
    });
    let link = match scheme {
        Some(start) => value.get(start..)?.to_owned(),
        None if value.starts_with("//") => format!("https:{value}"),
        None => {
            let (_, domain) = value.rsplit_once('@')?;
            return Some(domain.trim_end_matches('.').to_ascii_lowercase());
        }
    };
    match Url::parse(&link).ok()?.host()? {
        Host::Domain(domain) => Some(domain.trim_end_matches('.').to_ascii_lowercase()),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// HMAC of RFC 2104 over SHA-256.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let hashed = Sha256::digest(key);
    let key: &[u8] = if key.len() > BLOCK { hashed.as_slice() } else { key };
    let padded = |pad: u8| -> Vec<u8> {
        let filled = key.iter().copied().chain(std::iter::repeat(0));
        filled.take(BLOCK).map(|byte| byte ^ pad).collect()
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    outer.into()
}
