//! What a tool does to the world, by the verb of its name.

use super::{ArgumentDraft, Definition, words};
use crate::provenance::{Effect, Role};

pub(super) struct Guess {
    pub(super) effect: Effect,
    pub(super) why: String,
}

/// Verbs of looking. A name that has any other verb as well does not only look.
const LOOKS: &[&str] = &[
    "calculate",
    "check",
    "compare",
    "count",
    "describe",
    "explain",
    "fetch",
    "find",
    "get",
    "grep",
    "head",
    "inspect",
    "is",
    "list",
    "load",
    "lookup",
    "peek",
    "preview",
    "query",
    "read",
    "recall",
    "retrieve",
    "scan",
    "search",
    "see",
    "show",
    "stat",
    "status",
    "summarize",
    "tail",
    "track",
    "validate",
    "verify",
    "view",
];

/// Verbs of looking that go outside for it.
const GOES_OUT: &[&str] = &["browse", "crawl", "download", "navigate", "open", "scrape", "visit"];

/// Verbs after which something is gone.
const TAKES_AWAY: &[&str] = &[
    "abort",
    "cancel",
    "clear",
    "close",
    "deactivate",
    "decommission",
    "delete",
    "destroy",
    "detach",
    "disable",
    "discard",
    "dispose",
    "drop",
    "erase",
    "evict",
    "expire",
    "format",
    "kick",
    "kill",
    "overwrite",
    "prune",
    "purge",
    "remove",
    "reset",
    "revoke",
    "rm",
    "shutdown",
    "terminate",
    "trash",
    "truncate",
    "unassign",
    "uninstall",
    "unlink",
    "unpublish",
    "unsubscribe",
    "void",
    "wipe",
    "withdraw",
    "yank",
];

const RUNS: &[&str] = &[
    "bash",
    "cmd",
    "console",
    "eval",
    "evaluate",
    "exec",
    "execute",
    "interpreter",
    "powershell",
    "python",
    "repl",
    "run",
    "script",
    "shell",
    "sudo",
    "terminal",
];

const CHANGES: &[&str] = &[
    "accept",
    "activate",
    "add",
    "adjust",
    "allocate",
    "allow",
    "amend",
    "append",
    "apply",
    "approve",
    "archive",
    "assign",
    "attach",
    "authorize",
    "ban",
    "block",
    "book",
    "buy",
    "call",
    "change",
    "charge",
    "commit",
    "configure",
    "confirm",
    "connect",
    "copy",
    "create",
    "debit",
    "decline",
    "deliver",
    "deploy",
    "dispatch",
    "donate",
    "draft",
    "edit",
    "email",
    "enable",
    "enroll",
    "escalate",
    "export",
    "forward",
    "generate",
    "give",
    "grant",
    "import",
    "insert",
    "install",
    "invite",
    "invoke",
    "issue",
    "join",
    "launch",
    "lock",
    "log",
    "make",
    "mark",
    "merge",
    "message",
    "modify",
    "mount",
    "move",
    "notify",
    "order",
    "patch",
    "pay",
    "pause",
    "pin",
    "place",
    "post",
    "print",
    "process",
    "promote",
    "provision",
    "publish",
    "purchase",
    "push",
    "put",
    "react",
    "record",
    "redirect",
    "refund",
    "register",
    "reject",
    "release",
    "remember",
    "rename",
    "renew",
    "reopen",
    "reply",
    "request",
    "rerun",
    "reschedule",
    "reserve",
    "resolve",
    "respond",
    "restart",
    "restore",
    "resume",
    "roll",
    "rollback",
    "rotate",
    "save",
    "schedule",
    "send",
    "set",
    "share",
    "sign",
    "start",
    "stop",
    "store",
    "submit",
    "subscribe",
    "suspend",
    "swap",
    "sync",
    "tag",
    "toggle",
    "transfer",
    "transition",
    "trigger",
    "unblock",
    "unlock",
    "update",
    "upgrade",
    "upload",
    "upsert",
    "write",
];

/// The effect that the definition suggests.
pub(super) fn effect(definition: &Definition) -> Guess {
    let by_name = by_name(definition);
    let hinted = match (definition.hints.read_only, definition.hints.destructive) {
        (_, Some(true)) if by_name.effect < Effect::Destroy => {
            Some((Effect::Destroy, "its server says that it may destroy"))
        }
        (Some(false), _) if by_name.effect < Effect::Write => {
            Some((Effect::Write, "its server says that it does not only read"))
        }
        _ => None,
    };
    match hinted {
        Some((effect, why)) => Guess {
            effect,
            why: why.to_owned(),
        },
        None => by_name,
    }
}

