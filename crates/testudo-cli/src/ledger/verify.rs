//! `testudo ledger verify`: whether a folder or a proof is sound, from files and a policy alone.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use testudo_gateway::system_clock::SystemClock;
use testudo_ledger::Policy;
use testudo_ledger::verify::{
    Fault, Freshness, KnownCheckpoint, LogFiles, Options, PayloadCheck, ProvenEntry, Report, verify_log, verify_proof,
};
use testudo_types::{Clock as _, UnixMillis};

use crate::arguments::Format;
use crate::arguments::ledger::Verify;
use crate::exit::Exit;
use crate::output::{counted, day_and_time};

/// The largest policy, checkpoint, proof or entry that is read.
const SMALL_BYTES_MAX: usize = 4 << 20;

pub(super) fn run(arguments: &Verify, out: &mut impl Write) -> anyhow::Result<Exit> {
    let policy = match policy(&arguments.policy) {
        Ok(policy) => policy,
        Err(error) => {
            writeln!(io::stderr(), "testudo: {error:#}")?;
            return Ok(Exit::BadInput);
        }
    };
    if arguments.path.is_dir() {
        folder(arguments, &policy, out)
    } else {
        proof(arguments, &policy, out)
    }
}

fn policy(path: &Path) -> anyhow::Result<Policy> {
    let bytes = small(path)?;
    Policy::parse(&bytes).with_context(|| format!("`{}` is no policy", path.display()))
}

fn small(path: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(testudo_bounded::read_file(path, SMALL_BYTES_MAX)?)
}

fn folder(arguments: &Verify, policy: &Policy, out: &mut impl Write) -> anyhow::Result<Exit> {
    let seen = arguments.seen.as_deref().map(small).transpose()?;
    let name = arguments.seen.as_ref().map(|path| path.display().to_string());
    let known: Vec<KnownCheckpoint<'_>> = match (&name, &seen) {
        (Some(name), Some(note)) => vec![KnownCheckpoint { name, note }],
        _ => Vec::new(),
    };
    let files = Folder {
        root: arguments.path.clone(),
    };
    let options = Options {
        known: &known,
        freshness: arguments.max_age.map(|age_ms_max| Freshness {
            now_ms: SystemClock::new().wall().0,
            age_ms_max,
        }),
        payloads: if arguments.without_content {
            PayloadCheck::Skip
        } else {
            PayloadCheck::Check
        },
        ..Options::default()
    };
    check(&files, policy, &options, arguments.format, out)
}

/// Checks a log and says what was found; the exit code is that of the gravest fault.
pub(super) fn check(
    files: &Folder,
    policy: &Policy,
    options: &Options<'_>,
    format: Format,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let skipped = options.payloads == PayloadCheck::Skip;
    match verify_log(files, policy, options) {
        Ok(report) => {
            match format {
                Format::Json => writeln!(out, "{}", report_json(&report, &[]))?,
                Format::Table => sound(&report, skipped, out)?,
            }
            Ok(Exit::Done)
        }
        Err(unsound) => {
            if format == Format::Json {
                let report = unsound.report.as_deref();
                let faults = &unsound.faults;
                let shown = report.map_or_else(|| faults_json(faults), |report| report_json(report, faults));
                writeln!(out, "{shown}")?;
            } else {
                // The gravest first, then all others in the order of the log.
                writeln!(io::stderr(), "testudo: {}", unsound.gravest)?;
                for fault in unsound.faults.iter().filter(|it| **it != unsound.gravest) {
                    writeln!(io::stderr(), "testudo: {fault}")?;
                }
                writeln!(out, "NOT SOUND: {}", counted(unsound.faults.len(), "fault"))?;
            }
            Ok(Exit::Unsound(unsound.gravest.kind.class()))
        }
    }
}

fn sound(report: &Report, skipped: bool, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "sound: {} entries of {}", report.size, report.origin)?;
    writeln!(out, "  root        {}", report.root)?;
    if let (Some(first), Some(last)) = (report.first_at, report.last_at) {
        let (first, last) = (day_and_time(UnixMillis(first)), day_and_time(UnixMillis(last)));
        writeln!(out, "  time        {first} to {last}")?;
    }
    let kinds: Vec<String> = report
        .entries
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    writeln!(out, "  entries     {}", kinds.join(", "))?;
    if report.lost > 0 {
        writeln!(out, "  gaps        {} that got no entry of their own", report.lost)?;
    }
    if skipped {
        writeln!(out, "  content     not checked: the copy has none")?;
    } else {
        let (present, deleted) = (report.payloads.present, report.payloads.deleted);
        writeln!(out, "  content     {present} sealed as recorded, {deleted} deleted")?;
    }
    for deleted in &report.deleted {
        let (count, why) = (
            counted(usize::try_from(deleted.payloads).unwrap_or(usize::MAX), "payload"),
            &deleted.why,
        );
        let at = day_and_time(UnixMillis(deleted.at));
        writeln!(out, "              {count} {why} on {at}, says entry {}", deleted.by)?;
    }
    if report.cosigned.is_empty() {
        writeln!(out, "  witnesses   none signed")?;
    }
    for (name, time_s) in &report.cosigned {
        let at = day_and_time(UnixMillis(time_s.saturating_mul(1000)));
        writeln!(out, "  witnesses   {name} on {at}")?;
    }
    if report.known > 0 {
        writeln!(out, "  seen        it continues the checkpoint of --seen")?;
    }
    Ok(())
}

