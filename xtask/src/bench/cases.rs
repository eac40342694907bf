//! What is measured: the load profiles with their bodies, rates and guards.

use serde_json::json;

/// One row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) guards: Guards,
    pub(crate) body: Vec<u8>,
    /// The mock's settings.
    pub(crate) mock: &'static [&'static str],
    pub(crate) connections: usize,
    /// Requests a second; 0 saturates.
    pub(crate) rate: u64,
    pub(crate) must_contain: &'static str,
}

/// Which guards the gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guards {
    /// Key check and policy decision only.
    None,
    /// The same with limits on every counter.
    Limits,
    /// The shipped `balanced` profile and limits.
    Balanced,
    /// Every detector runs, nothing is changed.
    Observe,
}

impl Guards {
    pub(crate) fn profile(self) -> &'static str {
        match self {
            Self::None | Self::Limits => "passthrough",
            Self::Balanced => "balanced",
            Self::Observe => "observe",
        }
    }

    pub(crate) fn limits(self) -> Option<String> {
        match self {
            Self::None | Self::Observe => None,
            Self::Limits | Self::Balanced => Some(
                "requests_per_minute = 1000000000, tokens_per_minute = 1000000000000, concurrent = 10000".to_owned(),
            ),
        }
    }
}

/// All rows; see `docs/performance.md` for what each shows.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = whole_answers();
    cases.extend(streams());
    cases.extend(large_and_hostile());
    cases
}

fn whole_answers() -> Vec<Case> {
    let small = || chat(&prose(900), Shape::Whole);
    let large = || chat(&prose(8000), Shape::Whole);
    let none = Guards::None;
    let all = Guards::Balanced;
    vec![
        case("P0", "passthrough, 1 connection", none, small()).sent(SMALL, 1, 200),
        case("P0 c8", "passthrough, 8 connections", none, small()).sent(SMALL, 8, 1000),
        case(
            "P0 max",
            "passthrough, 32 connections, as fast as it goes",
            none,
            small(),
        )
        .sent(SMALL, 32, 0),
        case("P1", "+ limits", Guards::Limits, small()).sent(SMALL, 1, 200),
        case("P2", "+ guards in and out, 8 KB in, 2 KB out", all, large()).sent(LARGE, 1, 100),
        case("P2 c8", "the same, 8 connections", all, large()).sent(LARGE, 8, 400),
        case("P2 max", "the same, 32 connections, as fast as it goes", all, large()).sent(LARGE, 32, 0),
    ]
}

fn streams() -> Vec<Case> {
    let all = Guards::Balanced;
    let mut cases = vec![
        case(
            "P3",
            "stream, 50 frames at 5 ms, masking both ways",
            all,
            chat(&personal(), Shape::Stream),
        )
        .sent(PACED, 8, 20),
        case(
            "P3 burst",
            "stream, 50 frames back to back",
            all,
            chat(&personal(), Shape::Stream),
        )
        .sent(BURST, 1, 50),
        case(
            "P4",
            "stream with two tool calls",
            all,
            chat(&prose(900), Shape::StreamWithTools),
        )
        .sent(TOOLS, 1, 50),
        case(
            "P8 bytes",
            "stream in one-byte chunks",
            all,
            chat(&prose(900), Shape::Stream),
        )
        .sent(BYTES, 1, 5),
    ];
    for case in &mut cases {
        case.must_contain = "[DONE]";
    }
    cases
}

fn large_and_hostile() -> Vec<Case> {
    let all = Guards::Balanced;
    let whole = |text: &str| chat(text, Shape::Whole);
    vec![
        case("P7 256K", "256 KB in", all, whole(&prose(256 << 10))).sent(SMALL, 1, 10),
        case("P7 2M", "2 MB in", all, whole(&prose(2 << 20))).sent(SMALL, 1, 2),
        case(
            "P8 words",
            "8 KB of trigger words and key prefixes",
            Guards::Observe,
            whole(&hostile(8000)),
        )
        .sent(SMALL, 1, 20),
        case("P8 deep", "JSON 100 levels deep", all, deep()).sent(SMALL, 1, 100),
    ]
}

