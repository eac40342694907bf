//! OpenAI legacy completions: chunks and bodies.

use super::chat::error;
use super::{Answer, CREATED, INPUT_TOKENS, Recording, Script, as_u64, output_tokens};
use crate::json_writer::{Object, array, quoted};

/// The script's texts as completion chunks, ended by `[DONE]`; reasoning, refusals and tools have no place here.
#[must_use]
pub fn completions_stream(script: &Script) -> Recording {
    let mut out = Recording::new();
    let longest = script.answers.iter().map(|it| it.text.len()).max().unwrap_or(0);
    for at in 0..longest {
        for (index, answer) in script.answers.iter().enumerate() {
            if let Some(piece) = answer.text.get(at) {
                let one = choice(script, index, piece, std::slice::from_ref(piece), "null");
                out.data(&chunk(script, &array([one]), "null"));
            }
        }
    }
    if let Some(message) = &script.error {
        out.data(&error(message));
        return out;
    }
    for index in 0..script.answers.len() {
        let one = choice(script, index, "", &[], "\"stop\"");
        out.data(&chunk(script, &array([one]), "null"));
    }
    if script.usage {
        out.data(&chunk(script, "[]", &usage(&script.answers)));
    }
    out.data("[DONE]");
    out
}

/// The script's texts as one completion, or the error body when the script has an error.
#[must_use]
pub fn completions_body(script: &Script) -> Vec<u8> {
    if let Some(message) = &script.error {
        return error(message).into_bytes();
    }
    let choices = array(
        script
            .answers
            .iter()
            .enumerate()
            .map(|(index, answer)| choice(script, index, &answer.text.concat(), &answer.text, "\"stop\"")),
    );
    envelope(script)
        .raw("choices", &choices)
        .raw("usage", &usage(&script.answers))
        .end()
        .into_bytes()
}

fn chunk(script: &Script, choices: &str, usage: &str) -> String {
    let chunk = envelope(script).raw("choices", choices);
    if script.usage { chunk.raw("usage", usage) } else { chunk }.end()
}

fn envelope(script: &Script) -> Object {
    Object::new()
        .string("id", "cmpl-mock00000000000000000001")
        .string("object", "text_completion")
        .number("created", CREATED)
        .string("model", &script.model)
        .string("system_fingerprint", "fp_mock0001")
}

fn choice(script: &Script, index: usize, text: &str, tokens: &[String], finish: &str) -> String {
    let logprobs = if script.logprobs {
        logprobs(tokens)
    } else {
        "null".to_owned()
    };
    Object::new()
        .string("text", text)
        .number("index", as_u64(index))
        .raw("logprobs", &logprobs)
        .raw("finish_reason", finish)
        .extras(&script.unknown)
        .end()
}

fn logprobs(tokens: &[String]) -> String {
    let offsets = array(tokens.iter().map(|_| "0"));
    let values = array(tokens.iter().map(|_| "-0.0125"));
    let top = array(tokens.iter().map(|token| format!("{{{}:-0.0125}}", quoted(token))));
    Object::new()
        .raw("tokens", &array(tokens.iter().map(|token| quoted(token))))
        .raw("token_logprobs", &values)
        .raw("top_logprobs", &top)
        .raw("text_offset", &offsets)
        .end()
}

fn usage(answers: &[Answer]) -> String {
    let output = output_tokens(answers);
    Object::new()
        .number("prompt_tokens", INPUT_TOKENS)
        .number("completion_tokens", output)
        .number("total_tokens", INPUT_TOKENS.saturating_add(output))
        .end()
}
