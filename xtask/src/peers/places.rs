//! Personal data and secrets: precision and recall by kind on the made-up set, and speed.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::{Answers, Bench, blind, install, made, percent, table};
use crate::output;

/// What each side calls a kind: ours by rule label, presidio's by entity.
const NAMES: &[(&str, &[&str], &[&str])] = &[
    ("email", &["EMAIL"], &["EMAIL_ADDRESS"]),
    ("phone", &["PHONE"], &["PHONE_NUMBER"]),
    ("card", &["PAYMENT_CARD"], &["CREDIT_CARD"]),
    ("iban", &["IBAN"], &["IBAN_CODE"]),
    ("us ssn", &["US_SSN"], &["US_SSN"]),
    ("us itin", &["US_ITIN"], &["US_ITIN"]),
    ("us passport", &["PASSPORT"], &["US_PASSPORT"]),
    ("driver licence", &["DRIVER_LICENCE"], &["US_DRIVER_LICENSE"]),
    ("bank account", &["BANK_ACCOUNT"], &["US_BANK_NUMBER"]),
    ("uk nhs", &["UK_NHS"], &["UK_NHS"]),
    ("uk nino", &["UK_NINO"], &["UK_NINO"]),
    ("ip address", &["IP_ADDRESS"], &["IP_ADDRESS"]),
    ("mac address", &["MAC_ADDRESS"], &["MAC_ADDRESS"]),
    ("wallet", &["WALLET_ADDRESS"], &["CRYPTO"]),
    ("date of birth", &["DATE_OF_BIRTH"], &["DATE_TIME"]),
    ("us dea", &["US_DEA"], &["MEDICAL_LICENSE"]),
    ("us npi", &["US_NPI"], &["US_NPI"]),
    ("us mbi", &["US_MBI"], &["US_MBI"]),
    ("aadhaar", &["IN_AADHAAR"], &["IN_AADHAAR"]),
    ("au tfn", &["AU_TFN"], &["AU_TFN"]),
    ("za id", &["ZA_ID"], &["ZA_ID_NUMBER"]),
    ("person (label)", &["NAME"], &["PERSON"]),
    ("person (prose)", &["NAME"], &["PERSON"]),
    ("street address", &["STREET_ADDRESS", "POSTCODE"], &["LOCATION"]),
];
/// What detect-secrets reports and does not call a secret.
const NO_SECRET: &str = "Public IP (ipv4)";

pub(super) fn personal(bench: &Bench, count: usize) -> anyhow::Result<()> {
    let rows = made::personal_rows(count);
    let path = bench.work.join("personal.jsonl");
    blind(&rows, &path)?;
    output::step(&format!("personal data in {} made-up texts", rows.len()));
    let ours = bench.ours("testudo", "spans", &path)?;
    let peer = bench.peer(
        "presidio",
        "presidio_spans.py",
        install::python(&install::PRESIDIO),
        &path,
    );
    let sure = peer.as_ref().map(surer);
    let sides: Vec<(Answers, Vec<Names>)> = std::iter::once((ours, NAMES.iter().map(|it| (it.0, it.1)).collect()))
        .chain(
            peer.into_iter()
                .chain(sure)
                .map(|peer| (peer, NAMES.iter().map(|it| (it.0, it.2)).collect())),
        )
        .collect();
    report(&rows, made::kinds().0, &sides);
    Ok(())
}

/// The same answers without the places of which the peer is less than half sure, as its users often set it.
fn surer(peer: &Answers) -> Answers {
    let sure = |span: &Value| span.get(4).and_then(Value::as_f64).is_none_or(|score| score >= 0.5);
    let kept = |row: &Value| {
        let spans = row.get("spans").and_then(Value::as_array).cloned().unwrap_or_default();
        let spans: Vec<Value> = spans.into_iter().filter(sure).collect();
        serde_json::json!({"spans": spans})
    };
    Answers {
        name: "presidio, 0.5",
        rows: peer.rows.iter().map(|(id, row)| (id.clone(), kept(row))).collect(),
        texts_per_second: peer.texts_per_second,
    }
}

pub(super) fn secrets(bench: &Bench, count: usize) -> anyhow::Result<()> {
    let rows = made::secret_rows(count);
    let path = bench.work.join("secrets.jsonl");
    blind(&rows, &path)?;
    output::step(&format!("secrets in {} made-up texts", rows.len()));
    let ours = bench.ours("testudo", "spans", &path)?;
    let peer = bench.peer(
        "detect-secrets",
        "detect_secrets_spans.py",
        install::python(&install::DETECT_SECRETS),
        &path,
    );
    // A secret under any name is found.
    let sides: Vec<(Answers, Vec<Names>)> = std::iter::once(ours)
        .chain(peer)
        .map(|side| (side, Vec::new()))
        .collect();
    report(&rows, made::kinds().1, &sides);
    Ok(())
}

