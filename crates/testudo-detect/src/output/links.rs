//! Decides whether a link in an answer may stand: where it leads and what it carries.

use std::collections::BTreeSet;
use std::sync::Arc;

use testudo_types::Score;
use url::Url;

use super::context::{Context, GRAM_BYTES, Source, folded, trimmed};
use super::encodings::readings;
use super::hosts::HostList;
use super::redirects::{onward, percent_decoded};
use crate::structure::html::entities;
use crate::suffix_automaton::{Matched, SuffixAutomaton};
use crate::{Budget, Hit, RuleIndex};

/// Letters and digits of one address that are compared.
const CARRIED_BYTES_MAX: usize = 16 << 10;
/// Fewer letters and digits than this carry nothing that could be told from chance.
const CARRIED_BYTES_MIN: usize = GRAM_BYTES;
/// A common run of this many letters and digits under an encoding is no chance.
const ENCODED_RUN: usize = 10;

/// What a reader's program does with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkForm {
    /// Fetched when the answer is shown: images, media, styles, references.
    Loads,
    /// Followed when somebody clicks.
    Clicks,
}

impl LinkForm {
    /// The form that a rule names.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "loads" => Some(Self::Loads),
            "clicks" => Some(Self::Clicks),
            _ => None,
        }
    }
}

/// What a route says about links in its answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkPolicy {
    /// Where links may lead; anywhere when there is no list.
    pub hosts: Option<HostList>,
    /// Whether links are compared with what the exchange holds.
    pub context: bool,
}

/// Judges the links of one answer.
#[derive(Debug, Clone)]
pub struct LinkJudge {
    policy: Arc<LinkPolicy>,
    context: Arc<Context>,
}

impl LinkJudge {
    /// A judge for the answer to the request that `context` was made of.
    #[must_use]
    pub fn new(policy: &Arc<LinkPolicy>, context: &Arc<Context>) -> Self {
        Self {
            policy: Arc::clone(policy),
            context: Arc::clone(context),
        }
    }

    /// What is wrong with an address as it stands in the answer; the gravest only.
    ///
    /// `None` also for what is no absolute web address.
    #[must_use]
    pub fn judge(&self, written: &str, form: LinkForm, budget: &mut Budget) -> Option<(RuleIndex, Score)> {
        budget.spend(written.len().saturating_mul(4));
        let written = trimmed(cut(written));
        if self.context.supplied(written) {
            return None;
        }
        let plain = entities::decode(written);
        if self.context.supplied(&plain) {
            return None;
        }
        let url = match absolute(&plain) {
            Address::Web(url) => *url,
            Address::Broken if self.policy.hosts.is_some() => return found(RuleIndex::LINK_HOST, 80),
            Address::Broken | Address::Other => return None,
        };
        let host = url.host_str().unwrap_or_default();
        let listed = self.policy.hosts.as_ref().map(|hosts| hosts.contains(host));
        let carried = if !self.policy.context || self.context.seen(written) || self.context.seen(&plain) {
            None
        } else {
            self.carried(&url, &plain, form, listed == Some(true), budget)
        };
        let led = match (listed, form) {
            (Some(false), LinkForm::Loads) => found(RuleIndex::LINK_HOST, 90),
            (Some(false), LinkForm::Clicks) => found(RuleIndex::LINK_HOST, 75),
            _ => self.led_on(&url, form),
        };
        [carried, led].into_iter().flatten().max_by_key(|(_, score)| *score)
    }

    /// Turns what the rules took for links into what is wrong with them.
    pub(crate) fn settle(&self, hit: Hit, form: LinkForm, text: &str, budget: &mut Budget) -> Option<Hit> {
        let (rule, score) = self.judge(text, form, budget)?;
        let len = trimmed(cut(text)).len();
        Some(Hit {
            rule,
            score,
            end: hit.start.saturating_add(len),
            ..hit
        })
    }

    fn led_on(&self, url: &Url, form: LinkForm) -> Option<(RuleIndex, Score)> {
        let onward = onward(url)?;
        let listed = match (&self.policy.hosts, &onward.host) {
            (Some(hosts), Some(host)) => Some(hosts.contains(host)),
            _ => None,
        };
        let score = match (self.policy.hosts.is_some(), listed, onward.known, form) {
            (_, Some(true), _, _) => return None,
            (true, Some(false), _, LinkForm::Loads) => 90,
            (true, Some(false), _, LinkForm::Clicks) => 75,
            (_, _, true, LinkForm::Loads) => 65,
            (_, _, true, LinkForm::Clicks) => 35,
            (_, _, false, LinkForm::Loads) => 55,
            (_, _, false, LinkForm::Clicks) => 25,
        };
        found(RuleIndex::LINK_ONWARD, score)
    }

