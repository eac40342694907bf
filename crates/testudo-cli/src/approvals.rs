//! `testudo approvals`, `testudo approve`, `testudo deny`: what waits for a person, and the person's decision.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use testudo_gateway::approvals::{
    ApprovalId, ApprovalState, Approvals, Decided, Decider, HeldCall, HumanVerdict, ShowError, Shown, Summary,
};
use testudo_gateway::settings::{ApprovalSettings, Approver};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::{Clock as _, UnixMillis};
use tokio::net::UnixStream;

use crate::arguments::approvals::{Approvals as Command, ApprovalsList, ApprovalsShow, Decide};
use crate::arguments::{Format, Store};
use crate::config;
use crate::exit::Exit;
use crate::key::data_dir;
use crate::output::{day_and_time, printable, table};

/// Characters beyond ASCII that are spelled out beside arguments.
const FOREIGN_MAX: usize = 16;

pub(crate) async fn run(command: &Command, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Command::List(arguments) => list(arguments, out).await,
        Command::Show(arguments) => show(arguments, out).await,
    }
}

async fn list(arguments: &ApprovalsList, out: &mut impl Write) -> anyhow::Result<Exit> {
    let approvals = open(&arguments.store).await?;
    let found = approvals.list().await;
    approvals.close().await;
    let (found, now) = (found?, SystemClock::new().wall());
    if arguments.format == Format::Json {
        for summary in &found {
            writeln!(out, "{}", ascii(&summary_json(summary)))?;
        }
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        writeln!(out, "nothing waits, and nothing was decided lately")?;
        return Ok(Exit::Done);
    }
    let header = ["id", "state", "left", "tools", "key", "route", "opened", "by"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(found.iter().map(|summary| row(summary, now)));
    table(out, "", &rows)?;
    Ok(Exit::Done)
}

async fn show(arguments: &ApprovalsShow, out: &mut impl Write) -> anyhow::Result<Exit> {
    let id = parse(&arguments.id)?;
    let approvals = open(&arguments.store).await?;
    let shown = approvals.show(&id).await;
    approvals.close().await;
    let shown = shown?;
    match arguments.format {
        Format::Json => writeln!(out, "{}", ascii(&shown_json(&shown)))?,
        Format::Table => print(&shown, SystemClock::new().wall(), out)?,
    }
    Ok(Exit::Done)
}

pub(crate) async fn decide(arguments: &Decide, verdict: HumanVerdict, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Decide { id, name, store } = arguments;
    let id = parse(id)?;
    let decider = decider(name.as_deref(), &settings(store)?)?;
    let approvals = open(store).await?;
    let decided = approvals.decide(&id, &decider, verdict).await;
    approvals.close().await;
    let by = &decider.name;
    match decided? {
        Decided::Approved => writeln!(out, "{id} is approved by {by}: exactly this, once")?,
        Decided::Denied => writeln!(out, "{id} is denied by {by}")?,
        Decided::Counted {
            approved,
            quorum,
            missing,
        } => {
            write!(out, "{by} approves {id}; {approved} of {quorum} people have")?;
            if !missing.is_empty() {
                let groups: Vec<&str> = missing.iter().map(String::as_str).collect();
                write!(out, ", and somebody of {} must", groups.join(" and of "))?;
            }
            writeln!(out)?;
        }
    }
    Ok(Exit::Done)
}

/// Who runs this: the approver whose user it is, the approver that is named, or the user alone.
fn decider(name: Option<&str>, settings: &ApprovalSettings) -> anyhow::Result<Decider> {
    let (here, _there) = UnixStream::pair().context("the operating system does not say who you are")?;
    let uid = here.peer_cred()?.uid();
    let own = settings.approvers.iter().find(|it| it.uid == Some(uid));
    let as_approver = |approver: &Approver| Decider {
        name: approver.name.clone(),
        uid: Some(uid),
        principals: approver.principals.clone(),
        groups: approver.groups.clone(),
    };
    let Some(name) = name else {
        return Ok(own.map_or_else(
            || Decider {
                name: format!("uid:{uid}"),
                uid: Some(uid),
                principals: Vec::new(),
                groups: Vec::new(),
            },
            as_approver,
        ));
    };
    let Some(named) = settings.approvers.iter().find(|it| it.name == name) else {
        bail!(
            "the configuration names no approver `{}`; add [[approvals.approver]], or decide without --as",
            printable(name)
        );
    };
    let is_another = named.uid.is_some_and(|it| it != uid) || own.is_some_and(|own| own.name != named.name);
    if is_another {
        bail!("you are user {uid}, and `{name}` is somebody else");
    }
    Ok(as_approver(named))
}

fn parse(id: &str) -> anyhow::Result<ApprovalId> {
    ApprovalId::parse(id).context("give the id alone, as `testudo approvals list` shows it")
}

/// Who decides, as far as a configuration says so.
fn settings(store: &Store) -> anyhow::Result<ApprovalSettings> {
    match crate::configuration(store.config.as_ref()) {
        None => Ok(ApprovalSettings::none()),
        Some(path) => config::approvals(&path).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        }),
    }
}

