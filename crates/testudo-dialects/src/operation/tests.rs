//! Targets and the operations they name.

use super::*;

#[test]
fn known_targets_are_found_with_and_without_the_version() {
    for (family, method, path, operation) in [
        (
            Family::OpenAi,
            "POST",
            "/v1/chat/completions",
            Operation::ChatCompletions,
        ),
        (Family::OpenAi, "POST", "/chat/completions", Operation::ChatCompletions),
        (Family::OpenAi, "POST", "/v1/responses", Operation::Responses),
        (Family::OpenAi, "POST", "/v1/completions", Operation::Completions),
        (Family::OpenAi, "POST", "/v1/embeddings", Operation::Embeddings),
        (Family::OpenAi, "GET", "/v1/models", Operation::Models),
        (Family::OpenAi, "GET", "/v1/models/org/name-7b:free", Operation::Models),
        (Family::Anthropic, "POST", "/v1/messages", Operation::Messages),
        (
            Family::Anthropic,
            "POST",
            "/messages/count_tokens",
            Operation::CountTokens,
        ),
        (
            Family::Anthropic,
            "GET",
            "/v1/models/claude-x",
            Operation::AnthropicModels,
        ),
    ] {
        assert_eq!(
            Operation::route(family, method, path),
            Some(operation),
            "{method} {path}"
        );
        assert_eq!(operation.family(), family);
    }
}

#[test]
fn everything_else_is_nothing() {
    for (family, method, path) in [
        (Family::OpenAi, "GET", "/v1/chat/completions"),
        (Family::OpenAi, "post", "/v1/chat/completions"),
        (Family::OpenAi, "POST", "/v1/chat/completions/"),
        (Family::OpenAi, "POST", "/v1//chat/completions"),
        (Family::OpenAi, "POST", "/v1/v1/chat/completions"),
        (Family::OpenAi, "POST", "/v1/Chat/completions"),
        (Family::OpenAi, "POST", "/v1/chat%2fcompletions"),
        (Family::OpenAi, "POST", "/v1/messages"),
        (Family::OpenAi, "POST", "v1/chat/completions"),
        (Family::OpenAi, "POST", "/v2/chat/completions"),
        (Family::OpenAi, "POST", "/v1/files"),
        (Family::OpenAi, "POST", "/v1/models"),
        (Family::OpenAi, "DELETE", "/v1/models/x"),
        (Family::OpenAi, "GET", "/v1/models/"),
        (Family::OpenAi, "GET", "/v1/models/../files"),
        (Family::OpenAi, "GET", "/v1/models/a//b"),
        (Family::OpenAi, "GET", "/v1/models/a?b"),
        (Family::OpenAi, "GET", "/v1/models/a%2e%2e"),
        (Family::OpenAi, "GET", "/v1/modelsx"),
        (Family::OpenAi, "GET", "/v1/responses/resp_1"),
        (Family::Anthropic, "POST", "/v1/messages/batches"),
        (Family::Anthropic, "POST", "/v1/chat/completions"),
        (Family::Anthropic, "GET", ""),
    ] {
        assert_eq!(Operation::route(family, method, path), None, "{method} {path}");
    }
}

#[test]
fn names_read_back_and_bodies_are_where_they_belong() {
    assert_eq!(Family::from_name("openai"), Some(Family::OpenAi));
    assert_eq!(Family::from_name("anthropic"), Some(Family::Anthropic));
    assert_eq!(Family::from_name("OpenAI"), None);
    for operation in Operation::all() {
        assert!(!operation.streams() || operation.has_body(), "{operation:?}");
    }
}
