//! `testudo model open`: hands files of a version to a program, so that what was verified is what it loads.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, bail};
use testudo_vault::vault::{HeldFile, Room, VaultName};

use super::moving::permitted;
use super::opened::{Missing, Opened, within};
use crate::arguments::vault::Open;
use crate::environment::Variables;
use crate::exit::Exit;

pub(crate) async fn open(arguments: &Open, variables: &dyn Variables) -> anyhow::Result<Exit> {
    // Before anything is opened: a program that is told of no file would load another one.
    if !names_a_file(arguments) {
        bail!("the command names no file; write {{}} where its path belongs, or {{NAME}} of several");
    }
    let held = within(&arguments.place, variables, Missing::Refuse, async |opened| {
        hold_in(opened, arguments).await
    })
    .await?;
    let Some((program, rest)) = arguments.command.split_first() else {
        bail!("there is no command");
    };
    // This process becomes the program, which so has the files open, and whose end is this command's end.
    let error = Command::new(program)
        .args(rest.iter().map(|argument| filled(argument, &held)))
        .exec();
    Err(error).with_context(|| format!("`{program}` cannot be started"))
}

/// Files by the names that they have in the version.
type Held = Vec<(String, HeldFile)>;

async fn hold_in(opened: &mut Opened, arguments: &Open) -> anyhow::Result<Held> {
    let name = VaultName::parse(&arguments.artifact)?;
    let alias = arguments.alias.as_deref();
    let (artifact, wanted, record) = permitted(opened, &name, alias, arguments.version.as_deref()).await?;
    let mut files = Vec::new();
    for asked in &arguments.files {
        let found = record.files().iter().find(|it| it.name() == asked);
        files.push(found.with_context(|| format!("there is no file `{asked}` in version {}", wanted.short()))?);
    }
    // Before anything is opened: what is not in the ledger is not read.
    opened.tell("open", &name, wanted, alias).await?;
    let folder = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let room = Room {
        memory_bytes_max: arguments.memory_max,
        folder: &folder,
    };
    let mut held = Held::new();
    for file in files {
        match artifact.hold(file, room).await {
            Ok(open) => held.push((file.name().to_owned(), open)),
            Err(error) => return Err(opened.refused(&name, Some(wanted), error).await),
        }
    }
    Ok(held)
}

fn names_a_file(arguments: &Open) -> bool {
    let named = |argument: &String| {
        let one = arguments.files.len() == 1 && argument.contains("{}");
        one || arguments.files.iter().any(|it| argument.contains(&format!("{{{it}}}")))
    };
    arguments.command.iter().skip(1).any(named)
}

fn filled(argument: &str, held: &Held) -> String {
    let mut text = argument.to_owned();
    if let [(_, only)] = held.as_slice() {
        text = text.replace("{}", &only.path());
    }
    for (name, file) in held {
        text = text.replace(&format!("{{{name}}}"), &file.path());
    }
    text
}
