//! What policies see of a call that a model asks for.

use std::collections::BTreeSet;

use cedar_policy::RestrictedExpression;

use super::{Asked, asked, pair, text, truth, word};
use crate::actions::{ActionFacts, CommandFacts, PathFacts, Quantities, SqlFacts, UrlFacts};
use crate::index::RoutePolicies;
use crate::provenance::{ArgumentFacts, Label, Reason, Role, Source};
use crate::vocabulary::{Vocabulary, entity};
use crate::{ActFacts, Plan, SessionFacts};

type Pairs = Vec<(String, RestrictedExpression)>;

/// May this call go?
pub(crate) fn on_act(facts: &ActFacts<'_>, route: &RoutePolicies, words: &Vocabulary) -> Result<Asked, String> {
    let call = &facts.call.facts;
    let reason = facts.call.verdict.reason.as_ref();
    let actions = &facts.call.actions;
    let mut pairs = vec![
        pair("tool", text(&call.tool)),
        pair("effect", word(entity(&words.effect, call.effect.as_str()))),
        pair("reviewed", truth(call.reviewed)),
        pair("external", truth(call.external)),
        pair("tainted", truth(call.tainted)),
        pair("suspicious", truth(call.suspicious)),
        pair("planned", truth(facts.plan != Plan::Outside)),
        pair("approved", truth(facts.approved)),
        pair("provenance_held", truth(reason.is_some())),
        pair("reason", word(entity(&words.why, why(reason)))),
        pair("unread", truth(actions.unread)),
        pair("arguments", names(actions.arguments.iter().map(String::as_str))),
        pair("link_hosts", names(actions.link_hosts.iter().map(String::as_str))),
    ];
    pairs.extend(ranks(&call.arguments));
    pairs.extend(kinds(actions)?);
    pairs.push(pair("session", session(&facts.session)?));
    asked(facts.principal, &words.action_act, route, pairs, words)
}

/// The schema lists every code; a new one is `other` until it does.
fn why(reason: Option<&Reason>) -> &'static str {
    const LISTED: [&str; 10] = [
        "after_reading",
        "not_in_plan",
        "not_named",
        "look_alike",
        "not_pointed_at",
        "another_named",
        "carries_link",
        "secret_leaves",
        "not_asked_for",
        "too_much",
    ];
    match reason.map(Reason::code) {
        None => "none",
        Some(code) if LISTED.contains(&code) => code,
        Some(_) => "other",
    }
}

fn ranks(arguments: &[ArgumentFacts]) -> Pairs {
    // What the model chose from a list that a reviewer saw needs nobody's naming.
    let named: Vec<&ArgumentFacts> = arguments.iter().filter(|argument| !argument.listed).collect();
    let rank = |argument: &ArgumentFacts| argument.provenance.label.rank();
    let least = |selects: bool| {
        let of_role = named.iter().filter(|it| (it.role == Role::Selector) == selects);
        let least = of_role.map(|it| rank(it)).min();
        super::number(least.unwrap_or(Label::System.rank()))
    };
    let where_ =
        |is: &dyn Fn(&ArgumentFacts) -> bool| names(named.iter().filter(|it| is(it)).map(|it| it.path.as_str()));
    let below = |label: Label| where_(&|it| rank(it) < label.rank());
    let sources: BTreeSet<String> = named
        .iter()
        .filter_map(|it| it.provenance.evidence.as_ref())
        .map(|evidence| source(&evidence.source))
        .collect();
    vec![
        pair("rank_control", least(false)),
        pair("rank_selector", least(true)),
        pair("named_by_nobody", below(Label::Text)),
        pair("below_id", below(Label::SystemId)),
        pair("below_directory", below(Label::Directory)),
        pair("below_user", below(Label::User)),
        pair("look_alike", where_(&|it| it.provenance.look_alike)),
        pair("derived", where_(&|it| it.provenance.derived)),
        pair("sources", names(sources.iter().map(String::as_str))),
    ]
}

fn source(source: &Source) -> String {
    match source {
        Source::System => "system".to_owned(),
        Source::User => "user".to_owned(),
        Source::Pasted => "pasted".to_owned(),
        Source::Tool(name) => format!("tool:{name}"),
        Source::Copied(name) => format!("copied:{name}"),
        Source::Definition(name) => format!("definition:{name}"),
    }
}

