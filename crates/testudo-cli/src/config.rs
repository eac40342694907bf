//! `testudo.toml`: read as typed, resolved to what is used, proven as a whole, with all mistakes found in one pass.

pub(crate) mod document;
mod files;
pub(crate) mod problem;
pub(crate) mod profiles;
pub(crate) mod quantity;
pub(crate) mod resolve;
pub(crate) mod suggest;
mod typed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use testudo_gateway::server::StartProblem;
use testudo_gateway::settings::{
    ApprovalSettings, LedgerSettings, ListenSettings, McpServer, MlflowSettings, ModelSettings, Profile, Route,
    Settings, UpstreamSettings,
};
use testudo_gateway::upstream::ClientProblem;
use testudo_gateway::{BuildProblem, route_facts};
use testudo_policy::{EffectivePolicy, PolicyEngine, PolicyFault, PolicyProblem};
use testudo_types::{RouteName, Secret, UpstreamName};
use testudo_vault::vault::VaultSettings;

use self::files::{CONFIGURATION_BYTES_MAX, Files, changeable};
use self::problem::{Problem, Problems};
pub(crate) use self::resolve::VaultRules;
use self::typed::Typed;
use crate::environment::Variables;

/// The name of a configuration that is found without being named.
pub(crate) const FILE_NAME: &str = "testudo.toml";

/// Everything a gateway is started from.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) listen: ListenSettings,
    pub(crate) admin_token: Option<Secret>,
    pub(crate) data_dir: PathBuf,
    pub(crate) ledger: LedgerSettings,
    pub(crate) settings: Settings,
    /// What was read, and folders in which new files would be read.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) places: Places,
}

/// A configuration in which there may be mistakes still.
#[derive(Debug)]
pub(crate) struct Draft {
    listen: ListenSettings,
    admin_token: Option<Secret>,
    data_dir: PathBuf,
    ledger: LedgerSettings,
    vault: Option<VaultSettings>,
    /// Whether policies decide who may do what in it.
    vault_policies: bool,
    settings: Settings,
    files: Vec<PathBuf>,
    places: Places,
}

/// Where the named things stand, so that what the gateway finds wrong has a line too.
#[derive(Debug, Default)]
pub(crate) struct Places {
    upstreams: BTreeMap<String, usize>,
    profiles: BTreeMap<String, usize>,
    routes: BTreeMap<String, usize>,
    /// Which trained models are asked for.
    models: Option<usize>,
    /// The route that brought in a shipped profile.
    profile_users: BTreeMap<String, usize>,
}

impl Places {
    fn of(typed: &Typed) -> Self {
        let users = typed.routes.iter().rev().map(|route| match &route.profile {
            Some(profile) => (profile.value.clone(), profile.line),
            None => (profiles::DEFAULT.to_owned(), route.name.line),
        });
        Self {
            upstreams: typed
                .upstreams
                .iter()
                .map(|it| {
                    (
                        it.name.value.clone(),
                        it.base_url.as_ref().map_or(it.name.line, |url| url.line),
                    )
                })
                .collect(),
            profiles: typed
                .profiles
                .iter()
                .map(|it| (it.name.value.clone(), it.name.line))
                .collect(),
            routes: typed
                .routes
                .iter()
                .map(|it| (it.name.value.clone(), it.name.line))
                .collect(),
            models: typed.models.injection.as_ref().map(|it| it.line),
            profile_users: users.collect(),
        }
    }

    fn profile(&self, name: &str) -> Option<usize> {
        self.profiles
            .get(name)
            .or_else(|| self.profile_users.get(name))
            .copied()
    }

    /// What the gateway found wrong, with its line; `None` when [`resolve`] reports it already.
    fn locate(&self, problem: &BuildProblem, file: &str) -> Option<Problem> {
        let here = |line| Problem {
            file: file.to_owned(),
            line,
            what: problem.to_string(),
            remedy: String::new(),
        };
        match problem {
            BuildProblem::Policy(problem) => Some(policy_problem(problem)),
            BuildProblem::Models(_) => Some(here(self.models)),
            BuildProblem::Upstream(problem) => {
                let (ClientProblem::Base { name, .. }
                | ClientProblem::Plaintext { name }
                | ClientProblem::Secret { name }
                | ClientProblem::Tls { name, .. }) = problem;
                Some(here(self.upstreams.get(name).copied()))
            }
            BuildProblem::UnknownUpstream { route, .. } | BuildProblem::SameDoor { second: route, .. } => {
                // Reported with its place where the names are resolved.
                (!self.routes.contains_key(route.as_str())).then(|| here(None))
            }
            BuildProblem::Allow { line, .. } => Some(here(*line)),
            BuildProblem::DeadGuard { profile, .. } => Some(here(self.profile(profile))),
            BuildProblem::SpecialTokens(_) => Some(here(None)),
            BuildProblem::McpDoor { route, .. } => Some(here(self.routes.get(route.as_str()).copied())),
            BuildProblem::NoVault { route }
            | BuildProblem::UnknownVersion { route, .. }
            | BuildProblem::NobodyApproves { route, .. }
            | BuildProblem::DeadDeclaration { route, .. } => Some(here(self.routes.get(route.as_str()).copied())),
        }
    }
}

