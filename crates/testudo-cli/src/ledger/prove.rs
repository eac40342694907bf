//! `testudo ledger prove`: a proof that an entry is in the log, for anyone to check without the log.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use testudo_ledger::Proof;

use super::{Keeper, index_of, log, require};
use crate::arguments::ledger::Prove;
use crate::environment::Variables;
use crate::exit::Exit;

/// How often, and how many times, the index is asked for an entry that was just written.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS_MAX: u32 = 60;

pub(super) async fn run(arguments: &Prove, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let log = log(&arguments.store)?;
    if index_of(&log, &arguments.id).await?.is_none() {
        // It may be written and under no checkpoint yet.
        let keeper = Keeper::find(&arguments.store, variables).await?;
        let flushed = keeper.custodian()?.flush().await;
        keeper.close().await;
        flushed?;
        // The index learns of it a moment later.
        let mut looks = 0u32;
        while looks < LOOKS_MAX && index_of(&log, &arguments.id).await?.is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
            looks = looks.saturating_add(1);
        }
    }
    let index = require(&log, &arguments.id).await?;
    // Checkpoints that witnesses have signed prove more; those that are not old enough to hold the entry prove nothing.
    let checkpoint = match log.witnessed()? {
        Some(witnessed) if witnessed.checkpoint().size() > index => witnessed,
        _ => log.checkpoint()?,
    };
    let hashes = log.inclusion(index, checkpoint.checkpoint().size())?;
    let size = checkpoint.checkpoint().size();
    let proof = Proof::new(index, hashes, checkpoint, log.entry(index)?);
    let path = arguments
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.tlog-proof", arguments.id)));
    fs::write(&path, proof.to_string()).with_context(|| format!("cannot write `{}`", path.display()))?;
    writeln!(
        out,
        "{} proves entry {index} under the checkpoint of {size} entries; check it with\n  testudo ledger verify {} --policy {}",
        path.display(),
        path.display(),
        log.root().join("policy").display()
    )?;
    Ok(Exit::Done)
}
