//! Forms that must be found, texts without addresses, and properties of any text.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Form, Link, Target, find};

/// Form, address and whether it loads, of each link.
fn check(text: &str, expected: &[(Form, &str, bool)]) {
    let links = find(text);
    let found: Vec<(Form, &str, bool)> = links
        .iter()
        .map(|link| (link.form, link.url.as_str(), link.auto_loads))
        .collect();
    assert_eq!(found, expected, "{text}");
    sound(text, &links);
}

fn sound(text: &str, links: &[Link]) {
    for link in links {
        assert!(text.get(link.range.clone()).is_some() && text.get(link.url_range.clone()).is_some());
        assert!(link.range.start <= link.url_range.start && link.url_range.end <= link.range.end);
        assert!(!link.url_range.is_empty());
    }
    let place = |link: &Link| (link.url_range.start, link.url_range.end);
    assert!(links.windows(2).all(|pair| place(&pair[0]) <= place(&pair[1])));
}

#[test]
fn markdown() {
    use Form::{MarkdownImage, MarkdownLink, MarkdownReference};
    check(
        "[a](https://e.example/x)",
        &[(MarkdownLink, "https://e.example/x", false)],
    );
    check(
        "![a](https://e.example/x)",
        &[(MarkdownImage, "https://e.example/x", true)],
    );
    check("![](//e.example/x \"t\")", &[(MarkdownImage, "//e.example/x", true)]);
    check(
        "[a]( <https://e.example/a b> 't')",
        &[(MarkdownLink, "https://e.example/a b", false)],
    );
    check(
        "[a](https://e.example/(b)c) d)",
        &[(MarkdownLink, "https://e.example/(b)c", false)],
    );
    check(
        "[a] (https://e.example/x)",
        &[(MarkdownLink, "https://e.example/x", false)],
    );
    check(
        "[![i](https://e.example/i)](https://e.example/l)",
        &[
            (MarkdownImage, "https://e.example/i", true),
            (MarkdownLink, "https://e.example/l", false),
        ],
    );
    check(
        "![a](https&#58;//e.example/x\\_y)",
        &[(MarkdownImage, "https://e.example/x_y", true)],
    );
    check(
        "![a](https://e.exam\n  ple/x)",
        &[(MarkdownImage, "https://e.exam  ple/x", true)],
    );
    check(
        "![a](https://e.example/x",
        &[(MarkdownImage, "https://e.example/x", true)],
    );
    check("[a](docs/x.png)", &[(MarkdownLink, "docs/x.png", false)]);
    check(
        "![a][R]\n\n[r]: https://e.example/x 'title'",
        &[(MarkdownReference, "https://e.example/x", true)],
    );
    check(
        "![r][] ![s].\n[t][t]\n> [ R ]: https://e.example/1\n[s]:\n  <https://e.example/2>\n[t]: https://e.example/3",
        &[
            (MarkdownReference, "https://e.example/1", true),
            (MarkdownReference, "https://e.example/2", true),
            (MarkdownReference, "https://e.example/3", false),
        ],
    );
}

#[test]
fn running_text() {
    use Form::{Autolink, Bare, MarkdownLink};
    check(
        "see https://e.example/a_(b)).",
        &[(Bare, "https://e.example/a_(b)", false)],
    );
    // The style ends at the quote; what stands behind it is no part of it.
    check(
        "url(https://a.example/x'https://b.example/y",
        &[
            (Form::CssUrl, "https://a.example/x", false),
            (Bare, "https://b.example/y", false),
        ],
    );
    check("WWW.e.example, and", &[(Bare, "http://WWW.e.example", false)]);
    check(
        "HTTPS://E.example/x?a=1&b=2",
        &[(Bare, "HTTPS://E.example/x?a=1&b=2", false)],
    );
    check("<https://e.example/x>", &[(Autolink, "https://e.example/x", false)]);
    check("<https://e.exam\nple/x>", &[(Autolink, "https://e.example/x", false)]);
    check("<mailto:a@e.example>", &[(Autolink, "mailto:a@e.example", false)]);
    check("javascript:alert(1)", &[(Bare, "javascript:alert(1)", false)]);
    check(
        "[https://a.example](https://b.example)",
        &[
            (Bare, "https://a.example", false),
            (MarkdownLink, "https://b.example", false),
        ],
    );
    check(
        "https://xn--e1afmkfd.example/é。",
        &[(Bare, "https://xn--e1afmkfd.example/é", false)],
    );
}

