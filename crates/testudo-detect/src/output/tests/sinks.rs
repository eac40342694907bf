//! Markup and code where answers go.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};
use testudo_types::{Direction, Origin, ThreatKind};

use crate::output::{Declared, Sink};
use crate::{Budget, Canaries, Detector, GuardScanner, Hit, Scope, Selection, scan_all};

fn select(sinks: &[Sink], refusals: bool) -> Selection {
    static DETECTOR: OnceLock<Arc<Detector>> = OnceLock::new();
    let detector = DETECTOR.get_or_init(|| Arc::new(Detector::builtin().unwrap()));
    let scope = Scope {
        direction: Direction::Response,
        origin: Origin::Model,
        kinds: BTreeSet::from([ThreatKind::UnsafeOutput, ThreatKind::Quality]),
    };
    let declared = Declared {
        sinks: sinks.iter().copied().collect(),
        refusals,
        links: false,
    };
    detector.select_declared(&scope, &declared)
}

fn hits(selection: &Selection, text: &str) -> Vec<Hit> {
    scan_all(
        selection,
        None,
        &Canaries::default(),
        None,
        text,
        &mut Budget::unlimited(),
    )
    .hits
}

const TUTORIAL: &str = "To show an alert, write:\n\n```html\n<script>alert('hi')</script>\n<img src=x onerror=\"f()\">\n```\n\n\
                        The `<script>` element runs at once. Then run `rm -rf /tmp/x` and `DROP TABLE t;` yourself.";

#[test]
fn nothing_is_found_where_no_sink_is_declared() {
    let none = select(&[], false);
    for text in [
        TUTORIAL,
        "<script>alert(1)</script>",
        "rm -rf /",
        "DROP TABLE users;",
        "=HYPERLINK(\"x\")",
        "\u{1b}[2J",
    ] {
        assert_eq!(hits(&none, text), [], "{text}");
    }
}

#[test]
fn a_tutorial_is_harmless_in_markdown_and_not_in_a_page() {
    assert_eq!(hits(&select(&[Sink::Markdown], false), TUTORIAL), []);
    assert!(!hits(&select(&[Sink::Html], false), TUTORIAL).is_empty());
    assert!(!hits(&select(&[Sink::Html, Sink::Markdown], false), TUTORIAL).is_empty());
    let live = "```\n<b>\n```\n<script>alert(1)</script>";
    assert_eq!(hits(&select(&[Sink::Markdown], false), live).len(), 1);
}

#[test]
fn each_sink_minds_its_own() {
    let ordinary: &[(Sink, &[&str])] = &[
        (
            Sink::Sql,
            &[
                "SELECT name FROM users WHERE id = 7",
                "WITH a AS (SELECT 1) SELECT * FROM a UNION SELECT 2",
                "UPDATE t SET a = 1 WHERE b = 2",
            ],
        ),
        (
            Sink::SqlValue,
            &["O'Brien", "Smith; Jones & Co", "rock and roll", "it's 5 or 6"],
        ),
        (
            Sink::Shell,
            &[
                "ls -la | sort",
                "tar czf a.tgz src && scp a.tgz host:",
                "grep -r TODO . > todo.txt",
            ],
        ),
        (Sink::ShellValue, &["report 2026.pdf", "Ada Lovelace", "50%", "a-b_c.d"]),
        (Sink::Csv, &["name,amount\nAda,-5\nBob,+7", "total: 5", "2026-01-05"]),
        (Sink::Terminal, &["\u{1b}[1;32mok\u{1b}[0m", "a\tb"]),
        (
            Sink::Html,
            &[
                "<p>Hello <b>world</b></p><ul><li>a</li></ul>",
                "a < b && c > d",
                "<img src=\"/logo.png\" alt=\"on\">",
            ],
        ),
        (
            Sink::Markdown,
            &[
                "# Title\n\n- a\n- **b**\n\n[docs](https://docs.rs)",
                "1 < 2",
                "| a | b |\n|---|---|",
            ],
        ),
    ];
    for (sink, texts) in ordinary {
        for text in *texts {
            assert_eq!(hits(&select(&[*sink], false), text), [], "{} {text:?}", sink.as_str());
        }
    }
}

#[test]
fn refusals_are_noted_only_when_asked_for() {
    let text = "I'm sorry, but I can't help with that.";
    assert_eq!(hits(&select(&[], false), text), []);
    assert_eq!(hits(&select(&[], true), text).len(), 1);
}

#[test]
fn every_sink_reads_back() {
    for sink in Sink::ALL {
        assert_eq!(Sink::from_name(sink.as_str()), Some(sink));
    }
    assert_eq!(Sink::from_name("HTML"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn code_in_pieces_hides_the_same(
        parts in prop::collection::vec(prop::sample::select(vec![
            "`", "```", "\n", "\r\n", "<script>", "<img onerror=x>", " ", "<div>", "a", "<!--", "javascript:", "](", "~~~",
        ]), 0..16),
        size in 1_usize..9,
    ) {
        let text = parts.concat();
        let selection = select(&[Sink::Markdown], false);
        let mut stream = GuardScanner::new(&selection, None, &Canaries::default());
        let mut budget = Budget::unlimited();
        let mut found = Vec::new();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            found.extend(stream.push(&piece.iter().collect::<String>(), &mut budget).hits);
        }
        found.extend(stream.finish(&mut budget).hits);
        prop_assert_eq!(hits(&selection, &text), found);
    }
}
