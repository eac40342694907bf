//! A stream reports what the whole text reports, and the whole text what the definition says.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use regex::{Regex, RegexBuilder};

use super::{pieces, rule_text, scan, selection, stream};
use crate::{Budget, Detector, Hit, RuleFault, resolve};

fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "ab", "é", "-", " ", "aé", "ba-"]).prop_map(str::to_owned),
        3 => prop::sample::select(vec!["[ab]", r"\w", "[^a]", ".", r"\d", "[aé-]", "(?i:ab)", r"\s", r"[\s\S]", "[a-c]"])
            .prop_map(str::to_owned),
        2 => prop::sample::select(vec![r"\b", r"\B", "^", "$", "(?m:^)", "(?m:$)", r"(?-u:\b)", r"\b{start}", r"\b{end-half}", "(?Rm:$)"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            2 => (inner.clone(), 0..3_u32, 0..4_u32, any::<bool>())
                .prop_map(|(part, min, more, lazy)| format!("(?:{part}){{{min},{}}}{}", min + more, if lazy { "?" } else { "" })),
            1 => (prop::sample::select(vec!["[ab]", "[ab-]", "[aé]", "a", "(?:ab|b)"]), 0..4_u32, prop::sample::select(vec![130_u32, 400]))
                .prop_map(|(part, min, max)| format!("{part}{{{min},{max}}}")),
        ]
    })
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let valued = (pattern(), pattern(), pattern()).prop_map(|(a, b, c)| format!("(?:{a})(?P<value>{b})(?:{c})"));
    let seeded =
        (pattern(), prop::sample::select(vec!["ab", "b-", "é"]), pattern()).prop_map(|(a, b, c)| format!("{a}{b}{c}"));
    prop::collection::vec(prop_oneof![3 => pattern(), 1 => valued, 1 => seeded], 1..5)
}

fn text() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        6 => "[ab]{0,6}",
        4 => "[ab A1é\\-\n\r _中]{0,8}",
        1 => (prop::sample::select(vec!["a", "ab", "b-"]), 0..220_usize).prop_map(|(unit, times)| unit.repeat(times)),
    ];
    prop::collection::vec(segment, 0..8).prop_map(|parts| parts.concat())
}

/// Extras under which a rule may be loaded: with a literal it is a different code path.
fn extras() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("always = true".to_owned()),
        2 => Just("literals = [\"ab\", \"b-\", \"é\"]".to_owned()),
        1 => (1..9_usize).prop_map(|within| format!("context = [\"ba\", \"bb-a\", \"é\"]\nwithin = {within}")),
        1 => (1..9_usize).prop_map(|within| format!("context = [\"ab\"]\nwithin = {within}\nalways = true")),
    ]
}

/// All rules that load; those whose literal is not required are tried without it.
fn loadable(patterns: &[String], extras: &[String]) -> String {
    let mut text = String::new();
    for (n, (pattern, extra)) in patterns.iter().zip(extras.iter().cycle()).enumerate() {
        for extra in [extra.as_str(), "always = true"] {
            let rule = rule_text(&n.to_string(), pattern, extra);
            match Detector::new(&super::pack(rule.clone())) {
                Ok(_) => {
                    text.push_str(&rule);
                    break;
                }
                Err(problems) => {
                    let expected = |fault: &RuleFault| {
                        matches!(
                            fault,
                            RuleFault::LiteralMissing { .. }
                                | RuleFault::EmptyMatch
                                | RuleFault::Unbounded
                                | RuleFault::TooLarge
                        )
                    };
                    assert!(problems.iter().all(|problem| expected(&problem.fault)), "{problems:?}");
                }
            }
        }
    }
    text
}

/// The definition: for each start in order, the match there, if the context agrees.
fn reference(selection: &crate::Selection, patterns: &[(crate::RuleIndex, Regex)], text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (rule, regex) in patterns {
        let matcher = selection.compiled().matcher(rule.0).unwrap();
        let mut at = 0;
        while let Some(found) = regex.captures_at(text, at) {
            let all = found.get(0).unwrap();
            let value = found.name("value").filter(|value| !value.is_empty()).unwrap_or(all);
            if matcher
                .context
                .as_ref()
                .is_none_or(|context| context.holds(text, all.start()))
            {
                hits.push(Hit {
                    start: value.start(),
                    rule: *rule,
                    end: value.end(),
                    score: matcher.score,
                });
                at = all.end();
            } else {
                at = all.start() + text.get(all.start()..).unwrap().chars().next().unwrap().len_utf8();
            }
        }
    }
    hits.sort_unstable();
    hits
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_hits_of_the_whole(
        patterns in rules(),
        extras in prop::collection::vec(extras(), 4),
        text in text(),
        cuts in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let pack = loadable(&patterns, &extras);
        let selection = selection(pack.clone());
        let regexes: Vec<_> = selection
            .compiled()
            .matchers
            .iter()
            .map(|matcher| {
                let id = selection.rule(matcher.rule).unwrap().id.as_str().trim_start_matches("test.").parse::<usize>().unwrap();
                (matcher.rule, RegexBuilder::new(&patterns[id]).size_limit(64 << 20).build().unwrap())
            })
            .collect();
        let whole = scan(&selection, &text);
        prop_assert_eq!(&whole, &reference(&selection, &regexes, &text), "the definition, rules {}", pack);
        prop_assert_eq!(&whole, &stream(&selection, &text, &pieces(&text, |_| true)), "each character alone");
        prop_assert_eq!(&whole, &stream(&selection, &text, &[&text]), "one piece");
        let mut turn = cuts.iter().cycle();
        let cut = pieces(&text, |_| *turn.next().unwrap());
        prop_assert_eq!(&whole, &stream(&selection, &text, &cut), "pieces {:?}", cut);
    }

    #[test]
    fn places_to_mask_do_not_depend_on_the_cut(patterns in rules(), text in text()) {
        let selection = selection(loadable(&patterns, &["always = true".to_owned()]));
        let rules = selection.rules();
        let places = resolve(&scan(&selection, &text), rules);
        prop_assert_eq!(places.iter().filter(|place| place.start >= place.end).count(), 0);
        prop_assert!(places.windows(2).all(|pair| pair[0].end <= pair[1].start));
        let mut budget = Budget::unlimited();
        let mut scanner = selection.stream();
        let mut streamed = Vec::new();
        for piece in pieces(&text, |_| true) {
            streamed.extend(resolve(&scanner.push(piece, &mut budget).hits, rules));
        }
        streamed.extend(resolve(&scanner.finish(&mut budget).hits, rules));
        prop_assert_eq!(places, streamed);
    }
}
