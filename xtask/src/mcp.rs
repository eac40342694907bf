//! MCP servers behind the real binary: two written with the official SDK, its client, and the official conformance suite.

mod conformance;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::gateway::{Gateway, Setup, build, free_address};
use crate::python::Server;
use crate::{output, python, shell};

const PYTHON_PACKAGES: [&str; 1] = ["mcp==2.3.0"];

/// Runs the checks with the official client; `--conformance` the official suite, too.
pub(crate) fn mcp(arguments: &[String]) -> anyhow::Result<()> {
    let suite = match arguments {
        [] => false,
        [only] if only == "--conformance" => true,
        _ => bail!("usage: cargo xtask mcp [--conformance]"),
    };
    let python = interpreter()?;
    checks(&python)?;
    if suite {
        conformance::run(&python)?;
    }
    output::text("all of it holds\n");
    Ok(())
}

fn cache() -> anyhow::Result<PathBuf> {
    python::cache("testudo-mcp")
}

/// The interpreter in which the SDK is installed.
fn interpreter() -> anyhow::Result<PathBuf> {
    python::environment(&cache()?.join("venv"), &PYTHON_PACKAGES)
}

fn scripts() -> PathBuf {
    shell::workspace().join("tests/mcp")
}

/// A server of ours that listens on `address`.
fn serve(python: &Path, script: &str, address: SocketAddr, folder: &Path) -> anyhow::Result<Server> {
    let log = folder.join(format!("{script}.log"));
    Server::start(python, &scripts().join(script), address, &[folder.as_os_str()], &log)
}

/// A gateway in front of MCP servers; its model routes lead nowhere.
fn gateway(folder: &Path, servers: &str) -> anyhow::Result<Gateway> {
    Gateway::start(&Setup {
        folder: folder.join("gateway"),
        upstream: free_address()?,
        profile: "observe".to_owned(),
        extra: servers.to_owned(),
        limits: None,
        release: false,
    })
}

/// Runs `testudo mcp` with the gateway's configuration.
fn testudo(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let program = shell::target().join("debug/testudo");
    let mut command = Command::new(program);
    command
        .arg("mcp")
        .args(arguments)
        .arg("--data-dir")
        .arg(folder.join("gateway/data"));
    shell::read(&mut command)
}

/// Approves a call that waits.
fn decide(folder: &Path, id: &str) -> anyhow::Result<()> {
    let mut command = Command::new(shell::target().join("debug/testudo"));
    command
        .current_dir(folder.join("gateway"))
        .env("XTASK_UPSTREAM_KEY", "unused")
        .args(["approve", id, "--config", "testudo.toml"]);
    shell::read(&mut command).map(drop)
}

/// Waits until the gateway has looked at a server.
fn until_seen(folder: &Path, server: &str, tool: &str) -> anyhow::Result<()> {
    for _ in 0..300 {
        let listed = testudo(folder, &["list", server, "--format", "json"]).unwrap_or_default();
        if listed.contains(&format!("\"tool\":\"{tool}\"")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("the gateway has not looked at `{server}` after 30 s")
}

fn fresh(name: &str) -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("mcp").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn checks(python: &Path) -> anyhow::Result<()> {
    let folder = fresh("checks")?;
    build(false)?;
    output::step("two servers written with the official SDK, behind the gateway");
    let address = free_address()?;
    let _mail = serve(python, "mail.py", address, &folder)?;
    fs::create_dir_all(&folder)?;
    let policy = folder.join("mail.cedar");
    fs::write(
        &policy,
        "@id(\"no-deletions\") @reason(\"nobody deletes mail\")\n\
         forbid (principal, action == Action::\"call\", resource == Route::\"mcp.mail\")\n\
         when { context.tool == \"delete_mail\" && !context.listing };\n",
    )?;
    let servers = format!(
        "[policies]\nfiles = [\"{}\"]\n\n\
         [[mcp.server]]\nname = \"mail\"\nurl = \"http://{address}/mcp\"\nallow_private = true\n\n\
         [[mcp.server]]\nname = \"notes\"\ncommand = \"{}\"\nargs = [\"{}\"]\n\n\
         [[mcp.server]]\nname = \"office\"\nurl = \"http://{address}/mcp\"\nallow_private = true\n\
         agents = {{ tools = \"{}\", on_hold = \"approval\" }}\n",
        policy.display(),
        python.display(),
        scripts().join("notes.py").display(),
        scripts().join("tools.toml").display()
    );
    let gateway = gateway(&folder, &servers)?;
    until_seen(&folder, "mail", "send_mail")?;
    until_seen(&folder, "notes", "tidy_notes")?;
    let client = |phase: &str| {
        let mut command = Command::new(python);
        command
            .arg(scripts().join("check.py"))
            .arg(format!("http://{}/mcp", gateway.address))
            .arg(&gateway.key)
            .arg(phase);
        command
    };
    let check = |phase: &str| shell::run(&mut client(phase));
    check("before")?;
    testudo(&folder, &["approve", "mail", "--all"])?;
    testudo(&folder, &["approve", "notes", "--all"])?;
    if testudo(&folder, &["approve", "notes", "tidy_notes"]).is_ok() {
        bail!("a definition that speaks of another server's tool was approved");
    }
    check("after")?;
    check("changed")?;
    testudo(&folder, &["approve", "mail", "read_mail"])?;
    check("approved")?;
    testudo(&folder, &["approve", "office", "--all"])?;
    let said = shell::read(&mut client("waits"))?;
    let id = said.lines().last().unwrap_or_default();
    for line in said.lines().filter(|line| *line != id) {
        output::line(line);
    }
    decide(&folder, id)?;
    check("made")
}
