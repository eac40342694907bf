//! Routes that follow a model: everything that they name has to be there.

use std::collections::BTreeMap;
use std::sync::Arc;

use testudo_types::{RouteName, UpstreamName};

use super::BuildProblem;
use crate::serving::{Asker, Following, Target};
use crate::settings::{FollowedModel, Route, Serves, Settings};
use crate::upstream::UpstreamClient;

/// Of each route that follows a model.
pub(super) type Targets = BTreeMap<RouteName, Arc<Target>>;

/// Where exchanges of routes that follow a model may go.
pub(super) fn targets(
    settings: &Settings,
    clients: &BTreeMap<UpstreamName, Arc<UpstreamClient>>,
    problems: &mut Vec<BuildProblem>,
) -> Targets {
    let mut targets = Targets::new();
    for route in &settings.routes {
        let Some(model) = &route.model else { continue };
        let believed = settings.follow.as_ref().map(|it| !it.vault.approvers.is_empty());
        if believed != Some(true) {
            let route = route.name.clone();
            problems.push(BuildProblem::NoVault { route });
        }
        let serves = serves(settings, route, model, problems);
        let named = model.upstreams.iter();
        let own = named.filter_map(|name| Some((name.clone(), Arc::clone(clients.get(name)?))));
        let target = Target::new(&route.name, model, serves, own.collect());
        targets.insert(route.name.clone(), Arc::new(target));
    }
    targets
}

fn serves(
    settings: &Settings,
    route: &Route,
    model: &FollowedModel,
    problems: &mut Vec<BuildProblem>,
) -> BTreeMap<UpstreamName, Serves> {
    let mut known = BTreeMap::new();
    for upstream in &model.upstreams {
        let (route, upstream) = (route.name.clone(), upstream.clone());
        match settings.upstreams.get(&upstream).map(|it| it.serves.clone()) {
            None => problems.push(BuildProblem::UnknownUpstream { route, upstream }),
            Some(None) => problems.push(BuildProblem::UnknownVersion { route, upstream }),
            Some(Some(serves)) => {
                known.insert(upstream, serves);
            }
        }
    }
    known
}

/// What has to be looked at for all targets; `None` when there are none.
pub(super) fn following(
    settings: &Settings,
    targets: Targets,
    problems: &mut Vec<BuildProblem>,
) -> Option<Arc<Following>> {
    let follow = settings.follow.as_ref().filter(|_| !targets.is_empty())?;
    let mut askers = BTreeMap::new();
    for target in targets.values() {
        for (name, serves) in &target.serves {
            let (Serves::Asked { ask, .. }, Some(upstream)) = (serves, settings.upstreams.get(name)) else {
                continue;
            };
            match Asker::new(upstream, &ask.what) {
                Ok(Some(asker)) => {
                    askers.insert(name.clone(), Arc::new(asker));
                }
                // The stand-in in this process says nothing, so it is never used.
                Ok(None) => {}
                Err(problem) => problems.push(BuildProblem::Upstream(problem)),
            }
        }
    }
    Some(Arc::new(Following {
        targets: targets.into_values().collect(),
        settings: follow.clone(),
        askers,
    }))
}
