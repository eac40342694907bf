//! What was broken has nothing left to break, and is restored.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use testudo_detect::Budget;
use testudo_detect::structure::special::{SpecialTokens, TokenLevel, neutralise, restore};

static TOKENS: LazyLock<SpecialTokens> = LazyLock::new(|| SpecialTokens::builtin().expect("the table loads"));

fuzz_target!(|text: &str| {
    let find = |text: &str| {
        TOKENS
            .find(text, TokenLevel::All, &mut Budget::unlimited())
            .expect("no limit")
    };
    let tokens = find(text);
    let broken = neutralise(text, &tokens);
    assert!(find(&broken).is_empty());
    assert_eq!(restore(&broken, &tokens), text);
});
