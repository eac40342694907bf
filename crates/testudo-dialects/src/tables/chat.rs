//! Chat completions, legacy completions and embeddings of the OpenAI family.

use super::shared::{ANNOTATION, CACHE, ERROR, REFUSAL_TOKEN, TOKEN};
use crate::ChannelKind::{
    CustomInput, Error, LogprobTokens, Reasoning, ReasoningSummary, Refusal, Text, ToolName, Transcript,
};
use crate::shape::Shape;
use crate::table::{
    Enter, Line, Rule, Source, arguments, by, enter, media, mount, named, opaque, text, token, whole, word,
};

/// The body of `POST /v1/chat/completions`.
pub(super) const REQUEST: &[Line] = &[
    mount("", SAMPLING),
    enter("/messages/*", Enter::Message),
    mount("/messages/*", MESSAGE),
    mount("/messages/*", CACHE),
    token("/messages/*/tool_call_id"),
    text("/messages/*/name", Text),
    enter("/tools", Enter::From(Source::ToolDefinition)),
    word("/tools/*/type"),
    whole("/tools/**", Text),
    enter("/functions", Enter::From(Source::ToolDefinition)),
    whole("/functions/**", Text),
    enter("/tool_choice", Enter::From(Source::ToolDefinition)),
    word("/tool_choice"),
    word("/tool_choice/type"),
    whole("/tool_choice/**", Text),
    enter("/function_call", Enter::From(Source::ToolDefinition)),
    word("/function_call"),
    whole("/function_call/**", Text),
    enter("/response_format", Enter::From(Source::ToolDefinition)),
    word("/response_format/type"),
    whole("/response_format/**", Text),
    word("/prediction/type"),
    by("/prediction/content", Text, Source::Assistant),
    word("/prediction/content/*/type"),
    by("/prediction/content/*/text", Text, Source::Assistant),
    word("/modalities/*"),
    token("/audio/voice"),
    token("/audio/voice/id"),
    word("/audio/format"),
    word("/reasoning_effort"),
    word("/verbosity"),
    word("/web_search_options/search_context_size"),
    word("/web_search_options/user_location/type"),
    by("/web_search_options/**", Text, Source::User),
    token("/moderation/model"),
    word("/moderation/policy/input/mode"),
    word("/moderation/policy/output/mode"),
    named("/max_completion_tokens"),
    named("/parallel_tool_calls"),
];

/// What several operations of the family share.
const SAMPLING: &[Line] = &[
    token("/model"),
    named("/stream"),
    named("/stream_options"),
    named("/n"),
    named("/best_of"),
    named("/echo"),
    named("/max_tokens"),
    named("/temperature"),
    named("/top_p"),
    named("/seed"),
    named("/logprobs"),
    named("/top_logprobs"),
    named("/logit_bias"),
    named("/presence_penalty"),
    named("/frequency_penalty"),
    named("/store"),
    by("/stop", Text, Source::User),
    by("/stop/*", Text, Source::User),
    by("/user", Text, Source::User),
    token("/safety_identifier"),
    token("/prompt_cache_key"),
    word("/prompt_cache_retention"),
    word("/prompt_cache_options/mode"),
    word("/prompt_cache_options/ttl"),
    word("/service_tier"),
    enter("/metadata", Enter::From(Source::User)),
    by("/metadata/**", Text, Source::User),
];

