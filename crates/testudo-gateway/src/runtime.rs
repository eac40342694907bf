//! One configuration, whole: built and proven before it is used, replaced atomically, never mixed.

mod mcp;
mod models;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use testudo_detect::bait::Baits;
use testudo_detect::structure::special::{SpecialTokens, TokenLevel, TokenProblem};
use testudo_detect::structure::spotlight::Style;
use testudo_detect::{AllowFault, AllowList, Canaries, Detector};
use testudo_dialects::{Family, Operation};
use testudo_policy::{Guard, PolicyEngine, PolicyProblem, PolicySource, RouteFacts};
use testudo_types::{ApproverGroup, Direction, PolicyName, RouteName, ThreatKind, UpstreamName};

use crate::guard::GuardPlan;
use crate::guard::model::{ModelProblem, Models};
use crate::mcp::Servers;
use crate::mlflow::Registry;
use crate::serving::{Following, Target};
use crate::settings::{Bounds, FollowSettings, GuardSetting, ModelSettings, Profile, Route, Settings};
use crate::upstream::{ClientProblem, UpstreamClient};

/// Work a guard may do on one direction of one exchange, in bytes given to single patterns.
const WORK_MAX: u64 = 256 << 20;

/// Why a configuration cannot run.
#[derive(Debug, thiserror::Error)]
pub enum BuildProblem {
    #[error("policy: {0}")]
    Policy(PolicyProblem),
    #[error(transparent)]
    Upstream(ClientProblem),
    #[error("models: {0}")]
    Models(ModelProblem),
    #[error(transparent)]
    SpecialTokens(#[from] TokenProblem),
    #[error("route `{route}` names the upstream `{upstream}`, which is not configured; add [upstreams.{upstream}]")]
    UnknownUpstream { route: RouteName, upstream: UpstreamName },
    #[error("routes `{first}` and `{second}` both claim `{prefix}/` for {family}; give one of them another prefix", family = family.as_str())]
    SameDoor {
        first: RouteName,
        second: RouteName,
        prefix: String,
        family: Family,
    },
    #[error("route `{route}` has an allow-list in which an entry {fault}")]
    Allow {
        route: RouteName,
        line: Option<usize>,
        fault: AllowFault,
    },
    #[error(
        "policy `{policy}` holds calls on route `{route}` for `{group}`, and no approver is in that group; \
         add groups = [\"{group}\"] to one of [[approvals.approver]]"
    )]
    NobodyApproves {
        route: RouteName,
        policy: PolicyName,
        group: String,
    },
    #[error("route `{route}` follows a model and no vault is configured; add [vault] with the keys of its approvers")]
    NoVault { route: RouteName },
    #[error(
        "route `{route}` follows a model and may use the upstream `{upstream}`, of which nobody says what it serves; \
         add `serves` to it"
    )]
    UnknownVersion { route: RouteName, upstream: UpstreamName },
    #[error("route `{route}` and the MCP servers both claim `{path}`; give one of them another path")]
    McpDoor { route: RouteName, path: String },
    #[error(
        "profile `{profile}` guards {kind} in the {direction}, but no rule finds it there; remove the guard or add a rule",
        kind = kind.as_str(), direction = direction.as_str()
    )]
    DeadGuard {
        profile: String,
        kind: ThreatKind,
        direction: Direction,
    },
    #[error(
        "route `{route}` declares {what}, but profile `{profile}` passes {kind} in the response; guard it or remove the declaration",
        kind = kind.as_str()
    )]
    DeadDeclaration {
        route: RouteName,
        what: &'static str,
        profile: String,
        kind: ThreatKind,
    },
}

/// A route with everything its exchanges need.
#[derive(Debug)]
pub(crate) struct RouteRuntime {
    pub(crate) settings: Arc<Route>,
    pub(crate) upstream: Arc<UpstreamClient>,
    /// Where exchanges go instead, when the route follows a model.
    pub(crate) target: Option<Arc<Target>>,
    pub(crate) request: Arc<GuardPlan>,
    pub(crate) response: Arc<GuardPlan>,
    pub(crate) canaries: Canaries,
    /// The same, in every dress.
    pub(crate) baits: Baits,
    /// The tokens that are broken in requests.
    pub(crate) tokens: Option<(Arc<SpecialTokens>, TokenLevel)>,
    /// Of the policies and of what this route does.
    pub(crate) digest: [u8; 32],
}

