//! Whatever stands around it, a bait is seen as it is written, and looking costs no more than was granted.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use testudo_detect::bait::{Baits, Sighting};
use testudo_detect::{Budget, Canaries};

const BAIT: &str = "ref-0123456789abcdef0123456789abcdef";

static BAITS: LazyLock<Baits> = LazyLock::new(|| Baits::of(&Canaries::new([BAIT]).expect("one canary")));

fuzz_target!(|text: &str| {
    let mut budget = Budget::new(1 << 22);
    let alone = BAITS.sighted(text, &mut budget);
    assert!(alone != Sighting::Seen || text.len() >= BAIT.len() / 4);
    let with = format!("{text}\n{BAIT}");
    assert_ne!(BAITS.sighted(&with, &mut Budget::new(1 << 26)), Sighting::Nowhere);
});