/// Opens a store and never makes a folder for one: a wrong path would look like an empty store.
async fn open(store: &Store) -> anyhow::Result<Approvals> {
    let dir = data_dir(store)?;
    if !dir.is_dir() {
        bail!(
            "there is no data folder `{}`; name it with --data-dir or --config",
            dir.display()
        );
    }
    Approvals::load(&dir, ApprovalSettings::none(), Arc::new(SystemClock::new()))
        .await
        .with_context(|| format!("the data folder `{}` cannot be used", dir.display()))
}

/// What waits or waited of one exchange, as far as it is kept.
pub(crate) async fn of_exchange(store: &Store, exchange: &str) -> anyhow::Result<Vec<Shown>> {
    // Looking makes no store.
    if !data_dir(store)?.join("approvals.db").is_file() {
        return Ok(Vec::new());
    }
    let approvals = open(store).await?;
    let found = found(&approvals, exchange).await;
    approvals.close().await;
    Ok(found?)
}

async fn found(approvals: &Approvals, exchange: &str) -> Result<Vec<Shown>, ShowError> {
    let mut found = Vec::new();
    for summary in approvals.list().await? {
        if summary.exchange.as_str() == exchange {
            found.push(approvals.show(&summary.id).await?);
        }
    }
    Ok(found)
}

/// One approval for people.
pub(crate) fn print_shown(shown: &Shown, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out)?;
    print(shown, SystemClock::new().wall(), out)
}

fn row(summary: &Summary, now: UnixMillis) -> [String; 8] {
    let tools: Vec<String> = summary.calls.iter().map(|(tool, _)| printable(tool)).collect();
    let by: Vec<&str> = summary.votes.iter().map(|vote| vote.by.as_str()).collect();
    [
        summary.id.to_string(),
        summary.state.as_str().to_owned(),
        left(summary, now),
        tools.join(","),
        summary.key.to_string(),
        summary.route.to_string(),
        day_and_time(summary.opened),
        printable(&by.join(",")),
    ]
}

/// How long it is left.
fn left(summary: &Summary, now: UnixMillis) -> String {
    if !matches!(summary.state, ApprovalState::Waiting | ApprovalState::Approved) {
        return String::new();
    }
    let seconds = summary.expires.0.saturating_sub(now.0) / 1000;
    format!("{}m {:02}s", seconds / 60, seconds % 60)
}

fn print(shown: &Shown, now: UnixMillis, out: &mut impl Write) -> anyhow::Result<()> {
    let summary = &shown.summary;
    let state = summary.state.as_str();
    match left(summary, now) {
        left if left.is_empty() => writeln!(out, "{}: {state}", summary.id)?,
        left => writeln!(
            out,
            "{}: {state}, {left} left (until {})",
            summary.id,
            day_and_time(summary.expires)
        )?,
    }
    let approved: Vec<String> = summary
        .votes
        .iter()
        .map(|vote| format!("{} {}", printable(&vote.by), day_and_time(vote.at)))
        .collect();
    let asked_by = match &shown.texts {
        None => String::new(),
        Some(texts) => {
            let subject = texts.subject.as_deref().map(|it| format!(" for {}", printable(it)));
            format!("{}{}, ", printable(&texts.principal), subject.unwrap_or_default())
        }
    };
    writeln!(out, "asked by:   {asked_by}key {} of {}", summary.key, summary.tenant)?;
    writeln!(out, "route:      {}, exchange {}", summary.route, summary.exchange)?;
    writeln!(out, "opened:     {}", day_and_time(summary.opened))?;
    let groups: Vec<String> = summary
        .approvers
        .iter()
        .map(|group| format!(", somebody of {}", printable(group)))
        .collect();
    writeln!(
        out,
        "decided by: {} (needs {}{})",
        approved.join(", "),
        summary.quorum,
        groups.concat()
    )?;
    let Some(texts) = &shown.texts else {
        for (tool, digest) in &summary.calls {
            writeln!(
                out,
                "\n{}: arguments no longer kept (SHA-256 {})",
                printable(tool),
                hex(digest)
            )?;
        }
        return Ok(());
    };
    for call in &texts.calls {
        print_call(call, out)?;
    }
    writeln!(out, "\nThe agent had read:")?;
    for source in &texts.read {
        writeln!(out, "  {}", printable(source))?;
    }
    if texts.read.is_empty() {
        writeln!(out, "  nothing that is known")?;
    }
    if summary.state == ApprovalState::Waiting {
        let id = &summary.id;
        writeln!(
            out,
            "\n`testudo approve {id}` lets exactly this happen, once; `testudo deny {id}` refuses it."
        )?;
    }
    Ok(())
}

