//! Views of growing texts: what is found does not depend on how a text is cut.

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::evasions::base64;
use super::packs::{case_texts, detector};
use super::{collect, pieces};
use crate::rescan::Reading;
use crate::{Budget, Hit, Selection, views};

fn following() -> Selection {
    detector().select_reading(vec![true; detector().rules().len()], Reading::Growing)
}

fn whole(text: &str) -> Vec<Hit> {
    let scan = following().scan(text, &mut Budget::unlimited());
    assert!(!scan.exhausted, "{text:?}");
    scan.hits
}

fn streamed(text: &str, pieces: &[&str]) -> Vec<Hit> {
    let mut budget = Budget::unlimited();
    let mut scanner = following().stream();
    collect(text, pieces, |piece| match piece {
        Some(piece) => scanner.push(piece, &mut budget),
        None => scanner.finish(&mut budget),
    })
}

fn found(text: &str, rule: &str) -> Vec<(usize, usize)> {
    let selection = following();
    let hits = whole(text);
    assert_eq!(hits, streamed(text, &pieces(text, |_| true)), "{text:?} cut everywhere");
    let id = |hit: &Hit| selection.rule(hit.rule).unwrap().id.to_string();
    hits.iter()
        .filter(|hit| id(hit) == rule)
        .map(|hit| (hit.start, hit.end))
        .collect()
}

#[test]
fn a_disguised_value_is_found_where_it_stands() {
    let mail = "write to jo\u{200B}hn.do\u{2060}e@corp-mail.io now";
    assert_eq!(found(mail, "pii.email"), [(9, mail.len() - 4)]);
}

#[test]
fn an_encoded_value_is_found_in_its_run() {
    let mail = base64("contact: john.doe@corp-mail.io, please".as_bytes());
    let text = format!("take {mail} with you");
    let hits = found(&text, "pii.email");
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert!(hits[0].0 < 5 + 16 && hits[0].1 == 5 + mail.len(), "{hits:?}");
}

#[test]
fn ordinary_words_wait_for_nothing_more_than_without_views() {
    let plain = detector().select_where(vec![true; detector().rules().len()]);
    for text in [
        "Plain words of an answer",
        "Ein Wort in Größe",
        "\u{43f}\u{440}\u{438} ",
        "\u{4f60}\u{597d}",
    ] {
        let safe = |selection: &Selection| selection.stream().push(text, &mut Budget::unlimited()).safe;
        assert_eq!(safe(&following()), safe(&plain), "{text}");
    }
}

/// Cases, cut and disguised, with ordinary text of many scripts between them.
fn text() -> impl Strategy<Value = String> {
    let case = prop::sample::select(case_texts()).prop_filter("short", |text| text.len() < 400);
    let disguised = (case.clone(), 0..6_u8, any::<prop::sample::Index>()).prop_map(|(text, how, at)| {
        let at = text.floor_char_boundary(at.index(text.len().max(1)));
        let (head, tail) = text.split_at(at);
        match how {
            0 => format!("{head}\u{200B}{tail}"),
            1 => text.chars().flat_map(|c| [c, '\u{332}']).collect(),
            2 => base64(text.as_bytes()),
            3 => text
                .chars()
                .map(|c| {
                    if c.is_ascii_graphic() {
                        char::from_u32(u32::from(c) + 0xFEE0).unwrap()
                    } else {
                        c
                    }
                })
                .collect(),
            4 => text.bytes().map(|b| format!("%{b:02X}")).collect(),
            _ => text.replace('a', "\u{430}").replace('e', "\u{435}"),
        }
    });
    let glue = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442} ",
        "\u{4f60}\u{597d}",
        "\u{2764}\u{FE0F}",
        "\u{6cc}\u{200c}\u{62e} ",
        "\u{AD}",
        "é",
        "pin: ",
        "aGVsbG8gd29ybGQsIGhvdyBhcmUgeW91",
        "=",
        "\u{E0041}",
        "\u{8}",
        "\u{A0}",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![2 => case, 3 => disguised, 4 => glue], 1..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_hits_of_the_whole(text in text(), cuts in prop::collection::vec(any::<bool>(), 1..40)) {
        let scan = following().scan(&text, &mut Budget::unlimited());
        if !scan.exhausted {
            prop_assert_eq!(&scan.hits, &streamed(&text, &pieces(&text, |_| true)), "each character alone");
            let mut turn = cuts.iter().cycle();
            let cut = pieces(&text, |_| *turn.next().unwrap());
            prop_assert_eq!(&scan.hits, &streamed(&text, &cut), "pieces {:?}", cut);
        }
    }

    #[test]
    fn views_point_into_the_text(text in text()) {
        let views = views::normalise(&text, &mut Budget::unlimited());
        for view in &views.views {
            prop_assert_eq!(view.spans.len(), view.text.len());
            let mut at = 0;
            for c in view.text.chars() {
                let original = view.spans.original(at..at + c.len_utf8());
                prop_assert!(text.get(original.clone()).is_some(), "{:?} {:?} {:?}", view.kind, original, c);
                at += c.len_utf8();
            }
        }
        if let Some(cleaned) = views.cleaned {
            prop_assert!(cleaned.text.len() < text.len());
            prop_assert!(views::clean(&cleaned.text).is_none(), "{:?}", cleaned.text);
        }
    }
}