#[test]
fn html() {
    use Form::{HtmlBase, HtmlForm, HtmlFrame, HtmlLink, HtmlMedia, HtmlRefresh, HtmlResource, HtmlScript};
    check(
        "<a href='https://e.example/x'>",
        &[(HtmlLink, "https://e.example/x", false)],
    );
    check(
        "<A\nHREF = https://e.example/x >",
        &[(HtmlLink, "https://e.example/x", false)],
    );
    check(
        "<img alt=x src=\" ht\ntps://e.example/x\t\">",
        &[(HtmlMedia, "https://e.example/x", true)],
    );
    check("<img/src=//e.example/x>", &[(HtmlMedia, "//e.example/x", true)]);
    check(
        "<img src=https&#x3a;&sol;&#000047e.example>",
        &[(HtmlMedia, "https://e.example", true)],
    );
    check(
        "<img srcset='https://a.example/1 1x,https://a.example/2, /3 3x'>",
        &[
            (HtmlMedia, "https://a.example/1", true),
            (HtmlMedia, "https://a.example/2", true),
            (HtmlMedia, "/3", true),
        ],
    );
    check(
        "<iframe src='data:text/html,x'>",
        &[(HtmlFrame, "data:text/html,x", true)],
    );
    check(
        "<iframe srcdoc='&lt;img src=//e.example/i&gt;'>",
        &[(HtmlMedia, "//e.example/i", true)],
    );
    check(
        "<script src=//e.example/x></script>",
        &[(HtmlScript, "//e.example/x", true)],
    );
    check(
        "<link rel=prefetch href=//e.example/x>",
        &[(HtmlResource, "//e.example/x", true)],
    );
    check("<base href=//e.example/>", &[(HtmlBase, "//e.example/", true)]);
    check("<form action=//e.example/x>", &[(HtmlForm, "//e.example/x", false)]);
    check(
        "<button formaction=//e.example/x>",
        &[(HtmlForm, "//e.example/x", false)],
    );
    check(
        "<video poster=//e.example/p src=//e.example/v>",
        &[(HtmlMedia, "//e.example/p", true), (HtmlMedia, "//e.example/v", true)],
    );
    check("<object data=//e.example/x>", &[(HtmlFrame, "//e.example/x", true)]);
    check(
        "<svg><image xlink:href=//e.example/x>",
        &[(HtmlMedia, "//e.example/x", true)],
    );
    check(
        "<meta content='0; URL = \"https://e.example/x\"' http-equiv=Refresh>",
        &[(HtmlRefresh, "https://e.example/x", true)],
    );
    check(
        "<a href=java&Tab;script:alert(1)>",
        &[(HtmlLink, "javascript:alert(1)", false)],
    );
    check("<meta name=description content='0; url=x'>", &[]);
}

#[test]
fn css() {
    use Form::{CssImport, CssUrl};
    check(
        "<p style=\"background:url('//e.example/x')\">",
        &[(CssUrl, "//e.example/x", true)],
    );
    check(
        "<p style='background:url&lpar;//e.example/x)'>",
        &[(CssUrl, "//e.example/x", true)],
    );
    check(
        "<p style='background:u\\72l(//e.example/x)'>",
        &[(CssUrl, "//e.example/x", true)],
    );
    check(
        "<style>a{b:url( //e.example/x )}</style>",
        &[(CssUrl, "//e.example/x", true)],
    );
    check(
        "<style>@import '//e.example/x';</style>",
        &[(CssImport, "//e.example/x", true)],
    );
    check(
        "<style>@import url(//e.example/x);</style>",
        &[(CssImport, "//e.example/x", true)],
    );
    check(
        "a { b: url(\"\\2f/e.example/x\") }",
        &[(CssUrl, "//e.example/x", false)],
    );
    check(
        "<style>a{b:image-set('//e.example/1' 1x)}</style>",
        &[(CssUrl, "//e.example/1", true)],
    );
}

