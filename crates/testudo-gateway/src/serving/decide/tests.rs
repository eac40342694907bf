//! Every way in which a route has, or has not, somewhere to send its exchanges.

use proptest::prelude::*;

use super::*;
use crate::settings::{Ask, AskWhat};

const ONE: &str = "874230e7607febb0eef0f409bd266cab2267a578b2f12a5c41ed2ad913b28383";
const TWO: &str = "32cc3b45e325c51d2f4b3d3fd2c1d7c1f0b0f2f0a8b6c8e9d7f6a5b4c3d2e1f0";

fn first(text: &str, digits: usize) -> &str {
    text.split_at(digits).0
}

fn version(text: &str) -> VersionId {
    VersionId::from_hex(text).unwrap()
}

fn beginning(text: &str) -> VersionBeginning {
    VersionBeginning::parse(text).unwrap()
}

fn vault_name(text: &str) -> VaultName {
    VaultName::parse(text).unwrap()
}

fn upstream(text: &str) -> UpstreamName {
    UpstreamName::parse(text).unwrap()
}

fn model(afterwards: Afterwards) -> FollowedModel {
    FollowedModel {
        artifact: vault_name("llama"),
        alias: vault_name("prod"),
        upstreams: vec![upstream("blue"), upstream("green")],
        keep_ms: 1_000,
        afterwards,
    }
}

fn stated(meaning: Option<Meaning>) -> Stated {
    Stated {
        meaning: meaning.map(|it| (vault_name("prod"), it)).into_iter().collect(),
        at: Millis(100),
    }
}

fn asked(stated: Option<&str>) -> Serves {
    Serves::Asked {
        ask: Ask {
            what: AskWhat::Tgi,
            means: BTreeMap::new(),
        },
        stated: stated.map(beginning),
    }
}

/// Blue says it by configuration, green is asked.
fn serves(green: Option<&str>) -> BTreeMap<UpstreamName, Serves> {
    BTreeMap::from([
        (upstream("blue"), Serves::Stated(beginning(first(ONE, 8)))),
        (upstream("green"), asked(green)),
    ])
}

fn said(text: &str) -> BTreeMap<UpstreamName, Said> {
    let said = Said {
        text: text.to_owned(),
        at: Millis(100),
    };
    BTreeMap::from([(upstream("green"), said)])
}

fn at(
    now: u64,
    stated: Option<&Stated>,
    said: &BTreeMap<UpstreamName, Said>,
    serves: &BTreeMap<UpstreamName, Serves>,
    afterwards: Afterwards,
) -> (Choice, Vec<Trouble>) {
    let known = Known {
        now: Millis(now),
        stated,
        said,
        said_keep_ms: 300,
    };
    decide(&model(afterwards), serves, &known)
}

fn sent(upstream_name: &str, text: &str, until: Option<u64>) -> Choice {
    Choice::Send(Chosen {
        upstream: upstream(upstream_name),
        version: version(text),
        until: until.map(Millis),
    })
}

#[test]
fn exchanges_go_where_the_meant_version_is_served() {
    let (one, two) = (
        stated(Some(Meaning::Version(version(ONE)))),
        stated(Some(Meaning::Version(version(TWO)))),
    );
    let green = said(&format!("/models/{TWO}"));
    let check = |stated: &Stated, expected: Choice| {
        assert_eq!(
            at(150, Some(stated), &green, &serves(None), Afterwards::Refuse),
            (expected, vec![])
        );
    };
    check(&one, sent("blue", ONE, Some(1_100)));
    // What was asked counts for less long than the statements.
    check(&two, sent("green", TWO, Some(400)));
    let refused = |meaning, why| check(&stated(meaning), Choice::Refuse(why));
    refused(None, Withheld::Unmeant);
    refused(Some(Meaning::Revoked(version(ONE))), Withheld::Revoked);
    refused(Some(Meaning::Version(version(&"ab".repeat(32)))), Withheld::Unserved);
    assert_eq!(
        at(150, None, &green, &serves(None), Afterwards::Continue).0,
        Choice::Refuse(Withheld::Unverified)
    );
}

#[test]
fn old_statements_end_unless_the_route_goes_on() {
    let one = stated(Some(Meaning::Version(version(ONE))));
    let check = |now, afterwards, expected: Choice| {
        let (choice, _) = at(now, Some(&one), &BTreeMap::new(), &serves(None), afterwards);
        assert_eq!(choice, expected);
    };
    check(1_099, Afterwards::Refuse, sent("blue", ONE, Some(1_100)));
    check(1_100, Afterwards::Refuse, Choice::Refuse(Withheld::Stale));
    check(1_000_000, Afterwards::Continue, sent("blue", ONE, None));
}