impl RouteRuntime {
    /// Exchanges go where `target` says, and what decides that is part of the digest.
    fn following(mut self, target: Option<&Arc<Target>>) -> Self {
        if let Some(target) = target {
            self.digest = hash(&[&self.digest, target.lines().as_bytes()]);
            self.target = Some(Arc::clone(target));
        }
        self
    }

    /// The route's canaries with the one that is planted in a conversation, as they are written and in every dress.
    pub(crate) fn canaries_and(&self, planted: Option<&str>) -> (Canaries, Baits) {
        match planted {
            None => (self.canaries.clone(), self.baits.clone()),
            Some(token) => {
                // A planted one is neither too short nor too long.
                let all = self.canaries.and(token).unwrap_or_else(|_| self.canaries.clone());
                (all, self.baits.and(token))
            }
        }
    }
}

/// One configuration, ready to run.
#[derive(Debug)]
pub struct Runtime {
    routes: Vec<Arc<RouteRuntime>>,
    pub(crate) policy: Arc<PolicyEngine>,
    pub(crate) settings: Settings,
    pub(crate) models: Option<Arc<Models>>,
    pub(crate) mcp: Option<Servers>,
    /// What routes that follow a model need.
    pub(crate) following: Option<Arc<Following>>,
    /// The door for MLflow clients.
    pub(crate) mlflow: Option<Arc<Registry>>,
    /// Of the policies and of what all routes do.
    pub(crate) digest: [u8; 32],
}

impl Runtime {
    /// Builds everything that `settings` name and proves that each configured control acts.
    ///
    /// `models` are those that `settings` ask for, loaded.
    ///
    /// # Errors
    /// All problems at once; nothing of the configuration is used then.
    pub fn build(
        settings: Settings,
        detector: &Arc<Detector>,
        models: Result<Option<Arc<Models>>, ModelProblem>,
    ) -> Result<Self, Vec<BuildProblem>> {
        let mut problems = Vec::new();
        let models = models.unwrap_or_else(|problem| {
            problems.push(BuildProblem::Models(problem));
            None
        });
        same_doors(&settings.routes, &mut problems);
        let facts: Vec<RouteFacts> = policed(&settings).map(route_facts).collect();
        let mut sources = PolicyEngine::default_sources();
        sources.extend(settings.policies.iter().cloned());
        let policy = match PolicyEngine::new(&sources, &facts) {
            Ok(policy) => Some(Arc::new(policy)),
            Err(found) => {
                problems.extend(found.into_iter().map(BuildProblem::Policy));
                None
            }
        };
        if let Some(policy) = &policy {
            nobody_approves(&settings, policy, &mut problems);
        }
        let judges = Judges {
            policies: digest_of_policies(&sources),
            rules: detector.digest(),
            weights: models.as_ref().map(|models| *models.weights()),
            models: settings.models,
        };
        let tokens = SpecialTokens::builtin().map(Arc::new);
        let tokens = tokens.inspect_err(|problem| problems.push(problem.clone().into())).ok();
        let clients = clients(&settings, &mut problems);
        let targets = models::targets(&settings, &clients, &mut problems);
        let mut routes = Vec::with_capacity(settings.routes.len());
        let plans = Plans {
            detector,
            models: models.as_ref(),
            tokens: tokens.as_ref(),
        };
        for route in &settings.routes {
            dead_guards(&route.profile, !route.canaries.is_empty(), detector, &mut problems);
            dead_declarations(route, &mut problems);
            let allow = allow_list(route, detector, &mut problems);
            match clients.get(&route.upstream) {
                Some(client) => {
                    let built = plans.route(route, client, &allow, &judges);
                    routes.push(Arc::new(built.following(targets.get(&route.name))));
                }
                None if settings.upstreams.contains_key(&route.upstream) => {}
                None => problems.push(BuildProblem::UnknownUpstream {
                    route: route.name.clone(),
                    upstream: route.upstream.clone(),
                }),
            }
        }
        let mcp = settings.mcp.as_ref();
        let mcp = mcp.map(|mcp| plans.servers(mcp, &settings, &judges, &mut problems));
        // The longest prefix decides, so it is asked first.
        routes.sort_by(|a, b| {
            (b.settings.prefix.len(), &a.settings.name).cmp(&(a.settings.prefix.len(), &b.settings.name))
        });
        let following = models::following(&settings, targets, &mut problems);
        match policy {
            Some(policy) if problems.is_empty() => Ok(Self {
                digest: digest_of_all(&routes, mcp.as_ref(), &settings),
                mlflow: Registry::of(&settings),
                routes,
                policy,
                settings,
                models,
                mcp,
                following,
            }),
            _ => Err(problems),
        }
    }

