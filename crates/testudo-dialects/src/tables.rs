//! The tables of every operation: what each field of its bodies and events is.
//!
//! A field that is missing here is scanned as unknown text, never skipped; so
//! a new field of a provider costs a wasted scan until it gets a line.

use std::sync::LazyLock;

use crate::Operation;
use crate::table::Table;

mod anthropic;
mod chat;
mod responses;
mod shared;

/// The fields of a request.
pub(crate) fn request(operation: Operation) -> &'static Table {
    static CHAT: LazyLock<Table> = LazyLock::new(|| Table::compile(chat::REQUEST));
    static COMPLETIONS: LazyLock<Table> = LazyLock::new(|| Table::compile(chat::COMPLETIONS_REQUEST));
    static EMBEDDINGS: LazyLock<Table> = LazyLock::new(|| Table::compile(chat::EMBEDDINGS_REQUEST));
    static RESPONSES: LazyLock<Table> = LazyLock::new(|| Table::compile(responses::REQUEST));
    static MESSAGES: LazyLock<Table> = LazyLock::new(|| Table::compile(anthropic::REQUEST));
    static NOTHING: LazyLock<Table> = LazyLock::new(|| Table::compile(&[]));
    match operation {
        Operation::ChatCompletions => &CHAT,
        Operation::Completions => &COMPLETIONS,
        Operation::Embeddings => &EMBEDDINGS,
        Operation::Responses => &RESPONSES,
        Operation::Messages | Operation::CountTokens => &MESSAGES,
        Operation::Models | Operation::AnthropicModels => &NOTHING,
    }
}

/// The fields of a whole answer or an error body.
pub(crate) fn response(operation: Operation) -> &'static Table {
    static CHAT: LazyLock<Table> = LazyLock::new(|| Table::compile(chat::RESPONSE));
    static EMBEDDINGS: LazyLock<Table> = LazyLock::new(|| Table::compile(chat::EMBEDDINGS_RESPONSE));
    static RESPONSES: LazyLock<Table> = LazyLock::new(|| Table::compile(responses::RESPONSE));
    static MESSAGES: LazyLock<Table> = LazyLock::new(|| Table::compile(anthropic::RESPONSE));
    static MODELS: LazyLock<Table> = LazyLock::new(|| Table::compile(shared::MODELS));
    match operation {
        Operation::ChatCompletions | Operation::Completions => &CHAT,
        Operation::Embeddings => &EMBEDDINGS,
        Operation::Responses => &RESPONSES,
        Operation::Messages | Operation::CountTokens => &MESSAGES,
        Operation::Models | Operation::AnthropicModels => &MODELS,
    }
}

/// The fields of a stream's events.
pub(crate) fn stream(operation: Operation) -> &'static Table {
    static RESPONSES: LazyLock<Table> = LazyLock::new(|| Table::compile(responses::STREAM));
    static MESSAGES: LazyLock<Table> = LazyLock::new(|| Table::compile(anthropic::STREAM));
    match operation {
        Operation::Responses => &RESPONSES,
        Operation::Messages => &MESSAGES,
        Operation::ChatCompletions
        | Operation::Completions
        | Operation::Embeddings
        | Operation::Models
        | Operation::CountTokens
        | Operation::AnthropicModels => response(operation),
    }
}
