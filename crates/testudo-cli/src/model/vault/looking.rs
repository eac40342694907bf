//! `testudo model list`, `show` and `diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde_json::{Value, json};
use testudo_policy::artifacts::ArtifactAct;
use testudo_vault::vault::{Evidence, Record, Statement, StoredFile, VaultName};

use super::opened::{Missing, Opened, version, within};
use crate::arguments::Format;
use crate::arguments::vault::{Diff, List, Show};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::output::{counted, day_and_time, printable, size, table};

pub(crate) async fn list(arguments: &List, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    within(&arguments.asked.place, variables, Missing::Refuse, async |opened| {
        list_in(opened, arguments, out).await
    })
    .await
}

async fn list_in(opened: &mut Opened, arguments: &List, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Some(artifact) = &arguments.artifact else {
        let mut names = opened.vault().artifacts().await?;
        names.retain(|name| opened.may_look(name));
        if arguments.asked.format == Format::Json {
            let names: Vec<_> = names.iter().map(VaultName::as_str).collect();
            writeln!(out, "{}", json!({ "artifacts": names }))?;
        } else {
            for name in names {
                writeln!(out, "{name}")?;
            }
        }
        return Ok(Exit::Done);
    };
    let name = VaultName::parse(artifact)?;
    opened.permit(ArtifactAct::Read, &name, None, &BTreeSet::new()).await?;
    let standing = opened.standing(&name).await?;
    let artifact = opened.vault().artifact(&name).await?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for version in artifact.versions().await? {
        let record = artifact.record(version).await?;
        let called: Vec<String> = standing.stages(version).into_iter().collect();
        values.push(json!({
            "version": version.to_string(),
            "root": record.root(),
            "bytes": record.bytes(),
            "files": record.files().len(),
            "signer": record.signer(),
            "aliases": called,
            "revoked": standing.is_revoked(version),
            "held": standing.is_held(version),
        }));
        let marks = [
            ("revoked", standing.is_revoked(version)),
            ("held", standing.is_held(version)),
        ];
        let marks: Vec<&str> = marks.iter().filter(|(_, is)| *is).map(|(mark, _)| *mark).collect();
        rows.push([
            version.short(),
            counted(record.files().len(), "file"),
            size(record.bytes()),
            called.join(", "),
            marks.join(", "),
        ]);
    }
    if arguments.asked.format == Format::Json {
        writeln!(out, "{}", json!({ "artifact": name.as_str(), "versions": values }))?;
    } else {
        table(out, "", &rows)?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn show(arguments: &Show, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    within(&arguments.asked.place, variables, Missing::Refuse, async |opened| {
        show_in(opened, arguments, out).await
    })
    .await
}

async fn show_in(opened: &mut Opened, arguments: &Show, out: &mut impl Write) -> anyhow::Result<Exit> {
    let name = VaultName::parse(&arguments.artifact)?;
    let standing = opened.standing(&name).await?;
    let artifact = opened.vault().artifact(&name).await?;
    let version = version(&artifact, &standing, &arguments.version).await?;
    let meant = standing.stages(version);
    opened.permit(ArtifactAct::Read, &name, Some(version), &meant).await?;
    let record = artifact.record(version).await?;
    if arguments.asked.format == Format::Json {
        let files: Vec<Value> = record.files().iter().map(file).collect();
        let value = json!({
            "artifact": name.as_str(),
            "version": version.to_string(),
            "root": record.root(),
            "signer": record.signer(),
            "aliases": meant,
            "revoked": standing.is_revoked(version),
            "held": standing.is_held(version),
            "evidence": record.evidence(),
            "waiting": standing.all_waiting().map(|it| it.sequence).collect::<Vec<_>>(),
            "files": files,
            "statements": standing.statements().iter().map(statement).collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")?;
        return Ok(Exit::Done);
    }
    writeln!(out, "{name} {version}")?;
    writeln!(out, "root sha256:{}", record.root())?;
    writeln!(out, "signed by {}", printable(record.signer().unwrap_or("nobody")))?;
    if let Some(evidence) = record.evidence() {
        table(out, "", &shown(evidence))?;
    }
    let rows: Vec<_> = record
        .files()
        .iter()
        .map(|it| {
            [
                it.digest().chars().take(12).collect(),
                size(it.bytes()),
                printable(it.name()),
            ]
        })
        .collect();
    table(out, "  ", &rows)?;
    let rows: Vec<_> = standing.statements().iter().map(row).collect();
    table(out, "", &rows)?;
    for waiting in standing.all_waiting() {
        writeln!(out, "statement {} waits for a second approver", waiting.sequence)?;
    }
    Ok(Exit::Done)
}

/// What was shown about a version when it was pushed.
fn shown(evidence: &Evidence) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    if let Some(scan) = &evidence.scan {
        rows.push([
            "scan".to_owned(),
            format!("{} sha256:{}", printable(&scan.verdict), printable(&scan.sha256)),
        ]);
    }
    let documents = [("bill of materials", &evidence.bill), ("evaluation", &evidence.report)];
    for (what, digest) in documents {
        rows.extend(
            digest
                .iter()
                .map(|digest| [what.to_owned(), format!("sha256:{}", printable(digest))]),
        );
    }
    for licence in &evidence.licences {
        rows.push(["licence".to_owned(), printable(licence)]);
    }
    for (metric, value) in &evidence.metrics {
        rows.push([printable(metric), value.to_string()]);
    }
    rows
}

fn file(file: &StoredFile) -> Value {
    json!({ "name": file.name(), "bytes": file.bytes(), "sha256": file.digest() })
}

fn statement(it: &Statement) -> Value {
    json!({
        "sequence": it.sequence,
        "act": it.act.as_str(),
        "alias": it.act.alias().map(VaultName::as_str),
        "version": it.version.to_string(),
        "approver": it.approver,
        "reason": it.reason,
        "at_ms": it.at.0,
        "key": it.key,
        "void": it.void,
    })
}

fn row(it: &Statement) -> [String; 7] {
    [
        it.sequence.to_string(),
        day_and_time(it.at),
        it.act.alias().map_or_else(
            || it.act.as_str().to_owned(),
            |alias| format!("{} {alias}", it.act.as_str()),
        ),
        it.version.short(),
        printable(&it.approver),
        printable(&it.reason),
        if it.void { "void".to_owned() } else { String::new() },
    ]
}

pub(crate) async fn diff(arguments: &Diff, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    within(&arguments.asked.place, variables, Missing::Refuse, async |opened| {
        diff_in(opened, arguments, out).await
    })
    .await
}

async fn diff_in(opened: &mut Opened, arguments: &Diff, out: &mut impl Write) -> anyhow::Result<Exit> {
    let name = VaultName::parse(&arguments.artifact)?;
    let standing = opened.standing(&name).await?;
    let artifact = opened.vault().artifact(&name).await?;
    let from = version(&artifact, &standing, &arguments.from).await?;
    let to = version(&artifact, &standing, &arguments.to).await?;
    for version in [from, to] {
        let meant = standing.stages(version);
        opened.permit(ArtifactAct::Read, &name, Some(version), &meant).await?;
    }
    let (from, to) = (artifact.record(from).await?, artifact.record(to).await?);
    let changes = changes(&from, &to);
    if arguments.asked.format == Format::Json {
        let values: Vec<Value> = changes
            .iter()
            .map(|(name, what)| json!({ "name": name, "what": what }))
            .collect();
        writeln!(out, "{}", json!({ "changes": values }))?;
    } else {
        for (name, what) in &changes {
            writeln!(out, "{what} {}", printable(name))?;
        }
    }
    Ok(if changes.is_empty() { Exit::Done } else { Exit::Found })
}

/// What became of each file, by name.
fn changes<'r>(from: &'r Record, to: &'r Record) -> Vec<(&'r str, &'static str)> {
    let by_name = |record: &'r Record| -> BTreeMap<&'r str, &'r str> {
        record.files().iter().map(|it| (it.name(), it.digest())).collect()
    };
    let (from, to) = (by_name(from), by_name(to));
    let mut changes: Vec<_> = from
        .iter()
        .filter_map(|(name, digest)| match to.get(name) {
            None => Some((*name, "removed")),
            Some(other) if other != digest => Some((*name, "changed")),
            Some(_) => None,
        })
        .collect();
    changes.extend(
        to.keys()
            .filter(|name| !from.contains_key(*name))
            .map(|name| (*name, "added")),
    );
    changes.sort_unstable();
    changes
}