fn by_name(definition: &Definition) -> Guess {
    let name = words(&definition.name);
    let said = words(
        definition
            .description
            .split(['.', '\n', ';', ':'])
            .next()
            .unwrap_or_default(),
    );
    let has = |verbs: &[&'static str], words: &[String]| {
        verbs
            .iter()
            .find(|verb| words.iter().any(|word| word == *verb))
            .copied()
    };
    let given = |effect, why: String| Guess { effect, why };
    let text: Vec<&str> = definition.parameters.keys().map(String::as_str).collect();
    let takes = |names: &[&str]| {
        text.iter()
            .any(|it| words(it).iter().any(|word| names.contains(&word.as_str())))
    };
    if takes(&["sql"]) || name.iter().any(|word| word == "sql") {
        return given(
            Effect::Destroy,
            "a statement can do anything the database lets it".to_owned(),
        );
    }
    let first = name.first().map(String::as_str).unwrap_or_default();
    let looks = LOOKS.contains(&first) || GOES_OUT.contains(&first);
    // Of a name that begins with looking only a verb counts that cannot also be what is looked at.
    let strict = if looks { [].as_slice() } else { CHANGES };
    if let Some(verb) = has(RUNS, &name).filter(|_| !looks || takes(&["command", "code", "script"])) {
        return given(Effect::Execute, format!("\"{verb}\" in its name runs what it is given"));
    }
    if takes(&["command", "cmd"]) {
        return given(Effect::Execute, "it takes a command".to_owned());
    }
    if let Some(verb) = has(TAKES_AWAY, &name).filter(|verb| !looks || *verb == first) {
        return given(Effect::Destroy, format!("\"{verb}\" in its name takes something away"));
    }
    if let Some(verb) = has(strict, &name) {
        return given(
            Effect::Write,
            format!("\"{verb}\" in its name changes or sends something"),
        );
    }
    if !looks {
        return given(Effect::Write, "nothing in its name says that it only looks".to_owned());
    }
    let told = said.first().map(String::as_str).unwrap_or_default();
    let told = told.strip_suffix('s').unwrap_or(told);
    for (verbs, effect) in [
        (TAKES_AWAY, Effect::Destroy),
        (CHANGES, Effect::Write),
        (RUNS, Effect::Execute),
    ] {
        if let Some(verb) = verbs.iter().find(|verb| **verb == told) {
            return given(effect, format!("its description begins with \"{verb}\""));
        }
    }
    // "and marks it as read": a look that changes something besides.
    let besides = said.windows(2).any(|two| match two {
        [and, verb] => {
            let verb = verb.strip_suffix('s').unwrap_or(verb);
            matches!(and.as_str(), "and" | "then" | "or")
                && [CHANGES, TAKES_AWAY].iter().any(|verbs| verbs.contains(&verb))
        }
        _ => false,
    });
    if besides {
        return given(
            Effect::Write,
            "its description says that it does not only look".to_owned(),
        );
    }
    if GOES_OUT.contains(&first) {
        return given(Effect::EgressRead, format!("\"{first}\" in its name looks outside"));
    }
    given(Effect::Read, format!("its name begins with \"{first}\""))
}

/// Whether what the call carries can reach somebody else.
pub(super) fn reaches_others(definition: &Definition, arguments: &[ArgumentDraft]) -> bool {
    const SENDS: &[&str] = &[
        "call", "comment", "deliver", "dispatch", "email", "export", "forward", "invite", "mail", "message", "notify",
        "pay", "post", "publish", "push", "refund", "reply", "respond", "send", "share", "sms", "submit", "transfer",
        "tweet", "upload", "webhook",
    ];
    const TO: &[&str] = &[
        "address",
        "bcc",
        "cc",
        "email",
        "emails",
        "iban",
        "participant",
        "participants",
        "phone",
        "recipient",
        "recipients",
        "to",
        "url",
        "webhook",
    ];
    let name = words(&definition.name);
    let sends = name.iter().any(|word| SENDS.contains(&word.as_str()));
    let to = arguments.iter().any(|argument| {
        argument.role == Role::Url || words(&argument.path).iter().any(|word| TO.contains(&word.as_str()))
    });
    sends || to || definition.hints.open_world == Some(true)
}
