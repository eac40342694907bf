//! The ledger: every promise that it makes has to be one it can keep.

use super::stores::{self, Words, is_loopback, web_address};
use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;
use crate::config::typed::{self, Typed};
use testudo_gateway::settings::{
    Content, LedgerSettings, Level, OnFailure, Recording, Rules, ShipSettings, WitnessSettings,
};
use testudo_ledger::{KeyKind, VerifierKey};
use testudo_recorder::{RecordClass, Regime, RuleError, Wanted};

/// What `[ledger]` says, apart from how routes record.
pub(super) fn ledger(typed: &Typed, files: &mut Files<'_>, problems: &mut Problems) -> LedgerSettings {
    let ledger = &typed.ledger;
    let witnesses: Vec<WitnessSettings> = ledger.witnesses.iter().filter_map(|it| witness(it, problems)).collect();
    LedgerSettings {
        checkpoint_interval_ms: ledger
            .checkpoint_interval_ms
            .as_ref()
            .map_or(LedgerSettings::CHECKPOINT_INTERVAL_MS_DEFAULT, |it| it.value),
        quorum: quorum(ledger, problems),
        witnesses,
        retention: retention(ledger.retention.as_ref(), problems),
        ship: ledger.ship.as_ref().and_then(|ship| self::ship(ship, files, problems)),
    }
}

/// How a route records: what it says itself, else what `[ledger]` says, else the default.
pub(super) fn recording(route: &typed::Route, all: &typed::Ledger, problems: &mut Problems) -> Recording {
    let name = format!("routes.{}.ledger", route.name.value);
    recording_of(&route.ledger, &name, all, problems)
}

/// The same for what is no route to a model.
pub(super) fn recording_of(
    typed: &typed::Recording,
    name: &str,
    all: &typed::Ledger,
    problems: &mut Problems,
) -> Recording {
    let own = named(typed, name, problems);
    // What is wrong in `[ledger]` itself is reported once, not for each route.
    let shared = named(&all.recording, "ledger", &mut Problems::new(""));
    let level = own.level.or(shared.level).unwrap_or(Recording::DEFAULT.level);
    if level == Level::Witnessed && all.witnesses.is_empty() {
        let line = typed.level.as_ref().or(all.recording.level.as_ref());
        problems.add(
            line.map(|it| it.line),
            "the level `witnessed` waits for witnesses and there are none, so no answer would ever leave",
            "add [[ledger.witnesses]] with name, url and vkey, or choose the level `integrated`",
        );
    }
    Recording {
        level,
        on_failure: own
            .on_failure
            .or(shared.on_failure)
            .unwrap_or(Recording::DEFAULT.on_failure),
        content: match own.content.or(shared.content) {
            Some(Kept::Nothing) => Content::None,
            Some(Kept::Sealed) | None => Content::Sealed {
                bytes_max: own.bytes_max.or(shared.bytes_max).unwrap_or(Content::BYTES_MAX_DEFAULT),
            },
        },
    }
}

/// Reports what is wrong in `[ledger]` about how routes record.
pub(super) fn shared(typed: &Typed, problems: &mut Problems) {
    let _named = named(&typed.ledger.recording, "ledger", problems);
}

#[derive(Debug, Default)]
struct Named {
    level: Option<Level>,
    on_failure: Option<OnFailure>,
    content: Option<Kept>,
    bytes_max: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Sealed,
    Nothing,
}

fn named(typed: &typed::Recording, path: &str, problems: &mut Problems) -> Named {
    let content = one_of(
        typed.content.as_ref(),
        &format!("{path}.content"),
        &[("sealed", Kept::Sealed), ("none", Kept::Nothing)],
        problems,
    );
    if let (Some(Kept::Nothing), Some(bytes)) = (content, &typed.content_bytes_max) {
        problems.at(
            bytes.line,
            format!("`{path}.content_bytes_max` bounds nothing: no content is kept"),
            "remove it, or set content = \"sealed\"",
        );
    }
    Named {
        level: one_of(
            typed.level.as_ref(),
            &format!("{path}.level"),
            &Level::ALL.map(|level| (level.as_str(), level)),
            problems,
        ),
        on_failure: one_of(
            typed.on_failure.as_ref(),
            &format!("{path}.on_failure"),
            &[OnFailure::Block, OnFailure::Degrade].map(|it| (it.as_str(), it)),
            problems,
        ),
        content,
        bytes_max: typed.content_bytes_max.as_ref().map(|it| it.value),
    }
}

