//! HTML that says exactly what is in a text: everything escaped, what cannot be seen spelled out.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::legible::is_seen;

/// Letters that are spelled out.
const FOREIGN_MAX: usize = 16;
/// The one style sheet.
const CSS: &str = include_str!("page.css");

/// The page around every body, and the policy under which browsers show it.
#[derive(Debug)]
pub(super) struct Style {
    policy: String,
}

impl Style {
    pub(super) fn new() -> Self {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, CSS.as_bytes()));
        Self {
            policy: format!(
                "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
                 frame-ancestors 'none'"
            ),
        }
    }

    /// Nothing is loaded, run or framed; the style sheet is known by its digest.
    pub(super) fn policy(&self) -> &str {
        &self.policy
    }

    /// A body with all that stands around it.
    pub(super) fn page(body: &str) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>Testudo approvals</title>\n\
             <style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
        )
    }
}

/// A text for HTML: markup escaped; control characters, invisible ones and those that reorder text as boxes with
/// their numbers, so that no text can look like another.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            ' '..='~' => out.push(c),
            _ if is_shown(c) => out.push(c),
            _ => out.push_str(&format!("<b class=\"u\">U+{:04X}</b>", u32::from(c))),
        }
    }
    out
}

/// Whether a character stands for itself on the page.
fn is_shown(c: char) -> bool {
    // The standard library escapes what is not printable and what joins the character before it.
    c != '\u{a0}' && is_seen(c) && c.escape_debug().count() == 1
}

/// Canonical JSON with a line for each value; inside a text only letters beyond ASCII are marked.
pub(super) fn lines(json: &str) -> String {
    let mut out = String::with_capacity(json.len().saturating_mul(2));
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    let mut before = ' ';
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(32)));
    };
    for c in json.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
            if before.is_ascii() != c.is_ascii() {
                out.push_str(if c.is_ascii() { "</span>" } else { "<span class=\"f\">" });
            }
            out.push_str(&text(c.encode_utf8(&mut [0; 4])));
            before = c;
            continue;
        }
        match c {
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if before != '{' && before != '[' {
                    indent(&mut out, depth);
                }
            }
            _ if before == '{' || before == '[' => indent(&mut out, depth),
            _ => {}
        }
        out.push_str(&text(c.encode_utf8(&mut [0; 4])));
        match c {
            '{' | '[' => depth = depth.saturating_add(1),
            ',' => indent(&mut out, depth),
            ':' => out.push(' '),
            '"' => inside = true,
            _ => {}
        }
        before = c;
    }
    out
}

/// Letters that may only look like others, with their numbers.
pub(super) fn foreign(letters: &[char]) -> String {
    let spelled = letters.iter().take(FOREIGN_MAX).map(|c| {
        let number = format!("U+{:04X}", u32::from(*c));
        if is_shown(*c) {
            format!("{} {number}", text(&c.to_string()))
        } else {
            number
        }
    });
    let mut out = spelled.collect::<Vec<_>>().join(", ");
    let more = letters.len().saturating_sub(FOREIGN_MAX);
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};
    use testudo_bounded::json::{Document, Limits};

    use super::{foreign, lines, text};

    /// The page without its own markup, as a reader has it; what is spelled out stays so.
    fn read(html: &str) -> String {
        let mut out = html.to_owned();
        for own in ["<span class=\"f\">", "</span>", "<b class=\"u\">", "</b>"] {
            out = out.replace(own, "");
        }
        for (entity, c) in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#39;", "'"),
            ("&amp;", "&"),
        ] {
            out = out.replace(entity, c);
        }
        out
    }

    proptest! {
        #[test]
        fn every_text_stays_text(words in any::<String>()) {
            let shown = text(&words);
            let rest = shown.replace("<b class=\"u\">", "").replace("</b>", "");
            prop_assert!(!rest.contains(['<', '>', '"', '\'']), "{shown}");
            prop_assert!(!shown.chars().any(char::is_control));
        }

        #[test]
        fn lines_hold_the_same_values(
            keys in proptest::collection::vec("[ -~\u{430}-\u{440}]{0,12}", 1..4),
            numbers in proptest::collection::vec(0_u32..100, 0..3),
        ) {
            let members: serde_json::Map<String, serde_json::Value> =
                keys.into_iter().map(|key| (key.clone(), serde_json::json!([key, numbers, {}]))).collect();
            let value = serde_json::Value::from(members);
            let written = value.to_string();
            let limits = Limits { bytes_max: 1 << 16, depth_max: 16, nodes_max: 1000 };
            let mut canonical = Vec::new();
            Document::parse(written.as_bytes(), &limits).unwrap().root().canonical(&mut canonical).unwrap();
            let shown = read(&lines(std::str::from_utf8(&canonical).unwrap()));
            let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
            prop_assert!(back == value, "{shown}");
        }
    }

    #[test]
    fn no_text_is_markup_or_looks_like_another() {
        assert_eq!(
            text("<script>alert('1')</script>&\""),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"
        );
        let hidden = "a\u{202e}b\u{200b}c\u{1b}d\u{e0041}e\u{fe0f}f\u{a0}g\ne\u{301}\u{115f}\u{3164}";
        let shown = text(hidden);
        for c in hidden.chars().filter(|c| !c.is_ascii_alphanumeric()) {
            assert!(
                !shown.contains(c) && shown.contains(&format!("U+{:04X}", u32::from(c))),
                "{shown}"
            );
        }
        assert_eq!(text("größer Привет 日本"), "größer Привет 日本");
        assert_eq!(foreign(&['\u{430}', '\u{200b}']), "\u{430} U+0430, U+200B");
        let many: Vec<char> = ('\u{430}'..='\u{441}').collect();
        assert!(foreign(&many).ends_with("U+043F and 2 more"), "{}", foreign(&many));
    }

    #[test]
    fn letters_that_may_look_like_others_are_marked() {
        let shown = lines("{\"a\":\"x\u{430}\u{431}y\u{430}\"}");
        assert_eq!(
            shown.replace("&quot;", "\""),
            "{\n  \"a\": \"x<span class=\"f\">\u{430}\u{431}</span>y<span class=\"f\">\u{430}</span>\"\n}"
        );
    }

    #[test]
    fn lines_change_nothing_but_white_space() {
        let json = r#"{"a":[],"b":{"c":"x,{\"y\\"},"d":[1,"]"],"e":{}}"#;
        let shown = lines(json);
        assert_eq!(
            shown.replace("&quot;", "\""),
            "{\n  \"a\": [],\n  \"b\": {\n    \"c\": \"x,{\\\"y\\\\\"\n  },\n  \"d\": [\n    1,\n    \"]\"\n  ],\n  \"e\": {}\n}"
        );
    }
}
