//! Whole provider streams and bodies, written from one script, for every dialect.
//!
//! The shapes follow the providers' published event lists; the words are our own. A [`Script`] says what the
//! model says; [`chat_stream`], [`completions_stream`], [`responses_stream`] and [`messages_stream`] write it
//! as Server-Sent Events, the `…_body` functions as one JSON body. [`Script::plant`] puts a secret into one
//! client-visible [`Field`].

mod chat;
mod completions;
mod messages;
mod responses;

pub use chat::{chat_body, chat_stream};
pub use completions::{completions_body, completions_stream};
pub use messages::{count_tokens_body, messages_body, messages_stream};
pub use responses::{responses_body, responses_stream};

use crate::json_writer::{Object, array, quoted};

/// What a model says, before any dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub model: String,
    /// One per choice; the Responses and Messages dialects use the first only.
    pub answers: Vec<Answer>,
    /// Ends a chat or completions stream with a usage chunk; the other dialects always carry usage.
    pub usage: bool,
    /// Writes log probabilities that repeat the text (chat, completions, Responses).
    pub logprobs: bool,
    /// Ends the stream with the dialect's error event carrying this message instead of its usual end.
    pub error: Option<String>,
    /// String fields that no specification knows, put into every delta.
    pub unknown: Vec<(String, String)>,
}

/// One choice; each list is one string per delta.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    pub reasoning: Vec<String>,
    pub text: Vec<String>,
    pub refusal: Vec<String>,
    pub tools: Vec<ToolCall>,
    /// A source quoted beside the text: Responses annotations and Anthropic citations.
    pub citation: Option<Citation>,
}

/// A tool call; `arguments` is JSON text in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: Vec<String>,
}

/// A quoted source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    pub title: String,
    pub url: String,
    pub quote: String,
}

/// A client-visible place in which a secret can hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The text, whole in one delta.
    Text,
    /// The text, one character a delta.
    TextInPieces,
    Reasoning,
    Refusal,
    /// A string value inside the last tool call's arguments, in two deltas.
    ToolArguments,
    /// The same with every character as a `\u` escape.
    ToolArgumentsEscaped,
    /// A key inside the last tool call's arguments.
    ToolArgumentsKey,
    ToolName,
    CitationTitle,
    CitationUrl,
    CitationQuote,
    /// Text together with log probabilities that repeat it.
    Logprobs,
    /// The message of an error event.
    ErrorMessage,
    /// A field that no specification knows.
    Unknown,
}

impl Field {
    /// Every field, for matrices.
    pub const ALL: [Self; 14] = [
        Self::Text,
        Self::TextInPieces,
        Self::Reasoning,
        Self::Refusal,
        Self::ToolArguments,
        Self::ToolArgumentsEscaped,
        Self::ToolArgumentsKey,
        Self::ToolName,
        Self::CitationTitle,
        Self::CitationUrl,
        Self::CitationQuote,
        Self::Logprobs,
        Self::ErrorMessage,
        Self::Unknown,
    ];
}

impl Script {
    /// One choice per entry of `texts`, one delta per string: `Script::of(&[&["Hel", "lo"]])`.
    #[must_use]
    pub fn of(texts: &[&[&str]]) -> Self {
        let answers = texts.iter().map(|deltas| Answer::of(deltas)).collect();
        Self {
            model: "mock-1".to_owned(),
            answers,
            usage: true,
            logprobs: false,
            error: None,
            unknown: Vec::new(),
        }
    }

    /// A script with something in every field: two choices, reasoning, two parallel tool calls, a citation.
    #[must_use]
    pub fn full() -> Self {
        let mut script = Self::of(&[
            &["The weather", " in Ulm is ", "mild."],
            &["Mild", ", with a light wind."],
        ]);
        for answer in &mut script.answers {
            answer.reasoning = pieces(&["The user asks", " about the weather."]);
            answer.tools = vec![
                ToolCall::of(
                    "call_weather1",
                    "get_weather",
                    &["{\"city\":", "\"Ulm\"", ",\"days\":2}"],
                ),
                ToolCall::of("call_notes2", "save_note", &["{\"note\":\"weather", " asked\"}"]),
            ];
            answer.citation = Some(Citation {
                title: "Climate of Ulm".to_owned(),
                url: "https://weather.example/ulm".to_owned(),
                quote: "mild in autumn".to_owned(),
            });
        }
        script
    }

    /// This script with `secret` in `field` of every answer, everything else unchanged.
    #[must_use]
    pub fn plant(self, field: Field, secret: &str) -> Self {
        let answers = self.answers.len().max(1);
        (0..answers).fold(self, |script, choice| script.plant_in(choice, field, secret))
    }

    /// This script with `secret` in `field` of one answer; answers are added up to that one.
    #[must_use]
    pub fn plant_in(mut self, choice: usize, field: Field, secret: &str) -> Self {
        while self.answers.len() <= choice.min(127) {
            self.answers.push(Answer::default());
        }
        match field {
            Field::Logprobs => self.logprobs = true,
            Field::ErrorMessage => self.error = Some(format!("upstream said {secret} and stopped")),
            Field::Unknown => self.unknown = vec![("x_note".to_owned(), secret.to_owned())],
            _ => {}
        }
        if let Some(answer) = self.answers.get_mut(choice) {
            answer.plant(field, secret);
        }
        self
    }
}

impl Answer {
    /// An answer of text only, one delta per string.
    #[must_use]
    pub fn of(deltas: &[&str]) -> Self {
        Self {
            text: pieces(deltas),
            ..Self::default()
        }
    }

