//! Python packages in virtual environments of their own, installed once, at fixed versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

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
