//! `testudo ledger status` and `fsck`: how the ledger is doing.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use testudo_ledger::Policy;
use testudo_ledger::verify::{Options, PayloadCheck};
use testudo_recorder::control::{Client, Custodian as _, FailureKind, Status as Found};
use testudo_recorder::index;

use super::{Keeper, folder, log, reader, verify};
use crate::arguments::Format;
use crate::arguments::ledger::{Fsck, Status};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::output::table;

/// How long a running gateway may take to say how it is doing.
const STATUS_S: u64 = 10;

pub(super) async fn status(arguments: &Status, out: &mut impl Write) -> anyhow::Result<Exit> {
    let log = log(&arguments.store)?;
    let client = Client::new(log.root(), Duration::from_secs(STATUS_S));
    let found = match client.status().await {
        Ok(found) => Some(found),
        Err(failure) if failure.kind == FailureKind::Unserved => None,
        Err(failure) => return Err(failure.into()),
    };
    let indexed = match reader(&log).await {
        Ok(mut reader) => Some(reader.size().await?),
        Err(_) => None,
    };
    let size = log.size()?;
    let origin = log.checkpoint()?.checkpoint().origin().to_owned();
    if arguments.format == Format::Json {
        let gateway = found.as_ref().map(status_json);
        writeln!(
            out,
            "{}",
            json!({"origin": origin, "size": size, "indexed": indexed, "gateway": gateway})
        )?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![
        ["log".to_owned(), origin],
        ["entries".to_owned(), size.to_string()],
        [
            "indexed".to_owned(),
            indexed.map_or("no index".to_owned(), |it| it.to_string()),
        ],
    ];
    match &found {
        None => rows.push(["gateway".to_owned(), "not running".to_owned()]),
        Some(found) => rows.extend(gateway(found)),
    }
    table(out, "", &rows)?;
    Ok(Exit::Done)
}

fn gateway(found: &Found) -> Vec<[String; 2]> {
    let age = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("{} s ago", ms / 1000));
    let mut rows = vec![
        ["gateway".to_owned(), format!("running, version {}", found.version)],
        [
            "writable".to_owned(),
            if found.writable { "yes" } else { "NO" }.to_owned(),
        ],
        ["queue".to_owned(), found.queue.to_string()],
        ["checkpoint".to_owned(), age(found.checkpoint_age_ms)],
    ];
    if let Some(error) = &found.last_error {
        rows.push(["last error".to_owned(), error.clone()]);
    }
    for witness in &found.witnesses {
        let error = witness
            .error
            .as_ref()
            .map(|error| format!("; {error}"))
            .unwrap_or_default();
        let said = format!(
            "{}: {} entries, {}{error}",
            witness.name,
            witness.size,
            age(witness.age_ms)
        );
        rows.push(["witness".to_owned(), said]);
    }
    if let Some(shipping) = &found.shipping {
        let said = format!("{} entries, {} behind", shipping.size, shipping.lag_entries);
        rows.push(["shipped".to_owned(), said]);
        rows.extend(shipping.alarm.iter().map(|alarm| ["ALARM".to_owned(), alarm.clone()]));
        rows.extend(
            shipping
                .error
                .iter()
                .map(|error| ["shipping".to_owned(), error.clone()]),
        );
    }
    rows
}

fn status_json(found: &Found) -> Value {
    let witnesses: Vec<Value> = found
        .witnesses
        .iter()
        .map(|it| json!({"name": it.name, "size": it.size, "age_ms": it.age_ms, "error": it.error}))
        .collect();
    let shipping = found.shipping.as_ref().map(|it| {
        json!({"size": it.size, "lag_entries": it.lag_entries, "lag_ms": it.lag_ms, "alarm": it.alarm, "error": it.error})
    });
    json!({
        "version": found.version, "writable": found.writable, "queue": found.queue,
        "checkpoint_age_ms": found.checkpoint_age_ms, "last_error": found.last_error,
        "witnesses": witnesses, "shipping": shipping,
    })
}

pub(super) async fn fsck(arguments: &Fsck, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let root = folder(&arguments.store)?;
    if arguments.rebuild_index {
        rebuild(arguments, variables).await?;
    }
    let text = testudo_bounded::read_file(root.join("policy"), 1 << 20)?;
    let policy = Policy::parse(&text).context("the ledger's own policy cannot be read")?;
    let options = Options {
        // A gateway may be at work.
        payloads: PayloadCheck::Growing,
        ..Options::default()
    };
    let files = verify::Folder { root };
    let exit = verify::check(&files, &policy, &options, arguments.format, out)?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let log = log(&arguments.store)?;
    super::filter::vault(&log)
        .await
        .context("the keys of the ledger cannot be used")?;
    let behind = log.size()?.saturating_sub(reader(&log).await?.size().await?);
    if arguments.format == Format::Table {
        writeln!(out, "  keys        can be used")?;
        writeln!(out, "  index       {behind} entries behind")?;
    }
    Ok(Exit::Done)
}

/// Removes the index and lets the ledger make it anew.
async fn rebuild(arguments: &Fsck, variables: &dyn Variables) -> anyhow::Result<()> {
    let root = folder(&arguments.store)?;
    if Client::new(&root, Duration::from_secs(STATUS_S)).status().await.is_ok() {
        bail!("a gateway is writing this ledger; stop it first");
    }
    for end in ["", "-wal", "-shm"] {
        let path = root.join(format!("{}{end}", index::FILE_NAME));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove `{}`", path.display()));
            }
            _ => {}
        }
    }
    let keeper = Keeper::find(&arguments.store, variables).await?;
    keeper.close().await;
    Ok(())
}