    /// Whether parts of the address repeat the exchange.
    fn carried(
        &self,
        url: &Url,
        written: &str,
        form: LinkForm,
        listed: bool,
        budget: &mut Budget,
    ) -> Option<(RuleIndex, Score)> {
        let parts = Parts::of(url, written);
        let loads = form == LinkForm::Loads;
        let score = |loading: u8, clicked: u8| found(RuleIndex::LINK_CONTEXT, if loads { loading } else { clicked });
        if parts.plain.iter().any(|part| has_placeholder(part)) {
            return score(95, 90);
        }
        if self.context.is_empty() {
            return None;
        }
        let encoded: BTreeSet<String> = parts
            .plain
            .iter()
            .chain(&parts.joined)
            .flat_map(|part| readings(part))
            .collect();
        if let Some(run) = self.longest(&encoded, budget)
            && run.text.len() >= ENCODED_RUN
        {
            return score(95, 90);
        }
        let plain: BTreeSet<String> = parts.plain.iter().chain(&parts.joined).cloned().collect();
        let run = self.longest(&plain, budget)?;
        let figures = run.text.bytes().filter(u8::is_ascii_digit).count();
        let letters = run.text.len().saturating_sub(figures);
        let beside_path = self
            .longest(&parts.beside_path(), budget)
            .is_some_and(|beside| beside.text.len() >= run.text.len());
        let words = run.text.len();
        if run.source == Source::System && words >= if loads { 20 } else { 32 } && figures < 9 {
            return score(95, 85);
        }
        if listed {
            return None;
        }
        let mailed = parts.plain.iter().any(|part| part.contains('@'));
        if mailed && words >= CARRIED_BYTES_MIN {
            return score(90, 80);
        }
        if figures >= 3 && letters >= 3 {
            let weight = match (words, beside_path) {
                (16.., true) => Some((90, 70)),
                (10.., true) => Some((85, 40)),
                (16.., false) => Some((75, 45)),
                _ => None,
            };
            if let Some((loading, clicked)) = weight {
                return score(loading, clicked);
            }
        }
        if figures >= CARRIED_BYTES_MIN {
            return if beside_path { score(85, 45) } else { score(60, 30) };
        }
        let enough = match (loads, beside_path) {
            (true, true) => 24,
            (true, false) => 40,
            (false, true) => 48,
            (false, false) => 72,
        };
        (words >= enough).then(|| score(90, 70)).flatten()
    }

    /// The longest run of letters and digits that some part shares with the context.
    fn longest(&self, parts: &BTreeSet<String>, budget: &mut Budget) -> Option<Run> {
        let mut needle = String::new();
        for part in parts {
            let start = needle.len();
            needle.extend(folded(part));
            if needle.len().saturating_sub(start) < CARRIED_BYTES_MIN {
                needle.truncate(start);
            } else {
                needle.push('\u{1}');
            }
            if needle.len() >= CARRIED_BYTES_MAX {
                break;
            }
        }
        budget.spend(needle.len().saturating_mul(8));
        if !self.context.may_share(needle.as_bytes()) {
            return None;
        }
        // What cannot be compared is not cleared: the caller sees an exhausted budget.
        if needle.is_empty() || !budget.spend(self.context.bytes().saturating_add(needle.len())) {
            return None;
        }
        let automaton = SuffixAutomaton::new(needle.as_bytes());
        let mut best: Option<Run> = None;
        for (source, text) in self.context.folded() {
            let mut matched = Matched::default();
            let (mut length, mut end) = (0_usize, 0_usize);
            for (at, byte) in (1_usize..).zip(text.bytes()) {
                matched = automaton.step(matched, byte);
                let len = usize::try_from(matched.len).unwrap_or(usize::MAX);
                if len > length {
                    (length, end) = (len, at);
                }
            }
            let start = text.ceil_char_boundary(end.saturating_sub(length));
            let run = text.get(start..text.floor_char_boundary(end)).unwrap_or_default();
            if length >= CARRIED_BYTES_MIN && best.as_ref().is_none_or(|best| run.len() > best.text.len()) {
                best = Some(Run {
                    source,
                    text: run.to_owned(),
                });
            }
        }
        best
    }
}

