//! `testudo replay`: tries a policy for agents on recorded tool calls.

pub(crate) mod explain;
mod input;
pub(crate) mod recorded;
mod report;
mod suites;
mod tally;
#[cfg(test)]
mod tests;
pub(crate) mod trace;
mod walk;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write;

use testudo_gateway::settings::InjectionModels;
use testudo_policy::provenance::{Knobs, PolicyName, Reading};
use testudo_types::{Action, Origin, ThreatKind};

use self::report::Report;
use self::suites::Suites;
use self::walk::Walk;
use crate::arguments::Format;
use crate::arguments::replay::{Policy, Replay};
use crate::config::profiles;
use crate::exit::Exit;
use crate::inspect::{complain, detector};
use crate::progress::Progress;
use crate::scanner::{Scanner, models};

/// Results of which it is remembered whether they hold instructions.
const REMEMBERED_MAX: usize = 200_000;

pub(crate) fn run(arguments: &Replay, out: &mut impl Write) -> anyhow::Result<Exit> {
    let suites = match Suites::load(arguments) {
        Ok(suites) => suites,
        Err(problem) => {
            complain(&problem)?;
            return Ok(Exit::BadInput);
        }
    };
    let walk = walk_of(arguments);
    let mut instructions = Instructions::new()?;
    let mut report = Report::new(arguments.by, arguments.format, arguments.policy);
    let mut progress = Progress::new("replayed");
    let mut bad: u64 = 0;
    for path in &arguments.traces {
        input::each_trace(path, arguments.from_ledger, &mut |given| {
            let judged = given.and_then(|trace| match suites.of(&trace.suite) {
                Some(suite) => Ok((trace, suite)),
                None => Err(format!(
                    "{}: there is no table for the suite `{}`",
                    trace.id, trace.suite
                )),
            });
            let (trace, suite) = match judged {
                Ok(judged) => judged,
                Err(problem) => {
                    bad = bad.saturating_add(1);
                    progress.clear();
                    return complain(&problem);
                }
            };
            if arguments.explain.as_ref().is_some_and(|id| *id != trace.id) {
                return Ok(());
            }
            let walked = walk.through(&trace, suite, &mut |text| walk.knobs.exact && instructions.are_in(text));
            if arguments.explain.is_some() {
                explain::show(out, &trace, &walked, arguments.format)?;
            }
            report.count(&trace, &walked);
            if arguments.explain.is_none() && arguments.format == Format::Json {
                report.line(out, &trace, &walked)?;
            }
            progress.say(|| format!("{} traces", report.count_of_traces()));
            Ok(())
        })?;
    }
    drop(progress);
    if report.count_of_traces() == 0 {
        match &arguments.explain {
            Some(id) => complain(&format!("there is no trace `{id}`"))?,
            None => complain("there is no trace to replay")?,
        }
        return Ok(Exit::BadInput);
    }
    if arguments.explain.is_none() {
        report.end(out)?;
    }
    Ok(if bad > 0 { Exit::BadInput } else { Exit::Done })
}

fn walk_of(arguments: &Replay) -> Walk {
    let name = match arguments.policy {
        Policy::Default => PolicyName::Default,
        Policy::Q1 => PolicyName::Q1,
        Policy::Q3 => PolicyName::Q3,
        Policy::Q4 => PolicyName::Q4,
        Policy::Q6 => PolicyName::Q6,
        Policy::RuleOfTwo => PolicyName::RuleOfTwo,
    };
    let knobs = Knobs {
        trust_system: arguments.trust_system,
        freeze_plan: arguments.freeze_plan,
        ..Knobs::from(name)
    };
    // The older policies are measured as they were: without looking at what was pasted.
    let pasted = knobs.exact && !arguments.ignore_pasted;
    Walk {
        knobs,
        declared_spans: pasted,
        reading: if pasted { Reading::Close } else { Reading::Plain },
    }
}

/// Whether results hold injected instructions, by the shipped rules and the faster trained model. It only ever takes
/// something away: links are then no longer fetched on the word of a text, and a call that no value of the user's leads
/// to needs every word of the tool's name.
struct Instructions {
    scanner: Scanner,
    remembered: HashMap<u64, bool>,
}

impl Instructions {
    fn new() -> anyhow::Result<Self> {
        let profile = profiles::built_in("balanced").transpose()?;
        let profile = profile.ok_or_else(|| anyhow::anyhow!("the shipped profile `balanced` is missing"))?;
        let models = models(InjectionModels::Ngram)?;
        Ok(Self {
            scanner: Scanner::new(detector()?, std::sync::Arc::new(profile), models),
            remembered: HashMap::new(),
        })
    }

    fn are_in(&mut self, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let key = hasher.finish();
        if let Some(known) = self.remembered.get(&key) {
            return *known;
        }
        let mut allowance = self.scanner.allowance();
        let scanned = self
            .scanner
            .scan(text, &Origin::ToolResult { tool: None }, &mut allowance);
        let is_injection = |found: &crate::scanner::Found| {
            let kind = self.scanner.rule(&found.hit).map(|rule| rule.kind);
            kind == Some(ThreatKind::Injection) && found.action > Action::Observe
        };
        // What could not be read whole may hold anything.
        let found = scanned.exhausted || scanned.found.iter().any(is_injection);
        if self.remembered.len() < REMEMBERED_MAX {
            self.remembered.insert(key, found);
        }
        found
    }
}
