//! What approvers see: the way in, the list, one call, a message.

use std::fmt::Write as _;

use testudo_types::UnixMillis;

use super::html::{foreign, lines, text};
use super::session::Session;
use crate::approvals::{ApprovalId, ApprovalState, HeldCall, Shown, Summary, Vote};

/// Settled approvals on the list at most.
const SETTLED_MAX: usize = 100;

pub(super) fn sign_in(next: Option<&ApprovalId>, problem: &str) -> String {
    let next = next.map_or(String::new(), |id| {
        format!("<input type=\"hidden\" name=\"next\" value=\"{id}\">")
    });
    let problem = if problem.is_empty() {
        String::new()
    } else {
        format!("<p class=\"problem\" role=\"alert\">{}</p>", text(problem))
    };
    format!(
        "<main><h1>Approvals</h1><div class=\"card\"><p>Calls of tools wait here for a person. \
         Sign in with your token as an approver.</p>{problem}\
         <form method=\"post\" action=\"/approvals/login\">{next}\
         <p><label for=\"token\">Your token</label>\
         <input id=\"token\" name=\"token\" type=\"password\" required autofocus autocomplete=\"current-password\"></p>\
         <p><button class=\"go\" type=\"submit\">Sign in</button></p></form></div></main>"
    )
}

pub(super) fn message(heading: &str, what: &str) -> String {
    format!(
        "<main><h1>{}</h1><div class=\"card\"><p>{}</p><p><a href=\"/approvals\">All approvals</a></p></div></main>",
        text(heading),
        text(&sentence(what)),
    )
}

