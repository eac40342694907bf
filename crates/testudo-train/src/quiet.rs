//! How often each rule speaks about texts that are no attacks, by where they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use testudo_detect::model::metrics::default_origin;
use testudo_detect::output::{Context, Declared, HostList, LinkJudge, LinkPolicy, Sink};
use testudo_detect::structure::special::{SpecialTokens, TokenLevel};
use testudo_detect::{Budget, Canaries, Detector, Scan, Scope, Selection, scan_all};
use testudo_types::{Direction, Origin, ThreatKind};

use crate::row::{self, Row};

/// What one text may cost, as in the gateway.
const WORK_MAX: u64 = 256 << 20;
/// Ids that are shown of each rule and source.
const SHOWN_MAX: usize = 5;

#[derive(Debug, Default)]
struct Count {
    texts: usize,
    score_max: u8,
    ids: Vec<String>,
}

/// A table of rules and sources; `direction` is `request`, `response`, or a sink of answers.
pub(crate) fn quiet(direction: &str, files: &[&str]) -> anyhow::Result<String> {
    let detector = Arc::new(Detector::builtin().map_err(|problems| anyhow::anyhow!("{problems:?}"))?);
    let mut selections: BTreeMap<&'static str, Selection> = BTreeMap::new();
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    let mut counts: BTreeMap<(String, String), Count> = BTreeMap::new();
    let policy = Arc::new(LinkPolicy {
        hosts: None::<HostList>,
        context: true,
    });
    let tokens = SpecialTokens::builtin()?;
    let mut before = String::new();
    for path in files {
        for row in row::read(Path::new(path))?.into_iter().filter(|it| !it.is_attack()) {
            let family = row.meta("family").unwrap_or("none").to_owned();
            let tally = texts.entry(family.clone()).or_default();
            *tally = tally.saturating_add(1);
            let origin = if direction == "request" {
                default_origin(row.kind.as_str(), &family)
            } else {
                Origin::Model
            };
            let selection = selections
                .entry(origin.as_str())
                .or_insert_with(|| select(&detector, direction, &origin));
            // As if the answer came after another document.
            let mut context = Context::default();
            context.add(&Origin::Document, &before);
            let judge = LinkJudge::new(&policy, &Arc::new(context));
            let judge = (direction == "response").then_some(&judge);
            let scan = scan_all(
                selection,
                None,
                &Canaries::default(),
                judge,
                &row.text,
                &mut Budget::new(WORK_MAX),
            );
            let mut found = found(&detector, &scan);
            if direction == "request" {
                // Broken in requests where the profile says so; a finding that stops nothing.
                for level in [TokenLevel::Tokens, TokenLevel::All] {
                    let broken = tokens
                        .find(&row.text, level, &mut Budget::unlimited())
                        .unwrap_or_default();
                    if !broken.is_empty() {
                        found.insert(format!("neutralise = {}", level.as_str()), 0);
                    }
                }
            }
            count(found, &family, &row, &mut counts);
            before = row.text;
        }
    }
    Ok(table(&texts, &counts))
}

fn select(detector: &Arc<Detector>, direction: &str, origin: &Origin) -> Selection {
    let scope = Scope {
        direction: if direction == "request" {
            Direction::Request
        } else {
            Direction::Response
        },
        origin: origin.clone(),
        kinds: ThreatKind::ALL.into_iter().collect(),
    };
    let sinks: BTreeSet<Sink> = Sink::from_name(direction).into_iter().collect();
    let declared = Declared {
        refusals: direction == "response",
        links: direction == "response",
        sinks,
    };
    detector.select_declared(&scope, &declared)
}

/// The rules that spoke, with their highest scores.
fn found(detector: &Detector, scan: &Scan) -> BTreeMap<String, u8> {
    let mut found: BTreeMap<String, u8> = BTreeMap::new();
    if scan.exhausted {
        found.insert("unscannable".to_owned(), 100);
    }
    for (rule, hit) in scan.hits.iter().filter_map(|hit| Some((detector.rule(hit.rule)?, hit))) {
        let score = found.entry(rule.id.to_string()).or_default();
        *score = (*score).max(hit.score.percent());
    }
    found
}

fn count(found: BTreeMap<String, u8>, family: &str, row: &Row, counts: &mut BTreeMap<(String, String), Count>) {
    for (rule, score) in found {
        let count = counts.entry((rule, family.to_owned())).or_default();
        count.texts = count.texts.saturating_add(1);
        count.score_max = count.score_max.max(score);
        if count.ids.len() < SHOWN_MAX {
            count.ids.push(row.id.clone());
        }
    }
}

fn table(texts: &BTreeMap<String, usize>, counts: &BTreeMap<(String, String), Count>) -> String {
    let mut out = String::new();
    for ((rule, family), count) in counts {
        let of = texts.get(family).copied().unwrap_or(0);
        let per_mille = count.texts.saturating_mul(10_000).checked_div(of).unwrap_or(0);
        out.push_str(&format!(
            "{rule:38} {family:18} {:6} of {of:6} {:5}.{:02} %  {:3}  {}\n",
            count.texts,
            per_mille.checked_div(100).unwrap_or(0),
            per_mille.checked_rem(100).unwrap_or(0),
            count.score_max,
            count.ids.join(" "),
        ));
    }
    let all: usize = texts.values().sum();
    out.push_str(&format!("{all} texts\n"));
    out
}
