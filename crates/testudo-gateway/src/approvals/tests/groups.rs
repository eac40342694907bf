//! Groups of approvers: nobody outside of them approves, and somebody of each has to.

use super::*;

/// Somebody of groups.
fn of(name: &str, groups: &[&str]) -> Decider {
    Decider {
        groups: groups.iter().map(|it| (*it).to_owned()).collect(),
        ..person(name)
    }
}

fn for_groups(groups: &[&str]) -> Held {
    Held {
        approvers: groups.iter().map(|it| (*it).to_owned()).collect(),
        ..transfer()
    }
}

fn counted(approved: u16, quorum: u16, missing: &[&str]) -> Decided {
    Decided::Counted {
        approved,
        quorum,
        missing: missing.iter().map(|it| (*it).to_owned()).collect(),
    }
}

impl Rig {
    async fn hold_for(&self, groups: &[&str]) -> ApprovalId {
        let held = for_groups(groups);
        self.approvals.open(&held, Some(&answer())).await.unwrap()
    }

    async fn say(&self, id: &ApprovalId, by: &Decider, verdict: HumanVerdict) -> Result<Decided, DecideError> {
        self.approvals.decide(id, by, verdict).await
    }
}

#[tokio::test]
async fn nobody_outside_of_the_group_approves() {
    let rig = rig().await;
    let id = rig.hold_for(&["finance"]).await;
    for outsider in [
        of("ana", &[]),
        of("ana", &["legal"]),
        of("ana", &["Finance"]),
        of("ana", &["finance2", "fin"]),
        of("finance", &[]),
        of("ana", &["finance legal"]),
        of("ana", &[""]),
    ] {
        let refused = rig.say(&id, &outsider, HumanVerdict::Approve).await.unwrap_err();
        assert!(
            matches!(refused, DecideError::NotOfGroup { .. }),
            "{outsider:?}: {refused}"
        );
        assert!(refused.to_string().contains("finance"), "{refused}");
    }
    assert!(matches!(rig.take().await, Taken::Waiting(_)));
    // Their tries do not count, and do not stand in the way of who may.
    let shown = rig.approvals.show(&id).await.unwrap().summary;
    assert!(shown.votes.is_empty() && shown.missing().contains("finance"));
    let bob = of("bob", &["finance"]);
    assert_eq!(
        rig.say(&id, &bob, HumanVerdict::Approve).await.unwrap(),
        Decided::Approved
    );
    assert!(matches!(rig.take().await, Taken::Released(..)));
}

#[tokio::test]
async fn anybody_may_deny() {
    let rig = rig().await;
    let id = rig.hold_for(&["finance"]).await;
    let denied = rig.say(&id, &of("ana", &[]), HumanVerdict::Deny).await;
    assert_eq!(denied.unwrap(), Decided::Denied);
    assert!(matches!(rig.take().await, Taken::Denied(_)));
}

#[tokio::test]
async fn whoever_asked_cannot_approve_for_a_group_either() {
    let rig = rig().await;
    let id = rig.hold_for(&["finance"]).await;
    let own = of("billing-agent", &["finance"]);
    let refused = rig.say(&id, &own, HumanVerdict::Approve).await.unwrap_err();
    assert!(matches!(refused, DecideError::OwnCall), "{refused}");
}

#[tokio::test]
async fn somebody_of_each_group_has_to() {
    let rig = rig().await;
    let id = rig.hold_for(&["finance", "legal"]).await;
    let ana = of("ana", &["finance", "staff"]);
    let first = rig.say(&id, &ana, HumanVerdict::Approve).await.unwrap();
    assert_eq!(first, counted(1, 1, &["legal"]));
    assert!(matches!(rig.take().await, Taken::Waiting(_)));
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Waiting(id.clone()));
    // A second one of the same group, or the same one with other groups, is not the other group.
    let again = rig.say(&id, &of("ana", &["legal"]), HumanVerdict::Approve).await;
    assert!(matches!(again.unwrap_err(), DecideError::Again { .. }));
    let bob = of("bob", &["finance"]);
    assert_eq!(
        rig.say(&id, &bob, HumanVerdict::Approve).await.unwrap(),
        counted(2, 1, &["legal"])
    );
    assert!(matches!(rig.take().await, Taken::Waiting(_)));
    let eve = of("eve", &["legal"]);
    assert_eq!(
        rig.say(&id, &eve, HumanVerdict::Approve).await.unwrap(),
        Decided::Approved
    );
    assert!(matches!(rig.take().await, Taken::Released(..)));
}

#[tokio::test]
async fn one_person_counts_for_all_groups_and_once_for_the_quorum() {
    let rig = rig_with(quorum(2)).await;
    let id = rig.hold_for(&["finance", "legal"]).await;
    let both = of("ana", &["finance", "legal"]);
    assert_eq!(
        rig.say(&id, &both, HumanVerdict::Approve).await.unwrap(),
        counted(1, 2, &[])
    );
    let outsider = rig.say(&id, &of("bob", &["ops"]), HumanVerdict::Approve).await;
    assert!(matches!(outsider.unwrap_err(), DecideError::NotOfGroup { .. }));
    let bob = of("bob", &["legal"]);
    assert_eq!(
        rig.say(&id, &bob, HumanVerdict::Approve).await.unwrap(),
        Decided::Approved
    );
}

#[tokio::test]
async fn groups_that_are_taken_off_in_the_file_change_nothing() {
    let rig = rig().await;
    let id = rig.hold_for(&["finance"]).await;
    let changed = rig.sql("UPDATE approvals SET approvers = ''").await;
    assert!(changed.is_err(), "{changed:?}");
    // Without what forbids it, the texts do not open any more.
    rig.sql("DROP TRIGGER approvals_stay_with_their_groups").await.unwrap();
    rig.sql("UPDATE approvals SET approvers = ''").await.unwrap();
    let refused = rig.say(&id, &of("ana", &[]), HumanVerdict::Approve).await.unwrap_err();
    assert!(matches!(refused, DecideError::Damaged(_)), "{refused}");
}

#[tokio::test]
async fn other_groups_are_another_hold_and_the_same_ones_the_same() {
    let rig = rig().await;
    let id = rig.hold_for(&["finance"]).await;
    assert_eq!(rig.hold_for(&["finance"]).await, id);
    assert_ne!(rig.hold_for(&["finance", "legal"]).await, id);
    assert_ne!(rig.held().await, id);
}

#[tokio::test]
async fn groups_survive_a_restart() {
    let rig = rig().await;
    let id = rig.hold_for(&["finance", "legal"]).await;
    let ana = of("ana", &["finance"]);
    rig.say(&id, &ana, HumanVerdict::Approve).await.unwrap();
    let rig = rig.restart().await;
    let shown = rig.approvals.show(&id).await.unwrap().summary;
    assert_eq!(shown.missing().into_iter().collect::<Vec<_>>(), ["legal"]);
    assert!(shown.may_approve(&["legal".to_owned()]) && !shown.may_approve(&["ops".to_owned()]));
    let refused = rig.say(&id, &of("bob", &[]), HumanVerdict::Approve).await;
    assert!(matches!(refused.unwrap_err(), DecideError::NotOfGroup { .. }));
}
