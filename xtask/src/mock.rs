//! `cargo xtask mock`: the mock upstream as a process of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use testudo_testkit::{MockSettings, MockUpstream};

/// Serves until standard input closes: `mock [ADDRESS] [key=value]…`.
pub(crate) fn mock(arguments: &[String]) -> anyhow::Result<()> {
    let mut settings = MockSettings {
        record_max: 0,
        ..MockSettings::default()
    };
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    for argument in arguments {
        match argument.split_once('=') {
            Some((key, value)) => settings.apply(key, value)?,
            None => {
                address = argument
                    .parse()
                    .with_context(|| format!("`{argument}` is no address"))?
            }
        }
    }
    if !address.ip().is_loopback() {
        bail!("the mock listens on loopback only");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mock = MockUpstream::start_at(address, settings).await?;
        crate::output::line(&format!("ready on {}", mock.address));
        std::io::stdout().flush()?;
        // Ends with whoever started it, and cannot be left behind.
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
        anyhow::Ok(())
    })
}

/// A mock in another process; stopped when dropped.
#[derive(Debug)]
pub(crate) struct MockProcess {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl MockProcess {
    /// Starts `program mock` with these settings.
    pub(crate) fn start(program: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .arg("mock")
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the mock cannot be started")?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
        }
        let mut mock = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
        };
        match line.trim_end().strip_prefix("ready on ") {
            Some(address) => mock.address = address.parse()?,
            None => bail!("the mock did not start"),
        }
        Ok(mock)
    }
}

impl Drop for MockProcess {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
