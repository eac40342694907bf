//! `testudo finding`: what people say about findings, and what follows from it.

mod content;
mod mark;
mod marks;
mod proposal;
mod propose;
mod target;

use std::io::Write;

pub(crate) use self::mark::sha256;
use self::marks::Marks;
use crate::arguments::Format;
use crate::arguments::finding::{Finding, List};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::output::{counted, day_and_time, printable, table};

pub(crate) async fn run(command: &Finding, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Finding::Mark(arguments) => mark::run(arguments, variables, out).await,
        Finding::List(arguments) => list(arguments, out),
        Finding::Propose(arguments) => propose::run(arguments, variables, out),
    }
}

fn list(arguments: &List, out: &mut impl Write) -> anyhow::Result<Exit> {
    let marks = Marks::read(&crate::key::data_dir(&arguments.store)?)?;
    if arguments.format == Format::Json {
        for mark in marks.all() {
            writeln!(out, "{}", mark.json())?;
        }
        return Ok(Exit::Done);
    }
    if marks.all().is_empty() {
        writeln!(out, "nothing is marked; `testudo finding mark --help` says how")?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![["time", "finding was", "rule", "score", "in", "by", "note"].map(str::to_owned)];
    for mark in marks.all() {
        rows.push([
            day_and_time(mark.at),
            mark.judgement().to_owned(),
            printable(&mark.rule),
            mark.score.map_or_else(String::new, |score| score.to_string()),
            printable(&mark.place()),
            printable(&mark.by),
            mark.note.as_deref().map(printable).unwrap_or_default(),
        ]);
    }
    table(out, "", &rows)?;
    writeln!(out, "{}", counted(marks.all().len(), "mark"))?;
    Ok(Exit::Done)
}
