//! `testudo inspect`: shows what the guards find in texts.

mod excerpt;
mod input;
mod judge;
mod place;
mod report;
mod sarif;
mod totals;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use testudo_detect::Detector;
use testudo_detect::output::{Declared, Sink};
use testudo_gateway::settings::Profile;
use testudo_types::{Action, Origin, ThreatKind};

pub(crate) use self::input::request_texts;
use self::input::{Event, Input, each_input};
use self::judge::{Judged, Verdict, judge};
use self::report::{json_line, rules, summary, table_rows};
use self::sarif::Sarif;
use self::totals::Totals;
use crate::arguments::inspect::{FailOn, Inspect, InspectFormat};
use crate::arguments::{Format, Profiled};
use crate::config::suggest::did_you_mean;
use crate::config::{self, profiles};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::scanner::{Scanner, models};

pub(crate) fn run(arguments: &Inspect, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let asked = named(arguments).and_then(|(origin, declared)| {
        let profile = profile(&arguments.profile, variables)?;
        looks_for(&profile, &declared)?;
        Ok((origin, declared, profile))
    });
    let (origin, declared, profile) = match asked {
        Ok(asked) => asked,
        Err(problem) => {
            complain(&format!("{problem:#}"))?;
            return Ok(Exit::BadInput);
        }
    };
    let detector = detector()?;
    if arguments.rules {
        let format = match arguments.format {
            InspectFormat::Table => Format::Table,
            InspectFormat::Json => Format::Json,
            InspectFormat::Sarif => {
                complain("--rules has no SARIF; choose table or json")?;
                return Ok(Exit::BadInput);
            }
        };
        rules(&detector, format, out)?;
        return Ok(Exit::Done);
    }
    let answers = match arguments.format {
        InspectFormat::Table => Answers::Table,
        InspectFormat::Json => Answers::Json,
        InspectFormat::Sarif => Answers::Sarif(Box::new(Sarif::begin(out)?)),
    };
    let mut session = Session {
        scanner: Scanner::new(detector, profile, models(arguments.profile.models.asked())?).declaring(declared),
        origin,
        answers,
        fail_on: arguments.fail_on,
        progress: Progress::new("inspected"),
        totals: Totals::default(),
    };
    for file in &arguments.files {
        each_input(file, &mut |event| session.take(event, out))?;
    }
    session.finish(out)
}

/// Where texts come from that do not say so, and where answers go.
fn named(arguments: &Inspect) -> anyhow::Result<(Origin, Declared)> {
    let mut sinks = BTreeSet::new();
    for name in &arguments.sinks {
        let Some(sink) = Sink::from_name(name) else {
            let remedy = did_you_mean(name, Sink::ALL.iter().map(|it| it.as_str()));
            bail!("--sink cannot be `{name}`; {remedy}");
        };
        sinks.insert(sink);
    }
    let usual = if sinks.is_empty() { "user" } else { "model" };
    let name = arguments.origin.as_deref().unwrap_or(usual);
    let Some(origin) = Origin::from_name(name) else {
        let remedy = did_you_mean(name, Origin::ALL.iter().map(Origin::as_str));
        bail!("--origin cannot be `{name}`; {remedy}");
    };
    let declared = Declared {
        sinks,
        ..Declared::default()
    };
    Ok((origin, declared))
}

/// Refuses sinks that the profile would not look after.
fn looks_for(profile: &Profile, declared: &Declared) -> anyhow::Result<()> {
    let guard = profile.response.get(&ThreatKind::UnsafeOutput);
    if !declared.sinks.is_empty() && guard.is_none_or(|guard| guard.action == Action::Pass) {
        bail!(
            "--sink would find nothing: profile `{}` passes {} in the response; guard it there or choose \
             another profile",
            profile.name,
            ThreatKind::UnsafeOutput.as_str()
        );
    }
    Ok(())
}

