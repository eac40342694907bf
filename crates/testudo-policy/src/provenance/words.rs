//! Words of tool names and of requests, and the word list of the older plan rule.

use super::forms::{Form, words_in};

/// Words that every interface has in its names.
const GLUE: &[&str] = &[
    "a", "all", "an", "and", "by", "do", "for", "from", "get", "in", "my", "of", "on", "set", "the", "to", "with",
];

/// The words of a name in `snake_case` or `camelCase`, in lower case.
pub(super) fn tool_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let starts = !c.is_alphanumeric() || (c.is_uppercase() && !before.is_uppercase());
        if starts && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Two words of one stem: `refund` and `refunded`, `order` and `orders`.
pub(super) fn same_stem(one: &str, other: &str) -> bool {
    let (one, other) = (stem(one), stem(other));
    one.len() >= 2 && one == other
}

fn stem(word: &str) -> &str {
    let endings = [
        "ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s", "e", "y",
    ];
    let cut = endings.iter().find_map(|ending| {
        let stem = word.strip_suffix(ending)?;
        (stem.len() >= 3).then_some(stem)
    });
    cut.unwrap_or(word)
}

/// How much of a tool's name the user's own words hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AskedFor {
    Nothing,
    /// A word of the name.
    Some,
    /// Every word of the name.
    Whole,
}

/// Whether the user's words ask for a tool, by the tool's own name; no word list takes part.
pub(super) fn asked_for<'f>(tool: &str, user: impl Iterator<Item = &'f Form>) -> AskedFor {
    let mut words = tool_words(tool);
    words.retain(|word| word.len() >= 3 && !GLUE.contains(&word.as_str()));
    if words.is_empty() {
        return AskedFor::Nothing;
    }
    let mut said = vec![false; words.len()];
    for form in user {
        for spoken in form.words() {
            for (said, word) in said.iter_mut().zip(&words) {
                *said |= same_stem(word, spoken);
            }
        }
    }
    match said.iter().filter(|said| **said).count() {
        0 => AskedFor::Nothing,
        all if all == words.len() => AskedFor::Whole,
        _ => AskedFor::Some,
    }
}

/// Verbs of tool names, and beginnings of words by which the older plan rule took them as asked for. It knows the
/// wording of a few domains and holds what is put differently; the shipped policy does without.
const VERBS: &[(&str, &[&str])] = &[
    (
        "send",
        &[
            "send", "email", "e-mail", "mail", "message", "write", "tell", "forward", "reply", "post", "refund", "pay",
            "transfer", "give",
        ],
    ),
    (
        "create",
        &[
            "create", "make", "add", "schedule", "book", "remind", "set up", "invite", "new",
        ],
    ),
    ("add", &["add", "invite", "include", "append", "put", "write"]),
    ("append", &["add", "append", "write", "put"]),
    ("delete", &["delete", "remove", "erase", "cancel"]),
    ("cancel", &["cancel", "delete", "remove"]),
    ("reschedule", &["reschedule", "move", "postpone", "change", "shift"]),
    (
        "update",
        &[
            "update", "change", "adjust", "modify", "set", "edit", "increase", "correct", "moved", "pay", "refund",
            "new",
        ],
    ),
    ("share", &["share", "send", "give access"]),
    ("reserve", &["reserve", "book", "reservation", "make a reservation"]),
    (
        "schedule",
        &["schedule", "recurring", "standing", "monthly", "pay", "set up"],
    ),
    ("invite", &["invite", "add"]),
    ("remove", &["remove", "delete", "kick"]),
    ("post", &["post", "publish", "put", "write"]),
    (
        "get",
        &[
            "read", "visit", "website", "web", "page", "article", "link", "site", "summar", "check",
        ],
    ),
    (
        "fetch",
        &[
            "fetch", "read", "visit", "website", "web", "page", "article", "link", "site", "summar", "check", "open",
            "download",
        ],
    ),
    ("transfer", &["transfer", "send", "pay", "move", "refund"]),
    ("pay", &["pay", "payment", "settle"]),
    ("approve", &["approve", "accept", "sign off", "pay", "release"]),
    ("grant", &["grant", "give", "share", "allow"]),
    (
        "write",
        &[
            "write", "save", "create", "add", "put", "update", "edit", "fix", "change", "document", "record", "store",
        ],
    ),
    ("run", &["run", "execute", "test", "build", "start", "check"]),
    ("merge", &["merge", "land", "accept"]),
    ("close", &["close", "resolve"]),
    ("issue", &["issue", "refund", "credit", "give", "create"]),
    ("refund", &["refund", "return", "reimburse", "money back"]),
    ("assign", &["assign", "route", "give", "hand"]),
    ("order", &["order", "buy", "purchase", "reorder"]),
    ("submit", &["submit", "file", "send"]),
    ("set", &["set", "change", "update", "switch", "make"]),
    ("change", &["change", "update", "switch", "set", "move"]),
    ("reply", &["reply", "respond", "answer", "tell", "write", "send"]),
    ("notify", &["notify", "tell", "inform"]),
];

