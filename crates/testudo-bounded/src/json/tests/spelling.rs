//! Random values, and random ways to write each of them down.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value with distinct keys in every object.
pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Eighths, since serde_json reads other fractions to the nearest double but one.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..6).prop_map(|entries| Value::from(Map::from_iter(entries))),
        ]
    })
}

/// Text rich in what escapes and multi-byte characters can get wrong.
pub(super) fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        6 => prop::char::range('a', 'e'),
        3 => prop::sample::select(vec!['"', '\\', '/', '\n', '\r', '\t', '\u{8}', '\u{c}', '\0', '\u{1f}', '\u{7f}', '~']),
        2 => prop::sample::select(vec!['é', 'ß', '\u{2028}', '\u{feff}', '\u{fffd}', '\u{d7ff}', '\u{e000}', '😀', '\u{10ffff}']),
        1 => any::<char>(),
    ];
    prop::collection::vec(char, 0..20).prop_map(String::from_iter)
}

/// Source of arbitrary choices, from a seed that proptest can shrink.
pub(super) struct Choices(u64);

impl Choices {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

/// Writes `value` with white space and escapes as `choices` fall.
pub(super) fn spell(value: &Value, choices: &mut Choices) -> String {
    let mut out = String::new();
    spell_value(value, choices, &mut out);
    out
}

fn spell_value(value: &Value, choices: &mut Choices, out: &mut String) {
    space(choices, out);
    match value {
        Value::String(text) => spell_string(text, choices, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                spell_value(item, choices, out);
            }
            space(choices, out);
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (at, (key, item)) in entries.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                space(choices, out);
                spell_string(key, choices, out);
                space(choices, out);
                out.push(':');
                spell_value(item, choices, out);
            }
            space(choices, out);
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
    space(choices, out);
}

fn space(choices: &mut Choices, out: &mut String) {
    if choices.below(4) == 0 {
        out.push([' ', '\n', '\r', '\t'][choices.below(4)]);
    }
}

pub(super) fn spell_string(text: &str, choices: &mut Choices, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        let short = "\"\\/\u{8}\u{c}\n\r\t".find(char).map(|at| &r#""\/bfnrt"#[at..=at]);
        let bare = char >= ' ' && char != '"' && char != '\\';
        match (choices.below(3), short) {
            (0, _) if bare => out.push(char),
            (1, Some(letter)) => {
                out.push('\\');
                out.push_str(letter);
            }
            (2, _) | (_, None) if !bare || choices.below(2) == 0 => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let hex = format!("\\u{unit:04x}");
                    out.push_str(&if choices.below(2) == 0 {
                        hex
                    } else {
                        hex.to_uppercase().replace("\\U", "\\u")
                    });
                }
            }
            _ if bare => out.push(char),
            _ => {
                let unit = u32::from(char);
                out.push_str(&format!("\\u{unit:04X}"));
            }
        }
    }
    out.push('"');
}

/// What serde_json reads, refusing duplicate keys.
#[derive(Debug)]
pub(super) struct Unambiguous(pub(super) Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Self)
    }
}

struct UnambiguousVisitor;

impl<'de> Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unambiguous(item))) = entries.next_entry::<String, Unambiguous>()? {
            if object.insert(key, item).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(object.into())
    }
}
