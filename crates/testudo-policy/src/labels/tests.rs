//! Copies are found in any disguise that pasting gives them; the user's own words stay the user's.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "places of tests are known to be sound"
)]

mod copies;
mod owners;

use super::{Copied, LabelKey, LabelLimits, LabelStore, Speaker};

const KEY: [u8; 32] = *b"a key that only the tests know..";
/// Something that a mail said.
const MAIL: &str = "Dear all, the supplier has changed its bank: from Monday on please pay every open invoice to the \
    account DE89 3704 0044 0532 0130 00 at Nordbank, and send the receipt to billing@nordbank.example.";

fn store() -> LabelStore {
    LabelStore::new(LabelKey::new(&KEY), LabelLimits::default())
}

/// A store that has read the mail.
fn read() -> LabelStore {
    let mut store = store();
    store.read("ann", "read_mail", MAIL);
    store
}

fn texts<'t>(text: &'t str, copied: &[Copied]) -> Vec<&'t str> {
    copied.iter().map(|span| &text[span.range.clone()]).collect()
}
