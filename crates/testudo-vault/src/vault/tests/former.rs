//! Approvers who are none any more, of all artifacts or of one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use testudo_types::UnixMillis;

use super::rig::{key, name};
use super::stated::Stated;
use crate::signing::SigningKey;
use crate::vault::*;

struct Left {
    it: Stated,
    alice: Rc<SigningKey>,
    bob: Rc<SigningKey>,
}

impl Left {
    async fn new() -> Self {
        Self {
            it: Stated::new().await,
            alice: Rc::new(key()),
            bob: Rc::new(key()),
        }
    }

    fn keys(&self) -> (Rc<SigningKey>, Rc<SigningKey>) {
        (Rc::clone(&self.alice), Rc::clone(&self.bob))
    }

    fn both(&self) -> Approvers {
        let keys = [("alice", &self.alice), ("bob", &self.bob)];
        Approvers::named(&keys.map(|(name, key)| (name.to_owned(), key.public().clone())).into())
    }

    /// Alice alone, and what holds of what Bob has said.
    fn without_bob(&self, counts: u64, void: u64) -> Approvers {
        let alice = BTreeMap::from([("alice".to_owned(), self.alice.public().clone())]);
        Approvers::named(&alice).after(Former {
            name: "bob".to_owned(),
            key: self.bob.public().clone(),
            until: BTreeMap::from([(name("m"), Until { counts, void })]),
        })
    }

    async fn read(&self, approvers: &Approvers) -> Result<Standing, VaultError> {
        let vault = self.it.rig.vault().await;
        vault.standing(&name("m"), approvers, &mut Seen::default()).await
    }

    async fn state(&self, by: &SigningKey, approver: &str, act: Act, version: VersionId) -> Result<u64, VaultError> {
        let standing = self.read(&self.both()).await?;
        let vault = self.it.rig.vault().await;
        let artifact = vault.artifact(&name("m")).await?;
        let proposed = Proposed {
            act,
            version,
            approver,
            reason: "tested",
            at: UnixMillis(1),
            key: by,
        };
        vault.state(&artifact, &standing, &proposed).await
    }
}

fn promote() -> Act {
    Act::Promote { alias: name("prod") }
}

fn prod(standing: &Standing) -> Option<VersionId> {
    standing.meaning(&name("prod"))
}

