//! Pages whose parts are known, and what holds for any text.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a panic is a failed test"
)]

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::tokens::Tokens;
use super::{Hiding, PartKind, parts};

fn visible(page: &str) -> String {
    parts(page)[0].text.clone()
}

/// The hidden stretches and why they are hidden.
fn hidden(page: &str) -> Vec<(Hiding, String)> {
    parts(page)
        .into_iter()
        .filter_map(|part| match part.kind {
            PartKind::Hidden(hiding) => Some((hiding, part.text)),
            _ => None,
        })
        .collect()
}

fn others(page: &str, kind: PartKind) -> Vec<String> {
    let found = parts(page).into_iter().filter(|part| part.kind == kind);
    found.map(|part| part.text).collect()
}

#[test]
fn a_style_sheet_behind_more_tokens_than_are_kept_still_hides() {
    for tags in [0, 10, 4000, 8191, 8192, 8193, 9000] {
        let sheet = "<style>.x{display:none}</style>";
        let page = format!("{}{sheet}<p class=x>not seen</p>seen{sheet}", "<wbr>".repeat(tags));
        assert_eq!(hidden(&page), [(Hiding::StyleSheet, "not seen".to_owned())], "{tags}");
        assert_eq!(visible(&page).trim(), "seen", "{tags}");
    }
}

#[test]
fn what_hides_is_known() {
    let check = |open: &str, hiding: Hiding| {
        let page = format!("<p>seen {open}not seen</p> after");
        let found = hidden(&page);
        assert!(
            matches!(found.as_slice(), [(why, text)] if *why == hiding && text.starts_with("not seen")),
            "{open}: {found:?}"
        );
    };
    for style in [
        "display:none",
        "DISPLAY : NONE !important",
        "color:red;display:none",
        "mso-hide:all",
    ] {
        check(&format!("<span style=\"{style}\">"), Hiding::Display);
    }
    check("<span style='visibility: hidden'>", Hiding::Visibility);
    check("<span style='display:&#110;one'>", Hiding::Display);
    for style in ["opacity:0", "opacity:0.01", "opacity: 0%"] {
        check(&format!("<span style='{style}'>"), Hiding::Opacity);
    }
    for style in [
        "font-size:0",
        "font-size:1px",
        "font-size:0.05em",
        "font: 0px/0 a",
        "height:0;overflow:hidden",
        "max-height:0px; overflow: hidden",
        "clip:rect(0,0,0,0)",
        "clip-path: inset(100%)",
        "transform: scale(0)",
    ] {
        check(&format!("<span style='{style}'>"), Hiding::Size);
    }
    for style in [
        "position:absolute;left:-9999px",
        "text-indent:-5000px",
        "position: fixed; top: -100em",
        "margin-left:-9999px",
        "transform: translateX(-9999px)",
    ] {
        check(&format!("<span style='{style}'>"), Hiding::OffScreen);
    }
    for style in [
        "color:white",
        "color:#fff",
        "color:#fefefe",
        "color:rgb(255, 255, 255)",
        "color:transparent",
        "color:rgba(0,0,0,0)",
        "color:#123456;background:#123456",
        "color:#00000000",
    ] {
        check(&format!("<span style='{style}'>"), Hiding::Colour);
    }
    check("<font color=white>", Hiding::Colour);
    check("<span hidden>", Hiding::Attribute);
    check("<template>", Hiding::Template);
    check("<noscript>", Hiding::NoScript);
    check("<i aria-hidden=true>", Hiding::Aria);
}

#[test]
fn what_can_be_seen_is_not_hidden() {
    for page in [
        "<p>seen</p>",
        "<p style='color:white;background:black'>seen</p>",
        "<div style='background:black'><p style='color:white'>seen</p></div>",
        "<div bgcolor=#000><p style='color:white'>seen</p></div>",
        "<div class=dark><p style='color:white'>seen</p></div>",
        "<h1 style='background:linear-gradient(red,blue);-webkit-background-clip:text;color:transparent'>seen</h1>",
        "<ul style='font-size:0'><li style='font-size:14px'>seen</li></ul>",
        "<div style='visibility:hidden'><p style='visibility:visible'>seen</p></div>",
        "<p style='opacity:0.5'>seen</p>",
        "<p style='position:absolute;left:-20px'>seen</p>",
        "<p style='left:-9999px'>seen</p>",
        "<p style='max-height:0'>seen</p>",
        "<p style='display:block'>seen</p>",
        "<p hidden></p>seen",
        "<p hidden><p>seen",
        "<ul><li hidden><li>seen</ul>",
        "<table><tr><td hidden><td>seen</table>",
        "<div hidden></div>seen",
        "<span style='display:none'/></span>seen",
        "<style>.a .b{display:none} @media print{.c{display:none}}</style><p class='b c'>seen",
    ] {
        let mut found = hidden(page);
        found.retain(|(_, text)| !text.trim().is_empty());
        assert_eq!(found, vec![], "{page}");
        assert_eq!(visible(page).trim(), "seen", "{page}");
    }
}

