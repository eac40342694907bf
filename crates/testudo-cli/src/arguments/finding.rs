//! The command line of `testudo finding`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::{Format, Profiled, Store};

const EXAMPLES: &str = "Examples:
  testudo finding mark ex_01ab…/injection.ignore-previous --wrong --by ann
  testudo finding mark 4711/2 --right --by ann --note ticket-7
  testudo finding mark --text faq.md --rule injection.ignore-previous --wrong --by ann
  testudo finding propose --data dev.jsonl";

/// Says which findings were wrong, and what would mend them
///
/// Marks stand in `marks.jsonl` of the data folder and, where there is a ledger, as entries in it.
/// Nothing that is proposed from them is ever applied by itself.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Finding {
    Mark(Box<Mark>),
    List(List),
    Propose(Propose),
}

/// Marks one finding as wrong or right
///
/// Of an exchange, its sealed content is opened to see what the rule found; that is entered into the
/// ledger as any reading is. Kept are hashes of the text and of what was found in it, no text.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("what").required(true).args(["target", "text"]),
    group = ArgGroup::new("judgement").required(true).args(["wrong", "right"]),
)]
pub(crate) struct Mark {
    /// The exchange, as its id from the header `x-testudo-exchange` or the entry's number, and behind a
    /// slash the finding, as its rule or its place in the list that `testudo ledger show` prints
    #[arg(value_name = "EXCHANGE/FINDING")]
    pub(crate) target: Option<String>,
    /// A file in which `testudo inspect` found it
    #[arg(long, value_name = "FILE", requires = "rule")]
    pub(crate) text: Option<PathBuf>,
    /// The rule that found it, in --text
    #[arg(long, value_name = "RULE", requires = "text")]
    pub(crate) rule: Option<String>,
    /// Where the text of --text comes from, as for `testudo inspect`
    #[arg(long, default_value = "user")]
    pub(crate) origin: String,
    /// What was found is harmless
    #[arg(long)]
    pub(crate) wrong: bool,
    /// What was found is what the rule says
    #[arg(long)]
    pub(crate) right: bool,
    /// Who says so
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Why, for others who read the marks
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Marks without looking into the sealed content; without hashes no allow-list entry can be proposed
    #[arg(long, conflicts_with = "keep_text")]
    pub(crate) unopened: bool,
    /// Seals the text itself beside the mark's entry in the ledger
    #[arg(long, requires = "subject")]
    pub(crate) keep_text: bool,
    /// Whose text it is; erasing this person erases what --keep-text keeps
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
    /// Whose ledger entry it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Shows all marks
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Proposes allow-list entries and thresholds from the marks, with what they would change
///
/// The effect is measured on labelled texts, in the format of `testudo evaluate detect`. What is
/// printed is for you to read and to paste; nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// Labelled texts to measure with; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) profile: Profiled,
    /// The data folder; without it that of the configuration
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How many texts are scanned at once; without it one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
