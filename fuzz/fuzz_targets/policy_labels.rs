//! Copied spans lie on characters, in order and apart; what was read whole is found whole, and the bound holds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_policy::labels::{COPY_LETTERS_MIN, LabelKey, LabelLimits, LabelStore, Speaker};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let limits = LabelLimits {
        owner_bytes_max: 1 << 18,
        owners_max: 2,
        message_bytes_max: 1 << 12,
    };
    let mut store = LabelStore::new(LabelKey::new(&[9; 32]), limits);
    let (mut read, mut said) = (Vec::new(), Vec::new());
    for (at, part) in text.split('\u{1}').take(32).enumerate() {
        if at % 2 == 0 {
            store.read("owner", "tool", part);
            read.push(part);
        } else {
            check(part, &store.hear("owner", Speaker::User, part));
            said.push(part);
        }
        assert!(store.bytes() <= 2 * (1 << 18));
    }
    let letters = |text: &str| text.bytes().filter(u8::is_ascii_alphanumeric).count();
    for part in read {
        let copied = store.copied("owner", Speaker::System, part);
        check(part, &copied);
        // Escapes aside, letters are letters; what the user said before is the user's.
        let plain = !part.contains(['\\', '&', '<']) && part.len() < 1 << 12;
        if said.is_empty() && plain && letters(part) >= COPY_LETTERS_MIN {
            assert!(!copied.is_empty(), "{part:?} was read and is not known");
        }
    }
});

fn check(text: &str, copied: &[testudo_policy::labels::Copied]) {
    let mut at = 0;
    for span in copied {
        assert!(span.range.start >= at && span.range.start < span.range.end);
        assert!(text.get(span.range.clone()).is_some());
        at = span.range.end;
    }
}