fn policy_problem(problem: &PolicyProblem) -> Problem {
    let policy = problem
        .policy
        .as_ref()
        .map(|policy| format!("policy `{policy}`: "))
        .unwrap_or_default();
    Problem {
        file: problem.file.clone(),
        line: problem.line,
        what: format!("{policy}{}", problem.fault).replace('\n', ", "),
        remedy: problem.remedy().replace('\n', ", "),
    }
}

/// Reads a configuration and everything that it points at.
///
/// # Errors
/// All mistakes that can be found without building the gateway.
pub(crate) fn load(path: &Path, variables: &dyn Variables) -> Result<Configuration, Vec<Problem>> {
    let mut problems = Problems::new(&path.display().to_string());
    match draft(path, variables, &mut problems) {
        Some(draft) if problems.is_empty() => Ok(draft.into_configuration()),
        _ => Err(problems.into_sorted()),
    }
}

/// A configuration proven as a whole, and what its policies are for each route.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) listen: ListenSettings,
    pub(crate) ledger: LedgerSettings,
    /// When there is a section about one.
    pub(crate) vault: Option<VaultSettings>,
    pub(crate) vault_policies: bool,
    /// How MLflow clients read it, when they do.
    pub(crate) mlflow: Option<Arc<MlflowSettings>>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) upstreams: BTreeMap<UpstreamName, Arc<UpstreamSettings>>,
    pub(crate) mcp_path: String,
    pub(crate) servers: Vec<Arc<McpServer>>,
    pub(crate) policies: BTreeMap<RouteName, Vec<EffectivePolicy>>,
    pub(crate) models: ModelSettings,
}

/// Reads a configuration, and builds all of it without listening or dialling.
///
/// # Errors
/// All mistakes, those of the parts that depend on one another included.
pub(crate) fn prove(path: &Path, variables: &dyn Variables) -> Result<Proven, Vec<Problem>> {
    let file = path.display().to_string();
    let mut problems = Problems::new(&file);
    let Some(draft) = draft(path, variables, &mut problems) else {
        return Err(problems.into_sorted());
    };
    let mut proven = Proven {
        listen: draft.listen,
        ledger: draft.ledger,
        vault: draft.vault,
        vault_policies: draft.vault_policies,
        mlflow: draft.settings.mlflow.clone(),
        routes: draft.settings.routes.clone(),
        upstreams: draft.settings.upstreams.clone(),
        mcp_path: draft
            .settings
            .mcp
            .as_ref()
            .map_or(String::new(), |mcp| mcp.path.clone()),
        servers: draft
            .settings
            .mcp
            .as_ref()
            .map_or(Vec::new(), |mcp| mcp.servers.clone()),
        policies: BTreeMap::new(),
        models: draft.settings.models,
    };
    let mut sources = PolicyEngine::default_sources();
    sources.extend(draft.settings.policies.iter().cloned());
    match testudo_gateway::server::check(draft.settings) {
        Ok(_runtime) => {
            let of_servers = proven.servers.iter().map(|server| &server.route);
            let facts: Vec<_> = proven
                .routes
                .iter()
                .chain(of_servers)
                .map(|route| route_facts(route))
                .collect();
            if let Ok(engine) = PolicyEngine::new(&sources, &facts) {
                proven.policies = facts
                    .iter()
                    .map(|facts| (facts.name.clone(), engine.effective(&facts.name)))
                    .collect();
            }
        }
        Err(StartProblem::Build(found)) => {
            for problem in found.iter().filter(|problem| !follows(problem, &draft.places)) {
                if let Some(problem) = draft.places.locate(problem, &file) {
                    problems.push(problem);
                }
            }
        }
        Err(other) => problems.add(None, other.to_string(), ""),
    }
    if problems.is_empty() {
        Ok(proven)
    } else {
        Err(problems.into_sorted())
    }
}

/// What a start was refused for, with its places.
pub(crate) fn located(found: &[BuildProblem], places: &Places, path: &Path) -> Vec<Problem> {
    let file = path.display().to_string();
    let mut problems = Problems::new(&file);
    for problem in found {
        // Here nothing has been reported yet, so a problem without a place of its own is told as it is.
        problems.push(places.locate(problem, &file).unwrap_or_else(|| Problem {
            file: file.clone(),
            line: None,
            what: problem.to_string(),
            remedy: String::new(),
        }));
    }
    problems.into_sorted()
}

/// One profile of a configuration, whatever else is wrong in it.
///
/// # Errors
/// When the file cannot be read, there is a mistake in its profiles, or this one allows values by keyed digest and
/// the key is not at hand.
pub(crate) fn profile(path: &Path, name: &str, variables: &dyn Variables) -> Result<Arc<Profile>, Vec<Problem>> {
    let mut problems = Problems::new(&path.display().to_string());
    let Some(text) = read(path, &mut problems) else {
        return Err(problems.into_sorted());
    };
    let typed = Typed::read(&text, &mut Problems::new(""));
    // Others may look at texts with a profile that needs no key, without the configuration's secrets.
    let key = profiles::needs_key(&typed.profiles, name)
        .then(|| resolve::allow::key(&typed, &mut Files::new(path, variables), &mut problems))
        .flatten();
    let profiles = profiles::resolve(&typed.profiles, key.as_ref(), &mut problems);
    match profiles.get(name) {
        Some(profile) if problems.is_empty() => Ok(Arc::clone(profile)),
        None if problems.is_empty() => {
            let remedy = suggest::did_you_mean(name, profiles.keys().map(String::as_str));
            problems.add(None, format!("there is no profile `{name}`"), remedy);
            Err(problems.into_sorted())
        }
        _ => Err(problems.into_sorted()),
    }
}

