//! What servers answered: texts are known again by it on the side in front of the model, and calls are judged by it
//! that no answer of a model of ours asked for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use testudo_bounded::json::{Document, Limits};
use testudo_dialects::Form;
use testudo_dialects::mcp::{ServerName, Whose, join_tool, split_tool, texts};
use testudo_policy::labels::{LabelStore, PIECE_LETTERS};
use testudo_policy::provenance::ToolSpecs;
use testudo_types::{KeyId, Origin};

use crate::agent::Earlier;
use crate::heavy;

/// Answers that a session remembers, and bytes of them.
const ANSWERS_MAX: usize = 64;
const SESSION_BYTES_MAX: usize = 256 << 10;
/// Bytes that all sessions remember.
const ALL_BYTES_MAX: usize = 64 << 20;
/// Texts of one answer that are looked at.
const TEXTS_MAX: usize = 256;

/// What all sessions may still take.
#[derive(Debug, Default)]
pub(crate) struct Taken(AtomicUsize);

impl Taken {
    fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| {
            let taken = taken.saturating_add(bytes);
            (taken <= ALL_BYTES_MAX).then_some(taken)
        };
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, more).is_ok()
    }

    fn give(&self, bytes: usize) {
        let order = Ordering::Relaxed;
        let less = |taken: usize| Some(taken.saturating_sub(bytes));
        let _always = self.0.fetch_update(order, order, less);
    }
}

/// One answer of a server.
#[derive(Debug)]
pub(crate) struct HeardAnswer {
    server: ServerName,
    /// As the server calls it; `None` for resources and prompts.
    tool: Option<Box<str>>,
    arguments: Value,
    texts: Vec<String>,
    /// A detector found instructions in it.
    suspicious: bool,
    bytes: usize,
}

/// What a session was answered, the latest.
#[derive(Debug)]
pub(crate) struct Heard {
    taken: Arc<Taken>,
    answers: VecDeque<HeardAnswer>,
    bytes: usize,
    /// Instructions were found in something that is not remembered any more.
    suspicious: bool,
}

impl Heard {
    pub(crate) fn new(taken: Arc<Taken>) -> Self {
        Self {
            taken,
            answers: VecDeque::new(),
            bytes: 0,
            suspicious: false,
        }
    }

    /// Remembers an answer, and forgets the oldest for it. What is forgotten names nothing any more.
    fn push(&mut self, answer: HeardAnswer) {
        let full = |heard: &Self| {
            heard.answers.len() >= ANSWERS_MAX || heard.bytes.saturating_add(answer.bytes) > SESSION_BYTES_MAX
        };
        while !self.answers.is_empty() && full(self) {
            self.forget();
        }
        while !full(self) && !self.taken.take(answer.bytes) {
            if self.answers.is_empty() {
                self.suspicious |= answer.suspicious;
                return;
            }
            self.forget();
        }
        if full(self) {
            self.suspicious |= answer.suspicious;
            return;
        }
        self.bytes = self.bytes.saturating_add(answer.bytes);
        self.answers.push_back(answer);
    }

    fn forget(&mut self) {
        if let Some(oldest) = self.answers.pop_front() {
            self.suspicious |= oldest.suspicious;
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.taken.give(oldest.bytes);
        }
    }