fn one_of<T: Copy>(text: Option<&At<String>>, name: &str, known: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let text = text?;
    let found = known
        .iter()
        .find(|(known, _)| *known == text.value)
        .map(|(_, value)| *value);
    if found.is_none() {
        let remedy = did_you_mean(&text.value, known.iter().map(|(known, _)| *known));
        problems.at(
            text.line,
            format!("`{name}` cannot be `{}`", shown(&text.value)),
            remedy,
        );
    }
    found
}

fn witness(typed: &typed::Witness, problems: &mut Problems) -> Option<WitnessSettings> {
    let name = typed.name.as_ref()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.value.is_empty() || name.value == "none" || !name.value.chars().all(plain) {
        problems.at(
            name.line,
            format!("a witness cannot be called `{}`", shown(&name.value)),
            "use letters, digits, `-`, `_` and `.`, and not the word `none`",
        );
    }
    let url = typed.url.as_ref()?;
    let address = web_address(url, &["https", "http"], "the witness's `url`", problems);
    if let Some(address) = &address
        && address.scheme() == "http"
        && !is_loopback(address)
    {
        // What a witness says is signed; who listens still learns how much happens here.
        problems.at(
            url.line,
            "the witness would be asked in the clear",
            "write https, or run it on loopback",
        );
    }
    let vkey = typed.vkey.as_ref()?;
    match VerifierKey::parse(&vkey.value) {
        Ok(key) if key.kind() == KeyKind::Cosignature => {}
        Ok(_) => problems.at(
            vkey.line,
            "this key signs logs and not as a witness",
            "write the key that `testudo ledger witness-key` prints on the witness's machine",
        ),
        Err(error) => problems.at(vkey.line, error.to_string(), "copy the whole key again"),
    }
    Some(WitnessSettings {
        name: name.value.clone(),
        url: address?,
        vkey: vkey.value.clone(),
    })
}

fn quorum(ledger: &typed::Ledger, problems: &mut Problems) -> usize {
    let all = ledger.witnesses.len();
    let Some(quorum) = &ledger.quorum else {
        return all.min(1);
    };
    let wanted = usize::try_from(quorum.value).unwrap_or(usize::MAX);
    if wanted > all {
        let what = if all == 0 {
            "`ledger.quorum` asks for witnesses and there are none".to_owned()
        } else {
            format!(
                "`ledger.quorum` is {wanted} and there are only {all} witnesses, so nothing would ever be witnessed"
            )
        };
        problems.at(quorum.line, what, "add [[ledger.witnesses]] or ask for fewer");
    }
    wanted.min(all)
}

fn retention(typed: Option<&typed::Retention>, problems: &mut Problems) -> Rules {
    let Some(typed) = typed else {
        return Rules::default();
    };
    let mut wanted = Wanted::default();
    for regime in &typed.regimes {
        match Regime::from_name(&regime.value) {
            Some(known) => {
                wanted.regimes.insert(known);
            }
            None => problems.at(
                regime.line,
                format!("there is no regime `{}`", shown(&regime.value)),
                did_you_mean(&regime.value, Regime::ALL.map(Regime::as_str)),
            ),
        }
    }
    let by_class = |all: &[(RecordClass, At<u32>)]| all.iter().map(|(class, days)| (*class, days.value)).collect();
    wanted.days = by_class(&typed.periods);
    wanted.maximum_days = by_class(&typed.maxima);
    match Rules::settle(&wanted) {
        Ok((rules, _warnings)) => rules,
        Err(error) => {
            let (RuleError::BelowFloor { class, .. }
            | RuleError::AboveMaximum { class, .. }
            | RuleError::Days { class, .. }) = &error;
            let own = typed.periods.iter().chain(&typed.maxima).find(|(own, _)| own == class);
            problems.add(own.map(|(_, days)| days.line), error.to_string(), "");
            Rules::default()
        }
    }
}

fn ship(typed: &typed::Ship, files: &mut Files<'_>, problems: &mut Problems) -> Option<ShipSettings> {
    let url = stores::url(typed.url.as_ref()?, "ledger.ship", problems)?;
    let words = Words {
        section: "ledger.ship",
        without: "nothing would be shipped",
        instead: "ship to a folder",
        crosses: "the copy",
    };
    let s3 = stores::reached(typed, &url, &words, files, problems);
    Some(ShipSettings { url, s3 })
}
