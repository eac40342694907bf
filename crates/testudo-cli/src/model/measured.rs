//! What is common to all commands that read the files of a model.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use testudo_vault::signing::{HashKind, Links, Measured, Method, Model, ResourceName, Scope, Warning};

use crate::arguments::model::{Hash, MeasuredAs};
use crate::output::{printable, size};
use crate::progress::Progress;

impl MeasuredAs {
    pub(super) fn links(&self) -> Links {
        links(self.allow_symlinks)
    }

    pub(super) fn hash(&self) -> HashKind {
        match self.hash {
            Hash::Sha256 => HashKind::Sha256,
            Hash::Blake2b => HashKind::Blake2b,
            Hash::Blake3 => HashKind::Blake3,
        }
    }

    pub(super) fn method(&self) -> Method {
        self.shards.map_or(Method::Files, Method::Shards)
    }
}

pub(super) fn links(allowed: bool) -> Links {
    if allowed { Links::Follow } else { Links::Refuse }
}

/// What is left out: `.git` and the like, the files of the signature itself, and what was named.
pub(super) fn scope(model: &Model, git_counts: bool, named: &[PathBuf], own: &[&Path]) -> anyhow::Result<Scope> {
    let mut scope = if git_counts {
        Scope::whole()
    } else {
        Scope::without_git()
    };
    for path in own {
        if let Some(name) = model.name_of(path) {
            scope.leave_out(name);
        }
    }
    for path in named {
        scope.leave_out(left_out(model, path)?);
    }
    Ok(scope)
}

/// A path that leads into the model from here, or one below the model.
fn left_out(model: &Model, path: &Path) -> anyhow::Result<ResourceName> {
    if let Some(name) = model.name_of(path) {
        return Ok(name);
    }
    let text = path.to_str().context("a path to be left out is not UTF-8")?;
    let plain = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
    ResourceName::parse(plain).with_context(|| format!("`{}` cannot be left out", printable(text)))
}

/// Shows on a terminal how far the reading has come.
pub(super) fn watching<T>(act: impl FnOnce(&(dyn Fn(Measured) + Sync)) -> T) -> T {
    let progress = Mutex::new(Progress::new("read"));
    act(&|measured| {
        progress.lock().unwrap_or_else(PoisonError::into_inner).say(|| {
            let percent = measured.bytes_done.saturating_mul(100).checked_div(measured.bytes_all);
            format!(
                "{} of {} ({} %)",
                size(measured.bytes_done),
                size(measured.bytes_all),
                percent.unwrap_or(100)
            )
        });
    })
}

/// A warning in words.
pub(super) fn told(warning: &Warning) -> String {
    match warning {
        Warning::Outside(name) => format!("`{}` links out of the model", printable(name.as_str())),
    }
}