    /// Every route that has series of its own.
    pub(crate) fn metered(&self) -> Vec<Arc<Route>> {
        let mut routes = self.settings.routes.clone();
        if let Some(mcp) = &self.settings.mcp {
            routes.push(Arc::clone(&mcp.hub));
            routes.extend(mcp.servers.iter().map(|server| Arc::clone(&server.route)));
        }
        routes
    }

    /// Of the policies, rules, trained models and settings that judge: what entries of the ledger name.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Whether a server asks which calls an answer on a route to a model let go.
    pub(crate) fn binds_calls(&self) -> bool {
        let servers = self.settings.mcp.iter().flat_map(|mcp| &mcp.servers);
        servers
            .into_iter()
            .any(|server| server.released_only || server.route.agents.is_some())
    }

    /// Whether a route knows texts again that were read before.
    pub(crate) fn knows_again(&self) -> bool {
        self.settings.routes.iter().any(|route| route.agents.is_some())
    }

    /// Sizes that nothing may pass.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.settings.bounds
    }

    /// The route and operation of a request, from its method and path alone.
    ///
    /// `prefer` decides between dialects that share a path (`/v1/models`).
    pub(crate) fn find(
        &self,
        method: &str,
        path: &str,
        prefer: Family,
    ) -> Option<(Arc<RouteRuntime>, Operation, String)> {
        let mut found = None;
        for route in &self.routes {
            let Some(rest) = path.strip_prefix(route.settings.prefix.as_str()) else {
                continue;
            };
            if !rest.starts_with('/') {
                continue;
            }
            if let Some(operation) = Operation::route(route.settings.family, method, rest) {
                let exact = route.settings.family == prefer;
                if exact {
                    return Some((Arc::clone(route), operation, rest.to_owned()));
                }
                if found.is_none() {
                    found = Some((Arc::clone(route), operation, rest.to_owned()));
                }
            }
        }
        found
    }
}

fn clients(settings: &Settings, problems: &mut Vec<BuildProblem>) -> BTreeMap<UpstreamName, Arc<UpstreamClient>> {
    let mut clients = BTreeMap::new();
    for (name, upstream) in &settings.upstreams {
        match UpstreamClient::new(Arc::clone(upstream), settings.bounds.response_bytes_max) {
            Ok(client) => {
                clients.insert(name.clone(), Arc::new(client));
            }
            Err(problem) => problems.push(BuildProblem::Upstream(problem)),
        }
    }
    clients
}

/// Of the policies, of what all routes and servers do, and of who is believed and given what where the vault is read.
fn digest_of_all(routes: &[Arc<RouteRuntime>], mcp: Option<&Servers>, settings: &Settings) -> [u8; 32] {
    let of_routes = routes.iter().map(|route| route.digest.as_slice());
    let of_servers = mcp.into_iter().map(|servers| servers.digest.as_slice());
    let follow = settings.follow.as_ref().map(FollowSettings::lines);
    let mlflow = settings.mlflow.as_ref().map(|mlflow| mlflow.lines());
    let of_vault = follow.iter().chain(&mlflow).map(String::as_bytes);
    hash(&of_routes.chain(of_servers).chain(of_vault).collect::<Vec<_>>())
}

/// The policies as they were read, by name.
fn digest_of_policies(sources: &[PolicySource]) -> [u8; 32] {
    let mut parts: Vec<(&[u8], &[u8])> = sources
        .iter()
        .map(|source| (source.name.as_bytes(), source.text.as_bytes()))
        .collect();
    parts.sort_unstable();
    let flat: Vec<&[u8]> = parts.into_iter().flat_map(|(name, text)| [name, text]).collect();
    hash(&flat)
}

