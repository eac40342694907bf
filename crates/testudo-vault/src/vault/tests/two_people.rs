//! Aliases that move only when two agree, and versions that nobody may delete.

use std::collections::BTreeSet;
use std::rc::Rc;

use testudo_types::UnixMillis;

use super::rig::{key, name};
use super::stated::Stated;
use crate::signing::SigningKey;
use crate::vault::*;

/// Two approvers who have to agree on `prod`.
struct Two {
    it: Stated,
    alice: Rc<SigningKey>,
    bob: Rc<SigningKey>,
}

impl Two {
    async fn new() -> Self {
        Self {
            it: Stated::new().await,
            alice: Rc::new(key()),
            bob: Rc::new(key()),
        }
    }

    fn approvers(&self) -> Approvers {
        Approvers::new([self.alice.public().clone(), self.bob.public().clone()])
            .agreeing_on(BTreeSet::from([name("prod")]))
    }

    async fn standing(&mut self) -> Standing {
        let vault = self.it.rig.vault().await;
        let approvers = self.approvers();
        vault.standing(&name("m"), &approvers, &mut self.it.seen).await.unwrap()
    }

    async fn state(&mut self, by: &SigningKey, act: Act, version: VersionId) -> Result<u64, VaultError> {
        let standing = self.standing().await;
        self.state_on(&standing, by, act, version).await
    }

    async fn state_on(
        &mut self,
        standing: &Standing,
        by: &SigningKey,
        act: Act,
        version: VersionId,
    ) -> Result<u64, VaultError> {
        let vault = self.it.rig.vault().await;
        let artifact = vault.artifact(&name("m")).await?;
        let proposed = Proposed {
            act,
            version,
            approver: "somebody",
            reason: "tested",
            at: UnixMillis(1),
            key: by,
        };
        vault.state(&artifact, standing, &proposed).await
    }

    async fn prod(&mut self) -> Option<VersionId> {
        self.standing().await.meaning(&name("prod"))
    }
}

fn promote() -> Act {
    Act::Promote { alias: name("prod") }
}

fn approve(of: u64) -> Act {
    let alias = name("prod");
    Act::Approve { alias, of }
}

fn keys(two: &Two) -> (Rc<SigningKey>, Rc<SigningKey>) {
    (Rc::clone(&two.alice), Rc::clone(&two.bob))
}

#[tokio::test]
async fn a_promotion_takes_effect_when_somebody_else_agrees() {
    let mut two = Two::new().await;
    let (alice, bob) = keys(&two);
    let (first, second) = (two.it.first, two.it.second);
    two.state(&alice, promote(), first).await.unwrap();
    assert_eq!(two.prod().await, None);
    assert_eq!(two.standing().await.waiting(&name("prod")).unwrap().sequence, 1);
    assert_eq!(two.state(&bob, approve(1), first).await.unwrap(), 2);
    assert_eq!(two.prod().await, Some(first));
    let movers: Vec<u64> = two
        .standing()
        .await
        .movers(&name("prod"))
        .map(|it| it.sequence)
        .collect();
    assert_eq!(movers, [1, 2]);
    // Who asked and who agreed change places; until then the old meaning stands.
    two.state(&bob, promote(), second).await.unwrap();
    assert_eq!(two.prod().await, Some(first));
    two.state(&alice, approve(3), second).await.unwrap();
    assert_eq!(two.prod().await, Some(second));
    // Back to what two agreed on goes alone.
    two.state(&bob, Act::RollBack { alias: name("prod") }, first)
        .await
        .unwrap();
    assert_eq!(two.prod().await, Some(first));
    // Other aliases need nobody else.
    two.state(&bob, Act::Promote { alias: name("canary") }, second)
        .await
        .unwrap();
    assert_eq!(two.standing().await.meaning(&name("canary")), Some(second));
}

