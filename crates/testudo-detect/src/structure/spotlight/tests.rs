//! Marks stand in no marked text, stay the same over turns, and come off again.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a panic is a failed test"
)]

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Insertion, Marker, Style, WORDS_MAX};
use crate::pseudonym::Restorer;

fn code(seed: u8) -> impl Fn(u32) -> Option<[u8; 8]> {
    move |attempt| Some([seed, u8::try_from(attempt).unwrap(), 3, 7, 31, 127, 200, 255])
}

fn marked(marker: &Marker, text: &str) -> String {
    let mut out = text.to_owned();
    for Insertion { at, text } in marker.insertions(text).iter().rev() {
        out.insert_str(*at, text);
    }
    out
}

#[test]
fn delimiters_stand_around_a_text() {
    let marker = Marker::choose(Style::Delimit, code(1), &[]).unwrap();
    let code = &marker.code;
    assert_eq!(code.len(), 13);
    assert_eq!(
        marked(&marker, "a b"),
        format!("[[DATA_{code}]]\na b\n[[/DATA_{code}]]")
    );
    assert!(marker.instruction().contains(&format!("[[/DATA_{code}]]")));
    assert_eq!(marked(&marker, " \n"), " \n");
}

#[test]
fn words_are_marked() {
    let marker = Marker::choose(Style::Datamark, code(1), &[]).unwrap();
    let word = marker.word();
    assert_eq!(marked(&marker, " a\n\tbé  c"), format!(" {word}a\n\t{word}bé  {word}c"));
    let long = "x ".repeat(WORDS_MAX * 3);
    assert_eq!(marker.insertions(&long).len(), WORDS_MAX);
}

#[test]
fn a_mark_that_stands_in_a_text_is_replaced() {
    for style in [Style::Delimit, Style::Datamark] {
        let first = Marker::choose(style, code(1), &[]).unwrap();
        let seen = first.needle().to_uppercase();
        let second = Marker::choose(style, code(1), &["x", &seen]).unwrap();
        assert_ne!(first, second);
        assert_eq!(
            Marker::choose(style, code(1), &[&seen]),
            Some(second),
            "the same for the same texts"
        );
        assert_eq!(Marker::choose(style, |_| None, &[]), None);
        let all: String = (0..8)
            .map(|n| Marker::choose(style, |_| code(1)(n), &[]).unwrap().code)
            .collect();
        if style == Style::Delimit {
            assert_eq!(Marker::choose(style, code(1), &[&all]), None);
        }
    }
}

#[test]
fn debug_does_not_show_the_code() {
    let marker = Marker::choose(Style::Delimit, code(1), &[]).unwrap();
    assert!(!format!("{marker:?}").contains(&marker.code));
}

proptest! {
    #[test]
    fn what_is_marked_comes_off_again(text in ".{0,60}", seed in any::<u8>(), cut in any::<proptest::sample::Index>()) {
        for style in [Style::Delimit, Style::Datamark] {
            let marker = Marker::choose(style, code(seed), &[&text]).unwrap();
            prop_assert!(!text.contains(&marker.needle()));
            let whole = marked(&marker, &text);
            let restorer = Restorer::default().removing(marker.echoes());
            let expected = match style {
                Style::Delimit if !text.trim().is_empty() => format!("\n{text}\n"),
                _ => text.clone(),
            };
            prop_assert_eq!(restorer.restore(&whole), expected.as_str());
            let at = whole.floor_char_boundary(cut.index(whole.len() + 1));
            let mut stream = crate::pseudonym::RestoreStream::new(restorer);
            let mut streamed = stream.push(&whole[..at]);
            streamed.push_str(&stream.push(&whole[at..]));
            streamed.push_str(&stream.finish());
            prop_assert_eq!(streamed, expected);
        }
    }
}
