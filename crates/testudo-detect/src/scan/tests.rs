//! Where words end in a text that is read in parts, held against looking for each word at each place.

use aho_corasick::dfa::Builder;
use proptest::prelude::*;

use super::*;

const WORDS: [&str; 7] = ["a", "key", "secret", "ret", "ssn", "passport number", "е-mail"];

/// Each end of each word, by reading side by side.
fn in_lanes(text: &str) -> Vec<(usize, usize)> {
    let words = Builder::new().ascii_case_insensitive(true).build(WORDS).unwrap();
    let found = word_ends(&words, text.as_bytes());
    assert!(found.is_sorted_by(|a, b| a.0 < b.0), "not in order");
    let each = |(end, state): (usize, StateID)| {
        let words = &words;
        (0..words.match_len(state)).map(move |index| (end, words.match_pattern(state, index).as_usize()))
    };
    let mut all: Vec<_> = found.into_iter().flat_map(each).collect();
    all.sort_unstable();
    all
}

/// The same by looking for each word before each place.
fn one_by_one(text: &str) -> Vec<(usize, usize)> {
    let before = |end: usize, word: &str| {
        let start = end.checked_sub(word.len())?;
        text.as_bytes().get(start..end)
    };
    let ends = (1..=text.len()).flat_map(|end| WORDS.iter().enumerate().map(move |it| (end, it)));
    ends.filter(|(end, (_, word))| before(*end, word).is_some_and(|it| it.eq_ignore_ascii_case(word.as_bytes())))
        .map(|(end, (index, _))| (end, index))
        .collect()
}

#[test]
fn words_across_the_edges_of_parts_are_found_once() {
    for pad in 0..40 {
        let filler = ".".repeat(500);
        let word = WORDS[pad % WORDS.len()];
        let text = format!("{}{word}{filler}", format!("{filler}{word}").repeat(3).split_off(pad));
        assert_eq!(in_lanes(&text), one_by_one(&text), "{pad}");
    }
    let text = "secret passport number ".repeat(120);
    for end in 1000..1100 {
        let text = text.get(..end).unwrap();
        assert_eq!(in_lanes(text), one_by_one(text), "{end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn all_words_are_found_where_they_end(
        parts in prop::collection::vec(
            prop_oneof![
                prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
                prop::sample::select(WORDS.to_vec()).prop_map(str::to_uppercase),
                "[ a-z.é]{0,12}",
            ],
            0..600,
        ),
    ) {
        let text = parts.concat();
        prop_assert_eq!(in_lanes(&text), one_by_one(&text));
    }
}
