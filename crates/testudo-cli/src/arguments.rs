//! The command line as typed.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use testudo_gateway::settings::{InjectionModels, ModelSettings};

pub(crate) mod approvals;
pub(crate) mod evaluate;
pub(crate) mod finding;
pub(crate) mod inspect;
pub(crate) mod ledger;
pub(crate) mod mcp;
pub(crate) mod model;
pub(crate) mod policy;
pub(crate) mod replay;
pub(crate) mod tools;
pub(crate) mod vault;

use crate::config::quantity::{NotThis, cost_micros, count, duration_ms};
use crate::exit::Exit;

const EXIT_CODES: &str = "Exit codes:
  0  done; for `inspect`: nothing was found; for `check`: the configuration is sound
  1  for `inspect`: something was found; for `check`: there are mistakes;
     otherwise: it could not be done, and the message says why
  2  the command line or the input is wrong";

/// A guarded gateway in front of language models, and the tools around it
#[derive(Debug, Parser)]
#[command(name = "testudo", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
    Check(Check),
    #[command(subcommand)]
    Key(Key),
    Inspect(inspect::Inspect),
    #[command(subcommand)]
    Evaluate(evaluate::Evaluate),
    #[command(subcommand)]
    Finding(finding::Finding),
    Replay(Box<replay::Replay>),
    #[command(subcommand)]
    Ledger(Box<ledger::Ledger>),
    #[command(subcommand)]
    Mcp(mcp::Mcp),
    #[command(subcommand)]
    Model(Box<model::Model>),
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Lets a call that waits be made, exactly as it is and once
    ///
    /// Look at it first: `testudo approvals show ID`. The decision is recorded under the number of your user on this
    /// machine, or under the name of the approver whose `uid` it is in the configuration. Whoever asked for a call
    /// cannot approve it.
    Approve(approvals::Decide),
    /// Refuses a call that waits, for good
    Deny(approvals::Decide),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Tools(tools::Tools),
    Completions(Completions),
}

/// Prints what lets a shell complete commands and options
///
/// For example `testudo completions bash > /etc/bash_completion.d/testudo`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    #[arg(value_name = "SHELL", value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<Exit> {
        // It panics when it cannot write, which into memory it can.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "testudo", &mut script);
        out.write_all(&script)?;
        Ok(Exit::Done)
    }
}

/// Runs the gateway
///
/// Without a configuration it listens on 127.0.0.1:8080 and keeps its state in ./testudo-data.
/// With OPENAI_API_KEY or ANTHROPIC_API_KEY set it then fronts those services; with neither it runs
/// in practice mode: a built-in stand-in for a model obeys whatever it is told, so that you can
/// see attacks fail. On its first start it makes one virtual key and prints it once.
///
/// SIGHUP, or a change of the configuration, reloads it; a configuration with mistakes is refused
/// and the one in use stays. SIGTERM and Ctrl-C stop it after running exchanges have finished.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration; without it ./testudo.toml, if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines look; they go to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    pub(crate) log_format: LogFormat,
    /// What is logged
    #[arg(long, value_enum, default_value_t = LogLevel::Info)]
    pub(crate) log_level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Finds every mistake in a configuration, or shows what it makes of each route
///
/// Nothing is listened on or dialled. All mistakes are reported in one pass, each with file, line
/// and remedy. A sound configuration is shown as it takes effect: guards with action and threshold
/// for each direction, limits, upstream, and the policies that decide.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration
    #[arg(value_name = "FILE", default_value = "testudo.toml")]
    pub(crate) file: PathBuf,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Makes, lists and revokes virtual keys
///
/// A running gateway notices within a second.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    Create(Box<KeyCreate>),
    List(KeyList),
    Revoke(KeyRevoke),
}

/// Which data folder holds the keys
#[derive(Debug, Clone, Args)]
pub(crate) struct Store {
    /// The configuration that names the data folder; without it ./testudo.toml, if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder itself
    #[arg(long, value_name = "FOLDER", conflicts_with = "config")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Makes a virtual key and shows it once
#[derive(Debug, Args)]
pub(crate) struct KeyCreate {
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// Who it belongs to
    #[arg(long, default_value = "default")]
    pub(crate) tenant: String,
    /// What uses it
    #[arg(long, value_enum, default_value_t = Kind::Service)]
    pub(crate) kind: Kind,
    /// A role that policies can ask for; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// A route it may use; may be repeated; without it all
    #[arg(long = "route", value_name = "ROUTE")]
    pub(crate) routes: Vec<String>,
    /// A model it may use, or the beginning of names and `*`; may be repeated; without it all
    #[arg(long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    #[arg(long, value_name = "N", value_parser = quantity(count))]
    pub(crate) requests_per_minute: Option<u64>,
    #[arg(long, value_name = "N", value_parser = quantity(count))]
    pub(crate) tokens_per_minute: Option<u64>,
    /// For example "10 USD"
    #[arg(long, value_name = "AMOUNT", value_parser = quantity(cost_micros))]
    pub(crate) cost_per_day: Option<u64>,
    /// Exchanges at the same time
    #[arg(long, value_name = "N", value_parser = quantity(count))]
    pub(crate) concurrent: Option<u64>,
    /// How long it is valid, for example 90d or 12h; without it until it is revoked
    #[arg(long, value_name = "DURATION", value_parser = quantity(duration_ms))]
    pub(crate) expires: Option<u64>,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

fn quantity(
    parse: fn(&str) -> Result<u64, NotThis>,
) -> impl Fn(&str) -> Result<u64, &'static str> + Clone + Send + Sync {
    move |text| parse(text).map_err(|NotThis(remedy)| remedy)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    User,
    Service,
    Agent,
}

/// Shows all keys, without their secrets
#[derive(Debug, Args)]
pub(crate) struct KeyList {
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Makes a key invalid for good
#[derive(Debug, Args)]
pub(crate) struct KeyRevoke {
    /// The key's id, the part between `tsk_` and the next `_`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Which profile judges
#[derive(Debug, Args)]
pub(crate) struct Profiled {
    /// A shipped profile (observe, balanced, strict), or one of the configuration
    #[arg(long, default_value = "balanced")]
    pub(crate) profile: String,
    /// The configuration that holds the profile; without it ./testudo.toml, if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which trained models look for injections beside the rules; without it those that this program was built with
    #[arg(long, value_enum, default_value_t = ModelChoice::BuiltIn, hide_default_value = true)]
    pub(crate) models: ModelChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelChoice {
    #[value(hide = true)]
    BuiltIn,
    /// N-grams read everything, an encoder what they are unsure about
    Both,
    /// N-grams alone
    Ngram,
    /// Rules alone
    Off,
}

impl ModelChoice {
    pub(crate) fn asked(self) -> InjectionModels {
        match self {
            Self::BuiltIn => ModelSettings::DEFAULT.injection,
            Self::Both => InjectionModels::Both,
            Self::Ngram => InjectionModels::Ngram,
            Self::Off => InjectionModels::Off,
        }
    }
}
