//! Starts the real `testudo` binary for measuring and end-to-end runs.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::{output, shell};

/// What to start.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Everything it writes goes here; emptied first.
    pub(crate) folder: PathBuf,
    pub(crate) upstream: SocketAddr,
    /// The profile of both routes.
    pub(crate) profile: String,
    /// More configuration: profiles, and limits as `[routes.…]` cannot be repeated, see `limits`.
    pub(crate) extra: String,
    pub(crate) limits: Option<String>,
    pub(crate) release: bool,
}

/// A running gateway; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// A virtual key that may use every route.
    pub(crate) key: String,
    pub(crate) pid: u32,
    child: Child,
}

impl Gateway {
    /// Builds and starts it, and waits until it accepts connections.
    pub(crate) fn start(setup: &Setup) -> anyhow::Result<Self> {
        let program = build(setup.release)?;
        if setup.folder.exists() {
            fs::remove_dir_all(&setup.folder)?;
        }
        fs::create_dir_all(&setup.folder)?;
        let (address, admin) = (free_address()?, free_address()?);
        let configuration = setup.folder.join("testudo.toml");
        fs::write(&configuration, text(setup, address, admin))?;
        let key = create_key(&program, &setup.folder, &configuration)?;
        let log = File::create(setup.folder.join("log"))?;
        let child = command(&program, &setup.folder)
            .arg("serve")
            .arg("--config")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut gateway = Self {
            address,
            admin,
            key,
            pid: child.id(),
            child,
        };
        gateway.wait_until_ready(&setup.folder.join("log"))?;
        Ok(gateway)
    }

    fn wait_until_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        for _ in 0..600 {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let said = shell::read_file(log).unwrap_or_default();
                bail!("the gateway ended ({status}) before it was ready:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the gateway does not listen after 30 s; see {}", log.display())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already gone is as good as stopped.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// A loopback address that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Builds the binary and says where it is.
pub(crate) fn build(release: bool) -> anyhow::Result<PathBuf> {
    output::step(if release {
        "building testudo (release)"
    } else {
        "building testudo"
    });
    let mut cargo = shell::cargo();
    cargo.args(["build", "--quiet", "--locked", "--package", "testudo-cli"]);
    if release {
        cargo.arg("--release");
    }
    shell::run(&mut cargo)?;
    let folder = if release { "release" } else { "debug" };
    Ok(shell::target().join(folder).join("testudo"))
}

fn create_key(program: &Path, folder: &Path, configuration: &Path) -> anyhow::Result<String> {
    let printed = shell::read(
        command(program, folder)
            .args(["key", "create", "--name", "xtask", "--config"])
            .arg(configuration),
    )?;
    printed
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'' | ','))
        .find(|word| word.starts_with("tsk_"))
        .map(str::to_owned)
        .with_context(|| format!("`testudo key create` printed no key:\n{printed}"))
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("XTASK_UPSTREAM_KEY", "sk-upstream-of-xtask");
    command
}

fn text(setup: &Setup, address: SocketAddr, admin: SocketAddr) -> String {
    let limits = setup
        .limits
        .as_ref()
        .map_or(String::new(), |it| format!("limits = {{ {it} }}\n"));
    let mut out = format!(
        "data_dir = \"data\"\n\n[listen]\naddress = \"{address}\"\nadmin = \"{admin}\"\nhosts = [\"127.0.0.1\", \"localhost\"]\n"
    );
    for family in ["openai", "anthropic"] {
        out.push_str(&format!(
            "\n[upstreams.{family}]\nfamily = \"{family}\"\nbase_url = \"http://{}\"\n\
             secret = {{ env = \"XTASK_UPSTREAM_KEY\" }}\nallow_private = true\n\
             \n[routes.{family}]\nfamily = \"{family}\"\nupstream = \"{family}\"\nprofile = \"{}\"\n{limits}",
            setup.upstream, setup.profile
        ));
    }
    out.push('\n');
    out.push_str(&setup.extra);
    out
}
