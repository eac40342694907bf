//! The command line of `testudo ledger`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, Store, quantity};
use crate::config::quantity::duration_ms;

const VERIFY_EXIT_CODES: &str = "Exit codes:
   0  all of it holds
   1  it could not be done: a file cannot be read
   2  the command line is wrong, or the policy file is
  10  bad signature: the checkpoint is not by the log that the policy names
  11  fork: two histories that cannot both be true
  12  rolled back: the log is shorter than the one that was seen
  13  a file is missing
  14  inconsistent: a tile, an entry or a proof is not what the checkpoint commits to
  15  sealed content was altered, or is gone and no entry says why
  16  stale: the checkpoint, or what witnesses signed, is older than --max-age
  17  too few witnesses signed";

/// Reads, proves, verifies and administers the ledger of what was done
///
/// The ledger lies in the data folder. Commands that write ask a running gateway to do it; without
/// one they do it themselves.
#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    Begin(Begin),
    Tail(Tail),
    Query(Query),
    Show(Show),
    Prove(Prove),
    Verify(Verify),
    Export(Export),
    Erase(Erase),
    /// Forbids that a person's content is deleted, be it by erasure or by age
    Hold(Hold),
    /// Ends a hold, so that a person's content may be deleted again
    Release(Hold),
    Retain(Retain),
    Rotate(Rotate),
    Fsck(Fsck),
    Status(Status),
    Witness(Witness),
    WitnessKey(WitnessKey),
}

/// Makes a ledger in the data folder, on a machine where no gateway does
///
/// `testudo serve` makes one by itself at its first start. A machine that only signs, scans or keeps
/// models has none until this command. A ledger that is there stays as it is.
#[derive(Debug, Args)]
pub(crate) struct Begin {
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Shows the last entries
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    /// Goes on with entries as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Which entries
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// From this time on: a duration before now such as 1h, or RFC 3339 such as 2026-11-26T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Before this time, written in the same way
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub(crate) route: Option<String>,
    /// The id of a virtual key, the name of an operator or approver, or a pseudonym as entries show it
    #[arg(long, value_name = "ID")]
    pub(crate) key: Option<String>,
    /// The tenant of --key
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
    /// A rule that found something
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// allow, warn, modify, escalate or deny
    #[arg(long, value_name = "VERDICT")]
    pub(crate) verdict: Option<String>,
    /// For example delivered, blocked or client_gone
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// For example exchange, key or erasure
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
}

/// Finds entries, the newest first
#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Shows one entry whole
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The id from the header `x-testudo-exchange`, or the entry's number
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Opens the sealed content, too; that is entered before it is shown
    #[arg(long, requires_all = ["reason", "by"])]
    pub(crate) content: bool,
    /// Why the content is read, as a code that names no person, for example ticket-4711
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
    /// Who reads it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Writes a proof that an entry is in the log, for anyone to check
///
/// The file is a C2SP tlog-proof that carries the entry itself.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The id from the header `x-testudo-exchange`, or the entry's number
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Where to; without it ID.tlog-proof
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Checks a ledger's folder or a proof; needs no Testudo, no key and no network beside the files
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXIT_CODES)]
pub(crate) struct Verify {
    /// A copy of a ledger's folder, or a .tlog-proof file
    #[arg(value_name = "FOLDER|FILE")]
    pub(crate) path: PathBuf,
    /// The keys that must have signed, as the operator gave them once: the file `policy` of the ledger
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// A checkpoint kept from an earlier visit; the log must continue it
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) seen: Option<PathBuf>,
    /// How old the newest checkpoint may be, for example 1h
    #[arg(long, value_name = "DURATION", value_parser = quantity(duration_ms))]
    pub(crate) max_age: Option<u64>,
    /// Checks a copy that was given away without sealed content; such a copy proves nothing about content
    #[arg(long)]
    pub(crate) without_content: bool,
    /// The entry that the proof is about; without it the one that the file carries
    #[arg(long, value_name = "FILE", conflicts_with = "seen")]
    pub(crate) entry: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Writes entries for other programs
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// Encrypts to an age recipient
    #[arg(long, value_name = "age1…")]
    pub(crate) encrypt_to: Option<String>,
    /// Where to; without it to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) filter: Filter,
    #[command(flatten)]
    pub(crate) store: Store,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One entry a line, as it stands in the log
    Jsonl,
    /// One row an entry, for spreadsheets
    Csv,
    /// OCSF events, for security monitoring
    Ocsf,
}

/// Destroys a person's keys and sealed content; the entries stay and still verify
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The name that came in `testudo-subject`, or the id of a virtual key
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: String,
    /// The law or rule that asks for it, for example gdpr_17_1_b
    #[arg(long, value_name = "CODE")]
    pub(crate) basis: String,
    /// The id under which it was asked for
    #[arg(long, value_name = "ID")]
    pub(crate) request: String,
    /// Who approves it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Whose person it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Whose content must not be deleted, and why
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// The name that came in `testudo-subject`, or the id of a virtual key
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: String,
    /// The case; releasing names it again
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: String,
    /// Who decides it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Whose person it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Deletes content whose time is over, now
#[derive(Debug, Args)]
pub(crate) struct Retain {
    /// Who starts it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Makes a new key and wraps anew what the old one wrapped
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The tenant whose key it is; without it the key above all tenants
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// Who starts it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Checks the ledger's folder with its keys and index
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXIT_CODES)]
pub(crate) struct Fsck {
    /// Makes the query index anew; only while no gateway runs
    #[arg(long)]
    pub(crate) rebuild_index: bool,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Shows how the ledger is doing
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Runs a witness: signs checkpoints of other logs, if they continue what it signed before
#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(crate) listen: SocketAddr,
    /// The policy file of a log that it watches; may be repeated
    #[arg(long = "log", value_name = "POLICY", required = true)]
    pub(crate) logs: Vec<PathBuf>,
    /// Where it keeps its key and what it signed
    #[arg(long, value_name = "FOLDER", default_value = "testudo-witness")]
    pub(crate) folder: PathBuf,
    /// The witness's name, when its key is made
    #[arg(long, value_name = "NAME", default_value = "testudo-witness")]
    pub(crate) name: String,
}

/// Prints the witness's key for [[ledger.witnesses]], and makes it first if there is none
#[derive(Debug, Args)]
pub(crate) struct WitnessKey {
    /// Where the witness keeps its key
    #[arg(long, value_name = "FOLDER", default_value = "testudo-witness")]
    pub(crate) folder: PathBuf,
    /// The witness's name, when its key is made
    #[arg(long, value_name = "NAME", default_value = "testudo-witness")]
    pub(crate) name: String,
}
