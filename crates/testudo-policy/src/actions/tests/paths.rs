//! Paths: where they lead, and what must be reported.

use proptest::prelude::{any, proptest};

use crate::actions::PathFacts;

fn read(value: &str) -> PathFacts {
    let mut facts = PathFacts::default();
    facts.add(value);
    assert!(facts.present);
    facts
}

fn is_below(value: &str, folder: &str) -> bool {
    read(value).under.contains(folder)
}

#[test]
fn plain_paths_are_resolved() {
    for (value, folder) in [
        ("/srv/reports/may.txt", "/srv/reports"),
        ("/srv/reports/", "/srv/reports"),
        ("/srv/./reports//may.txt", "/srv/reports"),
        ("/srv/old/../reports/may.txt", "/srv/reports"),
        ("reports/may.txt", "reports"),
        ("may.txt", "."),
        ("./may.txt", "."),
        ("/", "/"),
        ("100%.txt", "."),
        ("price $5.txt", "."),
        ("src/**/*.rs", "src/**"),
    ] {
        let facts = read(value);
        assert_eq!(facts.directories.iter().collect::<Vec<_>>(), [folder], "{value}");
        let strange = facts.unparsed || facts.escapes || facts.home || facts.device || facts.encoded;
        assert!(!strange, "{value}: {facts:?}");
    }
    assert!(is_below("/srv/reports/2024/may.txt", "/srv/reports"));
    assert!(is_below("/srv/reports", "/srv/reports"));
    assert!(is_below("reports/may.txt", "reports") && is_below("reports/may.txt", "."));
}

#[test]
fn no_disguise_stays_below_a_folder() {
    for value in [
        "/srv/reports/../secret.txt",
        "/srv/reports/../../etc/passwd",
        "/srv/reports/..",
        "/srv/reports/x/../../y",
        "/srv/reports/..\\..\\etc\\passwd",
        "/srv/reports/.. /x",
        "/srv/reports/%2e%2e/x",
        "/srv/reports/%2E%2E%2Fx",
        "/srv/reports/%252e%252e%252fx",
        "/srv/reports/%25252e%25252e/x",
        "/srv/reports/..%2f..%2fetc",
        "/srv/reports/..%5cx",
        "/srv/reports/%c0%ae%c0%ae/x",
        "/srv/reports/..%c0%afx",
        "/srv/reports/\u{ff0e}\u{ff0e}/x",
        "/srv/reports/..\u{2215}x",
        "/srv/reports/..\u{ff0f}x",
        "/srv/reports/\u{2024}\u{2024}/x",
        "/srv/reports/\u{2025}/x",
        "/srv/reports/may.txt\0.png",
        "/srv/reports/may.txt%00.png",
        "/srv/reports/{..,a}/x",
        "/srv/reports/`id`",
        "/srv/reports/$(id)",
        "/srv/reports/$HOME",
        "/srv/reports/${X}/y",
        "/srv/reports/%APPDATA%/x",
        "~/srv/reports/x",
        "~root/srv/reports/x",
        "/srv/reportsecret/x",
        "srv/reports/x",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE://localhost/etc/passwd",
        "file://server/srv/reports/x",
        "",
        "/srv/reports/a\nb",
    ] {
        assert!(!is_below(value, "/srv/reports"), "{value}: {:?}", read(value));
    }
    assert!(is_below("file:///srv/reports/x", "/srv/reports"));
}

#[test]
fn what_is_strange_is_said() {
    for value in [
        "../x",
        "a/../../x",
        "..",
        "..\\x",
        "%2e%2e/x",
        "/../x",
        "a/..%2f..%2fx",
        "./../x",
        "\u{ff0e}./x",
    ] {
        assert!(read(value).escapes, "{value}: {:?}", read(value));
    }
    for value in [
        "~",
        "~/x",
        "~bob/x",
        "$HOME/x",
        "${HOME}",
        "%USERPROFILE%\\x",
        "$(pwd)/x",
    ] {
        assert!(read(value).home, "{value}: {:?}", read(value));
    }
    for value in [
        "C:\\x",
        "c:x",
        "\\\\server\\share",
        "//server/share",
        "\\\\?\\C:\\x",
        "\\\\.\\pipe\\x",
        "con",
        "a/NUL.txt",
        "x/com1",
        "file.txt::$DATA",
        "aux.",
    ] {
        assert!(read(value).device, "{value}: {:?}", read(value));
    }
    for value in ["a%2fb", "%41", "%2541", "a\u{2215}b", "\u{ff0e}x"] {
        assert!(read(value).encoded, "{value}: {:?}", read(value));
    }
    for value in ["/etc", "C:\\x", "\\x", "//s/x", "%2fetc", "file:///x"] {
        assert!(read(value).absolute, "{value}: {:?}", read(value));
    }
    for value in ["a\0b", "a%00b", "%ff", "%2525252541", "a\u{7}b", " "] {
        assert!(read(value).unparsed, "{value}: {:?}", read(value));
    }
}

#[test]
fn several_paths_share_only_what_all_are_below() {
    let mut facts = PathFacts::default();
    facts.add("/srv/a/x");
    facts.add("/srv/b/y");
    assert!(facts.under.contains("/srv") && !facts.under.contains("/srv/a"));
    facts.add("~/x");
    assert!(facts.under.is_empty());
    facts.add("/srv/a/x");
    assert!(facts.under.is_empty());
}

proptest! {
    #[test]
    fn no_path_that_goes_up_too_far_stays_below(
        parts in proptest::collection::vec(proptest::sample::select(vec!["a", "..", ".", "", "b c"]), 0..12),
    ) {
        let value = format!("/srv/reports/{}", parts.join("/"));
        let mut depth: i64 = 0;
        let mut left = false;
        for part in &parts {
            match *part {
                "" | "." => {}
                ".." => depth = depth.saturating_sub(1),
                _ => depth = depth.saturating_add(1),
            }
            left |= depth < 0;
        }
        if !left {
            assert!(is_below(&value, "/srv/reports"));
        } else if depth < 0 {
            assert!(!is_below(&value, "/srv/reports"));
        }
    }

    #[test]
    fn any_text_is_read_or_doubted(value in any::<String>()) {
        let facts = read(&value);
        assert!(facts.unparsed || !facts.directories.is_empty());
    }
}