fn print_call(call: &HeldCall, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "\n{} {}", printable(call.tool()), printable(call.arguments()))?;
    let foreign = foreign(&call.foreign());
    if !foreign.is_empty() {
        writeln!(out, "  beyond ASCII: {foreign}")?;
    }
    if !call.reason.is_empty() {
        writeln!(out, "  held because: {}", printable(&call.reason))?;
    }
    if call.evidence.is_empty() {
        return Ok(());
    }
    writeln!(out, "  where its values came from; \"you\" is who asked:")?;
    let header = ["argument", "value", "origin", "where from"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(call.evidence.iter().map(|line| {
        [
            printable(&line.path),
            printable(&line.value),
            printable(&line.label),
            printable(&line.where_from),
        ]
    }));
    table(out, "  ", &rows)?;
    Ok(())
}

/// Letters that may only look like others, with their numbers.
fn foreign(letters: &[char]) -> String {
    let spelled = letters.iter().take(FOREIGN_MAX);
    let spelled = spelled.map(|c| format!("{} U+{:04X}", printable(&c.to_string()), u32::from(*c)));
    let mut out = spelled.collect::<Vec<_>>().join(", ");
    let more = letters.len().saturating_sub(FOREIGN_MAX);
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}

fn summary_json(summary: &Summary) -> Value {
    let calls: Vec<Value> = summary
        .calls
        .iter()
        .map(|(tool, digest)| json!({"tool": tool, "arguments_sha256": hex(digest)}))
        .collect();
    let votes: Vec<Value> = summary
        .votes
        .iter()
        .map(|vote| json!({"by": vote.by, "verdict": vote.verdict.as_str(), "groups": vote.groups, "at": day_and_time(vote.at)}))
        .collect();
    json!({
        "id": summary.id.as_str(),
        "state": summary.state.as_str(),
        "key": summary.key.as_str(),
        "tenant": summary.tenant.as_str(),
        "route": summary.route.as_str(),
        "exchange": summary.exchange.as_str(),
        "calls": calls,
        "policy_sha256": hex(&summary.policy),
        "opened": day_and_time(summary.opened),
        "expires": day_and_time(summary.expires),
        "quorum": summary.quorum,
        "approvers": summary.approvers,
        "votes": votes,
    })
}

pub(crate) fn shown_json(shown: &Shown) -> Value {
    let mut value = summary_json(&shown.summary);
    let (Some(texts), Some(members)) = (&shown.texts, value.as_object_mut()) else {
        return value;
    };
    let calls: Vec<Value> = texts
        .calls
        .iter()
        .map(|call| {
            let evidence: Vec<Value> = call
                .evidence
                .iter()
                .map(|it| json!({"path": it.path, "value": it.value, "origin": it.label, "where_from": it.where_from}))
                .collect();
            json!({
                "tool": call.tool(),
                "arguments": call.arguments(),
                "arguments_sha256": hex(&call.digest()),
                "reason": call.reason,
                "evidence": evidence,
            })
        })
        .collect();
    members.insert("principal".to_owned(), json!(texts.principal));
    members.insert("subject".to_owned(), json!(texts.subject));
    members.insert("read".to_owned(), json!(texts.read));
    members.insert("calls".to_owned(), json!(calls));
    value
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON that no terminal acts on: all but printable ASCII is escaped.
fn ascii(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_reaches_a_terminal_raw() {
        let mut call = HeldCall::new("t\u{202e}", "{\"to\":\"\u{202e}\u{430}\u{9b}31m\u{200d}\"}".as_bytes()).unwrap();
        call.reason = "a\u{1b}]0;title\u{7}".to_owned();
        let mut out = Vec::new();
        print_call(&call, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.chars()
                .all(|c| c == '\n' || (!c.is_control() && !"\u{202e}\u{200d}".contains(c))),
            "{text:?}"
        );
        assert!(text.contains("U+0430") && text.contains("\\u{202e}"), "{text}");
        let json = ascii(&json!({"a": "\u{1b}\u{202e}\u{9b}\u{1f600}"}));
        assert_eq!(json, "{\"a\":\"\\u001b\\u202e\\u009b\\ud83d\\ude00\"}");
    }

    #[tokio::test]
    async fn who_decides_is_who_the_system_says() {
        let approver = |name: &str, uid| Approver {
            name: name.to_owned(),
            token: None,
            uid,
            principals: vec!["her-agent".to_owned()],
            groups: Vec::new(),
        };
        let (here, _there) = UnixStream::pair().unwrap();
        let uid = here.peer_cred().unwrap().uid();
        let mut settings = ApprovalSettings::none();
        assert_eq!(decider(None, &settings).unwrap().name, format!("uid:{uid}"));
        assert!(decider(Some("ana"), &settings).is_err());
        settings.approvers = vec![approver("ana", None), approver("bob", Some(uid.wrapping_add(1)))];
        assert!(decider(Some("bob"), &settings).is_err());
        assert_eq!(decider(Some("ana"), &settings).unwrap().name, "ana");
        settings.approvers.push(approver("me", Some(uid)));
        let own = decider(None, &settings).unwrap();
        assert_eq!((own.name.as_str(), own.uid), ("me", Some(uid)));
        assert_eq!(own.principals, ["her-agent"]);
        // Whoever is known is nobody else.
        assert!(decider(Some("ana"), &settings).is_err());
    }
}
