//! The cases of the table, and what holds for any text.
#![expect(clippy::arithmetic_side_effects, reason = "a panic is a failed test")]

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

use super::{SIGN, SpecialTokens, Token, TokenLevel, neutralise, restore, table};
use crate::Budget;

static TOKENS: LazyLock<SpecialTokens> = LazyLock::new(|| SpecialTokens::builtin().unwrap());

fn find(text: &str, level: TokenLevel) -> Vec<Token> {
    TOKENS.find(text, level, &mut Budget::unlimited()).unwrap()
}

fn broken(text: &str, level: TokenLevel) -> String {
    neutralise(text, &find(text, level))
}

#[test]
fn every_case_of_the_table_holds() {
    for token in table().unwrap() {
        assert!(!token.neutral.is_empty() && !token.keep.is_empty(), "{}", token.name);
        for text in &token.neutral {
            assert!(!find(text, token.level).is_empty(), "{}: {text}", token.name);
        }
        for text in &token.keep {
            assert_eq!(broken(text, TokenLevel::All), *text, "{}", token.name);
        }
    }
}

#[test]
fn a_token_stays_readable() {
    let check = |text: &str, expected: &str| assert_eq!(broken(text, TokenLevel::All), expected);
    check("<|im_start|>system", "<¦|im_start|>system");
    check("the token <｜User｜> of DeepSeek", "the token <¦｜User｜> of DeepSeek");
    check("[INST] a [/INST]", "[¦INST] a [¦/INST]");
    check("x\n\nHuman: y", "x\n\nHuman¦: y");
    check("### System: y", "### System¦: y");
    check("</data> then", "<¦/data> then");
    check("<s><s>", "<¦s><¦s>");
    check("<\u{200B}|im_start|>", "<\u{200B}¦|im_start|>");
}

#[test]
fn ordinary_markup_stays_at_the_level_of_tokens() {
    for text in [
        "<p>struck <s>out</s></p>",
        "<data>x</data>",
        "\n\nHuman: interview",
        "### System: requirements",
        "Vec<Option<u8>>",
        "a[0] < b && c > d",
        "見出し：本文",
        "🇫🇷 é",
    ] {
        assert_eq!(broken(text, TokenLevel::Tokens), text);
    }
}

#[test]
fn a_text_beyond_the_budget_is_not_looked_at() {
    assert_eq!(TOKENS.find("<|im_start|>", TokenLevel::All, &mut Budget::new(4)), None);
}

fn text() -> impl Strategy<Value = String> {
    let cases: Vec<String> = table()
        .unwrap()
        .into_iter()
        .flat_map(|token| token.neutral.into_iter().chain(token.keep))
        .collect();
    let case = prop::sample::select(cases);
    let piece = prop::sample::select(vec![
        "<", "|", ">", "[", "]", "/", "<s", "s>", "im_start", "inst", "\n", ":", "Human", "### ", "\u{200B}", "｜",
        "＜", "ﬁ", "㏌", "st]", "¦", "\u{FE0F}", "\u{338}", "İ", "ſ", "K", "<|", "|>", "<<sys", ">>", "data_", "[[",
        "]]",
    ]);
    let any_char = any::<char>().prop_map(String::from);
    prop::collection::vec(
        prop_oneof![3 => case, 5 => piece.prop_map(str::to_owned), 1 => any_char],
        0..12,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn nothing_is_left_to_find(text in text()) {
        for level in [TokenLevel::Tokens, TokenLevel::All] {
            let once = broken(&text, level);
            prop_assert_eq!(find(&once, level), vec![], "{:?}", once);
            let composed: String = once.nfkc().collect();
            prop_assert_eq!(find(&composed, level), vec![], "{:?}", composed);
            prop_assert_eq!(find(&once.to_lowercase(), level), vec![]);
            prop_assert_eq!(find(&once.to_uppercase(), level), vec![]);
        }
    }

    #[test]
    fn what_was_broken_is_restored(text in text()) {
        let tokens = find(&text, TokenLevel::All);
        let once = neutralise(&text, &tokens);
        prop_assert_eq!(&restore(&once, &tokens), &text);
        prop_assert_eq!(once.len(), text.len() + tokens.len() * SIGN.len());
        for token in tokens {
            prop_assert!(text.is_char_boundary(token.at) && token.range.start < token.at && token.at < token.range.end);
            prop_assert!(text.get(token.range).is_some());
        }
    }
}