/// The shipped rules.
pub(crate) fn detector() -> anyhow::Result<Arc<Detector>> {
    match Detector::builtin() {
        Ok(detector) => Ok(Arc::new(detector)),
        Err(_) => bail!("the shipped detection rules are unsound; please report this"),
    }
}

/// The profile that a command line names.
pub(crate) fn profile(arguments: &Profiled, variables: &dyn Variables) -> anyhow::Result<Arc<Profile>> {
    if let Some(profile) = profiles::built_in(&arguments.profile) {
        return Ok(Arc::new(profile?));
    }
    let Some(path) = crate::configuration(arguments.config.as_ref()) else {
        let remedy = did_you_mean(&arguments.profile, profiles::BUILT_IN);
        bail!("there is no profile `{}`; {remedy}", arguments.profile);
    };
    config::profile(&path, &arguments.profile, variables)
        .map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })
        .with_context(|| format!("the profile `{}` cannot be used", arguments.profile))
}

/// How answers are given.
#[derive(Debug)]
enum Answers {
    Table,
    Json,
    Sarif(Box<Sarif>),
}

/// One run over all files.
#[derive(Debug)]
struct Session {
    scanner: Scanner,
    /// Of texts that name none.
    origin: Origin,
    answers: Answers,
    fail_on: FailOn,
    progress: Progress,
    totals: Totals,
}

impl Session {
    fn take(&mut self, event: Event, out: &mut impl Write) -> io::Result<()> {
        match event {
            Event::Input(input) => {
                let judged = judge(&mut self.scanner, &input, &self.origin);
                self.totals.count(judged.verdict, input.place.bytes);
                self.answer(&input, &judged, out)?;
            }
            Event::Bad(problem) => {
                self.totals.bad = self.totals.bad.saturating_add(1);
                self.progress.clear();
                if let Answers::Sarif(sarif) = &mut self.answers {
                    sarif.note("error", &problem);
                }
                complain(&problem)?;
            }
            Event::Skipped(skip) => self.totals.skip(skip),
            Event::FileDone => self.totals.files = self.totals.files.saturating_add(1),
        }
        let totals = &self.totals;
        self.progress.say(|| totals.progress());
        Ok(())
    }

    fn answer(&mut self, input: &Input, judged: &Judged, out: &mut impl Write) -> io::Result<()> {
        match &mut self.answers {
            Answers::Json => writeln!(out, "{}", json_line(input, judged, &self.scanner))?,
            Answers::Sarif(sarif) => return sarif.input(input, judged, &self.scanner, out),
            Answers::Table if judged.verdict == Verdict::Allow => return Ok(()),
            Answers::Table => {
                self.progress.clear();
                table_rows(input, judged, &self.scanner, out)?;
            }
        }
        // Whoever waits at the other end of a pipe sees each answer as it is found.
        out.flush()
    }

    fn finish(mut self, out: &mut impl Write) -> anyhow::Result<Exit> {
        self.progress.clear();
        match self.answers {
            Answers::Table => summary(&self.totals, out)?,
            Answers::Json => {
                if let Some(skipped) = self.totals.skipped_words() {
                    complain(&format!("not looked at: {skipped}"))?;
                }
            }
            Answers::Sarif(sarif) => sarif.finish(&self.totals, self.scanner.profile().name.as_str(), out)?,
        }
        if self.totals.bad > 0 {
            complain(&format!(
                "{} could not be read",
                crate::output::counted(usize::try_from(self.totals.bad).unwrap_or(usize::MAX), "input")
            ))?;
            return Ok(Exit::BadInput);
        }
        let fails = match self.fail_on {
            FailOn::Flag => self.totals.worst() >= Verdict::Flag,
            FailOn::Block => self.totals.worst() >= Verdict::Block,
        };
        Ok(if fails { Exit::Found } else { Exit::Done })
    }
}

pub(crate) fn complain(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "testudo: {what}")
}
