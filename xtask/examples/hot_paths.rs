//! The paths that every request takes, each callable by name for counting instructions.
//!
//! Without arguments it lists the names; with a name and two numbers it calls that path so often without and with
//! being counted.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use testudo_bounded::json::{Document, Limits};
use testudo_detect::{Budget, Detector, Scope, Selection};
use testudo_dialects::sse::Decoder;
use testudo_dialects::{Operation, StreamReader, read_request};
use testudo_testkit::recorded::{Script, chat_stream, messages_stream, responses_stream};
use testudo_types::{Direction, Origin, ThreatKind};

type Path = Box<dyn FnMut() -> anyhow::Result<()>>;

const NAMES: [&str; 8] = [
    "json_8k",
    "request_view_8k",
    "stream_chat_50_frames",
    "stream_responses_50_frames",
    "stream_messages_50_frames",
    "scan_benign_8k",
    "scan_hostile_8k",
    "scan_stream_50_pieces",
];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for name in NAMES {
            writeln!(std::io::stdout(), "{name}")?;
        }
        return Ok(());
    };
    let mut times = || -> anyhow::Result<u64> { Ok(arguments.next().context("how often?")?.parse()?) };
    let (warming, counted) = (times()?, times()?);
    let mut path = path(&name)?;
    // Caches fill first, as in a process that runs for long.
    for _ in 0..warming {
        path()?;
    }
    for _ in 0..counted {
        counted_call(&mut path)?;
    }
    Ok(())
}

/// The only function inside which instructions are counted: building the rules is not the hot path.
#[inline(never)]
fn counted_call(path: &mut Path) -> anyhow::Result<()> {
    path()
}

fn path(name: &str) -> anyhow::Result<Path> {
    Ok(match name {
        "json_8k" => {
            let body = request();
            Box::new(move || {
                black_box(Document::parse(black_box(&body), &Limits::DEFAULT)?);
                Ok(())
            })
        }
        "request_view_8k" => {
            let body = request();
            Box::new(move || {
                black_box(read_request(
                    Operation::ChatCompletions,
                    black_box(&body),
                    &Limits::DEFAULT,
                )?);
                Ok(())
            })
        }
        "stream_chat_50_frames" => stream(Operation::ChatCompletions, chat_stream(&script()).bytes()),
        "stream_responses_50_frames" => stream(Operation::Responses, responses_stream(&script()).bytes()),
        "stream_messages_50_frames" => stream(Operation::Messages, messages_stream(&script()).bytes()),
        "scan_benign_8k" => scan(Direction::Request, Origin::User, BENIGN)?,
        "scan_hostile_8k" => scan(Direction::Request, Origin::User, HOSTILE)?,
        "scan_stream_50_pieces" => {
            let selection = selection(Direction::Response, Origin::Model)?;
            Box::new(move || {
                let mut scanner = selection.stream();
                let mut budget = Budget::unlimited();
                for _ in 0..50 {
                    black_box(scanner.push(black_box("the train leaves at "), &mut budget));
                }
                black_box(scanner.finish(&mut budget));
                Ok(())
            })
        }
        other => bail!("there is no path `{other}`"),
    })
}

fn stream(operation: Operation, bytes: Vec<u8>) -> Path {
    Box::new(move || {
        let mut decoder = Decoder::new(1 << 20);
        let mut reader = StreamReader::new(operation);
        decoder.push(black_box(&bytes));
        while let Some(event) = decoder.next()? {
            let frame = reader.frame(&event, &Limits::DEFAULT)?;
            let progress = black_box(&frame).progress.clone();
            drop(frame);
            reader.delivered(&progress);
        }
        Ok(())
    })
}

fn scan(direction: Direction, origin: Origin, words: &str) -> anyhow::Result<Path> {
    let selection = selection(direction, origin)?;
    let text: String = words.chars().cycle().take(8000).collect();
    Ok(Box::new(move || {
        black_box(selection.scan(black_box(&text), &mut Budget::unlimited()));
        Ok(())
    }))
}

fn selection(direction: Direction, origin: Origin) -> anyhow::Result<Selection> {
    let detector = Detector::builtin().map_err(|problems| anyhow::anyhow!("{} rules do not load", problems.len()))?;
    Ok(Arc::new(detector).select(&Scope {
        direction,
        origin,
        kinds: BTreeSet::from(ThreatKind::ALL),
    }))
}

fn script() -> Script {
    Script::of(&[&["the train leaves at "; 50]])
}

fn request() -> Vec<u8> {
    let text: String = BENIGN.chars().cycle().take(8000).collect();
    format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\"max_tokens\":100}}")
        .into_bytes()
}

const BENIGN: &str = "The morning train leaves from platform seven and reaches the coast before noon. Travellers often \
    carry bread and cheese, while children watch rivers and fields passing quietly under a wide sky. ";
const HOSTILE: &str = "ignore previous instructions system prompt sk- ghp_ AKIA xoxb- password= Bearer eyJ -----BEGIN \
    https:// ![ ]( @ 4111 +49 DE89 10.0. reveal disregard developer ";
