//! `testudo inspect`: shows what the guards find in texts.

mod excerpt;
mod input;
mod judge;
mod report;

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use testudo_detect::Detector;
use testudo_gateway::settings::Profile;
use testudo_types::Origin;

use self::input::{Text, each_text};
use self::judge::{Judge, Verdict};
use self::report::{Totals, json_line, rules, summary, table_rows};
use crate::arguments::{Format, Inspect};
use crate::config::suggest::did_you_mean;
use crate::config::{self, profiles};
use crate::exit::Exit;

/// How often progress is shown, in texts.
const PROGRESS_EVERY: u64 = 256;

pub(crate) fn run(arguments: &Inspect, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Some(origin) = Origin::from_name(&arguments.origin) else {
        let remedy = did_you_mean(&arguments.origin, Origin::ALL.iter().map(Origin::as_str));
        complain(&format!("--origin cannot be `{}`; {remedy}", arguments.origin))?;
        return Ok(Exit::BadInput);
    };
    let profile = match profile(arguments) {
        Ok(profile) => profile,
        Err(problem) => {
            complain(&format!("{problem:#}"))?;
            return Ok(Exit::BadInput);
        }
    };
    let Ok(detector) = Detector::builtin() else {
        bail!("the shipped detection rules are unsound; please report this");
    };
    let detector = Arc::new(detector);
    if arguments.rules {
        rules(&detector, arguments.format, out)?;
        return Ok(Exit::Done);
    }
    let mut session = Session {
        judge: Judge::new(detector, profile),
        origin,
        format: arguments.format,
        progress: io::stderr().is_terminal() && !io::stdout().is_terminal(),
        totals: Totals::default(),
    };
    for file in &arguments.files {
        session.file(file, out)?;
    }
    session.finish(out)
}

fn profile(arguments: &Inspect) -> anyhow::Result<Arc<Profile>> {
    if let Some(profile) = profiles::built_in(&arguments.profile) {
        return Ok(Arc::new(profile?));
    }
    let Some(path) = crate::configuration(arguments.config.as_ref()) else {
        let remedy = did_you_mean(&arguments.profile, profiles::BUILT_IN);
        bail!("there is no profile `{}`; {remedy}", arguments.profile);
    };
    config::profile(&path, &arguments.profile)
        .map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })
        .with_context(|| format!("the profile `{}` cannot be used", arguments.profile))
}

/// One run over all files.
#[derive(Debug)]
struct Session {
    judge: Judge,
    /// Of texts that name none.
    origin: Origin,
    format: Format,
    progress: bool,
    totals: Totals,
}

impl Session {
    fn file(&mut self, file: &Path, out: &mut impl Write) -> anyhow::Result<()> {
        each_text(file, |text| match text {
            Ok(text) => self.text(&text, out),
            Err(problem) => {
                self.totals.bad = self.totals.bad.saturating_add(1);
                complain(&problem)
            }
        })?;
        Ok(())
    }

    fn text(&mut self, text: &Text, out: &mut impl Write) -> io::Result<()> {
        let origin = text.origin.as_ref().unwrap_or(&self.origin);
        let judged = self.judge.judge(&text.text, origin);
        self.totals.count(judged.verdict);
        match self.format {
            Format::Json => writeln!(out, "{}", json_line(text, &judged, &self.judge))?,
            Format::Table if judged.verdict != Verdict::Allow => table_rows(text, &judged, &self.judge, out)?,
            Format::Table => {}
        }
        // Whoever waits at the other end of a pipe sees each answer as it is found.
        out.flush()?;
        let done = self.totals.texts();
        if self.progress && done.checked_rem(PROGRESS_EVERY) == Some(0) {
            write!(io::stderr(), "\r{done} texts")?;
        }
        Ok(())
    }

    fn finish(self, out: &mut impl Write) -> anyhow::Result<Exit> {
        if self.progress && self.totals.texts() >= PROGRESS_EVERY {
            write!(io::stderr(), "\r\x1b[K")?;
        }
        if self.format == Format::Table {
            summary(&self.totals, out)?;
        }
        if self.totals.bad > 0 {
            complain(&format!(
                "{} could not be read",
                crate::output::counted(usize::try_from(self.totals.bad).unwrap_or(usize::MAX), "input")
            ))?;
        }
        Ok(match (self.totals.bad, self.totals.found()) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Found,
            _ => Exit::BadInput,
        })
    }
}

fn complain(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "testudo: {what}")
}
