//! The shipped packs: their cases hold, and the contract holds for them.

use std::sync::{Arc, OnceLock};

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::{pieces, scan, select_all, stream};
use crate::load::PackText;
use crate::{Detector, Selection, builtin_packs, check_cases};

pub(super) fn detector() -> &'static Arc<Detector> {
    static DETECTOR: OnceLock<Arc<Detector>> = OnceLock::new();
    DETECTOR.get_or_init(|| {
        let detector = Detector::builtin().unwrap_or_else(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"))
        });
        Arc::new(detector)
    })
}

fn all_rules() -> &'static Selection {
    static SELECTION: OnceLock<Selection> = OnceLock::new();
    SELECTION.get_or_init(|| select_all(detector()))
}

/// The shipped packs as typed.
pub(super) fn packs() -> Vec<PackText> {
    let packs = builtin_packs();
    packs.iter().map(|pack| toml::from_str(&pack.text).unwrap()).collect()
}

/// The texts of all hit and miss cases.
pub(super) fn case_texts() -> Vec<String> {
    let cases = packs().into_iter().flat_map(|pack| pack.rule).map(|rule| rule.cases);
    cases
        .flat_map(|cases| cases.hit.into_iter().chain(cases.miss))
        .map(|text| text.replace('¦', ""))
        .collect()
}

#[test]
fn every_case_of_every_pack_holds() {
    let failures: Vec<String> = check_cases(detector(), &builtin_packs())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Texts made of pieces of cases: near misses, matches cut short, matches side by side.
fn text() -> impl Strategy<Value = String> {
    let cases = case_texts();
    let whole = prop::sample::select(cases.clone());
    let cut =
        (prop::sample::select(cases), any::<prop::sample::Index>(), any::<bool>()).prop_map(|(text, at, head)| {
            let at = text.floor_char_boundary(at.index(text.len().max(1)));
            let (before, after) = text.split_at(at);
            if head { before.to_owned() } else { after.to_owned() }
        });
    let glue = prop::sample::select(vec!["", " ", "\n", ".", "é", "ssn: ", "-", "\u{200D}", "😀", "key="])
        .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![1 => whole, 2 => cut, 2 => glue], 1..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_hits_of_the_whole(text in text(), cuts in prop::collection::vec(any::<bool>(), 1..40)) {
        let whole = scan(all_rules(), &text);
        prop_assert_eq!(&whole, &stream(all_rules(), &text, &pieces(&text, |_| true)), "each character alone");
        let mut turn = cuts.iter().cycle();
        let cut = pieces(&text, |_| *turn.next().unwrap());
        prop_assert_eq!(&whole, &stream(all_rules(), &text, &cut), "pieces {:?}", cut);
    }
}