/// What an address and the context have in common.
#[derive(Debug)]
struct Run {
    source: Source,
    text: String,
}

fn found(rule: RuleIndex, score: u8) -> Option<(RuleIndex, Score)> {
    Score::new(score).map(|score| (rule, score))
}

/// The parts of an address in which something can be carried.
#[derive(Debug, Default)]
struct Parts {
    /// Labels of the host, the path, keys and values of the query, the fragment, name and password.
    plain: Vec<String>,
    /// Values that were cut into several parts, put together.
    joined: Vec<String>,
    path: String,
}

impl Parts {
    fn of(url: &Url, written: &str) -> Self {
        let mut parts = Self {
            path: percent_decoded(url.path()),
            ..Self::default()
        };
        let mut values = String::new();
        for (key, value) in url.query_pairs() {
            // A value may be encoded once more.
            let value = percent_decoded(&value);
            values.push_str(&value);
            parts.plain.push(key.into_owned());
            parts.plain.push(value);
        }
        parts.joined.push(values);
        parts.joined.push(parts.path.split('/').collect());
        let host = url.host_str().unwrap_or_default();
        parts.joined.push(host.split('.').collect());
        parts.plain.extend(host.split('.').map(str::to_owned));
        // Base64 in a label is lost in lower case.
        let authority = written
            .trim_start_matches(|c| c != '/' && c != '\\')
            .trim_start_matches(['/', '\\']);
        let authority = authority.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        parts.plain.extend(authority.split('.').map(str::to_owned));
        parts
            .plain
            .extend(parts.path.split('/').map(str::to_owned).collect::<Vec<_>>());
        for part in [Some(url.username()), url.password(), url.fragment()]
            .into_iter()
            .flatten()
        {
            parts.plain.push(percent_decoded(part));
        }
        parts.plain.retain(|part| !part.is_empty());
        parts
    }

    /// Everything but the path, whose words are mostly a title.
    fn beside_path(&self) -> BTreeSet<String> {
        let segments: BTreeSet<&str> = self.path.split('/').collect();
        let rest = self.plain.iter().filter(|part| !segments.contains(part.as_str()));
        rest.chain(self.joined.first()).cloned().collect()
    }
}

/// Whether a part holds what stands for a value of the request, whole or without its brackets.
fn has_placeholder(part: &str) -> bool {
    part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .any(|word| {
            let mut pieces = word.rsplit('_');
            let nonce = pieces.next().unwrap_or_default();
            let count = pieces.next().unwrap_or_default();
            let label = pieces.next().unwrap_or_default();
            nonce.len() == 13
                && nonce.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && (1..=4).contains(&count.len())
                && count.bytes().all(|b| b.is_ascii_digit())
                && label.len() >= 2
                && label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
}

/// An address ends at a blank; rules for quoted attributes may have read on.
fn cut(text: &str) -> &str {
    let text = text.trim_start();
    text.split(' ').next().unwrap_or_default().trim_end()
}

enum Address {
    Web(Box<Url>),
    /// Looks like an absolute web address and is none that can be read.
    Broken,
    /// Relative, mail, data and the like: leads nowhere on the web.
    Other,
}

/// Reads an address as a browser would: blanks inside dropped, backslashes as slashes, `//` as https.
fn absolute(text: &str) -> Address {
    let text: String = text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let head: String = text.chars().take(8).collect::<String>().to_ascii_lowercase();
    let slashes =
        |text: &str| text.starts_with(['/', '\\']) && text.get(1..).is_some_and(|rest| rest.starts_with(['/', '\\']));
    let address = if slashes(&text) {
        format!("https:{text}")
    } else if ["http:", "https:", "ftp:", "ws:", "wss:"]
        .iter()
        .any(|scheme| head.starts_with(scheme))
    {
        text
    } else if head.starts_with("www.") {
        format!("https://{text}")
    } else {
        return Address::Other;
    };
    match Url::parse(&address) {
        Ok(url) if url.host().is_some() => Address::Web(Box::new(url)),
        _ => Address::Broken,
    }
}
