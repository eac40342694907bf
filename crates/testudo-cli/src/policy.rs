//! `testudo policy`: runs a user's cases against policies, and shows why one came out as it did.

mod asked;
mod case;
mod engine;
mod explain;
mod recorded;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use serde_json::json;
use testudo_policy::provenance::Reason;
use testudo_policy::{ActFacts, ProposedCall};
use testudo_types::Decision;

use self::case::{Case, Cases};
use self::engine::Engine;
use crate::arguments::Format;
use crate::arguments::policy::{Policy, PolicyExplain, PolicyTest};
use crate::environment::Variables;
use crate::exit::Exit;
use crate::inspect::complain;
use crate::output::{counted, printable, table};

pub(crate) fn run(command: &Policy, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Policy::Test(arguments) => test(arguments, variables, out),
        Policy::Explain(arguments) => explain(arguments, variables, out),
    }
}

/// A case with what came of it.
pub(crate) struct Judged<'a> {
    case: &'a Case,
    /// Of a call that a model asks for.
    call: Option<ProposedCall>,
    decision: Decision,
    /// What was expected and is not so.
    wrong: Vec<String>,
}

fn test(arguments: &PolicyTest, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let loaded = Cases::load(&arguments.files, arguments.deciding.specs.as_deref())
        .and_then(|cases| Engine::load(&arguments.deciding, &cases, variables).map(|engine| (cases, engine)));
    let (cases, engine) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return bad(&problems),
    };
    let judged: Result<Vec<Judged<'_>>, String> = cases.all.iter().map(|case| judge(&engine, case)).collect();
    let judged = match judged {
        Ok(judged) => judged,
        Err(problem) => return bad(&[problem]),
    };
    match arguments.format {
        Format::Table => as_table(&judged, out)?,
        Format::Json => as_lines(&judged, out)?,
    }
    let all_right = judged.iter().all(|one| one.wrong.is_empty());
    Ok(if all_right { Exit::Done } else { Exit::Found })
}

fn explain(arguments: &PolicyExplain, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Some(name) = &arguments.case else {
        return crate::runtime()?.block_on(recorded::explain(arguments, variables, out));
    };
    let files = std::slice::from_ref(&arguments.file);
    let loaded = Cases::load(files, arguments.deciding.specs.as_deref())
        .and_then(|cases| Engine::load(&arguments.deciding, &cases, variables).map(|engine| (cases, engine)));
    let (cases, engine) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return bad(&problems),
    };
    let Some(case) = cases.all.iter().find(|case| case.name == *name) else {
        return bad(&[format!("there is no case `{name}` in {}", arguments.file.display())]);
    };
    match judge(&engine, case) {
        Ok(judged) => explain::show(out, &engine, &judged, arguments.format)?,
        Err(problem) => return bad(&[problem]),
    }
    Ok(Exit::Done)
}

fn bad(problems: &[String]) -> anyhow::Result<Exit> {
    for problem in problems {
        complain(problem)?;
    }
    Ok(Exit::BadInput)
}

fn judge<'a>(engine: &Engine, case: &'a Case) -> Result<Judged<'a>, String> {
    if !engine.has(&case.route) {
        return Err(format!("{}: there is no route `{}`", case.place, case.route));
    }
    let (call, decision) = match case.asked.decide(&engine.policies, &case.principal, &case.route) {
        Some(decision) => (None, decision),
        None => {
            let call = case.proposed();
            let decision = engine.policies.act(&facts(case, &call));
            (Some(call), decision)
        }
    };
    let mut wrong = Vec::new();
    if decision.action != case.expect {
        wrong.push(format!("expected {}", case.expect.as_str()));
    }
    let named = |policy: &String| decision.policies.iter().any(|it| it.as_str() == policy);
    for policy in case.policies.iter().filter(|policy| !named(policy)) {
        wrong.push(format!("`{policy}` did not decide"));
    }
    if let Some(approvers) = &case.approvers {
        let found: Vec<&str> = decision.approvers.iter().map(|it| &*it.0).collect();
        if found != approvers.iter().map(String::as_str).collect::<Vec<_>>() {
            wrong.push(format!("expected approval by {}", approvers.join(", ")));
        }
    }
    Ok(Judged {
        case,
        call,
        decision,
        wrong,
    })
}

fn facts<'a>(case: &'a Case, call: &'a ProposedCall) -> ActFacts<'a> {
    ActFacts {
        principal: &case.principal,
        route: &case.route,
        call,
        session: case.session,
        plan: case.plan,
        approved: case.approved,
    }
}

/// The policies that decided, or why none could.
fn decided_by(decision: &Decision) -> String {
    let names: Vec<&str> = decision.policies.iter().map(|it| it.as_str()).collect();
    if names.is_empty() {
        let reasons: Vec<&str> = decision.reasons.iter().map(|it| &*it.0).collect();
        reasons.join("; ")
    } else {
        names.join(", ")
    }
}

fn as_table(judged: &[Judged<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut rows = vec![["", "case", "about", "decided", "by", ""].map(str::to_owned)];
    for one in judged {
        rows.push([
            if one.wrong.is_empty() { "ok" } else { "WRONG" }.to_owned(),
            printable(&one.case.name),
            printable(&one.case.tool),
            one.decision.action.as_str().to_owned(),
            decided_by(&one.decision),
            printable(&one.wrong.join("; ")),
        ]);
    }
    table(out, "", &rows)?;
    let wrong = judged.iter().filter(|one| !one.wrong.is_empty()).count();
    writeln!(out, "\n{}, {wrong} not as expected", counted(judged.len(), "case"))
}

fn as_lines(judged: &[Judged<'_>], out: &mut impl Write) -> io::Result<()> {
    for one in judged {
        let policies: Vec<&str> = one.decision.policies.iter().map(|it| it.as_str()).collect();
        let approvers: Vec<&str> = one.decision.approvers.iter().map(|it| &*it.0).collect();
        let line = json!({
            "case": one.case.name,
            "place": one.case.place,
            "ok": one.wrong.is_empty(),
            "question": one.case.asked.question(),
            "tool": one.case.tool,
            "expected": one.case.expect.as_str(),
            "decided": one.decision.action.as_str(),
            "policies": policies,
            "approvers": approvers,
            "errors": one.decision.errors,
            "provenance": one.call.as_ref().and_then(|call| call.verdict.reason.as_ref()).map(Reason::code),
            "wrong": one.wrong,
        });
        writeln!(out, "{line}")?;
    }
    let wrong = judged.iter().filter(|one| !one.wrong.is_empty()).count();
    writeln!(out, "{}", json!({"summary": {"cases": judged.len(), "wrong": wrong}}))
}