/// A message of ours as a sentence.
fn sentence(what: &str) -> String {
    let mut chars = what.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if what.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

fn header(session: &Session, proof: Option<&str>) -> String {
    let minutes = session.left_ms / 60_000;
    let out = proof.map_or(String::new(), |proof| {
        format!(
            "<form method=\"post\" action=\"/approvals/logout\">\
             <input type=\"hidden\" name=\"proof\" value=\"{proof}\"><button type=\"submit\">Sign out</button></form>"
        )
    });
    format!(
        "<header><p>Signed in as <strong>{}</strong>, for {minutes} more minutes</p>{out}</header>",
        text(&session.approver.name)
    )
}

pub(super) fn list(all: &[Summary], session: &Session, proof: &str, now: UnixMillis) -> String {
    let mut out = header(session, Some(proof));
    out.push_str("<main><h1>Approvals</h1>");
    let is_open = |it: &&Summary| matches!(it.state, ApprovalState::Waiting | ApprovalState::Approved);
    let open: Vec<&Summary> = all.iter().filter(is_open).collect();
    if open.is_empty() {
        out.push_str("<div class=\"card\"><p>Nothing waits for a person.</p></div>");
    }
    for summary in open {
        let _written = write!(
            out,
            "<section class=\"card\"><h2><a href=\"/approvals/{id}\">{tools}</a></h2>\
             <p>{state} <span class=\"soft\">{left} · route {route} · key <span class=\"mono\">{key}</span></span></p>\
             </section>",
            id = summary.id,
            tools = tools(summary),
            state = state(summary.state),
            left = left(summary, now),
            route = text(summary.route.as_str()),
            key = text(summary.key.as_str()),
        );
    }
    out.push_str("<p><a href=\"/approvals\">Look again</a></p>");
    let settled: Vec<&Summary> = all.iter().filter(|it| !is_open(it)).take(SETTLED_MAX).collect();
    if !settled.is_empty() {
        out.push_str(
            "<h2>Lately</h2><div class=\"card\"><table><thead><tr><th scope=\"col\">Tool</th>\
             <th scope=\"col\">State</th><th scope=\"col\">By</th><th scope=\"col\">Opened</th></tr></thead><tbody>",
        );
        for summary in settled {
            let _written = write!(
                out,
                "<tr><td data-name=\"Tool\"><a href=\"/approvals/{}\">{}</a></td><td data-name=\"State\">{}</td>\
                 <td data-name=\"By\">{}</td><td data-name=\"Opened\">{}</td></tr>",
                summary.id,
                tools(summary),
                state(summary.state),
                voters(&summary.votes),
                day_and_time(summary.opened),
            );
        }
        out.push_str("</tbody></table></div>");
    }
    out.push_str("</main>");
    out
}

pub(super) fn one(shown: &Shown, session: &Session, proof: &str, now: UnixMillis) -> String {
    let summary = &shown.summary;
    let mut out = header(session, None);
    let _written = write!(
        out,
        "<main><p><a href=\"/approvals\">All approvals</a></p><h1>{}</h1><div class=\"card\"><p>{} \
         <span class=\"soft\">{}</span></p><dl>",
        tools(summary),
        state(summary.state),
        left(summary, now)
    );
    if let Some(texts) = &shown.texts {
        fact(&mut out, "Asked by", &text(&texts.principal));
        if let Some(subject) = &texts.subject {
            fact(&mut out, "Acting for", &text(subject));
        }
    }
    fact(
        &mut out,
        "Key",
        &format!("<span class=\"mono\">{}</span> of {}", summary.key, summary.tenant),
    );
    fact(&mut out, "Route", &text(summary.route.as_str()));
    fact(
        &mut out,
        "Exchange",
        &format!("<span class=\"mono\">{}</span>", summary.exchange),
    );
    fact(&mut out, "Opened", &day_and_time(summary.opened));
    let voters = voters(&summary.votes);
    let voters = if voters.is_empty() {
        "nobody yet".to_owned()
    } else {
        voters
    };
    let needs = if summary.quorum > 1 {
        format!(
            "{voters} <span class=\"soft\">({} people must approve)</span>",
            summary.quorum
        )
    } else {
        voters
    };
    fact(&mut out, "Decided by", &needs);
    if !summary.approvers.is_empty() {
        let groups: Vec<&str> = summary.approvers.iter().map(String::as_str).collect();
        fact(&mut out, "Somebody of each", &text(&groups.join(", ")));
        let missing: Vec<String> = summary.missing().into_iter().collect();
        if summary.state == ApprovalState::Waiting && !missing.is_empty() {
            fact(&mut out, "Still needed", &text(&missing.join(", ")));
        }
    }
    out.push_str("</dl></div>");
    match &shown.texts {
        None => out.push_str("<div class=\"card\"><p>What was asked for is no longer kept.</p></div>"),
        Some(texts) => {
            for call in &texts.calls {
                push_call(&mut out, call);
            }
            push_read(&mut out, &texts.read);
        }
    }
    if summary.state == ApprovalState::Waiting {
        let cannot = (!summary.may_approve(&session.approver.groups))
            .then_some("Only somebody of the groups that are named above can approve it. You may deny it.");
        push_decision(&mut out, &summary.id, proof, cannot);
    }
    out.push_str("</main>");
    out
}

pub(super) fn damaged(id: &ApprovalId, proof: &str, what: &str) -> String {
    let mut out = format!(
        "<main><p><a href=\"/approvals\">All approvals</a></p><h1>Damaged</h1>\
         <div class=\"card\"><p class=\"problem\" role=\"alert\">{}</p></div>",
        text(&sentence(what))
    );
    push_decision(&mut out, id, proof, Some("It cannot be approved."));
    out.push_str("</main>");
    out
}

fn push_call(out: &mut String, call: &HeldCall) {
    let _written = write!(
        out,
        "<section class=\"card\"><h2><code>{}</code></h2>",
        text(call.tool())
    );
    if !call.reason.is_empty() {
        let _written = write!(out, "<p class=\"why\">Held because {}</p>", text(&call.reason));
    }
    let _written = write!(out, "<pre>{}</pre>", lines(call.arguments()));
    let foreign = foreign(&call.foreign());
    if !foreign.is_empty() {
        let _written = write!(
            out,
            "<p class=\"small\"><strong>Letters beyond ASCII:</strong> {foreign}. They may look like others.</p>"
        );
    }
    if !call.evidence.is_empty() {
        out.push_str(
            "<table><caption class=\"soft small\">Where its values came from; “you” is who asked</caption><thead><tr>\
             <th scope=\"col\">Argument</th><th scope=\"col\">Value</th><th scope=\"col\">Origin</th>\
             <th scope=\"col\">Where from</th></tr></thead><tbody>",
        );
        for line in &call.evidence {
            let _written = write!(
                out,
                "<tr><td data-name=\"Argument\" class=\"mono\">{}</td><td data-name=\"Value\">{}</td>\
                 <td data-name=\"Origin\">{}</td><td data-name=\"Where from\">{}</td></tr>",
                text(&line.path),
                text(&line.value),
                text(&line.label),
                text(&line.where_from)
            );
        }
        out.push_str("</tbody></table>");
    }
    let digest: String = call.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    let _written = write!(
        out,
        "<p class=\"small soft\">SHA-256 of the arguments <code>{digest}</code></p></section>"
    );
}

fn push_read(out: &mut String, read: &[String]) {
    out.push_str("<section class=\"card\"><h2>What the agent had read</h2>");
    if read.is_empty() {
        out.push_str("<p class=\"soft\">Nothing that is known.</p>");
    } else {
        out.push_str("<ul>");
        for source in read {
            let _written = write!(out, "<li>{}</li>", text(source));
        }
        out.push_str("</ul>");
    }
    out.push_str("</section>");
}

/// `cannot`: why whoever looks may not approve it.
fn push_decision(out: &mut String, id: &ApprovalId, proof: &str, cannot: Option<&str>) {
    let (says, approve) = match cannot {
        None => (
            "Approving lets exactly this happen, once. Denying is for good.",
            "<button class=\"go\" name=\"decision\" value=\"approve\" type=\"submit\">Approve, once</button>",
        ),
        Some(why) => (why, ""),
    };
    let _written = write!(
        out,
        "<section class=\"card\"><h2>Your decision</h2><p class=\"soft\">{says}</p>\
         <form class=\"decide\" method=\"post\" action=\"/approvals/{id}\">\
         <input type=\"hidden\" name=\"proof\" value=\"{proof}\">{approve}\
         <button class=\"stop\" name=\"decision\" value=\"deny\" type=\"submit\">Deny</button></form></section>"
    );
}

fn fact(out: &mut String, name: &str, html: &str) {
    let _written = write!(out, "<dt>{name}</dt><dd>{html}</dd>");
}

fn tools(summary: &Summary) -> String {
    let names: Vec<String> = summary.calls.iter().map(|(tool, _)| text(tool)).collect();
    names.join(", ")
}

fn voters(votes: &[Vote]) -> String {
    let names: Vec<String> = votes
        .iter()
        .map(|vote| format!("{} ({})", text(&vote.by), vote.verdict.as_str()))
        .collect();
    names.join(", ")
}

fn state(state: ApprovalState) -> String {
    let name = state.as_str();
    format!("<span class=\"state {name}\">{name}</span>")
}

/// How long it is left.
fn left(summary: &Summary, now: UnixMillis) -> String {
    let seconds = summary.expires.0.saturating_sub(now.0) / 1000;
    let (minutes, rest) = (seconds / 60, seconds % 60);
    match summary.state {
        ApprovalState::Waiting => format!("{minutes} min {rest:02} s left to decide"),
        ApprovalState::Approved => format!("{minutes} min {rest:02} s left to use it"),
        ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Used => String::new(),
    }
}

fn day_and_time(at: UnixMillis) -> String {
    let timestamp = i64::try_from(at.0 / 1000)
        .ok()
        .and_then(|second| jiff::Timestamp::from_second(second).ok());
    timestamp.map_or_else(String::new, |timestamp| timestamp.to_string())
}