/// What judges the exchanges of all routes, by digest.
struct Judges {
    policies: [u8; 32],
    rules: [u8; 32],
    /// `None` without trained models.
    weights: Option<[u8; 32]>,
    models: ModelSettings,
}

/// What judges, and everything of a route that decides what happens to an exchange.
fn digest_of_route(route: &Route, allow: &AllowList, judges: &Judges) -> [u8; 32] {
    let mut lines = format!(
        "{} {} {} {} {} {} {} {} {} {} {} {}\n",
        route.name,
        route.upstream,
        route.profile.name,
        route.profile.hold_bytes_max,
        route.profile.placeholder.as_str(),
        route.hosted_tools,
        route.server_history,
        route.plant,
        judges.models.injection.as_str(),
        judges.models.encoder_windows_max,
        route.profile.neutralise.map_or("off", TokenLevel::as_str),
        route.spotlight.map_or("off", Style::as_str)
    );
    lines.push_str(&route.output.line());
    if let Some(agents) = &route.agents {
        lines.push_str(&agents.line());
    }
    for (direction, guards) in [
        (Direction::Request, &route.profile.request),
        (Direction::Response, &route.profile.response),
    ] {
        for (kind, guard) in guards {
            lines.push_str(&format!(
                "{} {} {} {}\n",
                direction.as_str(),
                kind.as_str(),
                guard.action.as_str(),
                guard.score_min
            ));
        }
    }
    hash(&[
        &judges.policies,
        &judges.rules,
        judges.weights.as_ref().map_or(&[], <[u8; 32]>::as_slice),
        lines.as_bytes(),
        &allow.digest(),
    ])
}

/// SHA-256 of parts with their lengths, so that no two lists of parts have the same.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        context.update(&length.to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    out
}

/// What a route and its profile allow; empty when an entry is unsound, which is reported.
fn allow_list(route: &Route, detector: &Detector, problems: &mut Vec<BuildProblem>) -> Arc<AllowList> {
    let entries = [route.profile.allow.as_slice(), route.allow.as_slice()].concat();
    let list = AllowList::new(&entries, detector).unwrap_or_else(|found| {
        problems.extend(found.into_iter().map(|problem| BuildProblem::Allow {
            route: route.name.clone(),
            line: entries.get(problem.entry).and_then(|entry| entry.line),
            fault: problem.fault,
        }));
        AllowList::default()
    });
    Arc::new(list)
}

/// What the guards of all routes are made of.
struct Plans<'a> {
    detector: &'a Arc<Detector>,
    models: Option<&'a Arc<Models>>,
    tokens: Option<&'a Arc<SpecialTokens>>,
}

impl Plans<'_> {
    /// The guards of both directions.
    fn guards(&self, route: &Route, allow: &Arc<AllowList>) -> (GuardPlan, GuardPlan) {
        let request = GuardPlan::new(self.detector, Direction::Request, &route.profile.request, WORK_MAX);
        let response = GuardPlan::declared(
            self.detector,
            Direction::Response,
            &route.response_guards(),
            WORK_MAX,
            &route.output.declared(),
        );
        let request = request.allowing(allow).with_models(self.models.cloned());
        (request, response.allowing(allow))
    }

    fn route(
        &self,
        route: &Arc<Route>,
        upstream: &Arc<UpstreamClient>,
        allow: &Arc<AllowList>,
        judges: &Judges,
    ) -> RouteRuntime {
        let profile = &route.profile;
        let (request, response) = self.guards(route, allow);
        RouteRuntime {
            digest: digest_of_route(route, allow, judges),
            settings: Arc::clone(route),
            upstream: Arc::clone(upstream),
            target: None,
            request: Arc::new(request),
            response: Arc::new(response),
            canaries: route.canaries.clone(),
            baits: Baits::of(&route.canaries),
            tokens: self.tokens.cloned().zip(profile.neutralise),
        }
    }
}

/// Every route that policies decide about: those to models, and those of MCP servers.
fn policed(settings: &Settings) -> impl Iterator<Item = &Route> {
    let servers = settings.mcp.iter().flat_map(|mcp| &mcp.servers);
    let routes = settings.routes.iter().map(Arc::as_ref);
    routes.chain(servers.map(|server| server.route.as_ref()))
}

