//! Which call of which provider family a request target names.

/// The provider whose wire format a route speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    OpenAi,
    Anthropic,
}

impl Family {
    /// The name used in configuration, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// The family that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::OpenAi, Self::Anthropic]
            .into_iter()
            .find(|family| family.as_str() == name)
    }
}

/// One call of a provider's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    ChatCompletions,
    Responses,
    Completions,
    Embeddings,
    /// The list of models, or one of them, of the OpenAI family.
    Models,
    Messages,
    CountTokens,
    /// The list of models, or one of them, of the Anthropic family.
    AnthropicModels,
}

impl Operation {
    const ALL: [Self; 8] = [
        Self::ChatCompletions,
        Self::Responses,
        Self::Completions,
        Self::Embeddings,
        Self::Models,
        Self::Messages,
        Self::CountTokens,
        Self::AnthropicModels,
    ];

    /// Every operation, in the order used for tables.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &Self::ALL
    }

    /// The operation that a method and a path (what follows the route's prefix,
    /// without query; with or without `/v1`) name; `None` when nothing here answers it.
    ///
    /// Paths are compared exactly: no percent-decoding, no dot segments, no
    /// trailing or doubled slashes, so that the upstream reads the same target.
    #[must_use]
    pub fn route(family: Family, method: &str, path: &str) -> Option<Self> {
        let path = path
            .strip_prefix("/v1")
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path);
        match (family, method, path) {
            (Family::OpenAi, "POST", "/chat/completions") => Some(Self::ChatCompletions),
            (Family::OpenAi, "POST", "/responses") => Some(Self::Responses),
            (Family::OpenAi, "POST", "/completions") => Some(Self::Completions),
            (Family::OpenAi, "POST", "/embeddings") => Some(Self::Embeddings),
            (Family::Anthropic, "POST", "/messages") => Some(Self::Messages),
            (Family::Anthropic, "POST", "/messages/count_tokens") => Some(Self::CountTokens),
            (Family::OpenAi, "GET", path) if names_models(path) => Some(Self::Models),
            (Family::Anthropic, "GET", path) if names_models(path) => Some(Self::AnthropicModels),
            _ => None,
        }
    }

    /// The family it belongs to.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::ChatCompletions | Self::Responses | Self::Completions | Self::Embeddings | Self::Models => {
                Family::OpenAi
            }
            Self::Messages | Self::CountTokens | Self::AnthropicModels => Family::Anthropic,
        }
    }

    /// The name used in configuration, logs, metrics and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::AnthropicModels => "anthropic_models",
        }
    }

    /// Whether a request carries a JSON body.
    #[must_use]
    pub fn has_body(self) -> bool {
        !matches!(self, Self::Models | Self::AnthropicModels)
    }

    /// Whether the client may ask for an event stream.
    #[must_use]
    pub fn streams(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions | Self::Responses | Self::Completions | Self::Messages
        )
    }
}

/// `/models` or `/models/{id}`, where an id is one or more plain segments (`org/name`).
fn names_models(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/models") else {
        return false;
    };
    if rest.is_empty() {
        return true;
    }
    let Some(id) = rest.strip_prefix('/') else {
        return false;
    };
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:@+".contains(&b))
    };
    id.len() <= 256 && id.split('/').all(plain)
}

#[cfg(test)]
mod tests;