fn report_json(report: &Report, faults: &[Fault]) -> Value {
    let deleted: Vec<Value> = report
        .deleted
        .iter()
        .map(|it| json!({"by": it.by, "at": it.at, "why": it.why, "payloads": it.payloads}))
        .collect();
    let cosigned: Vec<Value> = report
        .cosigned
        .iter()
        .map(|(name, time_s)| json!({"name": name, "time": time_s}))
        .collect();
    let mut shown = faults_json(faults);
    let more = json!({
        "origin": report.origin, "size": report.size, "root": report.root.to_string(), "entries": report.entries,
        "first_at": report.first_at, "last_at": report.last_at, "lost": report.lost,
        "payloads": {"present": report.payloads.present, "deleted": report.payloads.deleted},
        "deleted": deleted, "cosigned": cosigned, "continues_seen": report.known > 0,
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    shown
}

fn faults_json(faults: &[Fault]) -> Value {
    let all: Vec<Value> = faults
        .iter()
        .map(|fault| {
            json!({
                "file": fault.place.file, "entry": fault.place.entry, "byte": fault.place.byte,
                "what": fault.kind.to_string(), "remedy": fault.kind.remedy(),
            })
        })
        .collect();
    json!({"sound": faults.is_empty(), "faults": all})
}

fn proof(arguments: &Verify, policy: &Policy, out: &mut impl Write) -> anyhow::Result<Exit> {
    let proof = small(&arguments.path)?;
    let entry = arguments.entry.as_deref().map(small).transpose()?;
    let name = arguments.path.display().to_string();
    match verify_proof(&name, &proof, entry.as_deref(), policy) {
        Ok(proven) => {
            match arguments.format {
                Format::Json => writeln!(out, "{}", proven_json(&proven))?,
                Format::Table => {
                    let (index, size, at) = (proven.index, proven.size, day_and_time(UnixMillis(proven.entry.at)));
                    writeln!(out, "sound: entry {index} of {} ({size} entries)", proven.origin)?;
                    writeln!(out, "  {} of {at}", proven.entry.body.kind())?;
                    for (name, time_s) in &proven.cosigned {
                        let at = day_and_time(UnixMillis(time_s.saturating_mul(1000)));
                        writeln!(out, "  witnessed by {name} on {at}")?;
                    }
                    out.write_all(&proven.entry.encode()?)?;
                    writeln!(out)?;
                }
            }
            Ok(Exit::Done)
        }
        Err(fault) => {
            match arguments.format {
                Format::Json => writeln!(out, "{}", faults_json(std::slice::from_ref(&*fault)))?,
                Format::Table => {
                    writeln!(io::stderr(), "testudo: {fault}")?;
                    writeln!(out, "NOT SOUND")?;
                }
            }
            Ok(Exit::Unsound(fault.kind.class()))
        }
    }
}

fn proven_json(proven: &ProvenEntry) -> Value {
    let entry: Value = proven
        .entry
        .encode()
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Value::Null);
    json!({"sound": true, "origin": proven.origin, "index": proven.index, "size": proven.size, "entry": entry})
}

/// A log's folder on this machine.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
}

impl LogFiles for Folder {
    type Error = io::Error;

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, io::Error> {
        let file = match File::open(self.root.join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        testudo_bounded::read_to_end(file, bytes_max)
            .map(Some)
            .map_err(io::Error::other)
    }

    fn read_part(&self, path: &str, offset: u64, bytes_max: usize) -> Result<Option<Vec<u8>>, io::Error> {
        let mut file = match File::open(self.root.join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(offset))?;
        let part = file.take(u64::try_from(bytes_max).unwrap_or(u64::MAX));
        testudo_bounded::read_to_end(part, bytes_max)
            .map(Some)
            .map_err(io::Error::other)
    }
}
