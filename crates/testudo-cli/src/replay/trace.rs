//! One recorded trace of an agent: who said what, and which calls were made.

use std::ops::Range;

use serde_json::{Map, Value};

/// What a trace is an example of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Benign,
    /// With the kind of attacker.
    Attack(String),
    BenignUnderAttack,
}

#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) id: String,
    pub(crate) suite: String,
    pub(crate) class: Option<String>,
    pub(crate) kind: Kind,
    /// From the ledger: which calls have consequences, and which definitions were reviewed, the specifications say.
    pub(crate) recorded: bool,
    pub(crate) extra_tools: Vec<Value>,
    pub(crate) events: Vec<Event>,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    System(String),
    User {
        content: String,
        /// Byte ranges that the application says it inserted.
        pasted: Vec<Range<usize>>,
    },
    Call(Box<Call>),
    /// A result that is read; the call was judged elsewhere.
    Read(Box<Call>),
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    pub(crate) by_injection: bool,
    pub(crate) consequential: bool,
    /// Absent when the call failed or gave nothing.
    pub(crate) result: Option<String>,
}

impl Trace {
    /// Reads a line.
    ///
    /// # Errors
    /// What is missing or wrong, for people.
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(line).map_err(|error| format!("is not JSON ({error})"))?;
        let Value::Object(object) = value else {
            return Err("is not an object; write {\"id\": …, \"suite\": …, \"events\": […]}".to_owned());
        };
        let id = text(&object, "id")?;
        let suite = text(&object, "suite")?;
        let kind = match text(&object, "kind")?.as_str() {
            "benign" => Kind::Benign,
            "benign_under_attack" => Kind::BenignUnderAttack,
            "attack" => Kind::Attack(text(&object, "attacker").unwrap_or_else(|_| "static".to_owned())),
            other => {
                return Err(format!(
                    "has the unknown kind `{}`; known are `benign`, `attack` and `benign_under_attack`",
                    other.chars().take(60).collect::<String>()
                ));
            }
        };
        let events = object
            .get("events")
            .and_then(Value::as_array)
            .ok_or("has no `events`")?;
        let events = events
            .iter()
            .enumerate()
            .map(|(at, event)| Event::read(event).map_err(|what| format!("event {}: {what}", at.saturating_add(1))));
        Ok(Self {
            id,
            suite,
            class: text(&object, "class").ok(),
            kind,
            recorded: false,
            extra_tools: object
                .get("extra_tools")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
            events: events.collect::<Result<_, _>>()?,
        })
    }
}

impl Event {
    fn read(event: &Value) -> Result<Self, String> {
        if let Some(message) = event.get("message").and_then(Value::as_object) {
            let content = text(message, "content")?;
            return match text(message, "role")?.as_str() {
                "system" => Ok(Self::System(content)),
                "user" => Ok(Self::User {
                    pasted: spans(&content, message.get("pasted"))?,
                    content,
                }),
                other => Err(format!(
                    "the unknown role `{}`",
                    other.chars().take(60).collect::<String>()
                )),
            };
        }
        let call = event.get("call").and_then(Value::as_object);
        let call = call.ok_or("is neither a `message` nor a `call`")?;
        let is = |key: &str| event.get(key).and_then(Value::as_bool).unwrap_or_default();
        Ok(Self::Call(Box::new(Call {
            tool: text(call, "name")?,
            arguments: call.get("arguments").cloned().unwrap_or(Value::Object(Map::new())),
            by_injection: event.get("by").and_then(Value::as_str) == Some("injection"),
            consequential: is("consequential"),
            result: event
                .get("result")
                .and_then(Value::as_str)
                .filter(|_| !is("failed"))
                .map(str::to_owned),
        })))
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Result<String, String> {
    let value = object.get(key).and_then(Value::as_str);
    value
        .map(str::to_owned)
        .ok_or_else(|| format!("has no `{key}`, or one that is not a string"))
}

/// Spans are counted in characters; what is used are bytes.
fn spans(content: &str, written: Option<&Value>) -> Result<Vec<Range<usize>>, String> {
    let wrong = || "`pasted` is not a list of [start, end]".to_owned();
    let Some(written) = written.filter(|it| !it.is_null()) else {
        return Ok(Vec::new());
    };
    let places: Vec<usize> = content.char_indices().map(|(at, _)| at).collect();
    let byte = |at: &Value| {
        let at = usize::try_from(at.as_u64()?).ok()?;
        Some(places.get(at).copied().unwrap_or(content.len()))
    };
    let spans = written.as_array().ok_or_else(wrong)?.iter().map(|span| {
        let (start, end) = (span.get(0).and_then(byte), span.get(1).and_then(byte));
        Some(start?..end?).filter(|span| span.start <= span.end)
    });
    spans.collect::<Option<_>>().ok_or_else(wrong)
}