/// A message, sent or answered, whole or as a delta.
const MESSAGE: &[Line] = &[
    word("/role"),
    text("/content", Text),
    text("/content/*", Text),
    mount("/content/*", PART),
    mount("/content/*", CACHE),
    text("/refusal", Refusal),
    text("/reasoning_content", Reasoning),
    text("/reasoning", Reasoning),
    text("/thinking", Reasoning),
    word("/reasoning_details/*/type"),
    text("/reasoning_details/*/text", Reasoning),
    text("/reasoning_details/*/summary", ReasoningSummary),
    opaque("/reasoning_details/*/data"),
    opaque("/reasoning_details/*/signature"),
    token("/reasoning_details/*/id"),
    token("/reasoning_details/*/format"),
    enter("/tool_calls/*", Enter::ToolCall),
    token("/tool_calls/*/id"),
    word("/tool_calls/*/type"),
    text("/tool_calls/*/function/name", ToolName),
    arguments("/tool_calls/*/function/arguments"),
    text("/tool_calls/*/custom/name", ToolName),
    text("/tool_calls/*/custom/input", CustomInput),
    enter("/function_call", Enter::LegacyCall),
    text("/function_call/name", ToolName),
    arguments("/function_call/arguments"),
    token("/audio/id"),
    media("/audio/data"),
    text("/audio/transcript", Transcript),
    mount("/annotations/*", ANNOTATION),
];

/// A part of a message's content.
const PART: &[Line] = &[
    word("/type"),
    text("/text", Text),
    text("/refusal", Refusal),
    media("/image_url"),
    media("/image_url/url"),
    word("/image_url/detail"),
    media("/input_audio/data"),
    word("/input_audio/format"),
    media("/video_url/url"),
    media("/file/file_data"),
    token("/file/file_id"),
    by("/file/filename", Text, Source::Document),
];

/// A whole answer and, with `delta` for `message`, an event of a stream; chat and legacy completions.
pub(super) const RESPONSE: &[Line] = &[
    mount("", ERROR),
    token("/id"),
    word("/object"),
    token("/model"),
    token("/system_fingerprint"),
    word("/service_tier"),
    token("/provider"),
    token("/obfuscation"),
    enter("/choices/*", Enter::Choice),
    word("/choices/*/finish_reason"),
    token("/choices/*/native_finish_reason"),
    enter("/choices/*/message", Enter::Snapshot),
    mount("/choices/*/message", MESSAGE),
    mount("/choices/*/delta", MESSAGE),
    text("/choices/*/text", Text),
    enter("/choices/*/logprobs/content/*", Enter::Token),
    mount("/choices/*/logprobs/content/*", TOKEN),
    enter("/choices/*/logprobs/refusal/*", Enter::Token),
    mount("/choices/*/logprobs/refusal/*", REFUSAL_TOKEN),
    text("/choices/*/logprobs/tokens/*", LogprobTokens),
    enter("/choices/*/logprobs/top_logprobs/*", Enter::TokenKeys),
    Line::Rule("/choices/*/content_filter_results/**", Rule::Exempt(Shape::Word)),
    Line::Rule("/prompt_filter_results/**", Rule::Exempt(Shape::Word)),
    token("/moderation/input/model"),
    token("/moderation/output/model"),
    token("/moderation/input/results/*/model"),
    token("/moderation/output/results/*/model"),
    whole("/moderation/input/message", Error),
    whole("/moderation/output/message", Error),
    Line::Rule("/moderation/**", Rule::Exempt(Shape::Word)),
    named("/usage"),
    named("/created"),
];

/// The body of `POST /v1/completions`.
pub(super) const COMPLETIONS_REQUEST: &[Line] = &[
    mount("", SAMPLING),
    by("/prompt", Text, Source::User),
    by("/prompt/*", Text, Source::User),
    by("/suffix", Text, Source::User),
];

/// The body of `POST /v1/embeddings`.
pub(super) const EMBEDDINGS_REQUEST: &[Line] = &[
    mount("", SAMPLING),
    by("/input", Text, Source::User),
    by("/input/*", Text, Source::User),
    word("/encoding_format"),
    named("/dimensions"),
];

/// The answer of `POST /v1/embeddings`.
pub(super) const EMBEDDINGS_RESPONSE: &[Line] = &[
    mount("", ERROR),
    word("/object"),
    token("/model"),
    token("/id"),
    word("/data/*/object"),
    opaque("/data/*/embedding"),
    named("/usage"),
];
