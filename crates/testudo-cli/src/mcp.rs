//! `testudo mcp`: which tools of MCP servers a person has approved.

use std::io::Write;

use anyhow::{Context as _, bail};
use serde_json::json;
use testudo_dialects::mcp::ServerName;
use testudo_gateway::mcp::pins::{PinDigest, PinState, Pins, SeenTool};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;

use crate::arguments::mcp::{Mcp, McpApprove, McpList, McpShow, McpWithdraw};
use crate::arguments::{Format, Store};
use crate::exit::Exit;
use crate::key::data_dir;
use crate::output::table;

pub(crate) fn run(command: &Mcp, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Mcp::List(arguments) => list(arguments, out),
        Mcp::Show(arguments) => show(arguments, out),
        Mcp::Approve(arguments) => approve(arguments, out),
        Mcp::Withdraw(arguments) => withdraw(arguments, out),
    }
}

fn pins(store: &Store) -> anyhow::Result<Pins> {
    let dir = data_dir(store)?;
    if !dir.is_dir() {
        bail!(
            "there is no data folder `{}`; name it with --data-dir or --config",
            dir.display()
        );
    }
    Ok(Pins::new(&dir))
}

/// A tool with what it is to the gateway.
fn states(pins: &Pins, server: &ServerName) -> anyhow::Result<Vec<(SeenTool, PinState)>> {
    let approved = pins.approved(server)?;
    let state = |tool: &SeenTool| match (&tool.refused, approved.get(&tool.name)) {
        (Some(why), _) => PinState::Refused(why.clone()),
        (None, Some(digest)) if *digest == tool.digest => PinState::Approved,
        (None, Some(_)) => PinState::Changed,
        (None, None) => PinState::New,
    };
    let seen = pins.seen(server)?;
    Ok(seen
        .into_iter()
        .map(|tool| {
            let state = state(&tool);
            (tool, state)
        })
        .collect())
}

fn list(arguments: &McpList, out: &mut impl Write) -> anyhow::Result<Exit> {
    let pins = pins(&arguments.store)?;
    let servers = match &arguments.server {
        Some(name) => vec![ServerName::parse(name)?],
        None => pins.servers()?,
    };
    let mut rows = vec![["server", "tool", "state", "digest", "why"].map(str::to_owned)];
    for server in &servers {
        for (tool, state) in states(&pins, server)? {
            let why = match &state {
                PinState::Refused(why) => why.clone(),
                PinState::Approved | PinState::New | PinState::Changed => String::new(),
            };
            if arguments.format == Format::Json {
                let digest = tool.digest.to_string();
                let line = json!({"server": server.as_str(), "tool": tool.name, "state": state.as_str(), "digest": digest, "why": why});
                writeln!(out, "{line}")?;
            }
            let digest: String = tool.digest.to_string().chars().take(12).collect();
            rows.push([server.to_string(), tool.name, state.as_str().to_owned(), digest, why]);
        }
    }
    if arguments.format == Format::Json {
        return Ok(Exit::Done);
    }
    if rows.len() == 1 {
        writeln!(
            out,
            "no tool was seen yet; a running gateway looks at its MCP servers when it starts"
        )?;
        return Ok(Exit::Done);
    }
    table(out, "", &rows)?;
    Ok(Exit::Done)
}

fn show(arguments: &McpShow, out: &mut impl Write) -> anyhow::Result<Exit> {
    let pins = pins(&arguments.store)?;
    let server = ServerName::parse(&arguments.server)?;
    let found = states(&pins, &server)?
        .into_iter()
        .find(|(tool, _)| tool.name == arguments.tool);
    let (tool, state) =
        found.with_context(|| format!("`{server}` was not seen to have a tool `{}`", arguments.tool))?;
    writeln!(out, "{} of {server}: {}", tool.name, state.as_str())?;
    if let PinState::Refused(why) = &state {
        writeln!(out, "refused: {why}")?;
    }
    writeln!(out, "digest {}", tool.digest)?;
    // Escapes stay escapes, so that nothing in a definition moves the cursor or hides.
    let value: serde_json::Value = serde_json::from_str(&tool.definition).context("the definition cannot be read")?;
    let pretty = serde_json::to_string_pretty(&value)?;
    let plain: String = pretty
        .chars()
        .map(|c| {
            if c == '\n' || (c.is_ascii() && !c.is_ascii_control()) {
                c.to_string()
            } else {
                c.escape_unicode().to_string()
            }
        })
        .collect();
    writeln!(out, "{plain}")?;
    Ok(Exit::Done)
}

