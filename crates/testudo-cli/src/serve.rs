//! `testudo serve`: starts the gateway, reloads its configuration, stops it.

mod unconfigured;
mod watch;
mod welcome;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use testudo_gateway::server::{Running, StartProblem, Startup, start};
use testudo_gateway::settings::{LedgerSettings, ListenSettings, UpstreamBase, UpstreamSettings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

use self::watch::Watch;
use crate::arguments::{LogFormat, LogLevel, Serve};
use crate::check::mistakes;
use crate::config::problem::Problem;
use crate::config::{self, Configuration};
use crate::environment::Variables;
use crate::exit::Exit;

pub(crate) async fn run(arguments: &Serve, variables: &dyn Variables) -> anyhow::Result<Exit> {
    log_to_stderr(arguments);
    let path = crate::configuration(arguments.config.as_ref());
    let configuration = match &path {
        Some(path) => match config::load(path, variables) {
            Ok(configuration) => configuration,
            Err(problems) => return refuse(&problems),
        },
        None => unconfigured::configuration(variables)?,
    };
    if path.is_some() {
        warn_of_gaps(&configuration);
    }
    // Asked for before anything runs, so that no signal finds the default behaviour in place.
    let mut signals = Signals::new()?;
    let Configuration {
        listen,
        admin_token,
        data_dir,
        ledger,
        settings,
        files,
        places,
    } = configuration;
    // Looked at before anything starts, so that no change after the reading is missed.
    let watch = Watch::start(&files);
    let fixed = Fixed::of(&listen, &data_dir, &ledger);
    let upstreams: Vec<_> = settings.upstreams.values().cloned().collect();
    let startup = Startup {
        listen,
        admin_token,
        data_dir,
        ledger,
        settings,
    };
    let running = match start(startup).await {
        Ok(running) => running,
        Err(StartProblem::Build(found)) => {
            let path = path.as_deref().unwrap_or(Path::new("built-in configuration"));
            return refuse(&config::located(&found, &places, path));
        }
        Err(problem) => return Err(problem).context("the gateway did not start"),
    };
    greet(&running, &upstreams, path.is_some()).await?;
    let mut reload = Reload {
        running: &running,
        path,
        files,
        fixed,
        variables,
    };
    reload.until_stopped(watch, &mut signals).await;
    drain(running, signals).await;
    Ok(Exit::Done)
}

/// Says where it listens, and what whoever started it needs to know.
#[expect(clippy::cognitive_complexity, reason = "the branches are those of the log macros")]
async fn greet(running: &Running, upstreams: &[Arc<UpstreamSettings>], configured: bool) -> anyhow::Result<()> {
    let admin = running.admin_address().map(tracing::field::display);
    tracing::info!(address = %running.address(), admin, "listening");
    if !configured {
        welcome::welcome(running, upstreams).await?;
    } else if running.keys().list().await?.is_empty() {
        tracing::warn!(
            "there is no virtual key yet, so every request is refused; \
             make one with `testudo key create --name NAME`"
        );
    }
    if is_practice(upstreams) {
        tracing::warn!(
            "practice mode: answers come from a built-in stand-in that obeys whatever it is told, \
             not from a model"
        );
    }
    Ok(())
}

/// Whether any answer comes from the stand-in.
fn is_practice(upstreams: &[Arc<UpstreamSettings>]) -> bool {
    upstreams.iter().any(|upstream| upstream.base == UpstreamBase::Practice)
}

#[expect(clippy::cognitive_complexity, reason = "the branches are those of the log macros")]
async fn drain(running: Running, mut signals: Signals) {
    tracing::info!("stopping: running exchanges may finish; stop again to cut them");
    tokio::select! {
        report = running.stop() => {
            tracing::info!(open = report.open_at_stop, cut = report.cut, "stopped");
        }
        () = signals.stop() => tracing::warn!("cut"),
    }
}

fn log_to_stderr(arguments: &Serve) {
    let level = match arguments.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_target(false);
    match arguments.log_format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

fn refuse(problems: &[Problem]) -> anyhow::Result<Exit> {
    mistakes(problems, &mut io::stderr().lock())?;
    bail!("the configuration has mistakes and nothing was started")
}

/// What is allowed and still worth saying.
fn warn_of_gaps(configuration: &Configuration) {
    for route in &configuration.settings.routes {
        let acts = |setting: &testudo_gateway::settings::GuardSetting| setting.action > testudo_types::Action::Observe;
        if !route
            .profile
            .request
            .values()
            .chain(route.profile.response.values())
            .any(acts)
        {
            tracing::warn!(route = %route.name, profile = %route.profile.name, "no guard of this route stops or masks anything");
        }
    }
    if !configuration.listen.address.ip().to_canonical().is_loopback() && configuration.listen.tls.is_none() {
        tracing::warn!("keys and texts cross the network in the clear unless another proxy encrypts them");
    }
}

/// The signals that this process answers.
#[derive(Debug)]
struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("signals cannot be caught");
        Ok(Self {
            reload: catch(SignalKind::hangup())?,
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a reload cannot change.
#[derive(Debug, PartialEq, Eq)]
struct Fixed {
    text: String,
}

impl Fixed {
    fn of(listen: &ListenSettings, data_dir: &Path, ledger: &LedgerSettings) -> Self {
        // Only compared, never shown.
        Self {
            text: format!("{listen:?} {} {ledger:?}", data_dir.display()),
        }
    }
}

/// Replaces the configuration of a running gateway.
#[derive(Debug)]
struct Reload<'r> {
    running: &'r Running,
    path: Option<PathBuf>,
    files: Vec<PathBuf>,
    fixed: Fixed,
    variables: &'r dyn Variables,
}

impl Reload<'_> {
    /// Reloads on SIGHUP and on changed files, until a signal asks to stop.
    async fn until_stopped(&mut self, mut watch: Watch, signals: &mut Signals) {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.reload.recv() => self.reload(),
                () = watch.changed() => self.reload(),
            }
            if watch.is_for_other_files(&self.files) {
                watch = Watch::start(&self.files);
            }
        }
    }

    #[expect(clippy::cognitive_complexity, reason = "the branches are those of the log macros")]
    fn reload(&mut self) {
        let Some(path) = self.path.clone() else {
            tracing::info!("there is no configuration to reload");
            return;
        };
        let Err(problems) = self.replace(&path) else {
            tracing::info!(file = %path.display(), "the configuration was reloaded");
            return;
        };
        for problem in &problems {
            tracing::error!("{problem}");
        }
        tracing::error!(
            mistakes = problems.len(),
            "the new configuration was refused; the one before it stays in use"
        );
    }

    /// Puts the configuration in use, or leaves everything as it was.
    fn replace(&mut self, path: &Path) -> Result<(), Vec<Problem>> {
        let configuration =
            config::load(path, self.variables).inspect_err(|mistakes| self.running.reload_refused(mistakes.len()))?;
        warn_of_gaps(&configuration);
        let fixed = Fixed::of(&configuration.listen, &configuration.data_dir, &configuration.ledger);
        if fixed != self.fixed {
            tracing::warn!(
                "[listen], data_dir or how the ledger is kept have changed; that takes effect at the next start"
            );
        }
        self.files = configuration.files;
        self.running
            .reload(configuration.settings)
            .map_err(|found| config::located(&found, &configuration.places, path))
    }
}

/// Writes to standard output at once.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
