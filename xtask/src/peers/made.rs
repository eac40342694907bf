//! Made-up documents with values planted in them, each from its kind's own grammar with true check digits, and with
//! what only looks like one between them.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a generator")]

mod negatives;
mod personal;
mod secrets;

use serde_json::{Value, json};

/// Reproducible numbers; splitmix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30_u32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27_u32)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31_u32)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(1).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    pub(super) fn one<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        choices.get(self.below(choices.len())).copied()
    }

    pub(super) fn word(&mut self, choices: &[&'static str]) -> &'static str {
        self.one(choices).unwrap_or_default()
    }

    /// So many characters of an alphabet.
    pub(super) fn of(&mut self, alphabet: &str, count: usize) -> String {
        let bytes = alphabet.as_bytes();
        (0..count).filter_map(|_| self.one(bytes)).map(char::from).collect()
    }

    pub(super) fn digits(&mut self, count: usize) -> String {
        self.of("0123456789", count)
    }
}

/// One value and the sentence around it: what stands before, the value, what stands behind.
pub(super) struct Planted {
    pub(super) kind: &'static str,
    pub(super) before: String,
    pub(super) value: String,
    pub(super) after: &'static str,
}

/// Rows with personal data: `text`, and `spans` as start, end and kind.
pub(super) fn personal_rows(count: usize) -> Vec<Value> {
    let mut random = Random::new(0x7465_7374);
    (0..count)
        .map(|at| row("personal", at, &mut random, personal::KINDS, personal::planted))
        .collect()
}

/// Rows with secrets.
pub(super) fn secret_rows(count: usize) -> Vec<Value> {
    let mut random = Random::new(0x7375_646f);
    (0..count)
        .map(|at| row("secret", at, &mut random, secrets::KINDS, secrets::planted))
        .collect()
}

/// The kinds that are planted, in the order of their tables.
pub(super) fn kinds() -> (&'static [&'static str], &'static [&'static str]) {
    (personal::KINDS, secrets::KINDS)
}

fn row(
    name: &str,
    at: usize,
    random: &mut Random,
    kinds: &[&'static str],
    planted: fn(&'static str, &mut Random) -> Planted,
) -> Value {
    let mut text = String::new();
    let mut spans = Vec::new();
    // Every kind comes round equally often; what is beside it differs.
    for turn in 0..3 {
        let Some(kind) = kinds.get((at * 3 + turn) % kinds.len()) else {
            continue;
        };
        for _ in 0..random.below(3) {
            text.push_str(&negatives::sentence(name == "secret", random, &mut spans, text.len()));
            text.push('\n');
        }
        let Planted {
            kind,
            before,
            value,
            after,
        } = planted(kind, random);
        text.push_str(&before);
        let start = text.len();
        text.push_str(&value);
        spans.push(json!([start, text.len(), kind]));
        text.push_str(after);
        text.push('\n');
    }
    json!({"id": format!("{name}-{at}"), "text": text, "spans": spans})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_always_the_same_and_its_places_fit() {
        for rows in [personal_rows(60), secret_rows(60)] {
            for row in &rows {
                let text = row["text"].as_str().unwrap();
                assert!(text.is_ascii(), "places count characters and bytes alike");
                for span in row["spans"].as_array().unwrap() {
                    let [start, end] = [0, 1].map(|at| usize::try_from(span[at].as_u64().unwrap()).unwrap());
                    assert!(start < end && end <= text.len());
                }
            }
        }
        assert_eq!(personal_rows(9), personal_rows(9));
    }
}