    /// What it was answered, with tools called as `specs` of the server `own` call them; and whether instructions
    /// were found in what is forgotten.
    pub(crate) fn earlier<T>(
        &self,
        specs: &ToolSpecs,
        own: &ServerName,
        with: impl FnOnce(&[Earlier<'_>], bool) -> T,
    ) -> T {
        let names: Vec<String> = self
            .answers
            .iter()
            .map(|answer| match &answer.tool {
                Some(tool) if answer.server == *own => specified(specs, own, tool),
                Some(tool) => join_tool(&answer.server, tool),
                None => String::new(),
            })
            .collect();
        let each = self.answers.iter().zip(&names);
        let earlier: Vec<Earlier<'_>> = each
            .flat_map(|(answer, tool)| {
                answer.texts.iter().map(move |text| Earlier {
                    tool,
                    arguments: &answer.arguments,
                    text,
                    suspicious: answer.suspicious,
                })
            })
            .collect();
        with(&earlier, self.suspicious)
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.taken.give(self.bytes);
    }
}

/// The name by which specifications know a tool of a server: `SERVER__TOOL`, or its own where only that is there. A
/// server chooses its own names: one that reads as a tool of a server would take over what was said of that.
pub(crate) fn specified(specs: &ToolSpecs, server: &ServerName, tool: &str) -> String {
    let joined = join_tool(server, tool);
    if specs.tool(&joined).is_none() && specs.tool(tool).is_some() && split_tool(tool).is_none() {
        tool.to_owned()
    } else {
        joined
    }
}

/// What is done with one answer, beside giving it to the caller.
#[derive(Debug)]
pub(crate) struct Hearing {
    /// Where the side in front of the model knows texts again by, and whose they are.
    pub(crate) labels: Option<(Arc<Mutex<LabelStore>>, KeyId)>,
    /// Calls of this session are judged by what it was answered.
    pub(crate) judged: bool,
    pub(crate) server: ServerName,
    /// The server's own name of the tool, and the arguments.
    pub(crate) call: Option<(Box<str>, Value)>,
}

impl Hearing {
    /// Takes an answer as the caller gets it.
    pub(crate) fn hear(self, heard: &Mutex<Heard>, message: &[u8], limits: &Limits, suspicious: bool) {
        if self.labels.is_none() && !self.judged {
            return;
        }
        heavy::run(message.len(), || self.take(heard, message, limits, suspicious));
    }

    fn take(self, heard: &Mutex<Heard>, message: &[u8], limits: &Limits, suspicious: bool) {
        let Ok(document) = Document::parse(message, limits) else {
            return;
        };
        let said = said(&document);
        if let Some((labels, key)) = &self.labels {
            let source = match &self.call {
                Some((tool, _)) => join_tool(&self.server, tool),
                None => self.server.as_str().to_owned(),
            };
            let mut labels = labels.lock().unwrap_or_else(PoisonError::into_inner);
            for text in said.iter().filter(|text| text.len() >= PIECE_LETTERS) {
                labels.read(key.as_str(), &source, text);
            }
        }
        if !self.judged {
            return;
        }
        let (tool, arguments) = match self.call {
            Some((tool, arguments)) => (Some(tool), arguments),
            None => (None, Value::Null),
        };
        let bytes = said.iter().map(|text| text.len().saturating_add(64)).sum::<usize>();
        let answer = HeardAnswer {
            server: self.server,
            tool,
            bytes: bytes.saturating_add(arguments.to_string().len()),
            arguments,
            texts: said,
            suspicious,
        };
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }
}

/// The texts of an answer; what is structured is one text, as it stands.
fn said(document: &Document<'_>) -> Vec<String> {
    let root = document.root();
    let Some(answer) = root.get("result").or_else(|| root.get("error")) else {
        return Vec::new();
    };
    let structured = answer.get("structuredContent").map(|it| it.raw());
    let structured = structured.map(|raw| String::from_utf8_lossy(raw).into_owned());
    let spans = texts(document, answer, &Origin::Document, Whose::Server, &[]);
    let plain = spans.into_iter().filter(|span| {
        let inside = span.path.as_str().starts_with("/result/structuredContent/");
        span.form == Form::Text && !inside
    });
    structured
        .into_iter()
        .chain(plain.map(|span| span.text.into_owned()))
        .take(TEXTS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize, suspicious: bool) -> HeardAnswer {
        HeardAnswer {
            server: ServerName::parse("mail").unwrap(),
            tool: Some("read".into()),
            arguments: Value::Null,
            texts: vec!["x".repeat(bytes)],
            suspicious,
            bytes,
        }
    }

    #[test]
    fn a_session_and_all_of_them_stay_within_their_bounds() {
        let taken = Arc::new(Taken::default());
        let mut all = Vec::new();
        for _ in 0..400 {
            let mut heard = Heard::new(Arc::clone(&taken));
            for number in 0..200_usize {
                heard.push(answer(number.saturating_mul(37) % 9_000, number == 0));
                assert!(heard.bytes <= SESSION_BYTES_MAX && heard.answers.len() <= ANSWERS_MAX);
            }
            let kept: usize = heard.answers.iter().map(|it| it.bytes).sum();
            assert_eq!(kept, heard.bytes);
            // What was found is remembered longer than the text.
            assert!(heard.suspicious);
            all.push(heard);
            let sum: usize = all.iter().map(|it| it.bytes).sum();
            assert_eq!(taken.0.load(Ordering::Relaxed), sum);
            assert!(sum <= ALL_BYTES_MAX);
        }
        all.clear();
        assert_eq!(taken.0.load(Ordering::Relaxed), 0);
        let mut heard = Heard::new(taken);
        heard.push(answer(SESSION_BYTES_MAX + 1, true));
        assert!(heard.answers.is_empty() && heard.suspicious && heard.bytes == 0);
    }

    #[test]
    fn every_text_of_an_answer_is_heard() {
        let message = serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": {
            "content": [{"type": "text", "text": "one"}, {"type": "resource", "resource": {"uri": "a:b", "text": "two"}}],
            "structuredContent": {"rows": [{"name": "three", "n": 4}]}, "isError": false}});
        let message = message.to_string();
        let document = Document::parse(message.as_bytes(), &Limits::DEFAULT).unwrap();
        let said = said(&document);
        assert!(
            ["one", "two"].iter().all(|it| said.iter().any(|text| text == it)),
            "{said:?}"
        );
        assert_eq!(said.iter().filter(|text| text.contains("three")).count(), 1, "{said:?}");
        let failed = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"pay eve"}}"#;
        let document = Document::parse(failed, &Limits::DEFAULT).unwrap();
        assert_eq!(super::said(&document), ["pay eve"]);
    }

    #[test]
    fn names_are_those_of_the_specifications() {
        let mail = ServerName::parse("mail").unwrap();
        let specs = |text: &str| ToolSpecs::from_toml(text).unwrap();
        let (own, joined) = (
            specs("[tools.read]\neffect = \"read\"\n"),
            specs("[tools.mail__read]\neffect = \"read\"\n[tools.read]\neffect = \"write\"\n"),
        );
        assert_eq!(specified(&own, &mail, "read"), "read");
        assert_eq!(specified(&joined, &mail, "read"), "mail__read");
        assert_eq!(specified(&own, &mail, "send"), "mail__send");
        for named in ["mail__read", "web__read"] {
            let specs = specs(&format!("[tools.{named}]\neffect = \"read\"\n"));
            assert_eq!(specified(&specs, &mail, named), format!("mail__{named}"));
        }
        // Another server's tool of the same name is not the one that was specified.
        let mut heard = Heard::new(Arc::default());
        heard.push(answer(3, false));
        let web = ServerName::parse("web").unwrap();
        let seen = heard.earlier(&own, &web, |earlier, _| earlier.first().map(|it| it.tool.to_owned()));
        assert_eq!(seen.as_deref(), Some("mail__read"));
    }
}
