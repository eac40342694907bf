//! What a route says about its answers: links, sinks and checks.

use std::collections::BTreeSet;
use std::sync::Arc;

use testudo_detect::output::{HostList, LinkPolicy, Sink};
use testudo_gateway::settings::{OutputCheck, OutputSettings};

use crate::config::document::{At, shown};
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;
use crate::config::typed::{Links, Route};

/// Everything about answers; mistakes are in `problems`.
pub(super) fn output(typed: &Route, problems: &mut Problems) -> OutputSettings {
    let route = &typed.name.value;
    let sinks = names(
        &typed.sinks,
        route,
        "sinks",
        Sink::from_name,
        Sink::ALL.map(Sink::as_str),
        problems,
    );
    let checks = names(
        &typed.checks,
        route,
        "checks",
        OutputCheck::from_name,
        OutputCheck::ALL.map(OutputCheck::as_str),
        problems,
    );
    let default = OutputSettings::default();
    OutputSettings {
        links: typed
            .links
            .as_ref()
            .map_or(default.links, |links| Arc::new(policy(links, route, problems))),
        sinks,
        checks,
    }
}

fn policy(links: &Links, route: &str, problems: &mut Problems) -> LinkPolicy {
    let hosts = links.listed.then(|| {
        for host in &links.hosts {
            for problem in HostList::new([host.value.as_str()]).err().unwrap_or_default() {
                let what = format!("`routes.{route}.links.hosts`: {problem}");
                problems.at(host.line, what, "name hosts without scheme, port or path");
            }
        }
        HostList::new(links.hosts.iter().map(|host| host.value.as_str())).unwrap_or_default()
    });
    LinkPolicy {
        hosts,
        context: links.context.as_ref().is_none_or(|it| it.value),
    }
}

fn names<T: Ord, const N: usize>(
    typed: &[At<String>],
    route: &str,
    key: &str,
    find: impl Fn(&str) -> Option<T>,
    known: [&'static str; N],
    problems: &mut Problems,
) -> BTreeSet<T> {
    let mut found = BTreeSet::new();
    for name in typed {
        match find(&name.value) {
            Some(value) => {
                found.insert(value);
            }
            None => problems.at(
                name.line,
                format!("`routes.{route}.{key}` cannot hold `{}`", shown(&name.value)),
                did_you_mean(&name.value, known),
            ),
        }
    }
    found
}
