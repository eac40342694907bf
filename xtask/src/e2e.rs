//! `cargo xtask e2e`: official SDKs against a real language model, direct and through the gateway.
//!
//! Everything that was said is recorded on both sides of the gateway, so that "unchanged" means the bytes.

mod compare;
mod install;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use testudo_testkit::tee::{Exchanged, Tee};

use self::install::Installed;
use crate::{gateway, output, shell};

/// The SDKs, each a script with its arguments before the base URL.
const SDKS: [(&str, Program, &[&str]); 3] = [
    ("openai, Python", Program::Python, &["calls.py", "openai"]),
    ("anthropic, Python", Program::Python, &["calls.py", "anthropic"]),
    ("openai, JavaScript", Program::Node, &["calls.mjs"]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Python,
    Node,
}

/// What one SDK printed and what went over the wire meanwhile.
struct Calls {
    printed: String,
    exchanged: Vec<Exchanged>,
}

/// Runs everything; `--direct` leaves the gateway out.
pub(crate) fn e2e(arguments: &[String]) -> anyhow::Result<()> {
    let direct_only = match arguments {
        [] => false,
        [one] if one == "--direct" => true,
        _ => bail!("`e2e` takes nothing or `--direct`"),
    };
    let installed = install::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    output::step("starting the model (SmolLM2-135M, 98 MB)");
    let server = ModelServer::start(&installed)?;
    let back = runtime.block_on(Tee::start(server.address))?;

    let mut direct = Vec::new();
    for (name, program, script) in SDKS {
        output::step(&format!("{name}: direct"));
        direct.push(call(&installed, program, script, back.address, "sk-direct", &back)?);
    }
    if direct_only {
        for ((name, ..), calls) in SDKS.iter().zip(&direct) {
            output::line(&format!(
                "{name}: {} calls\n{}",
                calls.printed.lines().count(),
                calls.printed.trim_end()
            ));
        }
        return Ok(());
    }

    let gateway = gateway::Gateway::start(&gateway::Setup {
        folder: installed.folder.join("gateway"),
        upstream: back.address,
        profile: "balanced".to_owned(),
        extra: String::new(),
        limits: None,
        release: false,
    })?;
    let front = runtime.block_on(Tee::start(gateway.address))?;
    let mut report = compare::Report::default();
    for ((name, program, script), direct) in SDKS.into_iter().zip(&direct) {
        output::step(&format!("{name}: through the gateway"));
        let calls = call(&installed, program, script, front.address, &gateway.key, &front)?;
        report.unedited(name, direct, &calls, &back.take());
    }
    output::step("openai, Python: a call that masking edits");
    let script = ["calls.py", "openai-edited"];
    let calls = call(
        &installed,
        Program::Python,
        &script,
        front.address,
        &gateway.key,
        &front,
    )?;
    report.edited(&calls, &back.take());
    report.finish()
}

fn call(
    installed: &Installed,
    program: Program,
    script: &[&str],
    address: SocketAddr,
    key: &str,
    tee: &Tee,
) -> anyhow::Result<Calls> {
    let (program, folder) = match program {
        Program::Python => (installed.python.as_path(), shell::workspace().join("tests/sdk")),
        // Node finds packages beside the script only.
        Program::Node => (Path::new("node"), installed.node.clone()),
    };
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .args(script)
        .arg(format!("http://{address}"))
        .env("SDK_KEY", key)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let printed = shell::read(&mut command)?;
    Ok(Calls {
        printed,
        exchanged: tee.take(),
    })
}

/// The model behind its shim; stopped when dropped.
struct ModelServer {
    address: SocketAddr,
    child: Child,
}

impl ModelServer {
    fn start(installed: &Installed) -> anyhow::Result<Self> {
        let mut child = Command::new("node")
            .current_dir(&installed.node)
            .arg("server.mjs")
            .arg(&installed.model)
            .arg("0")
            .stdout(Stdio::piped())
            .spawn()
            .context("node cannot be started")?;
        let lines = child.stdout.take().map(|it| BufReader::new(it).lines());
        // Made before the first failure can return, so that the process is stopped then too.
        let mut server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
        };
        for line in lines.into_iter().flatten() {
            if let Some(port) = line?.strip_prefix("ready on ") {
                server
                    .address
                    .set_port(port.parse().context("the model server's port")?);
                return Ok(server);
            }
        }
        bail!("the model server ended before it was ready")
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        // Already gone is as good as stopped.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