#[test]
fn no_address() {
    for text in [
        "",
        "plain words, 1:2, a//b, C:\\x, std::vec",
        "a[1](",
        "f[x]()",
        "[a]()",
        "![]",
        "[^1]: a note",
        "- [ ] todo: x",
        "x <y and z",
        "Vec<String>",
        "if a < b && c > d",
        "<p>text</p>",
        "<img alt=x>",
        "<a href=''>",
        "<a href",
        "<img src=",
        "<!-- comment -->",
        "url()",
        "@import",
        "url( '' )",
        "://",
        "//",
        "http:",
        "www",
        "wwwx.example",
    ] {
        check(text, &[]);
    }
}

#[test]
fn targets() {
    let target = |url: &str| Link::new(Form::Bare, 0..1, 0..1, url).target();
    assert_eq!(target("HtTps://e.example"), Target::Host);
    assert_eq!(target("\\/e.example"), Target::ProtocolRelative);
    assert_eq!(target(" java\nscript:x"), Target::Script);
    assert_eq!(target("data:,x"), Target::Data);
    assert_eq!(target("mailto:a@e.example"), Target::Other);
    assert_eq!(target("a/b:c"), Target::Relative);
}

#[test]
fn hosts_are_read_as_browsers_read_them() {
    let host = |url: &str| {
        let link = Link::new(Form::Bare, 0..1, 0..1, url);
        link.parsed().and_then(|url| url.host_str().map(str::to_owned))
    };
    assert_eq!(host("https://EXAMPLE.org").as_deref(), Some("example.org"));
    assert_eq!(host("//e%78ample.org/").as_deref(), Some("example.org"));
    assert_eq!(host("https://пример.example").as_deref(), Some("xn--e1afmkfd.example"));
    assert_eq!(host("https:\\\\example.org\\x").as_deref(), Some("example.org"));
    assert_eq!(host("http://0x7f.1/").as_deref(), Some("127.0.0.1"));
    assert_eq!(host("https://a@example.org:99/").as_deref(), Some("example.org"));
    assert_eq!(host("a/b"), None);
}

#[test]
fn hostile_texts_cost_what_their_length_is() {
    for piece in [
        "[",
        "![",
        "](",
        "![a](",
        "[a]: ",
        "](<",
        "<a ",
        "<a b='",
        "<!--",
        "</x ",
        "<style>",
        "url(",
        "@import '",
        "&#",
        "://",
        "a://.",
        "<a:",
        "![][",
        "\\",
        "](a b",
        "] (",
        "<a style='\\",
        "srcset=",
        "()",
        "<!",
    ] {
        let text = piece.repeat(200_000 / piece.len());
        sound(&text, &find(&text));
    }
}

/// Pieces of markup in any order.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "(",
        ")",
        "!",
        "<",
        ">",
        "\"",
        "'",
        "=",
        " ",
        "\n",
        "a",
        "é",
        "\\",
        "&",
        "#",
        "x3a;",
        ":",
        "//",
        "https://e.example/x",
        "www.",
        "img",
        "src",
        "style",
        "url(",
        "@import ",
        "<a href=",
        "</style>",
        "<!--",
        "-->",
        "srcset",
        ",",
        "2x",
        "![",
        "](",
        "]: ",
        "data:",
        "<iframe srcdoc=",
        "&lt;",
        "&sol;",
        "\u{200B}",
        "😀",
    ]);
    let any_char = any::<char>().prop_map(String::from);
    prop::collection::vec(prop_oneof![9 => piece.prop_map(str::to_owned), 1 => any_char], 0..40)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn places_are_sound_for_any_text(text in text()) {
        sound(&text, &find(&text));
    }

    #[test]
    fn an_address_is_found_wherever_it_stands(before in text(), after in text()) {
        let url = "https://needle.example/p?d=x";
        let whole = format!("{before} {url} {after}");
        let found = find(&whole).into_iter().any(|link| {
            whole.get(link.url_range).is_some_and(|written| written.contains("needle.example"))
        });
        prop_assert!(found);
    }

    #[test]
    fn what_is_cut_out_is_not_found_again(text in text()) {
        // Cutting out an address can make one of the text beside it, but never that address.
        let mut rest = String::new();
        let mut done = 0;
        for Link { url_range, .. } in find(&text) {
            rest.push_str(text.get(done..url_range.start).unwrap_or_default());
            done = done.max(url_range.end);
        }
        rest.push_str(text.get(done..).unwrap_or_default());
        let again = find(&rest).into_iter().find(|link| link.url.contains("e.example"));
        prop_assert_eq!(again, None, "{}", rest);
    }
}
