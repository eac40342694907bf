//! What counts as code that Markdown only shows.

use proptest::prelude::{prop, prop_assert_eq, proptest};

use crate::output::code::Code;

fn holds(text: &str, part: &str) -> bool {
    let mut code = Code::default();
    code.push(text);
    code.finish();
    code.holds(text.find(part).unwrap()) == Some(true)
}

#[test]
fn fences_and_backticks_show_code() {
    for text in [
        "```html\nX\n```",
        "~~~\nX\n~~~",
        "   ````\n```\nX\n````",
        "```\nX",
        "Use `X` here.",
        "Use ``a ` X`` here.",
        "- `X`",
        "text\r\n```\r\nX\r\n```\r\n",
        "a\n\n```js\nf()\n\nX\n```\n",
    ] {
        assert!(holds(text, "X"), "{text:?}");
    }
}

#[test]
fn what_renderers_could_read_otherwise_is_no_code() {
    for text in [
        "X",
        "```html\na\n```\nX",
        "    ```\n\nX",
        "<div>\n```\nX\n```",
        "<div>\r\n```\r\nX\r\n```",
        "- <div>\n```\nX\n```",
        "<!--\n\n```\n-->\nX\n```",
        "<script>\n\n```\nX\n```",
        "\\`X`",
        "<a title=\"`\">X`",
        "open ` here\n`X`",
        "open <b here\n`X`",
        "| `a | X` |",
        "`` X ` y",
        "a ` b\nX ` c",
        "``` not ` a fence\nX\n",
        "```\na\n````\nX",
    ] {
        assert!(!holds(text, "X"), "{text:?}");
    }
}

proptest! {
    #[test]
    fn pieces_change_nothing(
        parts in prop::collection::vec(prop::sample::select(vec![
            "`", "``", "```", "\n", "\r\n", "\n\n", "~~~", "<div>", "<!--", "X", " ", "|", "\\", "- ", "    ", "a", "é",
        ]), 0..24),
        size in 1_usize..7,
    ) {
        let text = parts.concat();
        let mut whole = Code::default();
        whole.push(&text);
        whole.finish();
        let mut pieces = Code::default();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            pieces.push(&piece.iter().collect::<String>());
        }
        pieces.finish();
        for at in 0..text.len() {
            prop_assert_eq!(whole.holds(at), pieces.holds(at), "at {} of {:?}", at, &text);
        }
    }

    #[test]
    fn what_is_decided_early_stays(
        parts in prop::collection::vec(prop::sample::select(vec!["`", "```", "\n", "\r", "<b>", "X", " ", "a"]), 0..24),
    ) {
        let text = parts.concat();
        let mut whole = Code::default();
        whole.push(&text);
        whole.finish();
        let mut growing = Code::default();
        for (at, c) in text.char_indices() {
            growing.push(&c.to_string());
            for before in 0..=at {
                if let Some(early) = growing.holds(before) {
                    prop_assert_eq!(whole.holds(before), Some(early), "at {} of {:?}", before, &text);
                }
            }
        }
    }
}
