//! `testudo evaluate`: measures the guards on texts with labels.

mod groups;
mod report;
mod rows;
mod scoring;
mod stopwatch;
#[cfg(test)]
mod tests;

use std::io::Write;

use testudo_types::Origin;

use self::report::Report;
use self::rows::each_row;
pub(crate) use self::scoring::{Scored, Scoring};
use crate::arguments::evaluate::{Detect, Evaluate};
use crate::config::suggest::did_you_mean;
use crate::environment::Variables;
use crate::exit::Exit;
use crate::inspect::{complain, detector, profile};
use crate::output::size;
use crate::progress::Progress;
use crate::scanner::{Scanner, models};

/// Texts that are scanned between two looks at the files.
const BATCH_ROWS: usize = 1024;

pub(crate) fn run(command: &Evaluate, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Evaluate::Detect(arguments) => detect(arguments, variables, out),
    }
}

fn detect(arguments: &Detect, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let origin = match arguments.origin.as_deref().map(|name| (name, Origin::from_name(name))) {
        None => None,
        Some((_, Some(origin))) => Some(origin),
        Some((name, None)) => {
            let remedy = did_you_mean(name, Origin::ALL.iter().map(Origin::as_str));
            complain(&format!("--origin cannot be `{name}`; {remedy}"))?;
            return Ok(Exit::BadInput);
        }
    };
    let profile = match profile(&arguments.profile, variables) {
        Ok(profile) => profile,
        Err(problem) => {
            complain(&format!("{problem:#}"))?;
            return Ok(Exit::BadInput);
        }
    };
    let scanner = Scanner::new(detector()?, profile, models(arguments.profile.models.asked())?);
    let scoring = Scoring {
        threads: arguments.threads.map_or_else(processors, usize::from),
        origin,
        keep_text: arguments.show_text,
        allowed: std::collections::BTreeSet::new(),
    };
    let measured = measure(&scanner, &scoring, &arguments.files)?;
    if measured.scored.is_empty() {
        complain("there is no text to measure with")?;
        return Ok(Exit::BadInput);
    }
    let report = Report::new(&measured.scored, &scanner, usize::from(arguments.errors));
    match arguments.format {
        crate::arguments::Format::Table => report.table(out)?,
        crate::arguments::Format::Json => writeln!(out, "{}", report.json())?,
    }
    Ok(if measured.bad > 0 { Exit::BadInput } else { Exit::Done })
}

/// What came of all rows.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) scored: Vec<Scored>,
    /// Lines and files that could not be read.
    pub(crate) bad: u64,
}

/// Scans every row of the files.
pub(crate) fn measure(scanner: &Scanner, scoring: &Scoring, files: &[std::path::PathBuf]) -> std::io::Result<Measured> {
    let mut measured = Measured::default();
    let mut progress = Progress::new("measured");
    let mut bytes: u64 = 0;
    let mut batch = Vec::new();
    for file in files {
        each_row(file, &mut |row| {
            match row {
                Ok(row) => {
                    bytes = bytes.saturating_add(crate::lines::count(row.text.len()));
                    batch.push(row);
                }
                Err(problem) => {
                    measured.bad = measured.bad.saturating_add(1);
                    progress.clear();
                    complain(&problem)?;
                }
            }
            if batch.len() >= BATCH_ROWS {
                measured.scored.extend(scoring.score(scanner, &batch));
                batch.clear();
                progress.say(|| format!("{} texts, {}", measured.scored.len(), size(bytes)));
            }
            Ok(())
        })?;
    }
    measured.scored.extend(scoring.score(scanner, &batch));
    Ok(measured)
}

/// As many threads as the machine has processors for.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}