/// How the ledger is kept, whatever else is wrong in the configuration.
///
/// # Errors
/// When the file cannot be read, or there is a mistake in its ledger.
pub(crate) fn ledger(path: &Path, variables: &dyn Variables) -> Result<LedgerSettings, Vec<Problem>> {
    let mut problems = Problems::new(&path.display().to_string());
    let Some(text) = read(path, &mut problems) else {
        return Err(problems.into_sorted());
    };
    let typed = Typed::read(&text, &mut Problems::new(""));
    let settings = resolve::ledger_alone(&typed, Files::new(path, variables), &mut problems);
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(problems.into_sorted())
    }
}

/// Who decides held calls, whatever else is wrong in the configuration; no token is read.
///
/// # Errors
/// When the file cannot be read, or there is a mistake in its approvals.
pub(crate) fn approvals(path: &Path) -> Result<ApprovalSettings, Vec<Problem>> {
    let mut problems = Problems::new(&path.display().to_string());
    let Some(text) = read(path, &mut problems) else {
        return Err(problems.into_sorted());
    };
    let typed = Typed::read(&text, &mut Problems::new(""));
    let settings = resolve::approvals_alone(&typed, &mut problems);
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(problems.into_sorted())
    }
}

/// Which vault, without the rest of the configuration, and who may do what in it; `None` when nothing is said of one.
///
/// # Errors
/// When the file cannot be read, says something that is no setting, or there is a mistake in `[vault]`.
pub(crate) fn vault(
    path: &Path,
    variables: &dyn Variables,
) -> Result<(Option<VaultSettings>, VaultRules), Vec<Problem>> {
    let mut problems = Problems::new(&path.display().to_string());
    let Some(text) = read(path, &mut problems) else {
        return Err(problems.into_sorted());
    };
    // A setting that was not understood must not leave another vault in its place.
    let typed = Typed::read(&text, &mut problems);
    let mut files = Files::new(path, variables);
    let settings = resolve::vault_alone(&typed, &mut files, &mut problems);
    let rules = resolve::vault_rules(&typed, &mut files, &mut problems);
    if problems.is_empty() {
        Ok((settings, rules))
    } else {
        Err(problems.into_sorted())
    }
}

/// The data folder of a configuration, for commands that need nothing else of it.
///
/// # Errors
/// When the file cannot be read or is not TOML.
pub(crate) fn data_dir(path: &Path) -> Result<PathBuf, Vec<Problem>> {
    let mut problems = Problems::new(&path.display().to_string());
    let Some(text) = read(path, &mut problems) else {
        return Err(problems.into_sorted());
    };
    let document = document::Document::parse(&text, &mut problems);
    let dir = document.root().text("data_dir", &mut problems);
    if !problems.is_empty() {
        return Err(problems.into_sorted());
    }
    let dir = dir.map_or(resolve::DATA_DIR.to_owned(), |dir| dir.value);
    Ok(path.parent().unwrap_or(Path::new("")).join(dir))
}

/// `None` when there was nothing to read.
fn draft(path: &Path, variables: &dyn Variables, problems: &mut Problems) -> Option<Draft> {
    let text = read(path, problems)?;
    let typed = Typed::read(&text, problems);
    Some(resolve::resolve(&typed, Files::new(path, variables), problems))
}

fn read(path: &Path, problems: &mut Problems) -> Option<String> {
    if let Some(what) = changeable(path) {
        problems.add(None, what, format!("run `chmod o-w {}`", path.display()));
    }
    match testudo_bounded::read_text(path, CONFIGURATION_BYTES_MAX) {
        Ok(text) => Some(text),
        Err(error) => {
            problems.add(None, error.to_string(), "");
            None
        }
    }
}

/// A policy that names a route or profile in which there was a mistake is not wrong itself.
fn follows(problem: &BuildProblem, places: &Places) -> bool {
    let BuildProblem::Policy(problem) = problem else {
        return false;
    };
    match &problem.fault {
        PolicyFault::RouteUnknown(name) => places.routes.contains_key(name.as_str()),
        PolicyFault::ProfileUnknown(name) => places.profile(name.as_str()).is_some(),
        _ => false,
    }
}

impl Draft {
    fn into_configuration(self) -> Configuration {
        Configuration {
            listen: self.listen,
            admin_token: self.admin_token,
            data_dir: self.data_dir,
            ledger: self.ledger,
            settings: self.settings,
            files: self.files,
            places: self.places,
        }
    }
}

#[cfg(test)]
mod tests;
