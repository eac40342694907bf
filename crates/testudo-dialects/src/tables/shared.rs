//! Fields that several operations have in common.

use crate::ChannelKind::{Annotation, Error, LogprobTokens, RefusalLogprobTokens, Text};
use crate::table::{Enter, Line, enter, mount, named, text, token, whole, word};

/// An error body, or the error inside an event.
pub(super) const ERROR: &[Line] = &[
    whole("/error", Error),
    whole("/error/message", Error),
    word("/error/type"),
    token("/error/code"),
    whole("/error/param", Error),
    named("/error/metadata"),
    whole("/error/**", Error),
    whole("/detail/**", Error),
    whole("/message", Error),
    token("/request_id"),
];

/// Lists of models, and one model.
pub(super) const MODELS: &[Line] = &[
    mount("", ERROR),
    mount("/data/*", MODEL),
    mount("", MODEL),
    token("/first_id"),
    token("/last_id"),
    named("/has_more"),
];

const MODEL: &[Line] = &[
    token("/id"),
    word("/object"),
    word("/type"),
    token("/owned_by"),
    token("/created_at"),
    whole("/display_name", Text),
];

/// A token beside its log probability.
pub(super) const TOKEN: &[Line] = &[
    text("/token", LogprobTokens),
    enter("/bytes", Enter::TokenBytes),
    enter("/top_logprobs/*", Enter::Alternative),
    text("/top_logprobs/*/token", LogprobTokens),
    enter("/top_logprobs/*/bytes", Enter::TokenBytes),
];

/// As `TOKEN`, of a refusal.
pub(super) const REFUSAL_TOKEN: &[Line] = &[
    text("/token", RefusalLogprobTokens),
    enter("/bytes", Enter::RefusalTokenBytes),
    enter("/top_logprobs/*", Enter::Alternative),
    text("/top_logprobs/*/token", RefusalLogprobTokens),
    enter("/top_logprobs/*/bytes", Enter::RefusalTokenBytes),
];

/// A note attached to text.
pub(super) const ANNOTATION: &[Line] = &[
    word("/type"),
    token("/file_id"),
    token("/container_id"),
    whole("/**", Annotation),
];

/// When a prefix may be cached.
pub(super) const CACHE: &[Line] = &[
    word("/cache_control/type"),
    word("/cache_control/ttl"),
    word("/prompt_cache_breakpoint/mode"),
    named("/prompt_cache_breakpoint"),
];
