//! The policies that decide, from a configuration or from a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use testudo_gateway::route_facts;
use testudo_gateway::settings::Settings;
use testudo_policy::{PolicyEngine, PolicySource, RouteFacts};
use testudo_types::{ProfileName, RouteName};

use super::case::Cases;
use crate::arguments::policy::Deciding;
use crate::config;
use crate::environment::Variables;

const POLICY_BYTES_MAX: usize = 1 << 20;

pub(super) struct Engine {
    pub(super) policies: PolicyEngine,
    routes: Vec<RouteName>,
}

impl Engine {
    /// Reads what the command line names.
    ///
    /// # Errors
    /// Everything that is wrong, for people.
    pub(super) fn load(deciding: &Deciding, cases: &Cases, variables: &dyn Variables) -> Result<Self, Vec<String>> {
        let mut sources = PolicyEngine::default_sources();
        let configured = match &deciding.policies {
            Some(_) => None,
            None => crate::configuration(deciding.config.as_ref()),
        };
        let routes = match (&deciding.policies, configured) {
            (Some(folder), _) => {
                sources.extend(in_folder(folder)?);
                of_cases(cases)?
            }
            (None, Some(path)) => {
                let loaded = config::load(&path, variables);
                let loaded = loaded.map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())?;
                return Self::of(&loaded.settings);
            }
            (None, None) => of_cases(cases)?,
        };
        Self::new(&sources, &routes)
    }

    /// The policies of a configuration, on its routes.
    ///
    /// # Errors
    /// Everything that is wrong, for people.
    pub(super) fn of(settings: &Settings) -> Result<Self, Vec<String>> {
        let mut sources = PolicyEngine::default_sources();
        sources.extend(settings.policies.iter().cloned());
        let mcp = settings.mcp.iter().flat_map(|mcp| &mcp.servers);
        let routes = settings.routes.iter().chain(mcp.map(|server| &server.route));
        Self::new(&sources, &routes.map(|route| route_facts(route)).collect::<Vec<_>>())
    }

    fn new(sources: &[PolicySource], routes: &[RouteFacts]) -> Result<Self, Vec<String>> {
        let policies = PolicyEngine::new(sources, routes)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(Self {
            policies,
            routes: routes.iter().map(|route| route.name.clone()).collect(),
        })
    }

    pub(super) fn has(&self, route: &RouteName) -> bool {
        self.routes.contains(route)
    }
}

/// The routes that cases name, with nothing else known of them.
fn of_cases(cases: &Cases) -> Result<Vec<RouteFacts>, Vec<String>> {
    let mut routes: BTreeMap<&RouteName, &ProfileName> = BTreeMap::new();
    for case in &cases.all {
        match routes.insert(&case.route, &case.profile) {
            Some(before) if *before != case.profile => {
                return Err(vec![format!(
                    "{}: the route `{}` has another profile in another case",
                    case.place, case.route
                )]);
            }
            _ => {}
        }
    }
    let facts = routes.into_iter().map(|(name, profile)| RouteFacts {
        name: name.clone(),
        profile: profile.clone(),
        request: BTreeMap::new(),
        response: BTreeMap::new(),
        hosted_tools: false,
        server_history: false,
    });
    Ok(facts.collect())
}

/// The policy files of a folder, in the order of their names.
fn in_folder(folder: &Path) -> Result<Vec<PolicySource>, Vec<String>> {
    let wrong = |error: std::io::Error| vec![format!("{}: cannot be listed ({error})", folder.display())];
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|it| it == "cedar") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(vec![format!("{}: holds no .cedar file", folder.display())]);
    }
    paths.sort();
    let sources = paths.iter().map(|path| {
        let text = testudo_bounded::read_text(path, POLICY_BYTES_MAX).map_err(|error| vec![error.to_string()])?;
        Ok(PolicySource {
            name: path.display().to_string(),
            text,
        })
    });
    sources.collect()
}
