//! Our side of `cargo xtask peers`: scores and places for labelled rows, one JSON object a line.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a measurement prints what it found and reads the clock"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use testudo_detect::model::{CalibratedEncoder, Calibration, InjectionModel};
use testudo_detect::{Budget, Detector, Scope, Selection};
use testudo_encoder::{CALIBRATION, Transformer};
use testudo_types::{Direction, Origin, ThreatKind};

/// Windows of one text that the encoder is asked about, as in the gateway.
const WINDOWS_MAX: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, path] = arguments.as_slice() else {
        return Err("usage: detection_peers score|score-ngrams|spans ROWS".into());
    };
    let mut rows: Vec<Value> = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        rows.push(serde_json::from_str(&line?)?);
    }
    let detector = Arc::new(Detector::builtin().map_err(|problems| format!("{problems:?}"))?);
    let began = Instant::now();
    let encoded = match mode.as_str() {
        "score" => {
            let encoder = CalibratedEncoder {
                encoder: Arc::new(Transformer::shipped(NonZeroUsize::MIN)?),
                calibration: Calibration::from_toml(CALIBRATION)?,
            };
            score(&rows, &detector, &InjectionModel::builtin()?.with_encoder(encoder))?
        }
        "score-ngrams" => score(&rows, &detector, &InjectionModel::builtin()?)?,
        "spans" => {
            spans(&rows, &detector);
            0
        }
        other => return Err(format!("there is no mode `{other}`").into()),
    };
    println!(
        "{}",
        json!({"seconds": began.elapsed().as_secs_f64(), "texts": rows.len(), "encoded_windows": encoded})
    );
    Ok(())
}

fn text(row: &Value) -> &str {
    row.get("text").and_then(Value::as_str).unwrap_or_default()
}

fn id(row: &Value) -> &str {
    row.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn selection(detector: &Arc<Detector>, origin: Origin, kinds: &[ThreatKind]) -> Selection {
    detector.select(&Scope {
        direction: Direction::Request,
        origin,
        kinds: kinds.iter().copied().collect::<BTreeSet<_>>(),
    })
}

/// The higher of the rules' and the models' score, with their logit to order equal ones.
///
/// Returns how many windows the encoder read.
fn score(rows: &[Value], detector: &Arc<Detector>, model: &InjectionModel) -> Result<usize, Box<dyn Error>> {
    let mut encoded = 0_usize;
    let kinds = [ThreatKind::Injection];
    let rules: Vec<(Origin, Selection)> = Origin::ALL
        .iter()
        .map(|origin| (origin.clone(), selection(detector, origin.clone(), &kinds)))
        .collect();
    for row in rows {
        let name = row.get("origin").and_then(Value::as_str).unwrap_or("user");
        let (origin, rules) = rules
            .iter()
            .find(|(origin, _)| origin.as_str() == name)
            .ok_or_else(|| format!("there is no origin `{name}`"))?;
        let scan = rules.scan(text(row), &mut Budget::unlimited());
        let of_rules = scan.hits.iter().map(|hit| hit.score.percent()).max().unwrap_or(0);
        // As the gateway asks under `balanced`, which stops a text for one window of 70.
        let mut left = WINDOWS_MAX;
        let verdict = model.judge_with(
            &[text(row)],
            origin,
            &mut Budget::unlimited(),
            |_| true,
            |encoder, windows| {
                let asked: Vec<&str> = windows.iter().copied().take(left).collect();
                left = left.saturating_sub(asked.len());
                let logits = encoder.score(&asked).unwrap_or_default();
                logits.into_iter().map(Some).collect()
            },
        );
        encoded = encoded.saturating_add(verdict.encoded_windows);
        let logit = verdict.windows.first().map_or(0.0, |window| window.logit);
        let score = f32::from(of_rules.max(verdict.score.percent())) + logit.clamp(-50.0, 50.0) / 100.0;
        println!("{}", json!({"id": id(row), "score": score}));
    }
    Ok(encoded)
}

/// Every place of personal data and secrets, by the label of its rule.
fn spans(rows: &[Value], detector: &Arc<Detector>) {
    let rules = selection(detector, Origin::User, &[ThreatKind::PersonalData, ThreatKind::Secret]);
    for row in rows {
        let scan = rules.scan(text(row), &mut Budget::unlimited());
        let spans: Vec<Value> = scan
            .hits
            .iter()
            .filter_map(|hit| {
                Some(json!([
                    hit.start,
                    hit.end,
                    &*rules.rule(hit.rule)?.label,
                    rules.rule(hit.rule)?.kind.as_str()
                ]))
            })
            .collect();
        println!("{}", json!({"id": id(row), "spans": spans}));
    }
}
