//! Cases as people write them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use testudo_policy::provenance::{Conversation, Knobs, Limits, PolicyName, Reading, ToolSpecs};
use testudo_policy::{Plan, ProposedCall, SessionFacts};
use testudo_types::{Action, KeyId, Principal, PrincipalKind, ProfileName, Role, RouteName, TenantId};

use super::asked::{Asked, TypedCall, TypedFinding, TypedRequest};

const FILE_BYTES_MAX: usize = 8 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The specifications of tools, beside this file.
    specs: Option<PathBuf>,
    /// The definitions of tools, as JSON, beside this file.
    tools: Option<PathBuf>,
    #[serde(default)]
    case: Vec<Typed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    name: String,
    question: Option<String>,
    #[serde(default)]
    principal: TypedPrincipal,
    route: Option<String>,
    #[serde(default = "profile")]
    profile: String,
    /// What a model asks for, or one of the three below.
    tool: Option<String>,
    request: Option<TypedRequest>,
    call: Option<TypedCall>,
    finding: Option<TypedFinding>,
    #[serde(default = "nothing")]
    arguments: Value,
    #[serde(default)]
    conversation: Vec<Said>,
    #[serde(default)]
    session: BTreeMap<String, TypedCount>,
    #[serde(default)]
    plan: TypedPlan,
    #[serde(default)]
    approved: bool,
    expect: String,
    #[serde(default)]
    policies: Vec<String>,
    approvers: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPrincipal {
    kind: Option<String>,
    tenant: Option<String>,
    name: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TypedCount {
    Number(u64),
    Yes(bool),
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TypedPlan {
    #[default]
    Unset,
    Inside,
    Outside,
}

/// One thing that was said before the call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    system: Option<String>,
    user: Option<String>,
    call: Option<String>,
    #[serde(default = "nothing")]
    arguments: Value,
    result: Option<Value>,
    #[serde(default)]
    suspicious: bool,
}

fn profile() -> String {
    "balanced".to_owned()
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A case that can be judged.
pub(super) struct Case {
    pub(super) name: String,
    /// The file and the case, for messages.
    pub(super) place: String,
    pub(super) principal: Principal,
    pub(super) route: RouteName,
    pub(super) profile: ProfileName,
    pub(super) asked: Asked,
    /// What it is about: the tool that a model asks for, or what the other questions are about.
    pub(super) tool: String,
    pub(super) arguments: Value,
    pub(super) session: SessionFacts,
    pub(super) plan: Plan,
    pub(super) approved: bool,
    pub(super) expect: Action,
    pub(super) policies: Vec<String>,
    pub(super) approvers: Option<Vec<String>>,
    conversation: Conversation,
    specs: Arc<ToolSpecs>,
}

pub(super) struct Cases {
    pub(super) all: Vec<Case>,
}

impl Cases {
    /// Reads files of cases.
    ///
    /// # Errors
    /// Everything that is wrong, for people.
    pub(super) fn load(files: &[PathBuf], specs: Option<&Path>) -> Result<Self, Vec<String>> {
        let mut all: Vec<Case> = Vec::new();
        let mut problems = Vec::new();
        for file in files {
            match of_file(file, specs) {
                Ok(cases) => all.extend(cases),
                Err(found) => problems.extend(found),
            }
        }
        if all.is_empty() && problems.is_empty() {
            problems.push("there is no case; write `[[case]]`".to_owned());
        }
        if problems.is_empty() {
            Ok(Self { all })
        } else {
            Err(problems)
        }
    }
}

fn of_file(file: &Path, given: Option<&Path>) -> Result<Vec<Case>, Vec<String>> {
    let text = testudo_bounded::read_text(file, FILE_BYTES_MAX).map_err(|error| vec![error.to_string()])?;
    let document: Document =
        toml::from_str(&text).map_err(|error| vec![format!("{}: {error}", file.display()).trim_end().to_owned()])?;
    let beside = |path: &Path| file.parent().unwrap_or(Path::new("")).join(path);
    let path = document
        .specs
        .as_deref()
        .map(beside)
        .or_else(|| given.map(Path::to_owned));
    let mut specs = match path {
        Some(path) => specs_of(&path).map_err(|problem| vec![problem])?,
        None => ToolSpecs::default(),
    };
    if let Some(path) = document.tools.as_deref().map(beside) {
        let text = testudo_bounded::read_text(&path, FILE_BYTES_MAX).map_err(|error| vec![error.to_string()])?;
        let definitions =
            serde_json::from_str(&text).map_err(|error| vec![format!("{}: is not JSON ({error})", path.display())])?;
        specs.describe(&definitions);
    }
    let specs = Arc::new(specs);
    let mut cases: Vec<Case> = Vec::new();
    let mut problems = Vec::new();
    for typed in document.case {
        let place = format!("{}: case `{}`", file.display(), typed.name);
        if cases.iter().any(|case| case.name == typed.name) {
            problems.push(format!("{place} stands there twice"));
            continue;
        }
        match typed.resolve(&place, &specs) {
            Ok(case) => cases.push(case),
            Err(what) => problems.push(format!("{place}: {what}")),
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

fn specs_of(path: &Path) -> Result<ToolSpecs, String> {
    let text = testudo_bounded::read_text(path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    ToolSpecs::from_toml(&text).map_err(|problem| format!("{}: {problem}", path.display()))
}

impl Typed {
    fn resolve(self, place: &str, specs: &Arc<ToolSpecs>) -> Result<Case, String> {
        let (asked, tool, route) = asked(self.tool, self.request, self.call, self.finding)?;
        if let Some(question) = self.question.filter(|it| it != asked.question()) {
            return Err(format!(
                "the question is `{question}`, and what is asked about belongs to `{}`",
                asked.question()
            ));
        }
        let masks = matches!(asked, Asked::Release(_));
        let expect = Action::from_name(&self.expect)
            .filter(|action| *action != Action::Mask || masks)
            .ok_or_else(|| {
                let mask = if masks { "mask, " } else { "" };
                format!(
                    "`expect` is `{}`; write pass, observe, {mask}hold or block",
                    self.expect
                )
            })?;
        Ok(Case {
            asked,
            tool,
            principal: self.principal.resolve()?,
            route: RouteName::parse(self.route.as_deref().unwrap_or(&route)).map_err(|error| error.to_string())?,
            profile: ProfileName::parse(&self.profile).map_err(|error| error.to_string())?,
            session: session(&self.session)?,
            conversation: conversation(&self.conversation, specs)?,
            plan: match self.plan {
                TypedPlan::Unset => Plan::Unset,
                TypedPlan::Inside => Plan::Inside,
                TypedPlan::Outside => Plan::Outside,
            },
            name: self.name,
            place: place.to_owned(),
            arguments: self.arguments,
            approved: self.approved,
            expect,
            policies: self.policies,
            approvers: self.approvers,
            specs: Arc::clone(specs),
        })
    }
}

/// What is asked, what about, and on which route where the case names none.
fn asked(
    tool: Option<String>,
    request: Option<TypedRequest>,
    call: Option<TypedCall>,
    finding: Option<TypedFinding>,
) -> Result<(Asked, String, String), String> {
    let agent = || "agent".to_owned();
    let (asked, route) = match (tool, request, call, finding) {
        (Some(tool), None, None, None) => return Ok((Asked::Act, tool, agent())),
        (None, Some(request), None, None) => (request.resolve()?, agent()),
        (None, None, Some(call), None) => {
            let route = call.route();
            (call.resolve()?, route)
        }
        (None, None, None, Some(finding)) => (finding.resolve()?, agent()),
        _ => return Err("write one of `tool`, `request`, `call` and `finding`".to_owned()),
    };
    let about = asked.about().unwrap_or_default();
    Ok((asked, about, route))
}

impl TypedPrincipal {
    fn resolve(self) -> Result<Principal, String> {
        let kind = match self.kind.as_deref() {
            None | Some("agent") => PrincipalKind::Agent,
            Some("service") => PrincipalKind::Service,
            Some("user") => PrincipalKind::User,
            Some(other) => {
                return Err(format!(
                    "the principal is of kind `{other}`; write agent, service or user"
                ));
            }
        };
        let tenant = self.tenant.as_deref().unwrap_or("default");
        Ok(Principal {
            tenant: TenantId::parse(tenant).map_err(|error| error.to_string())?,
            kind,
            key: KeyId::parse("case").map_err(|error| error.to_string())?,
            name: self.name.unwrap_or_else(|| "case".to_owned()).into(),
            roles: self.roles.into_iter().map(|role| Role(role.into())).collect(),
        })
    }
}

fn session(typed: &BTreeMap<String, TypedCount>) -> Result<SessionFacts, String> {
    let mut facts = SessionFacts::default();
    for (name, count) in typed {
        let place = match (name.as_str(), count) {
            ("canary", TypedCount::Yes(yes)) => {
                facts.canary = *yes;
                continue;
            }
            ("calls_1h", _) => &mut facts.calls_1h,
            ("calls_24h", _) => &mut facts.calls_24h,
            ("tool_calls_1h", _) => &mut facts.tool_calls_1h,
            ("tool_calls_24h", _) => &mut facts.tool_calls_24h,
            ("sum_1h", _) => &mut facts.sum_1h,
            ("sum_24h", _) => &mut facts.sum_24h,
            ("held_24h", _) => &mut facts.held_24h,
            ("fetches_1h", _) => &mut facts.fetches_1h,
            ("fetches_24h", _) => &mut facts.fetches_24h,
            ("fetch_bits_1h", _) => &mut facts.fetch_bits_1h,
            ("fetch_bits_24h", _) => &mut facts.fetch_bits_24h,
            ("fetches_here", _) => &mut facts.fetches_here,
            _ => {
                return Err(format!(
                    "`session.{name}` is not known or of the wrong type; see docs/policy.md"
                ));
            }
        };
        let TypedCount::Number(number) = count else {
            return Err(format!("`session.{name}` is no number"));
        };
        *place = *number;
    }
    Ok(facts)
}

fn conversation(said: &[Said], specs: &ToolSpecs) -> Result<Conversation, String> {
    let mut conversation = Conversation::new(Limits::default(), Reading::Close);
    for (at, said) in said.iter().enumerate() {
        match (&said.system, &said.user, &said.call) {
            (Some(text), None, None) => conversation.push_system(text),
            (None, Some(text), None) => conversation.push_user(text, &[]),
            (None, None, Some(tool)) => {
                let result = match &said.result {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => return Err(format!("the call of `{tool}` has no `result`")),
                };
                conversation.push_result(specs, tool, &said.arguments, &result, said.suspicious);
            }
            _ => {
                let number = at.saturating_add(1);
                return Err(format!(
                    "part {number} of the conversation is not one of `system`, `user` and `call`"
                ));
            }
        }
    }
    Ok(conversation)
}

impl Case {
    /// The call with all that is known of it.
    pub(super) fn proposed(&self) -> ProposedCall {
        let knobs = Knobs::from(PolicyName::Default);
        ProposedCall::of(&knobs, &self.specs, &self.conversation, &self.tool, &self.arguments)
    }
}
