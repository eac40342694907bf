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

/// Verbs that are no nouns, so that they count wherever they stand in a name: `list.delete`, `get_or_create`.
const UNMISTAKABLE: &[&str] = &[
    "add",
    "append",
    "apply",
    "approve",
    "assign",
    "buy",
    "cancel",
    "create",
    "delete",
    "destroy",
    "disable",
    "edit",
    "enable",
    "erase",
    "exec",
    "execute",
    "insert",
    "install",
    "merge",
    "modify",
    "move",
    "notify",
    "pay",
    "publish",
    "purge",
    "put",
    "reject",
    "remove",
    "rename",
    "replace",
    "reply",
    "reset",
    "revoke",
    "rm",
    "save",
    "send",
    "set",
    "submit",
    "subscribe",
    "terminate",
    "transfer",
    "truncate",
    "unlink",
    "unsubscribe",
    "update",
    "upload",
    "upsert",
    "wipe",
    "write",
];

fn given(effect: Effect, why: String) -> Guess {
    Guess { effect, why }
}

fn by_name(definition: &Definition) -> Guess {
    let name = words(&definition.name);
    let taken: Vec<String> = definition.parameters.keys().flat_map(|name| words(name)).collect();
    let takes = |names: &[&str]| taken.iter().any(|word| names.contains(&word.as_str()));
    if takes(&["sql"]) || name.iter().any(|word| word == "sql") {
        return given(
            Effect::Destroy,
            "a statement can do anything the database lets it".to_owned(),
        );
    }
    if takes(&["command", "cmd"]) {
        return given(Effect::Execute, "it takes a command".to_owned());
    }
    let first = name.first().map(String::as_str).unwrap_or_default();
    let second = name.get(1).map(String::as_str).unwrap_or_default();
    // To check in, or out, is not to look.
    let looks =
        (LOOKS.contains(&first) || GOES_OUT.contains(&first)) && !(first == "check" && matches!(second, "in" | "out"));
    let mut joined = false;
    for word in name.iter().map(String::as_str) {
        let counts =
            !looks || joined || UNMISTAKABLE.contains(&word) || RUNS.contains(&word) && takes(&["code", "script"]);
        joined = matches!(word, "and" | "or" | "then");
        if let Some(effect) = does(word).filter(|_| counts) {
            return given(effect, format!("\"{word}\" in its name"));
        }
    }
    if !looks {
        return given(Effect::Write, "nothing in its name says that it only looks".to_owned());
    }
    if let Some(guess) = by_description(&definition.description) {
        return guess;
    }
    if GOES_OUT.contains(&first) {
        return given(Effect::EgressRead, format!("\"{first}\" in its name looks outside"));
    }
    given(Effect::Read, format!("its name begins with \"{first}\""))
}

/// What a verb does that is none of looking; the worst it can mean.
fn does(verb: &str) -> Option<Effect> {
    if RUNS.contains(&verb) {
        Some(Effect::Execute)
    } else if TAKES_AWAY.contains(&verb) {
        Some(Effect::Destroy)
    } else if CHANGES.contains(&verb) || UNMISTAKABLE.contains(&verb) {
        Some(Effect::Write)
    } else {
        None
    }
}

/// What the first sentence of a description says that a tool does besides looking.
fn by_description(description: &str) -> Option<Guess> {
    let first = description.split(['.', '\n', ';', ':']).next().unwrap_or_default();
    let said = words(first);
    let mut joined = true;
    for word in &said {
        let verb = word.strip_suffix('s').unwrap_or(word);
        // "Reads a mail and marks it as read" does not only look.
        if let Some(effect) = does(verb).or_else(|| does(word)).filter(|_| joined) {
            return Some(given(effect, format!("\"{word}\" in its description")));
        }
        joined = matches!(word.as_str(), "and" | "or" | "then");
    }
    None
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
