//! The command line of `testudo replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;

const EXAMPLES: &str = "Exit codes:
  0  replayed
  1  it could not be done
  2  a file or line could not be read, or the command line is wrong

Examples:
  testudo replay traces.jsonl.gz --tools tools.json --roles roles.json
  testudo replay traces.jsonl --roles roles.json --by class --policy q3
  testudo replay traces.jsonl --specs tools.toml --explain billing/17
  testudo replay traces.jsonl --roles roles.json --format json | tail -1
  testudo replay recorded.jsonl --from-ledger --specs tools.toml";

/// Tries a policy for agents on recorded tool calls
///
/// Each trace is walked call by call: what was said and read before is indexed, and the policy judges each call. After
/// a hold the walk goes on as if a person had approved. Printed are the shares of harmless traces without a hold, of
/// attacks stopped by kind of attacker, of calls with consequences that need nobody (autonomy), and of pairs of an
/// attack and its harmless twin that are both right.
///
/// An attack counts as stopped when a call with consequences that the injection made was held; any other trace counts
/// as held when any call was. docs/agents.md has the formats. With --format json there is a line for each trace,
/// {"id", "held", ...}, and at the end one with the object `summary`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Replay {
    /// Files of traces, one JSON object a line, also compressed with gzip; - for standard input
    #[arg(value_name = "TRACES", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// The lines are what `testudo ledger show ID --content --format json` printed: each exchange whose answer asks for
    /// calls is a trace, its route the suite
    #[arg(long)]
    pub(crate) from_ledger: bool,
    /// The definitions of the tools by suite, as they were when their table was reviewed
    #[arg(long, value_name = "FILE")]
    pub(crate) tools: Option<PathBuf>,
    /// The table of each suite's tools: effects, roles of arguments, authoritative results
    #[arg(long, value_name = "FILE", required_unless_present = "specs")]
    pub(crate) roles: Option<PathBuf>,
    /// Tool specifications in TOML, for traces of every suite
    #[arg(long, value_name = "FILE", conflicts_with = "roles")]
    pub(crate) specs: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Policy::Default)]
    pub(crate) policy: Policy,
    /// What the tables are grouped by
    #[arg(long, value_enum, default_value_t = By::Suite)]
    pub(crate) by: By,
    /// Shows each call of this trace with who named its values, and nothing else
    #[arg(long, value_name = "ID")]
    pub(crate) explain: Option<String>,
    /// Counts what the system message names as named by the user
    #[arg(long)]
    pub(crate) trust_system: bool,
    /// Holds calls with consequences of tools that were not asked for before anything but the user's words was read
    #[arg(long)]
    pub(crate) freeze_plan: bool,
    /// Reads text that was pasted into the user's messages as the user's own
    #[arg(long)]
    pub(crate) ignore_pasted: bool,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// What ships
    Default,
    /// Named by the user, and a list of words for each tool
    Q1,
    /// Named by the user or a directory; ids of the platform, told by their names
    Q3,
    /// Q3, and a list of words for each tool
    Q4,
    /// Q3, and addresses copied whole may be fetched
    Q6,
    /// No call with consequences after anything was read
    RuleOfTwo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Suite,
    Class,
}
