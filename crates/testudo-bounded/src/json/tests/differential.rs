//! Our reader against serde_json: the same texts accepted, the same values read.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_assume, prop_oneof, proptest};
use serde_json::{Map, Value};

use super::super::{Document, Kind, Limits, Node};
use super::spelling::{Choices, Unambiguous, spell, value};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_spelling_reads_as_the_value(value in value(), seed in any::<u64>()) {
        let text = spell(&value, &mut Choices::new(seed));
        let document = Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
        prop_assert_eq!(read(document.root()), value);
    }

    #[test]
    fn a_damaged_text_is_accepted_exactly_when_serde_json_accepts_it(
        value in value(),
        seed in any::<u64>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let mut bytes = spell(&value, &mut Choices::new(seed)).into_bytes();
        for (at, damage) in damage {
            damage.inflict(at.index(bytes.len() + 1), &mut bytes);
        }
        agree(&bytes)?;
    }

    #[test]
    fn soup_is_accepted_exactly_when_serde_json_accepts_it(
        parts in prop::collection::vec(prop::sample::select(SOUP), 0..12),
    ) {
        agree(&parts.concat())?;
    }
}

const SOUP: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"a\"",
    b"\"\\u0061\"",
    b"\"b\"",
    b"\"",
    b"\\",
    b"\\u",
    b"d83d",
    b"\\ude00",
    b"0",
    b"1",
    b"-",
    b".",
    b"e",
    b"E+",
    b"12",
    b"true",
    b"false",
    b"null",
    b"nul",
    b"NaN",
    b" ",
    b"\n",
    b"\x0b",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\xc3\xa9",
    b"/",
    b"'",
    b"{}",
    b"[]",
    b"[1,2]",
    b"{\"a\":1}",
];

#[derive(Debug, Clone)]
enum Damage {
    Insert(Vec<u8>),
    Remove,
    Replace(u8),
    Truncate,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => prop::sample::select(SOUP).prop_map(|part| Damage::Insert(part.to_vec())),
        3 => Just(Damage::Remove),
        3 => any::<u8>().prop_map(Damage::Replace),
        1 => Just(Damage::Truncate),
    ]
}

impl Damage {
    fn inflict(self, at: usize, bytes: &mut Vec<u8>) {
        match self {
            Self::Insert(part) => drop(bytes.splice(at..at, part)),
            Self::Remove if at < bytes.len() => drop(bytes.remove(at)),
            Self::Replace(byte) if at < bytes.len() => bytes[at] = byte,
            Self::Truncate => bytes.truncate(at),
            Self::Remove | Self::Replace(_) => {}
        }
    }
}

fn agree(bytes: &[u8]) -> Result<(), proptest::test_runner::TestCaseError> {
    let theirs = serde_json::from_slice::<Unambiguous>(bytes).map(|Unambiguous(value)| value);
    // RFC 8259 has no range for numbers; what exceeds a double passes unread.
    prop_assume!(
        !theirs
            .as_ref()
            .is_err_and(|error| error.to_string().contains("out of range"))
    );
    let ours = Document::parse(bytes, &Limits::DEFAULT);
    let ours = ours.as_ref().map(|document| read(document.root()));
    prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "ours {:?}, theirs {:?}", ours, theirs);
    if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
        prop_assert_eq!(ours, theirs);
    }
    Ok(())
}

/// The value as serde_json would hold it.
pub(super) fn read(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.as_bool().unwrap().into(),
        Kind::Number => serde_json::from_slice(node.raw()).unwrap(),
        Kind::String => node.as_str().unwrap().into(),
        Kind::Array => node.items().map(read).collect::<Vec<_>>().into(),
        Kind::Object => {
            let entries = node
                .entries()
                .map(|(_, item)| (item.key_text().unwrap().into_owned(), read(item)));
            Map::from_iter(entries).into()
        }
    }
}