#[test]
fn style_sheets_hide() {
    let sheet = "<style>p{color:red} .x, #y { display:none } span.z{font-size:0}</style>";
    for tag in ["<b class='k x'>", "<b id=y>", "<span class=z>"] {
        let page = format!("{sheet}seen {tag}not");
        assert_eq!(hidden(&page), vec![(Hiding::StyleSheet, "not".to_owned())]);
    }
    assert_eq!(hidden(&format!("{sheet}<b class=z>seen</b>")), vec![]);
}

#[test]
fn a_hidden_stretch_is_one_part_with_its_pieces() {
    let page = "<div style='display:none'>one <b>two</b> &lt;three</div> four";
    let part = parts(page)
        .into_iter()
        .find(|part| part.kind == PartKind::Hidden(Hiding::Display))
        .unwrap();
    assert_eq!(part.text, "one two <three");
    assert_eq!(part.pieces.len(), 3);
    let pieces: Vec<&str> = part.pieces.iter().map(|piece| &page[piece.original.clone()]).collect();
    assert_eq!(pieces, ["one ", "two", " &lt;three"]);
    assert_eq!(&page[part.original(1..6)], "ne <b>tw");
    assert_eq!(&page[part.original(9..10)], " &lt;three");
    assert_eq!(part.words(), 3);
    assert_eq!(visible(page), " four");
}

#[test]
fn comments_and_attributes_are_parts() {
    let page = "<!-- a note --><img alt='say this now' src='x y z w'><meta name=d content='words of a page'><title>T t</title>";
    assert_eq!(others(page, PartKind::Comment), [" a note "]);
    assert_eq!(
        others(page, PartKind::Attribute),
        ["say this now", "words of a page", "T t"]
    );
    assert_eq!(others("<!--> x --> <!-- open", PartKind::Comment), [" open"]);
    assert_eq!(others("<!---> x <!--a--!>b", PartKind::Comment), ["a"]);
}

#[test]
fn tags_inside_words_do_not_part_them() {
    assert_eq!(visible("ig<b></b>no<!-- -->re <i>all</i>"), "ignore all");
    assert_eq!(visible("<p>a</p><p>b</p>"), "a\nb\n");
    assert_eq!(visible("x < y and a<b"), "x < y and a<b");
}

#[test]
fn hostile_pages_cost_what_their_length_is() {
    for piece in [
        "<",
        "<a",
        "<a ",
        "<a b",
        "<a b='",
        "</",
        "<!--",
        "<!-- -",
        "<div>",
        "<div hidden>",
        "</div>",
        "<p><table>",
        "<style>",
        "<style>a{",
        "<style>a{}</style>",
        "<title>",
        "&",
        "&#",
        "<li>",
        "<b class='a b c'>",
        "<td>",
        "<div style='color:#",
        "-->",
        "<script>",
    ] {
        let page = piece.repeat(200_000 / piece.len());
        let _parts = parts(&page);
    }
}

fn page() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<",
        ">",
        "</",
        "<!--",
        "-->",
        "--!>",
        "<div>",
        "</div>",
        "<div style='display:none'>",
        "<p hidden>",
        "<span ",
        "style=",
        "'",
        "\"",
        "=",
        " ",
        "\n",
        "words here",
        "é",
        "&lt;",
        "&#x41;",
        "&",
        "<style>.a{display:none}</style>",
        "<b class=a>",
        "</b>",
        "<title>",
        "</title>",
        "<script>",
        "</script>",
        "/>",
        "alt='a b c'",
        "<img ",
        "?",
    ]);
    let any_char = any::<char>().prop_map(String::from);
    prop::collection::vec(prop_oneof![9 => piece.prop_map(str::to_owned), 1 => any_char], 0..40)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn tokens_cover_the_text(page in page()) {
        let mut end = 0;
        for token in Tokens::new(&page) {
            let range = token.range();
            prop_assert_eq!(range.start, end);
            prop_assert!(range.end > range.start && page.get(range.clone()).is_some());
            end = range.end;
        }
        prop_assert_eq!(end, page.len());
    }

    #[test]
    fn parts_lie_on_characters_and_do_not_overlap(page in page()) {
        let mut places = Vec::new();
        for part in parts(&page) {
            let mut at = 0;
            for piece in &part.pieces {
                prop_assert!(page.get(piece.original.clone()).is_some() && piece.at >= at);
                at = piece.at;
                if piece.is_copy {
                    let copied = &page[piece.original.clone()];
                    prop_assert_eq!(&part.text[piece.at..piece.at + copied.len()], copied);
                }
                places.push((piece.original.start, piece.original.end));
            }
            for (start, c) in part.text.char_indices() {
                let original = part.original(start..start + c.len_utf8());
                prop_assert!(page.get(original).is_some());
            }
        }
        places.retain(|(start, end)| start < end);
        places.sort_unstable();
        prop_assert!(places.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    }
}
