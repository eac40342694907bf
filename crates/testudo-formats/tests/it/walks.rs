//! Pickles that load in no time and cannot be walked through, and others that look like them.

#![expect(
    clippy::unwrap_used,
    reason = "levels and lengths of what is made here are below 256"
)]

use proptest::prelude::*;
use testudo_formats::Verdict;

use super::{check, judged};

/// A pickle of a list of levels, each of which holds the one before it so often; `open` and `close` make a container.
fn levels(count: usize, times: usize, open: &[u8], close: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x04]\x94K\0a".to_vec();
    for level in 0..count {
        out.extend(open);
        for key in 0..times {
            if close == b"d" || close == b"u" {
                out.extend([b'K', u8::try_from(key).unwrap()]);
            }
            out.extend([b'h', u8::try_from(level).unwrap()]);
        }
        out.extend(close);
        out.push(b'\x94');
    }
    out.push(b'.');
    out
}

/// Containers that each hold all of them: no walk ends, though each goes only once into each.
fn everyone(count: u8) -> Vec<u8> {
    let mut out = b"\x80\x04".to_vec();
    for _ in 0..count {
        out.extend(b"]\x94");
    }
    for one in 0..count {
        out.extend([b'h', one, b'(']);
        for other in 0..count {
            out.extend([b'h', other]);
        }
        out.extend(b"e0");
    }
    out.extend(b"h\0.");
    out
}

#[test]
fn what_stands_for_more_than_any_memory_is_told() {
    for (what, bytes) in [
        ("lists, doubled", levels(60, 2, b"(", b"l")),
        ("tuples, doubled", levels(60, 2, b"(", b"t")),
        ("tuples of two", levels(60, 2, b"", b"\x86")),
        ("tuples of tuples", levels(60, 2, b"(", b"t\x85")),
        ("dictionaries", levels(60, 2, b"(", b"d")),
        ("lists, ninefold", levels(16, 9, b"(", b"l")),
        (
            "ordered dictionaries",
            levels(60, 2, b"ccollections\nOrderedDict\n)R(", b"u"),
        ),
        ("queues", levels(60, 2, b"ccollections\ndeque\n(", b"lR")),
        ("each in each", everyone(16)),
    ] {
        let report = judged("x.pkl", &bytes);
        assert_eq!(report.verdict, Verdict::Unknown, "{what}: {:?}", report.findings);
        assert!(report.findings.iter().any(|it| it.rule == "pickle.expansion"), "{what}");
    }
}

#[test]
fn containers_that_are_shared_are_data() {
    for (what, bytes) in [
        ("few levels", levels(12, 2, b"(", b"l")),
        ("a chain", levels(200, 1, b"(", b"l")),
        ("few in each other", everyone(5)),
        ("wide", levels(2, 200, b"(", b"l")),
    ] {
        let report = judged("x.pkl", &bytes);
        assert_eq!(report.verdict, Verdict::Allowed, "{what}: {:?}", report.findings);
    }
    // It holds itself: `repr` gets by, and no saver writes it.
    let itself = [&b"\x80\x04]\x94"[..], &b"h\0a".repeat(40), b"."].concat();
    let report = check("x.pkl", &itself, Verdict::Suspicious);
    assert_eq!(report.findings[0].rule, "pickle.expansion");
    let once = b"\x80\x04]\x94h\0a.";
    check("x.pkl", once, Verdict::Allowed);
}

#[test]
fn a_harmless_pickle_in_another_is_told() {
    let inner = b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x01s.";
    let wrap = |inner: &[u8]| {
        [
            &b"\x80\x04C"[..],
            &[u8::try_from(inner.len()).unwrap()],
            inner,
            b"\x94.",
        ]
        .concat()
    };
    let report = check("x.pkl", &wrap(inner), Verdict::Suspicious);
    assert_eq!(report.findings[0].rule, "pickle.nested");
    // Bytes that begin like one, and end before it does.
    check("x.pkl", &wrap(b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x94"), Verdict::Allowed);
    check("x.pkl", &wrap(b"\x80\x04cos\nsystem\n)R."), Verdict::Malicious);
}

#[test]
fn an_image_under_the_name_of_a_pickle_is_one() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
    check("x.pt", png, Verdict::Suspicious);
    check("x.png", png, Verdict::Allowed);
    check("x.pt", b"\xff\xd8\xff\xe0\0\x10JFIF\0", Verdict::Suspicious);
    // What is hidden in it is found; what only begins like it is no image.
    check(
        "x.pt",
        &[&png[..], b"cos\nsystem\n(S'x'\ntR."].concat(),
        Verdict::Malicious,
    );
    check("x.pt", b"\x89PNG\r\n\x1b\n", Verdict::Unknown);
}

proptest! {
    // Each that does not end is walked for ten million steps.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn walking_ends_whatever_holds_what(puts in proptest::collection::vec((0_u8..24, 0_u8..24), 0..200)) {
        let mut bytes = b"\x80\x04".to_vec();
        bytes.extend(b"]\x94".repeat(24));
        for (outer, inner) in puts {
            bytes.extend([b'h', outer, b'h', inner, b'a', b'0']);
        }
        bytes.extend(b"h\0.");
        prop_assert!(judged("x.pkl", &bytes).verdict <= Verdict::Unknown);
    }
}
