//! `testudo ledger begin`: makes a ledger where no gateway does.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use testudo_gateway::server::{LEDGER_FOLDER, open_ledger};
use testudo_gateway::system_clock::SystemClock;
use testudo_ledger::verify::CHECKPOINT;
use testudo_recorder::LogFolder;

use super::settings;
use crate::arguments::ledger::Begin;
use crate::environment::Variables;
use crate::exit::Exit;

pub(super) async fn run(arguments: &Begin, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let data_dir = crate::key::data_dir(&arguments.store)?;
    let folder = data_dir.join(LEDGER_FOLDER);
    if folder.join(CHECKPOINT).is_file() {
        return told(&folder, "is there already, and stays as it is", out);
    }
    let settings = settings(&arguments.store, variables)?;
    let made = open_ledger(&data_dir, &settings, Arc::new(SystemClock::new())).await;
    let made = made.with_context(|| format!("no ledger could be made in `{}`", folder.display()))?;
    made.close().await;
    told(&folder, "is made", out)
}

fn told(folder: &Path, what: &str, out: &mut impl Write) -> anyhow::Result<Exit> {
    let checkpoint = LogFolder::new(folder).checkpoint()?;
    writeln!(
        out,
        "the ledger {} {what}: {}\nwho verifies it needs {}",
        checkpoint.checkpoint().origin(),
        folder.display(),
        folder.join("policy").display()
    )?;
    Ok(Exit::Done)
}
