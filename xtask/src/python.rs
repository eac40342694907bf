//! Python: packages in virtual environments of their own, installed once, at fixed versions; scripts that serve.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::{output, shell};

/// A folder of the user's cache, outside every checkout and target folder.
pub(crate) fn cache(name: &str) -> anyhow::Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let folder = cache.context("neither HOME nor XDG_CACHE_HOME is set")?.join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The interpreter of the environment in a folder, with the packages in it.
pub(crate) fn environment(folder: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let python = folder.join("bin/python");
    // Written last, so that a broken installation is made again.
    let done = folder.join("installed");
    let wanted = packages.join("\n");
    if shell::read_file(&done).ok().as_deref() == Some(&wanted) {
        return Ok(python);
    }
    output::step(&format!("installing {} (once)", packages.join(" ")));
    fs::create_dir_all(folder)?;
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    shell::run(Command::new(&python).args(pip).args(packages).stdout(Stdio::null()))?;
    fs::write(&done, &wanted)?;
    Ok(python)
}

/// A process that serves; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts a script with the port and what else it is told, and waits until it listens.
    pub(crate) fn start(
        python: &Path,
        script: &Path,
        address: SocketAddr,
        arguments: &[&OsStr],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let log = File::create(log)?;
        let child = Command::new(python)
            .arg(script)
            .arg(address.port().to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", script.display()))?;
        let server = Self(child);
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} does not listen after 30 s", script.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good as stopped.
        let _killed = self.0.kill();
        let _waited = self.0.wait();
    }
}
