//! The one binary: reads the command line, the environment and the configuration, prints and exits.

#![forbid(unsafe_code)]

mod approvals;
mod arguments;
mod check;
mod config;
mod environment;
mod evaluate;
mod exit;
mod finding;
mod inspect;
mod key;
mod ledger;
mod lines;
mod mcp;
mod model;
mod output;
mod policy;
mod progress;
mod replay;
mod scanner;
mod serve;
mod tools;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use testudo_gateway::approvals::HumanVerdict;

use crate::arguments::{Arguments, Command};
use crate::environment::Process;
use crate::exit::Exit;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(exit) => exit.into(),
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell when standard error is closed too.
            let _written = writeln!(io::stderr(), "testudo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let exit = match &arguments.command {
        Command::Serve(serve) => return runtime()?.block_on(serve::run(serve, &Process)),
        Command::Check(check) => check::run(check, &Process, &mut out)?,
        Command::Completions(completions) => completions.write(&mut out)?,
        Command::Key(key) => runtime()?.block_on(key::run(key, &mut out))?,
        Command::Evaluate(arguments) => evaluate::run(arguments, &Process, &mut out)?,
        Command::Finding(command) => runtime()?.block_on(finding::run(command, &Process, &mut out))?,
        Command::Inspect(inspect) => inspect::run(inspect, &Process, &mut out)?,
        Command::Mcp(command) => mcp::run(command, &mut out)?,
        Command::Model(command) => runtime()?.block_on(model::run(command, &Process, &mut out))?,
        Command::Approvals(command) => runtime()?.block_on(approvals::run(command, &mut out))?,
        Command::Approve(arguments) => {
            runtime()?.block_on(approvals::decide(arguments, HumanVerdict::Approve, &mut out))?
        }
        Command::Deny(arguments) => runtime()?.block_on(approvals::decide(arguments, HumanVerdict::Deny, &mut out))?,
        Command::Policy(command) => policy::run(command, &Process, &mut out)?,
        Command::Tools(command) => tools::run(command, &mut out)?,
        Command::Replay(arguments) => replay::run(arguments, &mut out)?,
        Command::Ledger(command) => runtime()?.block_on(ledger::run(command, &Process, &mut out))?,
    };
    out.flush()?;
    Ok(exit)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The configuration that was named, or the one that lies in the working folder.
fn configuration(named: Option<&PathBuf>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.clone()),
        None => {
            let path = Path::new(config::FILE_NAME);
            path.try_exists().unwrap_or(true).then(|| path.to_owned())
        }
    }
}