#[tokio::test]
async fn agreement_by_the_same_key_to_another_version_or_twice_is_refused() {
    let mut two = Two::new().await;
    let (alice, bob) = keys(&two);
    let (first, second) = (two.it.first, two.it.second);
    assert!(matches!(
        two.state(&bob, approve(1), first).await,
        Err(VaultError::NothingWaits { .. })
    ));
    two.state(&alice, promote(), first).await.unwrap();
    assert!(matches!(
        two.state(&alice, approve(1), first).await,
        Err(VaultError::OwnPromotion { .. })
    ));
    assert!(matches!(
        two.state(&bob, approve(1), second).await,
        Err(VaultError::NothingWaits { .. })
    ));
    assert!(matches!(
        two.state(&bob, approve(2), first).await,
        Err(VaultError::NothingWaits { .. })
    ));
    // A newer wish takes the place of the older one.
    two.state(&alice, promote(), second).await.unwrap();
    assert!(matches!(
        two.state(&bob, approve(1), first).await,
        Err(VaultError::NothingWaits { .. })
    ));
    two.state(&bob, approve(2), second).await.unwrap();
    assert!(matches!(
        two.state(&bob, approve(2), second).await,
        Err(VaultError::NothingWaits { .. })
    ));
    // Strangers agree to nothing: the chain is not believed at all.
    two.state(&alice, promote(), first).await.unwrap();
    let standing = two.standing().await;
    two.state_on(&standing, &key(), approve(4), first).await.unwrap();
    let vault = two.it.rig.vault().await;
    let approvers = two.approvers();
    let refused = vault.standing(&name("m"), &approvers, &mut two.it.seen).await;
    assert!(matches!(
        refused,
        Err(VaultError::Statements {
            source: StatementFault::Stranger { sequence: 5, .. },
            ..
        })
    ));
}

#[tokio::test]
async fn what_was_revoked_in_between_or_rolled_over_is_not_agreed_to() {
    let mut two = Two::new().await;
    let (alice, bob) = keys(&two);
    let (first, second) = (two.it.first, two.it.second);
    two.state(&alice, promote(), first).await.unwrap();
    two.state(&bob, Act::Revoke, first).await.unwrap();
    assert!(two.standing().await.waiting(&name("prod")).is_none());
    assert!(matches!(
        two.state(&bob, approve(1), first).await,
        Err(VaultError::Revoked { .. })
    ));
    two.state(&alice, promote(), second).await.unwrap();
    two.state(&bob, approve(3), second).await.unwrap();
    assert_eq!(two.prod().await, Some(second));
}

#[tokio::test]
async fn programs_that_ask_nobody_else_change_nothing_for_readers_that_do() {
    let mut two = Two::new().await;
    let (alice, _) = keys(&two);
    let (first, second) = (two.it.first, two.it.second);
    // To a program without the setting one is enough, and it went back to what it had seen.
    let alone = Approvers::new([two.alice.public().clone(), two.bob.public().clone()]);
    let vault = two.it.rig.vault().await;
    for (act, version) in [
        (promote(), first),
        (promote(), second),
        (Act::RollBack { alias: name("prod") }, first),
    ] {
        let standing = vault.standing(&name("m"), &alone, &mut Seen::default()).await.unwrap();
        two.state_on(&standing, &alice, act, version).await.unwrap();
    }
    let standing = vault.standing(&name("m"), &alone, &mut Seen::default()).await.unwrap();
    assert_eq!(standing.meaning(&name("prod")), Some(first));
    assert_eq!(two.prod().await, None);
    // Nor does one person's agreement with themselves.
    let standing = two.standing().await;
    let proposed = two.state_on(&standing, &alice, approve(2), second).await;
    assert!(matches!(proposed, Err(VaultError::OwnPromotion { .. })));
}

#[tokio::test]
async fn nothing_that_is_held_or_too_young_is_deleted() {
    let mut two = Two::new().await;
    let (alice, bob) = keys(&two);
    let first = two.it.first;
    assert!(matches!(
        two.state(&alice, Act::Release, first).await,
        Err(VaultError::NotHeld { .. })
    ));
    two.state(&alice, Act::Hold, first).await.unwrap();
    two.state(&bob, Act::Revoke, first).await.unwrap();
    let vault = two.it.rig.vault().await;
    let artifact = vault.artifact(&name("m")).await.unwrap();
    let far = UnixMillis(u64::MAX / 2);
    let held = two.standing().await;
    let sweep = |standing, versions_before| Sweep {
        standing,
        before: far,
        revoked: true,
        versions_before,
        only: None,
        dry_run: false,
    };
    let swept = artifact.sweep(sweep(&held, far)).await.unwrap();
    assert_eq!((swept.versions.len(), swept.objects, swept.kept), (0, 0, 1));
    two.state(&alice, Act::Release, first).await.unwrap();
    let free = two.standing().await;
    let young = artifact.sweep(sweep(&free, UnixMillis(0))).await.unwrap();
    assert_eq!((young.versions.len(), young.objects, young.kept), (0, 0, 1));
    let other = Sweep {
        only: Some(two.it.second),
        ..sweep(&free, far)
    };
    assert_eq!(artifact.sweep(other).await.unwrap().versions.len(), 0);
    assert_eq!(artifact.sweep(sweep(&free, far)).await.unwrap().versions, [first]);
}
