//! Shipped profiles and those that extend them.

use super::*;
use crate::config::problem::Problem;
use crate::config::typed::Typed;

fn resolved(text: &str) -> (BTreeMap<String, Arc<Profile>>, Vec<Problem>) {
    let mut problems = Problems::new("t");
    let typed = Typed::read(text, &mut problems);
    let profiles = resolve(&typed.profiles, None, &mut problems);
    (profiles, problems.into_sorted())
}

#[test]
fn each_shipped_profile_is_at_least_as_strict_as_the_one_before() {
    let profile = |name| built_in(name).unwrap().unwrap();
    let (observe, balanced, strict) = (profile("observe"), profile("balanced"), profile("strict"));
    for (milder, stricter) in [(&observe, &balanced), (&balanced, &strict)] {
        for (mild, strict) in [
            (&milder.request, &stricter.request),
            (&milder.response, &stricter.response),
        ] {
            assert!(mild.keys().eq(strict.keys()));
            for (kind, guard) in mild {
                assert!(strict[kind].action >= guard.action, "{kind:?}");
                if strict[kind].action == guard.action {
                    assert!(strict[kind].score_min <= guard.score_min, "{kind:?}");
                }
            }
        }
    }
    assert!(observe.request.values().all(|guard| guard.action == Observe));
}

#[test]
fn a_chain_of_profiles_changes_what_it_names_and_nothing_else() {
    let (profiles, problems) = resolved(
        "[profiles.a]\nextends = \"balanced\"\nrequest.secret = \"block\"\n\
         [profiles.b]\nextends = \"a\"\nrequest.secret = { score_min = 95 }\nresponse.personal_data = { action = \"mask\" }\n",
    );
    assert_eq!(problems, []);
    let b = &profiles["b"];
    assert_eq!(
        b.request[&ThreatKind::Secret],
        GuardSetting {
            action: Block,
            score_min: 95
        }
    );
    assert_eq!(
        b.response[&ThreatKind::PersonalData],
        GuardSetting {
            action: Mask,
            score_min: 0
        }
    );
    assert_eq!(
        b.request[&ThreatKind::Injection],
        profiles["balanced"].request[&ThreatKind::Injection]
    );
    assert_eq!(profiles["a"].request[&ThreatKind::Secret].score_min, 60);
    assert_eq!(b.neutralise, Some(TokenLevel::Tokens));
    let (off, problems) = resolved("[profiles.a]\nextends = \"strict\"\nneutralise = \"off\"");
    assert_eq!((off["a"].neutralise, problems), (None, vec![]));
}

#[test]
fn profiles_that_cannot_be_meant_are_refused() {
    for (text, why) in [
        ("[profiles.strict]\nextends = \"balanced\"", "cannot be redefined"),
        ("[profiles.a]\n", "extends nothing"),
        ("[profiles.a]\nextends = \"balancd\"", "no profile `balancd`"),
        (
            "[profiles.a]\nextends = \"b\"\n[profiles.b]\nextends = \"a\"",
            "extends itself",
        ),
        (
            "[profiles.a]\nextends = \"none\"\nrequest.secret = { score_min = 5 }",
            "has no action",
        ),
        (
            "[profiles.a]\nextends = \"none\"\nrequest.unscannable = \"mask\"",
            "cannot be masked",
        ),
        (
            "[profiles.a]\nextends = \"none\"\nrequest.secrets = \"mask\"",
            "not a setting",
        ),
        (
            "[profiles.a]\nextends = \"none\"\nrequest.secret = \"hide\"",
            "cannot be `hide`",
        ),
        (
            "[profiles.a]\nextends = \"none\"\nrequest.secret = { score_min = 101 }",
            "cannot be `101`",
        ),
        (
            "[profiles.a]\nextends = \"none\"\nhold_bytes_max = \"1 KiB\"",
            "out of range",
        ),
        (
            "[profiles.a]\nextends = \"none\"\nneutralise = \"token\"",
            "neutralise` cannot be `token`",
        ),
        ("[profiles.\"a b\"]\nextends = \"none\"", "profile name"),
    ] {
        let (_, problems) = resolved(text);
        assert!(
            problems.iter().any(|problem| problem.what.contains(why)),
            "{text}: {problems:?}"
        );
    }
}
