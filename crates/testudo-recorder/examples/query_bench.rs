//! Measures the query index: `cargo xtask bench-query`, or with a folder and a number of entries as arguments.
//!
//! Builds an index of made-up entries, the same each time, and asks it each kind of question some hundred times
//! with other values.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a measurement prints its table and reads the clock"
)]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a measurement")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hdrhistogram::Histogram;
use testudo_ledger::Hash;
use testudo_ledger::entry::{
    Body, Digest, Direction, Entry, Exchange, FindingCount, PrincipalPseudonym, TenantPseudonym,
};
use testudo_recorder::index::{Facet, Index};
use testudo_recorder::query::{Filter, Order, Reader};
use testudo_types::{Action, UnixMillis, Verdict};

/// 1 January 2026.
const START_MS: u64 = 1_767_225_600_000;
/// Between two entries on the average; ten million are 29 days.
const STEP_MS: u64 = 250;
const BATCH: u64 = 4_096;
const ASKED: u64 = 300;
const PAGE: usize = 100;
const ROUTES: u64 = 20;
const MODELS: u64 = 8;
const TENANTS: u64 = 50;
const PRINCIPALS: u64 = 10_000;
const RULES: u64 = 60;

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let entries: u64 = arguments.next().ok_or("how many entries?")?.parse()?;
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("index.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        build(&path, entries).await?;
        println!();
        println!("| question, newest {PAGE} | p50 ms | p99 ms | most ms | entries found |");
        println!("| --- | ---: | ---: | ---: | ---: |");
        for question in QUESTIONS {
            ask(&path, entries, question).await?;
        }
        count(&path).await?;
        println!();
        println!("memory of the process: {}", memory("VmRSS:")?);
        println!("most of it so far:     {}", memory("VmHWM:")?);
        Ok(())
    })
}

