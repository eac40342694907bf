//! What the practice upstream reads of a request: instructions, the newest texts, and the tools on offer.

use serde_json::Value;

/// A request reduced to what is obeyed.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// System and developer messages, in order.
    pub(super) system: String,
    /// Texts after the model's last turn, in order: the user's and the tools'.
    pub(super) newest: Vec<String>,
    /// Words of everything that was sent.
    pub(super) words: u64,
    pub(super) tools: Vec<String>,
    pub(super) output_words_max: Option<usize>,
}

impl Prompt {
    /// Reads chat completions and Anthropic messages.
    pub(super) fn of_messages(request: &Value) -> Self {
        let mut prompt = Self::start(request);
        prompt.instruct(&text_of(&request["system"]));
        prompt.take_turns(&request["messages"]);
        prompt
    }

    /// Reads the Responses dialect.
    pub(super) fn of_responses(request: &Value) -> Self {
        let mut prompt = Self::start(request);
        prompt.instruct(&text_of(&request["instructions"]));
        match &request["input"] {
            Value::String(text) => prompt.hear(text),
            turns => prompt.take_turns(turns),
        }
        prompt
    }

    /// Reads a plain completion prompt.
    pub(super) fn of_completion(request: &Value) -> Self {
        let mut prompt = Self::start(request);
        prompt.hear(&text_of(&request["prompt"]));
        prompt
    }

    fn start(request: &Value) -> Self {
        let tools = request["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |tool: &Value| {
            let named = tool.pointer("/function/name").or_else(|| tool.get("name"));
            named.and_then(Value::as_str).map(str::to_owned)
        };
        let limit = ["max_completion_tokens", "max_output_tokens", "max_tokens"]
            .iter()
            .find_map(|&key| request[key].as_u64())
            .and_then(|limit| usize::try_from(limit).ok());
        Self {
            tools: tools.iter().filter_map(name).collect(),
            output_words_max: limit,
            ..Self::default()
        }
    }

    fn take_turns(&mut self, turns: &Value) {
        for turn in turns.as_array().map(Vec::as_slice).unwrap_or_default() {
            let text = match turn["type"].as_str() {
                Some("function_call_output") => text_of(&turn["output"]),
                _ => text_of(&turn["content"]),
            };
            match turn["role"].as_str() {
                Some("system" | "developer") => self.instruct(&text),
                Some("assistant") => self.newest.clear(),
                _ => self.hear(&text),
            }
        }
    }

    fn instruct(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.system.is_empty() {
            self.system.push('\n');
        }
        self.system.push_str(text);
        self.words = self.words.saturating_add(super::count(text));
    }

    fn hear(&mut self, text: &str) {
        if !text.is_empty() {
            self.words = self.words.saturating_add(super::count(text));
            self.newest.push(text.to_owned());
        }
    }
}

/// The text of a string, or of the parts of a content array, one per line.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<String> = parts.iter().map(text_of_part).filter(|text| !text.is_empty()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

fn text_of_part(part: &Value) -> String {
    match part {
        Value::String(text) => text.clone(),
        // A tool result holds a string or further parts, and never a result within a result.
        Value::Object(_) if part["content"].is_array() => {
            let inner = part["content"].as_array().map(Vec::as_slice).unwrap_or_default();
            inner
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect::<Vec<_>>()
                .join("\n")
        }
        Value::Object(_) => part["text"]
            .as_str()
            .or(part["content"].as_str())
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}
