//! What indexing a conversation and judging its calls costs on one core; `cargo xtask bench-agents` runs it in release.
//!
//! The argument is the number of runs. Times are the processor's, so that what else the machine does takes no part;
//! the wall clock's stand beside them.
#![expect(clippy::disallowed_types, reason = "a measurement reads the clock")]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a measurement")]

use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testudo_policy::ProposedCall;
use testudo_policy::labels::{LabelKey, LabelLimits, LabelStore, Speaker};
use testudo_policy::provenance::{Conversation, Knobs, Limits, PolicyName, Reading, ToolSpecs};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const BYTES: usize = 256 << 10;
const ATOMS: usize = 50;
const CALLS: usize = 400;
const SPECS: &str = r#"
[tools.list_rows]
effect = "read"
reviewed = true
authoritative = ["$[*].email"]

[tools.send]
effect = "write"
external = true
reviewed = true
arguments = { to = "control" }
"#;

/// One kind of conversation: ordinary, or one that its author made to be slow.
struct Kind {
    name: &'static str,
    result: fn(usize) -> String,
    atom: fn(usize, usize) -> String,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "ordinary",
        result: |number| {
            if number.is_multiple_of(2) {
                return (0..3_000)
                    .map(|at| format!("word{} of the mail {} ", at * 7 + number, at % 97))
                    .collect();
            }
            let row = |at: usize| {
                let name = format!("Person {at} {number}");
                json!({ "row_id": format!("R-{number}-{at}"), "name": name, "email": format!("p{at}.{number}@site.example"), "city": "Winterthur" })
            };
            Value::from((0..200).map(row).collect::<Vec<_>>()).to_string()
        },
        atom: |call, at| match at % 4 {
            0 => format!("p{}.1@site.example", (at * 3 + call) % 200),
            1 => format!("nobody{at}{call}@evil.example"),
            2 => "ann.lee@site.example".to_owned(),
            _ => format!("word{}", at * 7 + call),
        },
    },
    Kind {
        name: "hostile",
        result: |number| {
            if number.is_multiple_of(2) {
                return "a b ".repeat(4_000);
            }
            Value::from(vec![json!({ "id": "1", "email": "a b" }); 600]).to_string()
        },
        atom: |_, at| match at % 3 {
            0 => "a b".to_owned(),
            1 => "a b a b a b c".to_owned(),
            _ => "1".to_owned(),
        },
    },
];

fn main() -> Outcome<()> {
    let runs: usize = std::env::args().nth(1).map_or(Ok(5), |runs| runs.parse())?;
    let mut out = io::stdout().lock();
    let specs = ToolSpecs::from_toml(SPECS)?;
    for kind in &KINDS {
        for run in 1..=runs {
            let began = Began::now();
            let (conversation, bytes) = conversation(&specs, kind);
            let built = began.spent();
            let (judged, first) = judged(&specs, kind, &conversation);
            writeln!(
                out,
                "{} {run}: {} kB, {ATOMS} values; index {} kB, built in {:.1} ms",
                kind.name,
                bytes / 1000,
                conversation.bytes() / 1000,
                ms(built.processor),
            )?;
            let rank = |of: fn(&Spent) -> Duration, share: usize| {
                let mut all: Vec<Duration> = judged.iter().map(of).collect();
                all.sort_unstable();
                ms(all
                    .get(all.len().saturating_sub(1) * share / 1000)
                    .copied()
                    .unwrap_or_default())
            };
            for (name, of) in [
                ("processor", (|it| it.processor) as fn(&Spent) -> Duration),
                ("wall", |it| it.wall),
            ] {
                let [half, most, nearly, all] = [500, 990, 999, 1000].map(|share| rank(of, share));
                writeln!(
                    out,
                    "   {name}: p50 {half:.3} p99 {most:.3} p99.9 {nearly:.3} max {all:.3} ms"
                )?;
            }
            writeln!(out, "   of them the first call {:.3} ms", ms(first.processor))?;
        }
    }
    labels(&mut out)
}

fn conversation(specs: &ToolSpecs, kind: &Kind) -> (Conversation, usize) {
    let mut conversation = Conversation::new(Limits::default(), Reading::Close);
    conversation.push_user(
        "Please send the report of March to ann.lee@site.example and everyone in the sales team, row 17 and the Winterthur office",
        &[],
    );
    let (mut bytes, mut number) = (0, 0);
    while bytes < BYTES {
        let text = (kind.result)(number);
        bytes += text.len();
        number += 1;
        conversation.push_result(specs, "list_rows", &json!({}), &text, false);
    }
    (conversation, bytes)
}

/// Facts, verdict and what the arguments would do, as the gateway asks for them.
fn judged(specs: &ToolSpecs, kind: &Kind, conversation: &Conversation) -> (Vec<Spent>, Spent) {
    let knobs = Knobs::from(PolicyName::Default);
    let mut spent = Vec::with_capacity(CALLS);
    for call in 0..CALLS {
        let to: Vec<String> = (0..ATOMS).map(|at| (kind.atom)(call, at)).collect();
        let arguments = json!({ "to": to });
        let began = Began::now();
        let judged = ProposedCall::of(&knobs, specs, conversation, "send", &arguments);
        spent.push(began.spent());
        std::hint::black_box(judged);
    }
    let first = spent.first().copied().unwrap_or_default();
    (spent, first)
}

/// Labels of the same texts: new, known, and looked for.
fn labels(out: &mut impl Write) -> Outcome<()> {
    let texts: Vec<String> = (0..400).map(|number| (KINDS[0].result)(number)).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let limits = LabelLimits {
        owner_bytes_max: 512 << 20,
        ..LabelLimits::default()
    };
    let mut store = LabelStore::new(LabelKey::new(&[17; 32]), limits);
    let mut say = |what: &str, spent: Spent| {
        let seconds = spent.processor.as_secs_f64().max(1e-9);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = bytes as f64 / 1e6 / seconds;
        writeln!(out, "labels, {what}: {rate:.0} MB/s")
    };
    for what in ["remembered", "known already"] {
        let began = Began::now();
        texts.iter().for_each(|text| store.read("owner", "tool", text));
        say(what, began.spent())?;
    }
    let began = Began::now();
    let found: usize = texts
        .iter()
        .map(|text| store.copied("owner", Speaker::System, text).len())
        .sum();
    say("found", began.spent())?;
    let empty = LabelStore::new(LabelKey::new(&[17; 32]), limits);
    let began = Began::now();
    let none: usize = texts
        .iter()
        .map(|text| empty.copied("owner", Speaker::System, text).len())
        .sum();
    say("looked for in vain", began.spent())?;
    writeln!(
        out,
        "   {found} and {none} spans; the store takes {} kB for {} kB",
        store.bytes() / 1000,
        bytes / 1000
    )?;
    Ok(())
}

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    processor: Duration,
}

struct Began {
    wall: Instant,
    processor: Duration,
}

impl Began {
    fn now() -> Self {
        Self {
            processor: processor(),
            wall: Instant::now(),
        }
    }

    fn spent(&self) -> Spent {
        Spent {
            wall: self.wall.elapsed(),
            processor: processor().saturating_sub(self.processor),
        }
    }
}

/// What this thread has had of the processor.
fn processor() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
