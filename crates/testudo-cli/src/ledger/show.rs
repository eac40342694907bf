//! `testudo ledger show`: one entry whole, and its sealed content for who says why.

use std::io::Write;

use anyhow::bail;
use serde_json::{Value, json};
use testudo_ledger::Hash;
use testudo_ledger::entry::Entry;
use testudo_recorder::control::Opening;
use testudo_types::UnixMillis;

use super::content::Parts;
use super::{Keeper, log, require};
use crate::arguments::Format;
use crate::arguments::ledger::Show;
use crate::environment::Variables;
use crate::exit::Exit;
use crate::output::day_and_time;

pub(super) async fn run(arguments: &Show, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let log = log(&arguments.store)?;
    let index = require(&log, &arguments.id).await?;
    let bytes = log.entry(index)?;
    let entry: Value = serde_json::from_slice(&bytes)?;
    let content = match (arguments.content, &arguments.by, &arguments.reason) {
        (true, Some(by), Some(reason)) => {
            let has_payload = Entry::decode(&bytes).is_ok_and(|it| it.payload.is_some());
            if !has_payload {
                bail!("entry {index} has no content: the route keeps none, or the exchange ended before there was any");
            }
            let keeper = Keeper::find(&arguments.store, variables).await?;
            let opening = Opening {
                index,
                reader: by.clone(),
                purpose: reason.clone(),
            };
            let opened = keeper.custodian()?.open(opening).await;
            // Whoever looks for the entry about the reading finds it at once.
            let _flushed = keeper.custodian()?.flush().await;
            keeper.close().await;
            Some(opened?)
        }
        _ => None,
    };
    if arguments.format == Format::Json {
        let mut shown = json!({"index": index, "leaf": Hash::leaf(&bytes).to_string(), "entry": entry});
        if let (Some(opened), Some(map)) = (&content, shown.as_object_mut()) {
            map.insert("read_as".to_owned(), json!(opened.index));
            let parts = Parts::of(&opened.content);
            map.insert("content".to_owned(), parts.json());
        }
        writeln!(out, "{shown}")?;
        return Ok(Exit::Done);
    }
    let at = entry.get("at").and_then(Value::as_u64).unwrap_or(0);
    writeln!(
        out,
        "entry {index} of {}, leaf {}",
        day_and_time(UnixMillis(at)),
        Hash::leaf(&bytes)
    )?;
    writeln!(out, "{}", serde_json::to_string_pretty(&entry)?)?;
    if let Some(opened) = &content {
        writeln!(out, "\nread as entry {}", opened.index)?;
        Parts::of(&opened.content).write(out)?;
    }
    Ok(Exit::Done)
}