    fn plant(&mut self, field: Field, secret: &str) {
        match field {
            Field::Text | Field::Logprobs => self.text = pieces(&["Here it is: ", secret, " as asked."]),
            Field::TextInPieces => {
                self.text = "Here it is: "
                    .chars()
                    .chain(secret.chars())
                    .chain(" as asked.".chars())
                    .map(String::from)
                    .collect();
            }
            Field::Reasoning => self.reasoning = pieces(&["I recall ", secret, " from before."]),
            Field::Refusal => self.refusal = pieces(&["I may not repeat ", secret, "."]),
            Field::ToolArguments => self.set_arguments("{\"query\":\"q ", &format!("{}\"}}", inner(secret))),
            Field::ToolArgumentsEscaped => self.set_arguments("{\"query\":\"", &format!("{}\"}}", escaped(secret))),
            Field::ToolArgumentsKey => self.set_arguments("{\"", &format!("{}\":1}}", inner(secret))),
            Field::ToolName => self.change_last_tool(|call| call.name = secret.to_owned()),
            Field::CitationTitle => self.citation().title = secret.to_owned(),
            Field::CitationUrl => self.citation().url = format!("https://c.example/?q={secret}"),
            Field::CitationQuote => self.citation().quote = secret.to_owned(),
            Field::ErrorMessage | Field::Unknown => {}
        }
    }

    fn set_arguments(&mut self, first: &str, second: &str) {
        self.change_last_tool(|call| call.arguments = pieces(&[first, second]));
    }

    fn change_last_tool(&mut self, change: impl FnOnce(&mut ToolCall)) {
        let mut call = self
            .tools
            .pop()
            .unwrap_or_else(|| ToolCall::of("call_search9", "search", &["{}"]));
        change(&mut call);
        self.tools.push(call);
    }

    fn citation(&mut self) -> &mut Citation {
        self.citation.get_or_insert_with(|| Citation {
            title: "A source".to_owned(),
            url: "https://c.example/".to_owned(),
            quote: "quoted".to_owned(),
        })
    }
}

impl ToolCall {
    /// A call whose arguments arrive in these pieces.
    #[must_use]
    pub fn of(id: &str, name: &str, arguments: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: pieces(arguments),
        }
    }
}

/// A stream as its frames, each with its closing blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    pub frames: Vec<String>,
}

impl Recording {
    /// The stream's bytes in one piece.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.frames.concat().into_bytes()
    }

    /// The stream in pieces of `size` bytes (the last may be shorter); `0` counts as 1.
    #[must_use]
    pub fn cut_every(&self, size: usize) -> Vec<Vec<u8>> {
        self.bytes().chunks(size.max(1)).map(<[u8]>::to_vec).collect()
    }

    /// The stream in two pieces; `at` past the end leaves the second one empty.
    #[must_use]
    pub fn cut_at(&self, at: usize) -> (Vec<u8>, Vec<u8>) {
        let mut head = self.bytes();
        let tail = head.split_off(at.min(head.len()));
        (head, tail)
    }

    fn data(&mut self, json: &str) {
        self.frames.push(format!("data: {json}\n\n"));
    }

    fn event(&mut self, name: &str, json: &str) {
        self.frames.push(format!("event: {name}\ndata: {json}\n\n"));
    }

    fn new() -> Self {
        Self { frames: Vec::new() }
    }
}

/// The list of models in OpenAI's shape.
#[must_use]
pub fn models_body(models: &[&str]) -> Vec<u8> {
    let data = array(models.iter().map(|id| {
        Object::new()
            .string("id", id)
            .string("object", "model")
            .number("created", CREATED)
            .string("owned_by", "testudo-testkit")
            .end()
    }));
    Object::new()
        .string("object", "list")
        .raw("data", &data)
        .end()
        .into_bytes()
}

/// Embeddings of `inputs` texts with `dimensions` numbers each.
#[must_use]
pub fn embeddings_body(model: &str, inputs: usize, dimensions: usize) -> Vec<u8> {
    let vector = array((0..dimensions).map(|at| format!("0.{:05}", at.wrapping_mul(7919) % 100_000)));
    let data = array((0..inputs).map(|index| {
        Object::new()
            .string("object", "embedding")
            .number("index", as_u64(index))
            .raw("embedding", &vector)
            .end()
    }));
    Object::new()
        .string("object", "list")
        .raw("data", &data)
        .string("model", model)
        .raw("usage", "{\"prompt_tokens\":8,\"total_tokens\":8}")
        .end()
        .into_bytes()
}

/// The `created` time in every recording: 2026-01-01T00:00:00Z.
const CREATED: u64 = 1_767_225_600;

fn pieces(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// As it stands between the quotes of a JSON string.
fn inner(text: &str) -> String {
    let literal = quoted(text);
    let open = literal.strip_prefix('"').unwrap_or(&literal);
    open.strip_suffix('"').unwrap_or(open).to_owned()
}

/// Every UTF-16 unit as `\uXXXX`.
fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn as_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Tokens as the mock counts them: one per delta.
fn output_tokens(answers: &[Answer]) -> u64 {
    let count = |answer: &Answer| {
        let calls: usize = answer.tools.iter().map(|call| call.arguments.len()).sum();
        answer
            .text
            .len()
            .saturating_add(answer.reasoning.len())
            .saturating_add(answer.refusal.len())
            .saturating_add(calls)
    };
    as_u64(answers.iter().map(count).sum())
}

/// Tokens of every prompt, as the mock counts them.
const INPUT_TOKENS: u64 = 25;