fn approve(arguments: &McpApprove, out: &mut impl Write) -> anyhow::Result<Exit> {
    let pins = pins(&arguments.store)?;
    let server = ServerName::parse(&arguments.server)?;
    let only = match &arguments.digest {
        Some(text) => Some(PinDigest::parse(text).context("a digest has 64 hexadecimal digits")?),
        None => None,
    };
    let names = match &arguments.tool {
        Some(tool) => vec![tool.clone()],
        None => {
            let states = states(&pins, &server)?;
            let open = states
                .into_iter()
                .filter(|(_, state)| matches!(state, PinState::New | PinState::Changed));
            open.map(|(tool, _)| tool.name).collect()
        }
    };
    if names.is_empty() {
        writeln!(out, "there is nothing to approve at {server}")?;
    }
    let now = SystemClock::new().wall();
    for name in names {
        let tool = pins.approve(&server, &name, only, now)?;
        writeln!(out, "approved {name} of {server} as {}", tool.digest)?;
    }
    Ok(Exit::Done)
}

fn withdraw(arguments: &McpWithdraw, out: &mut impl Write) -> anyhow::Result<Exit> {
    let pins = pins(&arguments.store)?;
    let server = ServerName::parse(&arguments.server)?;
    let tool = &arguments.tool;
    if pins.withdraw(&server, tool)? {
        writeln!(out, "{tool} of {server} is not approved any more")?;
    } else {
        writeln!(out, "{tool} of {server} was not approved")?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use testudo_types::UnixMillis;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn said(dir: &std::path::Path, line: &str) -> Result<String, String> {
        let words = ["testudo", "mcp"].into_iter().chain(line.split(' '));
        let folder = ["--data-dir", dir.to_str().unwrap()];
        let arguments = Arguments::try_parse_from(words.chain(folder)).map_err(|error| error.to_string())?;
        let Command::Mcp(command) = arguments.command else {
            panic!()
        };
        let mut out = Vec::new();
        run(&command, &mut out).map_err(|error| format!("{error:#}"))?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn seen(name: &str, definition: &str, refused: Option<&str>) -> SeenTool {
        SeenTool {
            name: name.to_owned(),
            digest: PinDigest::of(definition.as_bytes()),
            refused: refused.map(str::to_owned),
            definition: definition.to_owned(),
        }
    }

    #[test]
    fn tools_are_shown_approved_and_withdrawn() {
        let dir = tempfile::tempdir().unwrap();
        assert!(said(dir.path(), "list").unwrap().contains("no tool was seen"));
        let pins = Pins::new(dir.path());
        let mail = ServerName::parse("mail").unwrap();
        let hostile = "{\"description\":\"a\u{200b}b\u{1b}[2Jc\",\"name\":\"read\"}".replace('\u{1b}', "\\u001b");
        let tools = [
            seen("bad", "{}", Some("it steers")),
            seen("read", &hostile, None),
            seen("send", "{}", None),
        ];
        pins.note(&mail, &tools).unwrap();
        let shown = said(dir.path(), "show mail read").unwrap();
        assert!(
            shown.contains("\\u{200b}") && shown.is_ascii() && !shown.contains('\u{1b}'),
            "{shown}"
        );
        let digest = PinDigest::of(hostile.as_bytes());
        for (line, why) in [
            ("approve mail bad", "it steers"),
            ("approve mail nothing", "was not seen"),
            ("approve web read", "was not seen"),
            ("approve MAIL read", "lower-case"),
            ("approve mail", "required"),
            ("approve mail read --all", "cannot be used"),
            ("approve mail read --digest 00", "64 hexadecimal"),
            (
                &format!("approve mail read --digest {}", "0".repeat(64)),
                "not the definition",
            ),
            ("show mail nothing", "was not seen"),
        ] {
            let said = said(dir.path(), line).unwrap_err();
            assert!(said.contains(why), "{line}: {said}");
        }
        assert!(pins.approved(&mail).unwrap().is_empty());
        said(dir.path(), &format!("approve mail read --digest {digest}")).unwrap();
        assert!(
            said(dir.path(), "approve mail --all")
                .unwrap()
                .contains("approved send")
        );
        let listed = said(dir.path(), "list --format json").unwrap();
        assert_eq!(listed.matches("\"approved\"").count(), 2, "{listed}");
        pins.note(&mail, &[seen("send", "{ }", None)]).unwrap();
        assert!(said(dir.path(), "list mail").unwrap().contains("changed"));
        assert!(
            said(dir.path(), "withdraw mail send")
                .unwrap()
                .contains("not approved any more")
        );
        assert!(
            said(dir.path(), "withdraw mail send")
                .unwrap()
                .contains("was not approved")
        );
        pins.approve(&mail, "send", None, UnixMillis(1)).unwrap();
        assert!(
            said(&dir.path().join("nowhere"), "list")
                .unwrap_err()
                .contains("no data folder")
        );
    }
}
