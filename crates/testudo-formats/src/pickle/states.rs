//! Classes that do something with the state they are given: what the state must be, class by class.

use super::values::{Value, Values};

/// Keys of the state of an `Encoding`, with the arguments of its constructor.
const ENCODING: [&str; 5] = [
    "name",
    "pat_str",
    "mergeable_ranks",
    "special_tokens",
    "explicit_n_vocab",
];
/// Keys of the state of a `FileResource`: its attributes, and the content of its file.
const FILE: [&str; 7] = [
    "name",
    "auto",
    "keep_tempfiles",
    "suffix",
    "prefix",
    "fd",
    "__FILE_RESOURCE_DATA__",
];

/// Why a state is not one that an object of this class may be given.
pub(super) fn wrong(values: &Values, class: Value, state: Value) -> Option<&'static str> {
    let named = values.named(class)?;
    match (named.module.as_str(), named.name.as_str()) {
        ("tiktoken.core", "Encoding") => encoding(values, state),
        ("sklearn_crfsuite._fileresource", "FileResource") => file(values, state),
        ("sklearn_crfsuite.estimator", "CRF") => crf(values, state),
        _ => Some("whose states are not known"),
    }
}

/// `__setstate__` looks a text up among the encodings it knows, which fetches files, and else calls `__init__(**state)`.
/// That takes the greatest of the numbers and builds tables and expressions from constants.
fn encoding(values: &Values, state: Value) -> Option<&'static str> {
    if matches!(state, Value::Text(_) | Value::LongText) {
        return Some("whose name it looks up, which may fetch a file");
    }
    let of = |key: &str| values.entry(state, key);
    let is_table = |key: &str| matches!(of(key), Some(table @ Value::Dict(_)) if values.is_plain(table));
    let fine = has_only(values, state, &ENCODING)
        && matches!(of("name"), Some(Value::Text(_)))
        && matches!(of("pat_str"), Some(Value::Text(_)))
        && is_table("mergeable_ranks")
        && is_table("special_tokens")
        && matches!(of("explicit_n_vocab"), None | Some(Value::None | Value::Int(_)));
    (!fine).then_some("with other arguments than its constructor takes")
}

/// `__setstate__` makes a temporary file between `prefix` and `suffix`, which could lead anywhere, and writes the content
/// into it; when the object goes, the file that `name` says is deleted. So nothing of the three is the pickle's choice:
/// they are what `CRF` gives, and `name` is what `__getstate__` leaves of a temporary file.
fn file(values: &Values, state: Value) -> Option<&'static str> {
    let of = |key: &str| values.entry(state, key);
    let is = |key: &str, text: &str| of(key).is_some_and(|value| values.str(value) == Some(text));
    let fine = has_only(values, state, &FILE)
        && of("name") == Some(Value::None)
        && is("prefix", "model")
        && is("suffix", ".crfsuite")
        && matches!(of("auto"), Some(Value::Bool(_)))
        && matches!(of("keep_tempfiles"), Some(Value::None | Value::Bool(_)))
        && matches!(of("fd"), None | Some(Value::Int(_)))
        && of("__FILE_RESOURCE_DATA__").is_none_or(|content| values.is_plain(content));
    (!fine).then_some("and chooses which file is written, or deleted when the object goes")
}

/// Attributes only; training writes to, and tagging reads from, the file that `modelfile` names.
fn crf(values: &Values, state: Value) -> Option<&'static str> {
    let is_own = match values.entry(state, "modelfile") {
        None | Some(Value::None) => true,
        Some(made) => values
            .class_of(made)
            .is_some_and(|class| values.is_named(class, "sklearn_crfsuite._fileresource", "FileResource")),
    };
    let fine = values.entries(state).is_some() && is_own && !values.sets_dunder(state);
    (!fine).then_some("which savers do not write")
}

/// Whether it is a dictionary all of whose keys are among these.
fn has_only(values: &Values, state: Value, keys: &[&str]) -> bool {
    values.entries(state).is_some_and(|entries| {
        entries
            .iter()
            .all(|(key, _)| values.str(*key).is_some_and(|key| keys.contains(&key)))
    })
}