fn refused(read: Result<Standing, VaultError>, number: u64) {
    match read {
        Err(VaultError::Statements {
            source: StatementFault::Former { sequence, approver, .. },
            ..
        }) => assert_eq!((sequence, approver.as_str()), (number, "bob")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn statements_by_who_left_count_up_to_a_number_and_no_further() {
    let left = Left::new().await;
    let (alice, bob) = left.keys();
    let (first, second) = (left.it.first, left.it.second);
    left.state(&alice, "alice", promote(), first).await.unwrap();
    left.state(&bob, "bob", promote(), second).await.unwrap();
    let standing = left.read(&left.without_bob(2, 0)).await.unwrap();
    assert_eq!(prod(&standing), Some(second));
    assert_eq!(standing.statements()[1].known_as.as_deref(), Some("bob"));
    // Nobody promotes any more who left, be it with a key that they kept.
    assert!(!left.without_bob(2, 0).may_state(&name("m"), bob.public()));
    left.state(&bob, "bob", promote(), first).await.unwrap();
    refused(left.read(&left.without_bob(2, 0)).await, 3);
    refused(left.read(&left.without_bob(0, 0)).await, 2);
    refused(left.read(&left.without_bob(1, 2)).await, 3);
}

#[tokio::test]
async fn statements_by_a_stolen_key_stand_without_effect_and_others_go_on() {
    let left = Left::new().await;
    let (alice, bob) = left.keys();
    let (first, second) = (left.it.first, left.it.second);
    left.state(&bob, "bob", promote(), first).await.unwrap();
    // Whoever has stolen the key promotes, revokes and holds, and alice goes on before it is noticed.
    left.state(&bob, "bob", promote(), second).await.unwrap();
    left.state(&bob, "bob", Act::Revoke, first).await.unwrap();
    left.state(&bob, "bob", Act::Hold, second).await.unwrap();
    let staging = Act::Promote { alias: name("staging") };
    left.state(&alice, "alice", staging, second).await.unwrap();
    let standing = left.read(&left.without_bob(1, 4)).await.unwrap();
    assert_eq!(prod(&standing), Some(first));
    assert!(!standing.is_revoked(first) && !standing.is_held(second));
    assert_eq!(standing.meaning(&name("staging")), Some(second));
    let void: Vec<u64> = standing
        .statements()
        .iter()
        .filter(|it| it.void)
        .map(|it| it.sequence)
        .collect();
    assert_eq!(void, [2, 3, 4]);
    // What never counted cannot be gone back to.
    assert!(!standing.has_meant(&name("prod"), second));
    left.state(&bob, "bob", promote(), second).await.unwrap();
    refused(left.read(&left.without_bob(1, 4)).await, 6);
}

#[tokio::test]
async fn an_artifact_has_approvers_of_its_own() {
    let left = Left::new().await;
    let (alice, bob) = left.keys();
    let (first, second) = (left.it.first, left.it.second);
    let only_alice = || left.both().only(name("m"), BTreeSet::from(["alice".to_owned()]));
    assert!(only_alice().may_state(&name("m"), alice.public()));
    assert!(!only_alice().may_state(&name("m"), bob.public()));
    assert!(only_alice().may_state(&name("other"), bob.public()));
    left.state(&bob, "bob", promote(), first).await.unwrap();
    refused(left.read(&only_alice()).await, 1);
    // Bob stays an approver of others, and what he said of this one before holds.
    let after = only_alice().after(Former {
        name: "bob".to_owned(),
        key: bob.public().clone(),
        until: BTreeMap::from([(name("m"), Until { counts: 1, void: 1 })]),
    });
    assert_eq!(prod(&left.read(&after).await.unwrap()), Some(first));
    assert!(after.may_state(&name("other"), bob.public()));
    left.state(&alice, "alice", promote(), second).await.unwrap();
    assert_eq!(prod(&left.read(&after).await.unwrap()), Some(second));
    left.state(&bob, "bob", promote(), first).await.unwrap();
    refused(left.read(&after).await, 3);
}

#[tokio::test]
async fn who_has_a_new_key_is_nobody_else() {
    let left = Left::new().await;
    let (alice, bob) = left.keys();
    let first = left.it.first;
    // Bob's key is alice's old one.
    let renewed = || {
        let now = BTreeMap::from([("alice".to_owned(), alice.public().clone())]);
        let old = Former {
            name: "alice".to_owned(),
            key: bob.public().clone(),
            until: BTreeMap::from([(name("m"), Until { counts: 1, void: 1 })]),
        };
        Approvers::named(&now)
            .after(old)
            .agreeing_on(BTreeSet::from([name("prod")]))
    };
    left.state(&bob, "alice", promote(), first).await.unwrap();
    let standing = left.read(&renewed()).await.unwrap();
    assert_eq!(standing.waiting(&name("prod")).unwrap().sequence, 1);
    let vault = left.it.rig.vault().await;
    let artifact = vault.artifact(&name("m")).await.unwrap();
    let proposed = |approver| Proposed {
        act: Act::Approve {
            alias: name("prod"),
            of: 1,
        },
        version: first,
        approver,
        reason: "tested",
        at: UnixMillis(1),
        key: &alice,
    };
    let own = vault.state(&artifact, &standing, &proposed("alice")).await;
    assert!(matches!(own, Err(VaultError::OwnPromotion { .. })), "{own:?}");
    // Another program lets them; readers do not.
    vault.state(&artifact, &standing, &proposed("else")).await.unwrap();
    assert_eq!(prod(&left.read(&renewed()).await.unwrap()), None);
}
