//! Tests of the rules as a table, and of what is due.

use std::collections::{BTreeMap, BTreeSet};

use testudo_ledger::entry::{Body, Commitment, Entry, Evidence, EvidenceResult, Gap, PayloadRef, SubjectPseudonym};
use testudo_types::UnixMillis;

use super::due::Due;
use super::*;

const DAY_MS: u64 = 86_400_000;

/// `regimes; days; maximum` of the class `exchange`.
fn settle(regimes: &str, days: Option<u32>, maximum: Option<u32>) -> Result<(Rules, Vec<RuleWarning>), RuleError> {
    let class = |days: Option<u32>| days.map(|days| (RecordClass::Exchange, days)).into_iter().collect();
    Rules::settle(&Wanted {
        regimes: regimes
            .split_whitespace()
            .map(|it| Regime::from_name(it).unwrap())
            .collect(),
        days: class(days),
        maximum_days: class(maximum),
    })
}

fn days(rules: &Rules, class: RecordClass) -> u32 {
    rules.period(class).unwrap().days
}

#[test]
fn the_longest_minimum_wins() {
    // regimes, configured, declared maximum -> days, warned
    for (regimes, wanted, maximum, expected, warned) in [
        ("", None, None, 184, false),
        ("", Some(1), None, 1, false),
        ("", Some(36_525), None, 36_525, false),
        ("", None, Some(30), 30, false),
        ("", Some(30), Some(30), 30, false),
        ("", None, Some(400), 184, false),
        ("eu_ai_act", None, None, 184, false),
        ("eu_ai_act", Some(184), None, 184, false),
        ("eu_ai_act", Some(365), None, 365, false),
        ("eu_ai_act", None, Some(30), 184, true),
        ("eu_ai_act", Some(184), Some(30), 184, true),
        ("eu_ai_act", None, Some(184), 184, false),
        ("pci_dss", None, None, 366, false),
        ("pci_dss", Some(366), Some(366), 366, false),
        ("hipaa", None, None, 2192, false),
        ("hipaa", None, Some(2191), 2192, true),
        ("eu_ai_act pci_dss", None, None, 366, false),
        ("eu_ai_act pci_dss hipaa", None, None, 2192, false),
        ("eu_ai_act pci_dss hipaa", Some(3000), Some(3000), 3000, false),
    ] {
        let (rules, warnings) = settle(regimes, wanted, maximum).unwrap();
        let case = format!("{regimes:?} {wanted:?} {maximum:?}");
        assert_eq!(days(&rules, RecordClass::Exchange), expected, "{case}");
        assert_eq!(!warnings.is_empty(), warned, "{case}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (regimes, wanted, maximum, expected) in [
        ("eu_ai_act", Some(183), None, "EU AI Act (Articles 19(1) and 26(6))"),
        ("eu_ai_act", Some(1), Some(1), "EU AI Act (Articles 19(1) and 26(6))"),
        ("pci_dss", Some(365), None, "PCI DSS (requirement 10.5.1)"),
        ("hipaa", Some(2191), None, "HIPAA (45 CFR 164.316(b)(2)(i))"),
        ("eu_ai_act hipaa", Some(200), None, "HIPAA (45 CFR 164.316(b)(2)(i))"),
        ("eu_ai_act pci_dss", Some(200), None, "PCI DSS (requirement 10.5.1)"),
        ("", Some(31), Some(30), "GDPR Article 5(1)(e)"),
        ("eu_ai_act", Some(185), Some(30), "GDPR Article 5(1)(e)"),
        ("", Some(0), None, "1 to 36525"),
        ("", Some(36_526), None, "1 to 36525"),
        ("", None, Some(0), "1 to 36525"),
        ("hipaa", None, Some(u32::MAX), "1 to 36525"),
    ] {
        let refused = settle(regimes, wanted, maximum).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(refused.contains("`exchange`"), "{refused}");
    }
}

#[test]
fn classes_have_floors_of_their_own() {
    let (rules, _) = settle("eu_ai_act pci_dss", None, None).unwrap();
    assert_eq!(rules.period(RecordClass::Exchange).unwrap().at_hand_days, 92);
    assert_eq!(
        rules.period(RecordClass::Exchange).unwrap().reasons,
        ["eu_ai_act", "pci_dss"]
    );
    assert_eq!(rules.period(RecordClass::Artifact).unwrap().reasons, ["pci_dss"]);
    assert_eq!(days(&rules, RecordClass::Incident), 1096);
    let (rules, _) = settle("eu_ai_act", None, None).unwrap();
    assert_eq!(rules.period(RecordClass::Artifact).unwrap().reasons, Vec::<&str>::new());
    assert_eq!(Rules::settle(&Wanted::default()).unwrap(), (Rules::default(), vec![]));
    for class in RecordClass::ALL {
        assert_eq!(RecordClass::from_name(class.as_str()), Some(class));
    }
}

fn entry(at_day: u64, subject: Option<u8>, body: impl Into<Body>) -> Entry {
    Entry {
        at: at_day.saturating_mul(DAY_MS),
        tenant: None,
        principal: None,
        payload: subject.map(|byte| PayloadRef {
            bytes: 1,
            commitment: Commitment::from_bytes([0; 32]),
            subject: SubjectPseudonym::from_bytes([byte; 16]),
        }),
        body: body.into(),
    }
}

fn gap() -> Gap {
    Gap {
        count: 1,
        from_at: 0,
        reason: "x".to_owned(),
        to_at: 0,
    }
}

fn evidence() -> Evidence {
    Evidence {
        control: "x".to_owned(),
        digest: None,
        result: EvidenceResult::Pass,
    }
}

#[test]
fn what_is_old_and_not_held_is_due() {
    let wanted = Wanted {
        days: BTreeMap::from([(RecordClass::Configuration, 10), (RecordClass::Incident, 20)]),
        ..Wanted::default()
    };
    let (rules, _) = Rules::settle(&wanted).unwrap();
    let held = BTreeSet::from([SubjectPseudonym::from_bytes([9; 16])]);
    let now = UnixMillis(100 * DAY_MS);
    let mut judge = Judge::new(&rules, now, &held);
    let cases = [
        (entry(70, Some(1), gap()), Due::Delete),
        (entry(70, None, gap()), Due::NotYet),
        (entry(71, Some(9), gap()), Due::Held),
        (entry(80, Some(1), evidence()), Due::Delete),
        (entry(81, Some(1), evidence()), Due::NotYet),
        (entry(90, Some(1), gap()), Due::Delete),
        (entry(91, Some(1), gap()), Due::NotYet),
    ];
    for (index, (entry, expected)) in (0..).zip(&cases) {
        assert!(!judge.is_over(entry.at) || *expected == Due::NotYet);
        assert_eq!(judge.look(index, entry), *expected, "entry {index}");
    }
    assert!(!judge.is_over(90 * DAY_MS));
    assert!(judge.is_over(90 * DAY_MS + 1));
    let judged = judge.end();
    assert_eq!(judged.held, 1);
    assert_eq!(judged.indexes(), BTreeSet::from([0, 3, 5]));
    let bodies = judged.bodies(&rules, now);
    let told: Vec<_> = bodies
        .iter()
        .map(|it| (it.class.as_str(), it.payloads, it.before_at / DAY_MS))
        .collect();
    assert_eq!(told, [("configuration", 2, 90), ("incident", 1, 80)]);
    assert!(!bodies[0].ranges.contains(2));
}

#[test]
fn nothing_is_due_before_the_first_period_is_over() {
    let rules = Rules::default();
    let held = BTreeSet::new();
    let mut judge = Judge::new(&rules, UnixMillis(1), &held);
    assert!(judge.is_over(0));
    assert_eq!(judge.look(0, &entry(0, Some(1), gap())), Due::NotYet);
}
