//! The words of a text as the bits of its bytes tell them, held against a reading byte by byte.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of a test are of lengths that it chose; one that overflows fails it"
)]

use proptest::prelude::*;

use super::*;

/// The signs of a text that is read from its first byte to its last.
fn sequential(text: &[u8]) -> Signs {
    let mut signs = Signs::default();
    let mut scan = Scan::new(&LEXICON);
    let is_sign = |byte: &u8| byte.is_ascii_digit() || b"@$!|+".contains(byte);
    let mut start = None;
    let mut others = 0;
    for (at, byte) in text.iter().chain(b" ").enumerate() {
        if byte.is_ascii_alphabetic() || is_sign(byte) {
            start.get_or_insert(at);
            others += usize::from(is_sign(byte));
        } else if let Some(start) = start.take() {
            scan.end(start..at, others, text, &mut signs);
            others = 0;
        }
    }
    scan.close_spelled(&mut signs);
    signs
}

fn by_bits(text: &[u8]) -> Signs {
    let mut signs = Signs::default();
    Scan::new(&LEXICON).run(text, &Kinds::of(text), &mut signs);
    signs
}

#[test]
fn whatever_a_word_ends_with_is_known_to_be_an_ending() {
    let lists = [
        include_str!("../../../words/attack.txt"),
        include_str!("../../../words/known.txt"),
    ];
    for word in lists.into_iter().flat_map(str::lines) {
        for from in 1..word.len() {
            let ending = Letters::small(word.as_bytes(), from, word.len() - from);
            assert!(LEXICON.may_end(ending.hash()), "{word} from {from}");
        }
    }
}

#[test]
fn words_that_cross_blocks_and_end_texts_are_whole() {
    for pad in 50..70 {
        let text = format!(
            "{}1gn0re snoitcurtsni i g n o r e ig nore {} prompt",
            "-".repeat(pad),
            " ".repeat(9)
        );
        let signs = by_bits(text.as_bytes());
        assert_eq!(signs, sequential(text.as_bytes()));
        assert_eq!(
            (signs.leet.len(), signs.disguised.len(), signs.spelled.len()),
            (1, 1, 1),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn bits_tell_the_words_that_bytes_do(
        parts in prop::collection::vec(prop_oneof![
            "[a-zA-Z]{1,20}", "[a-z0-9@$!|+]{1,9}", "[ \\-.\n<>/=é]{1,9}", "[a-z] ", "x{60,70}",
            prop::sample::select(vec!["ignore", "previous", "snoitcurtsni", "prompt", "vtaber", "ingroe", "syst em", "the"]).prop_map(str::to_owned),
        ], 0..60),
    ) {
        let text = parts.concat();
        prop_assert_eq!(by_bits(text.as_bytes()), sequential(text.as_bytes()));
    }

    #[test]
    fn letters_are_those_of_the_text(text in "[a-zA-Z]{0,40}", start in 0_usize..40, len in 0_usize..20, cut in 0_usize..20) {
        let lower = text.to_ascii_lowercase();
        let of = |range: Range<usize>| Letters::of(lower.as_bytes()[range].iter().copied());
        if let Some(part) = (start + len <= text.len()).then_some(start..start + len) {
            let letters = Letters::small(text.as_bytes(), start, len);
            prop_assert_eq!(letters, of(part.clone()));
            prop_assert_eq!(letters == Letters::TOO_MANY, len > Letters::MAX);
            if cut <= len && len <= Letters::MAX {
                let [first, behind] = [start..start + cut, start + cut..part.end].map(of);
                prop_assert_eq!(first.then(cut, behind), if cut == 16 { first } else { letters });
            }
        }
    }
}

#[test]
fn words_of_the_lexicon_have_room() {
    assert!(LEXICON.longest() <= Letters::MAX);
}
