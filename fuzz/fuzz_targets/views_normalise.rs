//! The views of any text point into it, stay within their bounds and do not cost more than was granted.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_detect::Budget;
use testudo_detect::views::{clean, normalise};

fuzz_target!(|text: &str| {
    let views = normalise(text, &mut Budget::new(1 << 22));
    let mut bytes = 0;
    for view in &views.views {
        bytes += view.text.len();
        assert_eq!(view.spans.len(), view.text.len());
        let mut at = 0;
        for c in view.text.chars() {
            let original = view.spans.original(at..at + c.len_utf8());
            assert!(text.get(original).is_some());
            at += c.len_utf8();
        }
    }
    assert!(bytes <= 16 * text.len().max(1 << 16));
    if let Some(cleaned) = views.cleaned {
        assert!(clean(&cleaned.text).is_none());
    }
});
