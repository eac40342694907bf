//! `testudo tools`: specifications of tools, drafted from definitions and checked.

use std::io::{self, Read as _, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use testudo_dialects::mcp::ServerName;
use testudo_gateway::mcp::pins::Pins;
use testudo_policy::drafting::{self, ToolDraft};
use testudo_policy::provenance::ToolSpecs;

use crate::arguments::Format;
use crate::arguments::tools::{Tools, ToolsCheck, ToolsDraft};
use crate::exit::Exit;
use crate::inspect::complain;
use crate::key::data_dir;
use crate::output::{counted, printable, table};

const FILE_BYTES_MAX: usize = 32 << 20;

pub(crate) fn run(command: &Tools, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Tools::Draft(arguments) => draft(arguments, out),
        Tools::Check(arguments) => check(arguments, out),
    }
}

fn draft(arguments: &ToolsDraft, out: &mut impl Write) -> anyhow::Result<Exit> {
    let document = match (&arguments.mcp, &arguments.file) {
        (Some(server), _) => approved(arguments, server)?,
        (None, Some(file)) => match read(file) {
            Ok(document) => document,
            Err(problem) => {
                complain(&problem)?;
                return Ok(Exit::BadInput);
            }
        },
        (None, None) => bail!("name a file of definitions, or a server with --mcp"),
    };
    let drafts = match drafting::draft(&document) {
        Ok(drafts) => drafts,
        Err(problem) => {
            complain(&problem.to_string())?;
            return Ok(Exit::BadInput);
        }
    };
    match arguments.format {
        Format::Table => out.write_all(drafting::to_toml(&drafts).as_bytes())?,
        Format::Json => {
            for draft in &drafts {
                writeln!(out, "{}", as_json(draft))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn as_json(draft: &ToolDraft) -> Value {
    let arguments: Vec<Value> = draft
        .arguments
        .iter()
        .map(|it| json!({"path": it.path, "role": it.role.as_str(), "why": it.why}))
        .collect();
    json!({
        "tool": draft.name,
        "effect": draft.effect.as_str(),
        "why": draft.effect_why,
        "external": draft.external,
        "reviewed": false,
        "arguments": arguments,
    })
}

/// The definitions that a person approved, and no others.
fn approved(arguments: &ToolsDraft, server: &str) -> anyhow::Result<Value> {
    let dir = data_dir(&arguments.store)?;
    if !dir.is_dir() {
        bail!(
            "there is no data folder `{}`; name it with --data-dir or --config",
            dir.display()
        );
    }
    let pins = Pins::new(&dir);
    let server = ServerName::parse(server)?;
    let approved = pins.approved(&server)?;
    let seen = pins.seen(&server)?;
    let of_approved = seen
        .iter()
        .filter(|tool| tool.refused.is_none() && approved.get(&tool.name) == Some(&tool.digest));
    let definitions = of_approved.map(|tool| serde_json::from_str(&tool.definition));
    let definitions: Vec<Value> = definitions
        .collect::<Result<_, _>>()
        .context("a definition cannot be read")?;
    if definitions.is_empty() {
        bail!("no tool of `{server}` is approved; see `testudo mcp list {server}`");
    }
    Ok(Value::Array(definitions))
}

fn read(file: &Path) -> Result<Value, String> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
        io::stdin()
            .take(limit)
            .read_to_string(&mut text)
            .map_err(|error| format!("standard input cannot be read ({error})"))?;
        text
    } else {
        testudo_bounded::read_text(file, FILE_BYTES_MAX).map_err(|error| error.to_string())?
    };
    serde_json::from_str(&text).map_err(|error| format!("{}: is not JSON ({error})", file.display()))
}

fn check(arguments: &ToolsCheck, out: &mut impl Write) -> anyhow::Result<Exit> {
    let specs = testudo_bounded::read_text(&arguments.file, FILE_BYTES_MAX)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            ToolSpecs::from_toml(&text).map_err(|problem| format!("{}: {problem}", arguments.file.display()))
        });
    let specs = match specs {
        Ok(specs) => specs,
        Err(problem) => {
            complain(&problem)?;
            return Ok(Exit::BadInput);
        }
    };
    let mut rows = vec![["tool", "effect", "external", "reviewed", "arguments"].map(str::to_owned)];
    let mut open = Vec::new();
    for (name, spec) in specs.tools() {
        if !spec.reviewed {
            open.push(name.to_owned());
        }
        let roles = spec
            .arguments
            .iter()
            .map(|(path, role)| format!("{path} {}", role.as_str()));
        let roles: Vec<String> = roles.collect();
        let yes = |it: bool| if it { "yes" } else { "no" }.to_owned();
        rows.push([
            printable(name),
            spec.effect.as_str().to_owned(),
            yes(spec.external),
            yes(spec.reviewed),
            printable(&roles.join(", ")),
        ]);
    }
    if arguments.format == Format::Json {
        let all = rows.len().saturating_sub(1);
        writeln!(out, "{}", json!({"tools": all, "unreviewed": open}))?;
        return Ok(Exit::Done);
    }
    table(out, "", &rows)?;
    if !open.is_empty() {
        writeln!(
            out,
            "\n{} unreviewed, which counts as destroying and as external: {}",
            counted(open.len(), "tool"),
            printable(&open.join(", "))
        )?;
    }
    Ok(Exit::Done)
}