#[test]
fn an_upstream_that_says_another_version_is_not_used() {
    let two = stated(Some(Meaning::Version(version(TWO))));
    let check = |text: &str, configured: Option<&str>, trouble: Option<Trouble>| {
        let (choice, troubles) = at(150, Some(&two), &said(text), &serves(configured), Afterwards::Refuse);
        let expected = match trouble {
            None => sent("green", TWO, Some(400)),
            Some(_) => Choice::Refuse(Withheld::Unserved),
        };
        assert_eq!(
            (choice, troubles),
            (expected, trouble.into_iter().collect()),
            "{text} {configured:?}"
        );
    };
    let green = || upstream("green");
    check(TWO, None, None);
    check(TWO, Some(first(TWO, 8)), None);
    check(first(TWO, 12), Some(TWO), None);
    check(ONE, Some(first(TWO, 8)), Some(Trouble::Contradicts(green())));
    check("a name", Some(first(TWO, 8)), Some(Trouble::Contradicts(green())));
    check("a name", None, Some(Trouble::Unclear(green())));
}

#[test]
fn an_upstream_that_fell_silent_is_used_no_longer() {
    let two = stated(Some(Meaning::Version(version(TWO))));
    let green = said(TWO);
    let serves = serves(Some(first(TWO, 8)));
    let (choice, _) = at(399, Some(&two), &green, &serves, Afterwards::Continue);
    assert_eq!(choice, sent("green", TWO, Some(400)));
    for (now, said) in [(400, &green), (150, &BTreeMap::new())] {
        let (choice, troubles) = at(now, Some(&two), said, &serves, Afterwards::Continue);
        assert_eq!(choice, Choice::Refuse(Withheld::Unserved));
        assert_eq!(troubles, [Trouble::Silent(upstream("green"))]);
    }
}

#[test]
fn an_agreeing_pair_is_as_sure_as_its_longer_half() {
    // The upstream names twelve digits, the configuration all: another version with the same twelve is not served.
    let cousin = format!("{}{}", first(TWO, 12), "0".repeat(52));
    let cousin = stated(Some(Meaning::Version(version(&cousin))));
    let (choice, _) = at(
        150,
        Some(&cousin),
        &said(first(TWO, 12)),
        &serves(Some(TWO)),
        Afterwards::Refuse,
    );
    assert_eq!(choice, Choice::Refuse(Withheld::Unserved));
}

fn meanings() -> impl Strategy<Value = Option<Meaning>> {
    prop_oneof![
        Just(None),
        Just(Some(Meaning::Version(version(ONE)))),
        Just(Some(Meaning::Version(version(TWO)))),
        Just(Some(Meaning::Revoked(version(ONE)))),
        Just(Some(Meaning::Revoked(version(TWO)))),
    ]
}

proptest! {
    /// Whatever is known, nothing goes anywhere but to an upstream that is known to serve the version that the alias
    /// means, while that is known, and never to a revoked one.
    #[test]
    fn nothing_goes_astray(
        now in 0u64..3_000,
        meaning in meanings(),
        verified in any::<bool>(),
        text in prop_oneof![Just(ONE.to_owned()), Just(TWO.to_owned()), "[0-9a-f/]{0,20}"],
        configured in prop_oneof![Just(None), Just(Some(ONE)), Just(Some(TWO))],
        goes_on in any::<bool>(),
    ) {
        let afterwards = if goes_on { Afterwards::Continue } else { Afterwards::Refuse };
        let known = stated(meaning);
        let (choice, _) = at(now, Some(&known).filter(|_| verified), &said(&text), &serves(configured), afterwards);
        if let Choice::Send(chosen) = choice {
            prop_assert!(verified);
            prop_assert_eq!(meaning, Some(Meaning::Version(chosen.version)));
            prop_assert!(chosen.until.is_none_or(|until| now < until.0));
            prop_assert!(goes_on || now < 1_100);
            if chosen.upstream == upstream("green") {
                prop_assert!(now < 400);
                prop_assert!(text.contains(first(&chosen.version.to_string(), 12)));
                prop_assert!(configured.is_none_or(|it| version(it) == chosen.version));
            } else {
                prop_assert_eq!(chosen.version, version(ONE));
            }
        }
    }
}
