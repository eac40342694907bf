//! Handles: ranges, places and meanings of values.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::super::{Document, Kind, Limits, NodeId};
use super::differential::read;
use super::parse;
use super::spelling::{Choices, spell, spell_string, text, value};

#[test]
fn values_keep_their_bytes_and_say_what_they_mean() {
    let text =
        r#" {"model":"gpt","n":1e3,"seed":12345678901234567890123,"a\u00e9":[true,null,"\u00e9"],"":{"x/y~":0}} "#;
    let document = parse(text);
    let root = document.root();
    assert_eq!(root.raw(), text.trim().as_bytes());
    assert_eq!(root.get("model").unwrap().as_str().unwrap(), "gpt");
    assert_eq!(root.get("n").unwrap().raw(), b"1e3");
    assert_eq!(
        (root.get("n").unwrap().as_u64(), root.get("n").unwrap().as_f64()),
        (None, Some(1000.0))
    );
    assert_eq!(root.get("seed").unwrap().as_u64(), None);
    let array = root.get("aé").unwrap();
    let items: Vec<_> = array.items().collect();
    assert_eq!(items.len(), 3);
    assert_eq!((items[0].as_bool(), items[1].is_null()), (Some(true), true));
    assert_eq!(
        (items[2].as_str().unwrap().as_ref(), items[2].raw()),
        ("é", &br#""\u00e9""#[..])
    );
    assert_eq!(items[2].pointer(), "/aé/2");
    assert_eq!((items[2].index_in_parent(), items[2].key()), (Some(2), None));
    assert_eq!(items[2].parent().unwrap().id(), array.id());
    let deep = root.get("").unwrap().get("x/y~").unwrap();
    assert_eq!((deep.pointer().as_str(), deep.as_u64()), ("//x~1y~0", Some(0)));
    assert_eq!(
        (root.pointer().as_str(), root.parent().is_none(), root.index_in_parent()),
        ("", true, None)
    );
    assert_eq!(document.node(deep.id()).pointer(), deep.pointer());
}

#[test]
fn questions_of_the_wrong_kind_have_no_answer() {
    let document = parse(r#"{"text":"1","list":["1"],"number":-1,"far":1e999}"#);
    let root = document.root();
    assert_eq!(
        (
            root.as_str(),
            root.as_bool(),
            root.as_u64(),
            root.as_f64(),
            root.literal()
        ),
        (None, None, None, None, None)
    );
    assert_eq!(root.items().count(), 0);
    assert_eq!(root.get("list").unwrap().entries().count(), 0);
    assert!(root.get("list").unwrap().get("0").is_none());
    assert!(root.get("text").unwrap().get("text").is_none());
    assert_eq!(root.get("text").unwrap().as_u64(), None);
    assert_eq!(root.get("number").unwrap().as_u64(), None);
    assert_eq!(root.get("far").unwrap().as_f64(), None);
    assert!(root.get("Text").is_none() && root.get("tex").is_none());
}

#[test]
fn an_id_of_another_document_is_harmless() {
    let stranger = document_id(r#"[1,2,[3,"x"]]"#);
    let document = parse("0");
    let node = document.node(stranger);
    assert_eq!((node.kind(), node.range(), node.raw()), (Kind::Null, 0..0, &b""[..]));
    assert_eq!(
        (node.pointer().as_str(), node.parent().is_none(), node.key()),
        ("", true, None)
    );
    assert_eq!(
        (node.items().count(), node.strings().count(), node.keys().count()),
        (0, 0, 0)
    );
}

fn document_id(text: &str) -> NodeId {
    parse(text).root().strings().next().unwrap().id()
}

#[test]
fn strings_and_keys_are_walked_in_document_order_with_nothing_left_out() {
    let text = r#"{"a":"1","b":[["2"],{"c":"3","d":{"e":{}}}],"f":"4"}"#;
    let document = parse(text);
    let strings: Vec<_> = document
        .root()
        .strings()
        .map(|node| node.as_str().unwrap().into_owned())
        .collect();
    assert_eq!(strings, ["1", "2", "3", "4"]);
    let keys: Vec<_> = document
        .root()
        .keys()
        .map(|key| key.decode(text.as_bytes()).into_owned())
        .collect();
    assert_eq!(keys, ["a", "b", "c", "d", "e", "f"]);
    let inner = document.root().get("b").unwrap();
    let strings: Vec<_> = inner.strings().map(|node| node.pointer()).collect();
    assert_eq!(strings, ["/b/0/0", "/b/1/c"]);
    let keys: Vec<_> = inner
        .keys()
        .map(|key| key.decode(text.as_bytes()).into_owned())
        .collect();
    assert_eq!(keys, ["c", "d", "e"]);
}

#[test]
fn neither_documents_nor_handles_print_their_text() {
    let document = parse(r#"{"k":"hush"}"#);
    let shown = format!("{document:?} {:?} {:?}", document.root(), document.root().strings());
    assert!(!shown.contains("hush"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_value_is_found_by_its_pointer_and_lies_within_its_parent(value in value(), seed in any::<u64>()) {
        let text = spell(&value, &mut Choices::new(seed));
        let document = Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
        let mut count = 0;
        for node in document.root().descendants() {
            count += 1;
            prop_assert_eq!(value.pointer(&node.pointer()), Some(&read(node)));
            if let Some(parent) = node.parent() {
                prop_assert!(parent.range().start < node.range().start && node.range().end < parent.range().end);
                let same = match node.key() {
                    Some(key) => parent.get(&key.decode(text.as_bytes())),
                    None => parent.items().nth(node.index_in_parent().unwrap()),
                };
                prop_assert_eq!(same.unwrap().id(), node.id());
            }
        }
        prop_assert_eq!(count, document.node_count());
    }

    #[test]
    fn every_decoded_range_maps_to_the_raw_bytes_that_say_it(text in text(), seed in any::<u64>()) {
        let mut raw = String::from("[ ");
        spell_string(&text, &mut Choices::new(seed), &mut raw);
        raw.push(']');
        let bytes = raw.as_bytes();
        let document = Document::parse(bytes, &Limits::DEFAULT).unwrap();
        let literal = document.root().items().next().unwrap().literal().unwrap();
        prop_assert_eq!(literal.decode(bytes), text.as_str());
        let whole = literal.raw_range(bytes, 0..text.len()).unwrap();
        prop_assert_eq!((whole.start, whole.end), (literal.range().start + 1, literal.range().end - 1));
        for start in 0..=text.len() + 1 {
            for end in 0..=text.len() + 1 {
                let mapped = literal.raw_range(bytes, start..end);
                let Some(part) = text.get(start..end) else {
                    prop_assert_eq!(mapped, None);
                    continue;
                };
                let quoted = format!("\"{}\"", &raw[mapped.unwrap()]);
                prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), part);
            }
        }
    }

    #[test]
    fn a_literal_asked_with_foreign_bytes_does_not_panic(
        text in text(), seed in any::<u64>(), foreign in proptest::collection::vec(any::<u8>(), 0..60), range in any::<(u8, u8)>(),
    ) {
        let mut raw = String::new();
        spell_string(&text, &mut Choices::new(seed), &mut raw);
        let document = Document::parse(raw.as_bytes(), &Limits::DEFAULT).unwrap();
        let literal = document.root().literal().unwrap();
        let range = usize::from(range.0)..usize::from(range.1);
        let hostile = format!("\\{text}\\ué😀\\ud83d\\");
        for bytes in [&foreign, hostile.as_bytes()] {
            drop(literal.decode(bytes));
            prop_assert!(literal.raw_range(bytes, range.clone()).is_none_or(|raw| raw.end <= bytes.len()));
        }
    }
}
