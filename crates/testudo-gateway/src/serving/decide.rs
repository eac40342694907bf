//! Where a route's exchanges go, from what is stated and from what upstreams say; no clock, no I/O.

use std::collections::BTreeMap;

use testudo_types::{Millis, RouteName, UpstreamName};
use testudo_vault::vault::{Standing, VaultName, VersionId};

use super::answers::meant;
use crate::settings::{Afterwards, FollowedModel, Serves, VersionBeginning};

/// What was last verified about an artifact.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    pub(crate) meaning: BTreeMap<VaultName, Meaning>,
    /// When the statements were last read and believed.
    pub(crate) at: Millis,
}

/// What an alias means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Version(VersionId),
    Revoked(VersionId),
}

impl Stated {
    pub(crate) fn of(standing: &Standing, at: Millis) -> Self {
        let meaning = standing.aliases().map(|(alias, version)| {
            let meaning = if standing.is_revoked(version) {
                Meaning::Revoked(version)
            } else {
                Meaning::Version(version)
            };
            (alias.clone(), meaning)
        });
        Self {
            meaning: meaning.collect(),
            at,
        }
    }
}

/// What an upstream last said of itself.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) at: Millis,
}

/// Everything that is known when a route's choice is made.
#[derive(Debug)]
pub(crate) struct Known<'k> {
    pub(crate) now: Millis,
    /// `None` until the statements were read and believed for the first time.
    pub(crate) stated: Option<&'k Stated>,
    pub(crate) said: &'k BTreeMap<UpstreamName, Said>,
    /// How long an answer of an upstream counts.
    pub(crate) said_keep_ms: u64,
}

/// Where exchanges of a route go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Send(Chosen),
    Refuse(Withheld),
}

/// An upstream that serves what the alias means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) upstream: UpstreamName,
    pub(crate) version: VersionId,
    /// From then on this is no longer known; `None` for what does not end.
    pub(crate) until: Option<Millis>,
}

/// Why a route forwards nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// The statements were never read and believed.
    Unverified,
    /// They were, too long ago.
    Stale,
    /// The alias means nothing.
    Unmeant,
    /// It means a revoked version.
    Revoked,
    /// No upstream serves what it means.
    Unserved,
}

impl Withheld {
    /// For logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "model_unverified",
            Self::Stale => "model_stale",
            Self::Unmeant => "model_unmeant",
            Self::Revoked => "model_revoked",
            Self::Unserved => "model_unserved",
        }
    }

    /// For the client, who is told nothing of versions and upstreams.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Unverified => "which version of the model may be used was not verified yet; try again later",
            Self::Stale => "which version of the model may be used was not verified for too long; try again later",
            Self::Unmeant => "no version of the model is released for this route; try again later",
            Self::Revoked => "the released version of the model was revoked; try again later",
            Self::Unserved => "no upstream serves the released version of the model; try again later",
        }
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The vault cannot be read.
    Unreadable(VaultName),
    /// What it says is not believed: an older state, another history, a stranger's signature.
    Unbelieved(VaultName),
    /// A route forwards nothing.
    Withheld(RouteName),
    /// An upstream says that it serves something else than the configuration says.
    Contradicts(UpstreamName),
    /// An upstream says something that is no version.
    Unclear(UpstreamName),
    /// An upstream does not say what it serves.
    Silent(UpstreamName),
}

/// The choice of a route, and what is wrong with its upstreams.
pub(crate) fn decide(
    model: &FollowedModel,
    serves: &BTreeMap<UpstreamName, Serves>,
    known: &Known<'_>,
) -> (Choice, Vec<Trouble>) {
    let mut troubles = Vec::new();
    let mut serving = Vec::new();
    for upstream in &model.upstreams {
        match serves.get(upstream).map(|it| served(upstream, it, known)) {
            Some(Ok(served)) => serving.push((upstream, served)),
            Some(Err(trouble)) => troubles.push(trouble),
            None => {}
        }
    }
    (choose(model, &serving, known), troubles)
}

/// A version, and until when it is known that this upstream serves it.
type Served = (VersionBeginning, Option<Millis>);

fn choose(model: &FollowedModel, serving: &[(&UpstreamName, Served)], known: &Known<'_>) -> Choice {
    let Some(stated) = known.stated else {
        return Choice::Refuse(Withheld::Unverified);
    };
    let until = match model.afterwards {
        Afterwards::Refuse => Some(Millis(stated.at.0.saturating_add(model.keep_ms))),
        Afterwards::Continue => None,
    };
    if until.is_some_and(|until| known.now >= until) {
        return Choice::Refuse(Withheld::Stale);
    }
    let version = match stated.meaning.get(&model.alias) {
        None => return Choice::Refuse(Withheld::Unmeant),
        Some(Meaning::Revoked(_)) => return Choice::Refuse(Withheld::Revoked),
        Some(Meaning::Version(version)) => *version,
    };
    let found = serving.iter().find(|(_, (beginning, _))| beginning.is_of(version));
    match found {
        None => Choice::Refuse(Withheld::Unserved),
        Some((upstream, (_, known_until))) => Choice::Send(Chosen {
            upstream: (*upstream).clone(),
            version,
            until: until.into_iter().chain(*known_until).min(),
        }),
    }
}

fn served(upstream: &UpstreamName, serves: &Serves, known: &Known<'_>) -> Result<Served, Trouble> {
    let (ask, stated) = match serves {
        Serves::Stated(version) => return Ok((version.clone(), None)),
        Serves::Asked { ask, stated } => (ask, stated),
    };
    let until = |said: &Said| Millis(said.at.0.saturating_add(known.said_keep_ms));
    let fresh = known.said.get(upstream).filter(|said| known.now < until(said));
    let said = fresh.ok_or_else(|| Trouble::Silent(upstream.clone()))?;
    match (meant(&said.text, &ask.means), stated) {
        (Some(version), Some(stated)) if !version.agrees(stated) => Err(Trouble::Contradicts(upstream.clone())),
        // The longer of both beginnings.
        (Some(version), stated) => {
            let longer = stated.iter().find(|it| it.as_str().len() > version.as_str().len());
            Ok((longer.unwrap_or(&version).clone(), Some(until(said))))
        }
        (None, Some(_)) => Err(Trouble::Contradicts(upstream.clone())),
        (None, None) => Err(Trouble::Unclear(upstream.clone())),
    }
}

#[cfg(test)]
mod tests;