/// Nouns of tool names in the same way.
const NOUNS: &[(&str, &[&str])] = &[
    ("email", &["email", "e-mail", "mail", "send"]),
    ("file", &["file", "document", "doc", "list", "share", "drive", "it"]),
    (
        "calendar",
        &[
            "event",
            "calendar",
            "meeting",
            "appointment",
            "lunch",
            "remind",
            "invite",
            "participants",
            "check-up",
        ],
    ),
    ("hotel", &["hotel", "reservation", "stay", "book"]),
    ("restaurant", &["restaurant", "table", "dinner", "lunch"]),
    ("car", &["car", "rental", "vehicle"]),
    (
        "money",
        &[
            "pay",
            "payment",
            "money",
            "refund",
            "send",
            "transfer",
            "bill",
            "share",
            "rent",
            "difference",
            "transaction",
            "subscription",
        ],
    ),
    (
        "transaction",
        &[
            "pay",
            "payment",
            "transaction",
            "rent",
            "standing",
            "recurring",
            "refund",
            "notice",
            "subscription",
            "bill",
        ],
    ),
    ("password", &["password"]),
    (
        "info",
        &["address", "name", "info", "profile", "moved", "street", "city"],
    ),
    (
        "direct",
        &["message", "dm", "direct", "send", "write", "inform", "tell", "feedback"],
    ),
    ("channel", &["channel", "post", "message", "write", "reply", "slack"]),
    ("slack", &["slack", "invite", "workspace"]),
    (
        "webpage",
        &["website", "web", "page", "article", "link", "site", "www", "online"],
    ),
    ("ticket", &["ticket", "case", "issue", "request", "customer"]),
    ("refund", &["refund", "return", "reimburse", "money back", "credit"]),
    ("invoice", &["invoice", "bill"]),
    ("branch", &["branch"]),
    ("secret", &["secret", "key", "credential", "token"]),
];

/// The older plan rule: the user's text has a word for the tool's verb and one for its nouns.
pub(super) fn is_in_listed_plan(tool: &str, user: &str) -> bool {
    let words = tool_words(tool);
    let listed = |list: &'static [(&str, &[&str])], word: &String| list.iter().find(|(known, _)| known == word);
    let verb = words.iter().find_map(|word| listed(VERBS, word));
    let verb_said = match (verb, words.first()) {
        (Some((_, said)), _) => said.iter().any(|beginning| begins(user, beginning)),
        (None, Some(first)) => begins(user, first),
        (None, None) => false,
    };
    let mut nouns = words.iter().filter_map(|word| listed(NOUNS, word)).peekable();
    verb_said && (nouns.peek().is_none() || nouns.any(|(_, said)| said.iter().any(|beginning| begins(user, beginning))))
}

/// Whether a word of the text begins so.
pub(super) fn begins(text: &str, beginning: &str) -> bool {
    text.match_indices(beginning).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| !super::forms::is_word(c))
    })
}

/// How many of a text's longer words the user's own words hold: (held, all).
pub(super) fn shared_words(text: &str, user: &[&Form]) -> (usize, usize) {
    let lower = text.to_lowercase();
    let mut words: Vec<&str> = words_in(&lower)
        .filter(|word| word.chars().count() >= 4)
        .take(64)
        .collect();
    words.sort_unstable();
    words.dedup();
    let held = words.iter().filter(|word| user.iter().any(|form| form.has_word(word)));
    (held.count(), words.len())
}