fn kinds(actions: &ActionFacts) -> Result<Pairs, String> {
    Ok(vec![
        pair("sql", sql(&actions.sql)?),
        pair("url", url(&actions.url)?),
        pair("path", path(&actions.path)?),
        pair("command", command(&actions.command)?),
        pair("quantity", quantity(&actions.quantity)?),
    ])
}

fn sql(facts: &SqlFacts) -> Result<RestrictedExpression, String> {
    record(vec![
        pair("present", truth(facts.present)),
        pair("unparsed", truth(facts.unparsed)),
        pair("read_only", truth(facts.read_only())),
        pair("several", truth(facts.several)),
        pair("kinds", all(&facts.kinds)),
        pair("reads", all(&facts.reads)),
        pair("writes", all(&facts.writes)),
        pair("functions", all(&facts.functions)),
    ])
}

fn url(facts: &UrlFacts) -> Result<RestrictedExpression, String> {
    let ports = facts.ports.iter().map(|port| count(u64::from(*port)));
    record(vec![
        pair("present", truth(facts.present)),
        pair("unparsed", truth(facts.unparsed)),
        pair("schemes", all(&facts.schemes)),
        pair("hosts", all(&facts.hosts)),
        pair("under", all(&facts.under)),
        pair("ports", RestrictedExpression::new_set(ports)),
        pair("private", truth(facts.private)),
        pair("numeric", truth(facts.numeric)),
        pair("userinfo", truth(facts.userinfo)),
        pair("query_bytes", count(facts.query_bytes)),
        pair("entropy_bits", count(facts.entropy_bits)),
    ])
}

fn path(facts: &PathFacts) -> Result<RestrictedExpression, String> {
    record(vec![
        pair("present", truth(facts.present)),
        pair("unparsed", truth(facts.unparsed)),
        pair("directories", all(&facts.directories)),
        pair("under", all(&facts.under)),
        pair("absolute", truth(facts.absolute)),
        pair("escapes", truth(facts.escapes)),
        pair("home", truth(facts.home)),
        pair("device", truth(facts.device)),
        pair("encoded", truth(facts.encoded)),
    ])
}

fn command(facts: &CommandFacts) -> Result<RestrictedExpression, String> {
    record(vec![
        pair("present", truth(facts.present)),
        pair("unparsed", truth(facts.unparsed)),
        pair("programs", all(&facts.programs)),
        pair("several", truth(facts.several)),
        pair("redirects", truth(facts.redirects)),
        pair("substitutes", truth(facts.substitutes)),
    ])
}

fn quantity(facts: &Quantities) -> Result<RestrictedExpression, String> {
    record(vec![
        pair("present", truth(facts.present)),
        pair("unparsed", truth(facts.unparsed)),
        pair("sum", count(facts.sum)),
        pair("largest", count(facts.largest)),
    ])
}

fn session(facts: &SessionFacts) -> Result<RestrictedExpression, String> {
    record(vec![
        pair("calls_1h", count(facts.calls_1h)),
        pair("calls_24h", count(facts.calls_24h)),
        pair("tool_calls_1h", count(facts.tool_calls_1h)),
        pair("tool_calls_24h", count(facts.tool_calls_24h)),
        pair("sum_1h", count(facts.sum_1h)),
        pair("sum_24h", count(facts.sum_24h)),
        pair("held_24h", count(facts.held_24h)),
        pair("fetches_1h", count(facts.fetches_1h)),
        pair("fetches_24h", count(facts.fetches_24h)),
        pair("fetch_bits_1h", count(facts.fetch_bits_1h)),
        pair("fetch_bits_24h", count(facts.fetch_bits_24h)),
        pair("fetches_here", count(facts.fetches_here)),
        pair("canary", truth(facts.canary)),
    ])
}

fn record(pairs: Pairs) -> Result<RestrictedExpression, String> {
    RestrictedExpression::new_record(pairs).map_err(|error| error.to_string())
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    let names: BTreeSet<&str> = names.collect();
    RestrictedExpression::new_set(names.into_iter().map(text))
}

fn all(names: &BTreeSet<String>) -> RestrictedExpression {
    RestrictedExpression::new_set(names.iter().map(|name| text(name)))
}

/// What does not fit is the greatest: a sum of it fails, and what fails is a block.
fn count(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}
