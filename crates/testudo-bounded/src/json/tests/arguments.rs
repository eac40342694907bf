//! JSON in pieces: the same for every cut, and the same as JSON in one piece.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::super::{ArgumentBuffer, Document, JsonError, JsonErrorKind, Limits, Progress};
use super::spelling::{Choices, spell, value};

#[test]
fn pieces_make_a_value() {
    let mut buffer = ArgumentBuffer::new(100);
    assert!(!buffer.complete());
    assert_eq!(buffer.push("").unwrap(), Progress::Partial);
    assert_eq!(buffer.push(r#"{"path":"/a"#).unwrap(), Progress::Partial);
    assert_eq!(buffer.push(r#"b"}"#).unwrap(), Progress::Complete);
    assert_eq!(buffer.push(" \n").unwrap(), Progress::Complete);
    assert!(buffer.complete());
    assert_eq!(buffer.text(), "{\"path\":\"/ab\"} \n");
    assert_eq!(buffer.into_text(), "{\"path\":\"/ab\"} \n");
}

#[test]
fn numbers_may_go_on() {
    let mut buffer = ArgumentBuffer::new(100);
    for (piece, progress) in [
        ("-", Progress::Partial),
        ("1", Progress::Complete),
        (".", Progress::Partial),
        ("5", Progress::Complete),
        ("e", Progress::Partial),
        ("+", Progress::Partial),
        ("7", Progress::Complete),
        (" ", Progress::Complete),
    ] {
        assert_eq!(buffer.push(piece).unwrap(), progress, "{piece}");
    }
    assert!(buffer.push("1").is_err());
}

#[test]
fn the_first_impossible_byte_ends_it_for_good() {
    for (text, offset, name) in [
        ("[1,]", 3, "unexpected_byte"),
        ("{]", 1, "unexpected_byte"),
        ("[}", 1, "unexpected_byte"),
        ("[1}", 2, "unexpected_byte"),
        ("{\"a\":1]", 6, "unexpected_byte"),
        ("{\"a\"}", 4, "unexpected_byte"),
        ("'", 0, "unexpected_byte"),
        ("\u{feff}{}", 0, "unexpected_byte"),
        ("{} x", 3, "trailing_data"),
        ("{}{}", 2, "trailing_data"),
        ("NaN", 0, "invalid_literal"),
        ("nulL", 3, "invalid_literal"),
        ("truex", 4, "trailing_data"),
        ("01", 1, "invalid_number"),
        ("-x", 1, "invalid_number"),
        ("1.,", 2, "invalid_number"),
        ("\"\\x", 2, "invalid_escape"),
        ("\"\\u12g", 5, "invalid_escape"),
        ("\"\n", 1, "control_character"),
        ("\"\\udc00", 6, "lone_surrogate"),
        ("\"\\ud83dx", 7, "lone_surrogate"),
        ("\"\\ud83d\\n", 8, "lone_surrogate"),
        ("\"\\ud83d\\u0041", 12, "lone_surrogate"),
    ] {
        let mut buffer = ArgumentBuffer::new(100);
        let error = buffer.push(text).unwrap_err();
        assert_eq!((error.offset(), error.kind().name()), (offset, name), "{text}");
        assert_eq!(buffer.text(), &text[..offset], "{text}");
        assert_eq!(buffer.push("]").unwrap_err(), error);
        assert!(!buffer.complete());
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let mut buffer = ArgumentBuffer::new(5);
    assert!(buffer.push("[\"é\"").is_ok());
    let error = buffer.push("]").unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (&JsonErrorKind::TooLarge { bytes_max: 5 }, 5)
    );
    let mut deep = ArgumentBuffer::new(1 << 21);
    let error = deep.push(&"[".repeat(1 << 20)).unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (&JsonErrorKind::TooDeep { depth_max: 128 }, 128)
    );
}

#[test]
fn its_text_is_not_printed() {
    let mut buffer = ArgumentBuffer::new(100);
    buffer.push("[\"hush\"]").unwrap();
    assert!(!format!("{buffer:?}").contains("hush"));
}

/// Feeds `text` cut at `cuts`; what it ends with, and the text it holds.
fn feed(text: &str, cuts: &[usize], limits: &Limits) -> (Result<bool, JsonError>, String) {
    let mut buffer = ArgumentBuffer::with_limits(limits);
    let mut cuts: Vec<_> = cuts
        .iter()
        .map(|&at| text.floor_char_boundary(at))
        .chain([text.len()])
        .collect();
    cuts.sort_unstable();
    let mut from = 0;
    let mut result = Ok(false);
    for cut in cuts {
        let pushed = buffer.push(&text[from..cut]);
        from = cut;
        result = pushed.map(|progress| progress == Progress::Complete);
    }
    (result, buffer.into_text())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_cut_gives_the_same_and_agrees_with_the_whole(
        value in value(), seed in any::<u64>(),
        damage in prop::option::weighted(0.7, (any::<prop::sample::Index>(), "[\\[\\]{}:,\"0-9.eE+tfn \\\\u'a]{0,2}")),
        cuts in prop::collection::vec(0..200_usize, 0..8),
        bytes_max in prop::option::weighted(0.2, 0..100_usize),
    ) {
        let mut text = spell(&value, &mut Choices::new(seed));
        if let Some((at, with)) = damage {
            let at = text.floor_char_boundary(at.index(text.len()));
            text.replace_range(at..text.ceil_char_boundary(at + 1), &with);
        }
        let limits = Limits { bytes_max: bytes_max.unwrap_or(1 << 20), ..Limits::DEFAULT };
        let whole = feed(&text, &[], &limits);
        prop_assert_eq!(&feed(&text, &cuts, &limits), &whole);
        let every: Vec<_> = (0..text.len()).collect();
        prop_assert_eq!(&feed(&text, &every, &limits), &whole);
        match Document::parse(text.as_bytes(), &limits) {
            Ok(_) => prop_assert_eq!(&whole.0, &Ok(true)),
            Err(error) if matches!(error.kind(), JsonErrorKind::DuplicateKey { .. }) => {}
            Err(_) => prop_assert!(whole.0 != Ok(true)),
        }
    }

    #[test]
    fn a_beginning_of_json_is_never_refused(value in value(), seed in any::<u64>(), at in any::<prop::sample::Index>()) {
        let text = spell(&value, &mut Choices::new(seed));
        let at = text.floor_char_boundary(at.index(text.len()));
        prop_assert!(feed(&text[..at], &[], &Limits::DEFAULT).0.is_ok());
    }
}