const SMALL: &[&str] = &["body_bytes=600"];
const LARGE: &[&str] = &["body_bytes=2000"];
const PACED: &[&str] = &["chunks=47", "chunk_bytes=20", "interval_ms=5"];
const BURST: &[&str] = &["chunks=47", "chunk_bytes=20"];
const TOOLS: &[&str] = &["chunks=10", "chunk_bytes=20", "tools=2"];
const BYTES: &[&str] = &["chunks=10", "chunk_bytes=20", "split=bytes:1:1"];

fn case(id: &'static str, title: &'static str, guards: Guards, body: Vec<u8>) -> Case {
    Case {
        id,
        title,
        guards,
        body,
        mock: SMALL,
        connections: 1,
        rate: 1,
        must_contain: "choices",
    }
}

impl Case {
    /// `rate` 0 saturates.
    fn sent(mut self, mock: &'static [&'static str], connections: usize, rate: u64) -> Self {
        self.mock = mock;
        self.connections = connections;
        self.rate = rate;
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    Stream,
    StreamWithTools,
}

const TOOLS_OFFERED: &str = r#"[{"type":"function","function":{"name":"get_weather","description":"The weather of a city for some days","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}}]"#;

fn chat(text: &str, shape: Shape) -> Vec<u8> {
    let messages = json!([
        {"role": "system", "content": "You answer questions about travel in one paragraph."},
        {"role": "user", "content": text},
    ]);
    let more = match shape {
        Shape::Whole => String::new(),
        Shape::Stream => ",\"stream\":true".to_owned(),
        Shape::StreamWithTools => format!(",\"stream\":true,\"tools\":{TOOLS_OFFERED}"),
    };
    format!("{{\"model\":\"mock-1\",\"messages\":{messages},\"temperature\":0.2,\"max_tokens\":256{more}}}")
        .into_bytes()
}

/// An unknown field may hold anything; this one is deep, and still within the bound of 128.
fn deep() -> Vec<u8> {
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let text = String::from_utf8(chat("deep", Shape::Whole)).unwrap_or_default();
    text.replacen('{', &format!("{{\"x_nested\":{nested},"), 1).into_bytes()
}

/// Ordinary sentences, never the same one twice in a row.
fn prose(bytes: usize) -> String {
    const WORDS: [&str; 40] = [
        "the",
        "morning",
        "train",
        "leaves",
        "from",
        "platform",
        "seven",
        "and",
        "reaches",
        "coast",
        "before",
        "noon",
        "travellers",
        "often",
        "carry",
        "bread",
        "cheese",
        "while",
        "children",
        "watch",
        "rivers",
        "fields",
        "passing",
        "quietly",
        "under",
        "a",
        "wide",
        "sky",
        "where",
        "swallows",
        "turn",
        "above",
        "old",
        "bridges",
        "of",
        "stone",
        "near",
        "market",
        "towns",
        "again",
    ];
    scramble(&WORDS, bytes)
}

/// Words that wake many rules without completing one.
fn hostile(bytes: usize) -> String {
    const WORDS: [&str; 24] = [
        "ignore",
        "previous",
        "instructions",
        "system",
        "prompt",
        "sk-",
        "ghp_",
        "AKIA",
        "xoxb-",
        "password=",
        "Bearer",
        "eyJ",
        "-----BEGIN",
        "https://",
        "![",
        "](",
        "@",
        "4111",
        "+49",
        "DE89",
        "10.0.",
        "reveal",
        "disregard",
        "developer",
    ];
    scramble(&WORDS, bytes)
}

/// Prose with a mail address and a card number (the industry's test number), so that placeholders are live.
fn personal() -> String {
    format!(
        "{} write to jo.miller@fields.example about card 4111 1111 1111 1111",
        prose(900)
    )
}

fn scramble(words: &[&str], bytes: usize) -> String {
    let mut out = String::with_capacity(bytes);
    let mut state: usize = 1;
    while out.len() < bytes {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        let at = (state >> 8).checked_rem(words.len()).unwrap_or(0);
        out.push_str(words.get(at).copied().unwrap_or(""));
        out.push(if state & 0x1f00 == 0 { '.' } else { ' ' });
    }
    out
}