/// The same numbers each time.
fn mixed(seed: u64) -> u64 {
    let mut it = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

/// A number below `count`, the smaller the likelier.
fn skewed(seed: u64, count: u64) -> u64 {
    let (a, b) = (mixed(seed) % count, mixed(seed ^ 0xff) % count);
    a * b / count
}

fn principal(number: u64) -> PrincipalPseudonym {
    PrincipalPseudonym::from_bytes(u128::from(number).to_be_bytes())
}

fn tenant(number: u64) -> TenantPseudonym {
    TenantPseudonym::from_bytes(u128::from(number).to_be_bytes())
}

fn rule(number: u64) -> String {
    format!("pack.rule_{number:02}")
}

fn entry(index: u64) -> Entry {
    let caller = skewed(index * 11, PRINCIPALS);
    let found = mixed(index * 13) % 100 < 8;
    let denied = found && mixed(index * 17).is_multiple_of(4);
    let (verdict, action, outcome) = match (found, denied) {
        (_, true) => (Verdict::Deny, Action::Block, "blocked"),
        (true, _) => (Verdict::Modify, Action::Mask, "masked"),
        _ => (Verdict::Allow, Action::Pass, "completed"),
    };
    let finding = FindingCount {
        action,
        count: 1,
        direction: Direction::Request,
        kind: "personal_data".to_owned(),
        rule: rule(skewed(index * 19, RULES)),
    };
    let exchange = Exchange {
        action,
        detail: String::new(),
        duration_ms: 900,
        edited: found,
        findings: if found { vec![finding] } else { Vec::new() },
        findings_omitted: None,
        first_byte_ms: Some(300),
        forwarded: !denied,
        id: id(index),
        input_tokens: Some(500),
        model: Some(format!("model-{}", skewed(index * 23, MODELS))),
        model_version: None,
        operation: "chat".to_owned(),
        outcome: outcome.to_owned(),
        output_tokens: Some(200),
        policies: vec!["default".to_owned()],
        policy_digest: Digest::from_bytes([7; 32]),
        request_bytes: 4_000,
        response_bytes: 2_000,
        route: format!("route-{}", skewed(index * 29, ROUTES)),
        scanned_request: Vec::new(),
        scanned_response: Vec::new(),
        status: 200,
        streamed: true,
        upstream: "upstream".to_owned(),
        verdict,
    };
    Entry {
        at: START_MS + index * STEP_MS + mixed(index) % STEP_MS,
        tenant: Some(tenant(caller % TENANTS)),
        principal: Some(principal(caller)),
        payload: None,
        body: Body::Exchange(exchange),
    }
}

fn id(index: u64) -> String {
    format!("ex_{:016x}{:08x}", mixed(index * 31), index & 0xffff_ffff)
}

async fn build(path: &Path, entries: u64) -> Result<(), Failed> {
    let mut index = Index::open(path, "testudo/bench").await?;
    index.clear().await?;
    let mut in_index = std::time::Duration::ZERO;
    let mut first = 0;
    while first < entries {
        let batch: Vec<Entry> = (first..entries.min(first + BATCH)).map(entry).collect();
        let last = Hash::leaf(&batch.last().ok_or("a batch is empty")?.encode()?);
        let began = Instant::now();
        index.append(first, &batch, &last).await?;
        in_index += began.elapsed();
        first += BATCH;
    }
    index.close().await;
    let rate = u128::from(entries) * 1_000 / in_index.as_millis().max(1);
    let bytes = std::fs::metadata(path)?.len();
    println!(
        "built {entries} entries in {:.1} s: {rate} entries/s",
        in_index.as_secs_f64()
    );
    println!("file: {} MB, {} bytes an entry", bytes >> 20, bytes / entries.max(1));
    println!("memory while building, most: {}", memory("VmHWM:")?);
    Ok(())
}

/// What is asked, with a number that makes each time another.
type Question = (&'static str, fn(u64, u64) -> Filter);

const QUESTIONS: [Question; 12] = [
    ("time range of an hour", |seed, entries| {
        let since = START_MS + mixed(seed) % (entries * STEP_MS);
        Filter {
            since: Some(UnixMillis(since)),
            until: Some(UnixMillis(since + 3_600_000)),
            ..Filter::default()
        }
    }),
    ("route", |seed, _| route(seed)),
    ("principal", |seed, _| caller(seed)),
    ("rule", |seed, _| by_rule(seed)),
    ("verdict", |seed, _| by_verdict(seed)),
    ("id", |seed, entries| Filter {
        id: Some(id(mixed(seed) % entries)),
        ..Filter::default()
    }),
    ("an id that is not there", |seed, _| Filter {
        id: Some(format!("ex_{seed}")),
        ..Filter::default()
    }),
    ("route, verdict and rule", |seed, _| Filter {
        rule: by_rule(seed).rule,
        verdict: by_verdict(seed).verdict,
        ..route(seed)
    }),
    ("principal and rule", |seed, _| Filter {
        rule: by_rule(seed).rule,
        ..caller(seed)
    }),
    ("principal and rule in a range of days", |seed, entries| {
        let since = START_MS + mixed(seed) % (entries * STEP_MS);
        Filter {
            since: Some(UnixMillis(since)),
            until: Some(UnixMillis(since + 5 * 86_400_000)),
            rule: by_rule(seed).rule,
            ..caller(seed)
        }
    }),
    ("two common values that never meet", |seed, _| Filter {
        verdict: Some("modify".to_owned()),
        action: Some("block".to_owned()),
        ..route(seed)
    }),
    ("the oldest of the last day", |_, entries| Filter {
        since: Some(UnixMillis((START_MS + entries * STEP_MS).saturating_sub(86_400_000))),
        ..Filter::default()
    }),
];

fn route(seed: u64) -> Filter {
    Filter {
        route: Some(format!("route-{}", mixed(seed) % ROUTES)),
        ..Filter::default()
    }
}

fn caller(seed: u64) -> Filter {
    Filter {
        principal: Some(principal(mixed(seed) % PRINCIPALS).to_string()),
        ..Filter::default()
    }
}

fn by_rule(seed: u64) -> Filter {
    Filter {
        rule: Some(rule(mixed(seed ^ 5) % RULES)),
        ..Filter::default()
    }
}

fn by_verdict(seed: u64) -> Filter {
    let verdicts = ["allow", "modify", "deny"];
    let chosen = verdicts.iter().cycle().nth(usize::try_from(seed % 3).unwrap_or(0));
    Filter {
        verdict: chosen.map(|it| (*it).to_owned()),
        ..Filter::default()
    }
}

async fn ask(path: &Path, entries: u64, (name, filter): Question) -> Result<(), Failed> {
    let mut times = Histogram::<u64>::new(3)?;
    let mut found = 0;
    // As a command does it: opened for the question.
    for seed in 0..ASKED {
        let filter = filter(seed, entries);
        let began = Instant::now();
        let mut reader = Reader::open(path).await?;
        let page = reader.find(&filter, Order::NewestFirst, PAGE, None).await?;
        times.record(u64::try_from(began.elapsed().as_micros())?)?;
        found += page.rows.len();
    }
    println!(
        "| {name} | {} | {} | {} | {found} |",
        milliseconds(times.value_at_quantile(0.5)),
        milliseconds(times.value_at_quantile(0.99)),
        milliseconds(times.max())
    );
    Ok(())
}

async fn count(path: &Path) -> Result<(), Failed> {
    println!();
    println!("| count of the whole log by | values | ms |");
    println!("| --- | ---: | ---: |");
    for (name, facet) in [
        ("verdict", Facet::Verdict),
        ("route", Facet::Route),
        ("rule", Facet::Rule),
    ] {
        let mut reader = Reader::open(path).await?;
        let began = Instant::now();
        let counted = reader.count(&Filter::default(), facet).await?;
        let micros = u64::try_from(began.elapsed().as_micros())?;
        println!("| {name} | {} | {} |", counted.len(), milliseconds(micros));
    }
    Ok(())
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:01}", micros / 1_000, micros % 1_000 / 100)
}

/// A line of what Linux says about this process.
fn memory(name: &str) -> Result<String, Failed> {
    let status = testudo_bounded::read_text("/proc/self/status", 1 << 16)?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    Ok(line
        .ok_or("the system does not say how much memory is used")?
        .trim()
        .to_owned())
}
