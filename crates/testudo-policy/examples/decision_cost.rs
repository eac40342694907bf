//! Prints what a decision costs for growing numbers of policies, sorted by route or not.

#![expect(clippy::print_stdout, reason = "the program's purpose is this table")]
#![expect(clippy::disallowed_types, reason = "measures real time")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use testudo_policy::{
    AdmitFacts, FindingFacts, Guard, Judging, ModelScope, PolicyEngine, PolicySource, RouteFacts, RouteScope,
};
use testudo_types::{
    Action, Direction, KeyId, ModelName, NameError, Origin, Principal, PrincipalKind, ProfileName, Role, RouteName,
    RuleId, Score, Severity, TenantId, ThreatKind,
};

const ROUTES: usize = 30;
const ROUNDS: u32 = 50;
const REPEATS: usize = 200;
/// More than the engine remembers, so that each admission is decided.
const MODELS: usize = 2000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let facts = Facts::new()?;
    println!("own policies | question | on one route each | on every route   (us, least disturbed run)");
    for policies in [0, 3, 30, 100, 300] {
        let by_route = engine(policies, true)?;
        let everywhere = engine(policies, false)?;
        report(policies, "use", [&by_route, &everywhere], |engine| {
            admit(engine, &facts, facts.model());
        });
        report(policies, "release", [&by_route, &everywhere], |engine| {
            judge(engine, &facts)
        });
    }
    let plain = engine(0, true)?;
    let remembered = least_us(|| admit(&plain, &facts, facts.models.first()));
    println!("an admission that was decided before: {remembered:.2} us");
    let mut judging = Judging::new(Arc::new(engine(0, true)?));
    let remembered = least_us(|| {
        black_box(judging.judge(&facts.finding()));
    });
    println!("a decision on a finding that was decided before in the exchange: {remembered:.2} us");
    Ok(())
}

fn report(policies: usize, question: &str, engines: [&PolicyEngine; 2], ask: impl Fn(&PolicyEngine)) {
    let [sorted, unsorted] = engines.map(|engine| least_us(|| ask(engine)));
    println!("{policies:12} | {question:8} | {sorted:17.1} | {unsorted:15.1}");
}

/// The shipped policies and a number of one's own, half of them for each question.
fn engine(policies: usize, by_route: bool) -> Result<PolicyEngine, String> {
    let mut text = String::new();
    for number in 0..policies {
        let (round, route) = (number.div_euclid(ROUTES), number.rem_euclid(ROUTES));
        let resource = if by_route {
            format!("resource == Route::\"r{route}\"")
        } else {
            "resource".to_owned()
        };
        let (action, condition) = if route.saturating_add(round).is_multiple_of(2) {
            (
                "use",
                "context has model && context.model like \"o3*\" && principal in Role::\"intern\"",
            )
        } else {
            (
                "release",
                "context.kind == Kind::\"injection\" && context.untrusted && context.score >= 70",
            )
        };
        text.push_str(&format!(
            "@id(\"own.{number}\")\nforbid (principal, action == Action::\"{action}\", {resource})\nwhen {{ {condition} }};\n"
        ));
    }
    let mut sources = PolicyEngine::default_sources();
    sources.push(PolicySource {
        name: "own.cedar".to_owned(),
        text,
    });
    let routes: Result<Vec<RouteFacts>, NameError> = (0..ROUTES).map(route).collect();
    let routes = routes.map_err(|error| error.to_string())?;
    PolicyEngine::new(&sources, &routes).map_err(|problems| format!("{problems:?}"))
}

fn route(number: usize) -> Result<RouteFacts, NameError> {
    let guards = BTreeMap::from([(
        ThreatKind::Secret,
        Guard {
            action: Action::Mask,
            score_min: 60,
        },
    )]);
    Ok(RouteFacts {
        name: RouteName::parse(&format!("r{number}"))?,
        profile: ProfileName::parse("balanced")?,
        request: guards.clone(),
        response: guards,
        hosted_tools: true,
        server_history: true,
    })
}

struct Facts {
    principal: Principal,
    route: RouteName,
    models: Vec<ModelName>,
    asked: Cell<usize>,
    rule: RuleId,
}

impl Facts {
    fn new() -> Result<Self, NameError> {
        Ok(Self {
            principal: Principal {
                tenant: TenantId::parse("acme")?,
                kind: PrincipalKind::Service,
                key: KeyId::parse("k1")?,
                name: "billing".into(),
                roles: vec![Role("staff".into())],
            },
            route: RouteName::parse("r1")?,
            models: (0..MODELS)
                .map(|number| ModelName::parse(&format!("gpt-4o-mini-{number}")))
                .collect::<Result<_, _>>()?,
            asked: Cell::new(0),
            rule: RuleId::new("secret.github-pat"),
        })
    }

    /// Each model in turn.
    fn model(&self) -> Option<&ModelName> {
        let asked = self.asked.get();
        self.asked.set(asked.wrapping_add(1));
        self.models.get(asked.checked_rem(self.models.len())?)
    }

    fn finding(&self) -> FindingFacts<'_> {
        FindingFacts {
            principal: &self.principal,
            route: &self.route,
            direction: Direction::Request,
            origin: &Origin::User,
            rule: &self.rule,
            kind: ThreatKind::Secret,
            severity: Severity::High,
            score: Score::MAX,
            maskable: true,
        }
    }
}

fn admit(engine: &PolicyEngine, facts: &Facts, model: Option<&ModelName>) {
    black_box(engine.admit(&AdmitFacts {
        principal: &facts.principal,
        route: &facts.route,
        model,
        operation: "chat_completions",
        key_routes: &RouteScope::All,
        key_models: &ModelScope::All,
        hosted_tools: false,
        server_history: false,
    }))
    .permit
    .map_or_else(|| println!("refused"), drop);
}

fn judge(engine: &PolicyEngine, facts: &Facts) {
    let decision = black_box(engine.judge(&facts.finding()));
    if decision.action != Action::Mask {
        println!("not masked");
    }
}

fn least_us(mut ask: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                ask();
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.first().copied().unwrap_or_default()
}
