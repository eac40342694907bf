//! What the configuration says of the ledger, as typed.

use testudo_recorder::RecordClass;

use super::super::document::{At, Section};
use super::super::problem::Problems;
use super::super::quantity::{self, NotThis};
use super::{SecretSource, secret};

const DAY_MS: u64 = 86_400_000;
const YEARS_100_MS: u64 = 36_525 * DAY_MS;

/// `[ledger]`.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// What applies to routes that say nothing else.
    pub(crate) recording: Recording,
    pub(crate) checkpoint_interval_ms: Option<At<u64>>,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) quorum: Option<At<u64>>,
    pub(crate) retention: Option<Retention>,
    pub(crate) ship: Option<Ship>,
}

/// How exchanges are recorded; also `ledger = { … }` of a route.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) level: Option<At<String>>,
    pub(crate) on_failure: Option<At<String>>,
    pub(crate) content: Option<At<String>>,
    pub(crate) content_bytes_max: Option<At<usize>>,
}

/// One of `[[ledger.witnesses]]`.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) name: Option<At<String>>,
    pub(crate) url: Option<At<String>>,
    pub(crate) vkey: Option<At<String>>,
}

/// `[ledger.retention]`.
#[derive(Debug)]
pub(crate) struct Retention {
    pub(crate) regimes: Vec<At<String>>,
    /// Own periods in days, by class of record.
    pub(crate) periods: Vec<(RecordClass, At<u32>)>,
    /// Declared maxima in days, by class of record.
    pub(crate) maxima: Vec<(RecordClass, At<u32>)>,
}

/// `[ledger.ship]`: a store and how it is reached; also part of `[vault]`.
#[derive(Debug)]
pub(crate) struct Ship {
    pub(crate) line: usize,
    pub(crate) url: Option<At<String>>,
    pub(crate) endpoint: Option<At<String>>,
    pub(crate) region: Option<At<String>>,
    pub(crate) access_key_id: Option<At<SecretSource>>,
    pub(crate) secret_access_key: Option<At<SecretSource>>,
}

/// Reads `[ledger]`.
pub(super) fn ledger(mut section: Section<'_>, problems: &mut Problems) -> Ledger {
    let ledger = Ledger {
        recording: settings(&mut section, problems),
        checkpoint_interval_ms: section.quantity("checkpoint_interval", interval, problems),
        witnesses: section
            .tables("witnesses", problems)
            .into_iter()
            .map(|section| witness(section, problems))
            .collect(),
        quorum: section.quantity("quorum", quantity::count, problems),
        retention: section
            .section("retention", problems)
            .map(|section| retention(section, problems)),
        ship: section.section("ship", problems).map(|section| ship(section, problems)),
    };
    section.finish(problems);
    ledger
}

/// Reads `ledger = { … }` of a route.
pub(super) fn recording(mut section: Section<'_>, problems: &mut Problems) -> Recording {
    let recording = settings(&mut section, problems);
    section.finish(problems);
    recording
}

fn settings(section: &mut Section<'_>, problems: &mut Problems) -> Recording {
    Recording {
        level: section.text("level", problems),
        on_failure: section.text("on_failure", problems),
        content: section.text("content", problems),
        content_bytes_max: section.quantity("content_bytes_max", content_size, problems),
    }
}

fn witness(mut section: Section<'_>, problems: &mut Problems) -> Witness {
    section.require("name", "\"NAME\"", problems);
    section.require("url", "\"https://…\"", problems);
    section.require(
        "vkey",
        "\"…\", as `testudo ledger witness-key` prints it there",
        problems,
    );
    let witness = Witness {
        name: section.text("name", problems),
        url: section.text("url", problems),
        vkey: section.text("vkey", problems),
    };
    section.finish(problems);
    witness
}

fn retention(mut section: Section<'_>, problems: &mut Problems) -> Retention {
    let regimes = section.texts("regimes", problems);
    let periods = by_class(&mut section, problems);
    let maxima = match section.section("maximum", problems) {
        Some(mut maximum) => {
            let maxima = by_class(&mut maximum, problems);
            maximum.finish(problems);
            maxima
        }
        None => Vec::new(),
    };
    section.finish(problems);
    Retention {
        regimes,
        periods,
        maxima,
    }
}

fn by_class(section: &mut Section<'_>, problems: &mut Problems) -> Vec<(RecordClass, At<u32>)> {
    let days = |class: RecordClass| Some((class, section.quantity(class.as_str(), days, problems)?));
    RecordClass::ALL.into_iter().filter_map(days).collect()
}

fn ship(mut section: Section<'_>, problems: &mut Problems) -> Ship {
    section.require("url", "\"s3://BUCKET/PREFIX\" or \"file:///PATH\"", problems);
    let ship = address(&mut section, problems);
    section.finish(problems);
    ship
}

/// The settings of a store among others of a section.
pub(super) fn address(section: &mut Section<'_>, problems: &mut Problems) -> Ship {
    Ship {
        line: section.line,
        url: section.text("url", problems),
        endpoint: section.text("endpoint", problems),
        region: section.text("region", problems),
        access_key_id: secret(section, "access_key_id", problems),
        secret_access_key: secret(section, "secret_access_key", problems),
    }
}

fn interval(text: &str) -> Result<u64, NotThis> {
    match quantity::duration_ms(text)? {
        ms @ 10..=3_600_000 => Ok(ms),
        _ => Err(NotThis("write an interval from 10ms to 1h")),
    }
}

fn days(text: &str) -> Result<u32, NotThis> {
    let hint = NotThis("write whole days from \"1d\" to \"36525d\"");
    match quantity::duration_ms(text) {
        Ok(ms @ DAY_MS..=YEARS_100_MS) if ms % DAY_MS == 0 => u32::try_from(ms / DAY_MS).map_err(|_| hint),
        _ => Err(hint),
    }
}

fn content_size(text: &str) -> Result<usize, NotThis> {
    match quantity::bytes(text)? {
        size @ 1024..=67_108_864 => Ok(size),
        _ => Err(NotThis("write a size from 1 KiB to 64 MiB, or content = \"none\"")),
    }
}