/// A kind and what a side calls it.
type Names = (&'static str, &'static [&'static str]);

#[derive(Default, Clone, Copy)]
struct Tally {
    planted: u32,
    found: u32,
    wrong: u32,
}

impl Tally {
    fn recall(self) -> Option<f64> {
        (self.planted > 0).then(|| f64::from(self.found) / f64::from(self.planted))
    }

    fn precision(self) -> Option<f64> {
        let reported = self.found.saturating_add(self.wrong);
        (reported > 0).then(|| f64::from(self.found) / f64::from(reported))
    }

    fn f1(self) -> Option<f64> {
        let (precision, recall) = (self.precision()?, self.recall()?);
        (precision + recall > 0.0).then(|| 2.0 * precision * recall / (precision + recall))
    }

    fn cells(self) -> [String; 3] {
        [self.precision(), self.recall(), self.f1()].map(percent)
    }
}

/// A place in a text with a name.
struct Place<'a> {
    range: Range<u64>,
    name: &'a str,
    kind: &'a str,
}

fn places<'a>(row: Option<&'a Value>) -> Vec<Place<'a>> {
    let spans = row
        .and_then(|row| row["spans"].as_array())
        .map(Vec::as_slice)
        .unwrap_or_default();
    spans
        .iter()
        .filter_map(|span| {
            Some(Place {
                range: span[0].as_u64()?..span[1].as_u64()?,
                name: span[2].as_str()?,
                kind: span[3].as_str().unwrap_or_default(),
            })
        })
        .collect()
}

fn touch(left: &Place<'_>, right: &Place<'_>) -> bool {
    left.range.start < right.range.end && right.range.start < left.range.end
}

/// Counts one side: by kind under its own name for it, and in all under any name.
fn tally(rows: &[Value], answers: &Answers, names: &[Names]) -> (BTreeMap<String, Tally>, Tally) {
    let mut by_kind: BTreeMap<String, Tally> = BTreeMap::new();
    let mut total = Tally::default();
    let wanted = |kind: &str, place: &Place<'_>| match names.iter().find(|(known, _)| *known == kind) {
        Some((_, own)) => own.contains(&place.name),
        None => place.kind == "secret" && place.name != NO_SECRET,
    };
    let counts = |place: &Place<'_>| match names {
        [] => place.kind == "secret" && place.name != NO_SECRET,
        names => names.iter().any(|(_, own)| own.contains(&place.name)),
    };
    for row in rows {
        let planted = places(Some(row));
        let found = places(row["id"].as_str().and_then(|id| answers.rows.get(id)));
        for truth in planted.iter().filter(|truth| truth.name != "neutral") {
            let own = by_kind.entry(truth.name.to_owned()).or_default();
            let hit = found
                .iter()
                .any(|place| touch(place, truth) && wanted(truth.name, place));
            let any = found.iter().any(|place| touch(place, truth) && counts(place));
            own.planted = own.planted.saturating_add(1);
            own.found = own.found.saturating_add(u32::from(hit));
            total.planted = total.planted.saturating_add(1);
            total.found = total.found.saturating_add(u32::from(any));
        }
        // Where something is planted, another name for it is no false alarm for the set as a whole.
        for place in found.iter().filter(|place| counts(place)) {
            let neutral = planted
                .iter()
                .any(|truth| truth.name == "neutral" && touch(place, truth));
            if !neutral && !planted.iter().any(|truth| touch(place, truth)) {
                total.wrong = total.wrong.saturating_add(1);
            }
            for (kind, own) in names.iter().filter(|(_, own)| own.contains(&place.name)) {
                let right = planted.iter().any(|truth| {
                    touch(place, truth)
                        && (truth.name == "neutral" || own.contains(&place.name) && same(truth.name, kind, names))
                });
                if !right {
                    let wrong = &mut by_kind.entry((*kind).to_owned()).or_default().wrong;
                    *wrong = wrong.saturating_add(1);
                }
            }
        }
    }
    (by_kind, total)
}

/// Whether two kinds have the same name on this side, as both kinds of person.
fn same(left: &str, right: &str, names: &[Names]) -> bool {
    let of = |kind: &str| names.iter().find(|(known, _)| *known == kind).map(|(_, own)| *own);
    left == right || (of(left).is_some() && of(left) == of(right))
}

fn report(rows: &[Value], kinds: &[&str], sides: &[(Answers, Vec<Names>)]) {
    let mut head = vec!["percent".to_owned(), "planted".to_owned()];
    for (answers, _) in sides {
        head.extend([
            format!("{} precision", answers.name),
            "recall".to_owned(),
            "F1".to_owned(),
        ]);
    }
    let tallies: Vec<(BTreeMap<String, Tally>, Tally)> = sides
        .iter()
        .map(|(answers, names)| tally(rows, answers, names))
        .collect();
    let of = |tally: &(BTreeMap<String, Tally>, Tally), kind: &str| tally.0.get(kind).copied().unwrap_or_default();
    let mut lines = vec![head];
    for kind in kinds {
        let planted = tallies.first().map_or(0, |first| of(first, kind).planted);
        let mut line = vec![(*kind).to_owned(), planted.to_string()];
        for (tally, (_, names)) in tallies.iter().zip(sides) {
            let [precision, recall, f1] = of(tally, kind).cells();
            // Without names by kind nothing is a false alarm of one kind.
            line.extend(if names.is_empty() {
                ["-".to_owned(), recall, "-".to_owned()]
            } else {
                [precision, recall, f1]
            });
        }
        lines.push(line);
    }
    let planted = tallies.first().map_or(0, |first| first.1.planted);
    let mut total = vec!["all, under any name".to_owned(), planted.to_string()];
    tallies.iter().for_each(|tally| total.extend(tally.1.cells()));
    lines.push(total);
    table(&lines);
    let ours = sides.first().map_or(0.0, |(ours, _)| ours.texts_per_second);
    for (answers, _) in sides {
        let factor = ours / answers.texts_per_second.max(1e-9);
        output::line(&format!(
            "{}: {:.0} texts/s, ours is faster by {factor:.1}",
            answers.name, answers.texts_per_second
        ));
    }
    output::line("");
}