/// A route as policies see it.
#[must_use]
pub fn route_facts(route: &Route) -> RouteFacts {
    let guards = |settings: &BTreeMap<ThreatKind, GuardSetting>| {
        settings
            .iter()
            .map(|(kind, setting)| {
                (
                    *kind,
                    Guard {
                        action: setting.action,
                        score_min: setting.score_min,
                    },
                )
            })
            .collect()
    };
    RouteFacts {
        name: route.name.clone(),
        profile: route.profile.name.clone(),
        request: guards(&route.profile.request),
        response: guards(&route.profile.response),
        hosted_tools: route.hosted_tools,
        server_history: route.server_history,
    }
}

fn same_doors(routes: &[Arc<Route>], problems: &mut Vec<BuildProblem>) {
    let mut doors = BTreeMap::new();
    for route in routes {
        let door = (route.prefix.clone(), route.family.as_str());
        if let Some(first) = doors.insert(door, route.name.clone()) {
            problems.push(BuildProblem::SameDoor {
                first,
                second: route.name.clone(),
                prefix: route.prefix.clone(),
                family: route.family,
            });
        }
    }
}

/// What a route declares about its answers and its profile does not look for.
fn dead_declarations(route: &Route, problems: &mut Vec<BuildProblem>) {
    let output = &route.output;
    for (declared, what, kind) in [
        (
            output.links.hosts.is_some(),
            "hosts for links",
            ThreatKind::Exfiltration,
        ),
        (!output.sinks.is_empty(), "sinks", ThreatKind::UnsafeOutput),
        (!output.checks.is_empty(), "checks", ThreatKind::Quality),
        (route.plant, "a planted canary", ThreatKind::PromptLeak),
    ] {
        let guard = route.profile.response.get(&kind);
        let planted = kind == ThreatKind::PromptLeak && route.agents.is_some();
        if declared && !planted && guard.is_none_or(|guard| guard.action == testudo_types::Action::Pass) {
            problems.push(BuildProblem::DeadDeclaration {
                route: route.name.clone(),
                what,
                profile: route.profile.name.to_string(),
                kind,
            });
        }
    }
}

/// A call that waits for a group without people waits for nobody.
fn nobody_approves(settings: &Settings, policies: &PolicyEngine, problems: &mut Vec<BuildProblem>) {
    let peopled = |group: &ApproverGroup| {
        let mut groups = settings
            .approvals
            .approvers
            .iter()
            .flat_map(|approver| &approver.groups);
        groups.any(|it| **it == *group.0)
    };
    for route in policed(settings).filter(|route| route.agents.is_some()) {
        for policy in policies.effective(&route.name) {
            problems.extend(policy.approvers.filter(|group| !peopled(group)).map(|group| {
                BuildProblem::NobodyApproves {
                    route: route.name.clone(),
                    policy: policy.name,
                    group: group.0.to_string(),
                }
            }));
        }
    }
}

/// A guard that is switched on and can never find anything would be a claim, not a control.
fn dead_guards(profile: &Profile, canaries: bool, detector: &Arc<Detector>, problems: &mut Vec<BuildProblem>) {
    for (direction, guards) in [
        (Direction::Request, &profile.request),
        (Direction::Response, &profile.response),
    ] {
        for (kind, setting) in guards {
            let built_in = match kind {
                // Leaks are found by comparison with the exchange's own system prompt and the route's canaries.
                ThreatKind::PromptLeak => direction == Direction::Response || canaries,
                ThreatKind::Unscannable => true,
                ThreatKind::Quality => direction == Direction::Response,
                _ => false,
            };
            let acts = setting.action > testudo_types::Action::Pass;
            let found = detector.rules().iter().any(|rule| {
                let reads = if direction == Direction::Request {
                    rule.requests
                } else {
                    rule.responses
                };
                rule.kind == *kind && reads
            });
            if acts && !built_in && !found {
                problems.push(BuildProblem::DeadGuard {
                    profile: profile.name.to_string(),
                    kind: *kind,
                    direction,
                });
            }
        }
    }
}
