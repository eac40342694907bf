//! Aliases and revocations, and those who would turn them back.

use testudo_types::UnixMillis;

use super::rig::{Rig, key, name};
use crate::signing::SigningKey;
use crate::vault::seen::Overtaken;
use crate::vault::*;

/// A vault with two versions, an approver, and a reader that remembers.
pub(super) struct Stated {
    pub(super) rig: Rig,
    pub(super) key: SigningKey,
    pub(super) seen: Seen,
    pub(super) first: VersionId,
    pub(super) second: VersionId,
}

impl Stated {
    pub(super) async fn new() -> Self {
        let rig = Rig::new();
        let first = rig
            .push(&rig.store, &rig.model("one", &[("a", b"1")]))
            .await
            .unwrap()
            .version;
        let second = rig
            .push(&rig.store, &rig.model("two", &[("a", b"2")]))
            .await
            .unwrap()
            .version;
        Self {
            rig,
            key: key(),
            seen: Seen::default(),
            first,
            second,
        }
    }

    fn approvers(&self) -> Approvers {
        Approvers::new([self.key.public().clone()])
    }

    async fn standing(&mut self) -> Result<Standing, VaultError> {
        let vault = self.rig.vault().await;
        vault.standing(&name("m"), &self.approvers(), &mut self.seen).await
    }

    async fn state(&mut self, act: Act, version: VersionId) -> Result<u64, VaultError> {
        let standing = self.standing().await?;
        self.state_on(&standing, act, version).await
    }

    async fn state_on(&self, standing: &Standing, act: Act, version: VersionId) -> Result<u64, VaultError> {
        let vault = self.rig.vault().await;
        let artifact = vault.artifact(&name("m")).await?;
        let proposed = Proposed {
            act,
            version,
            approver: "alice",
            reason: "tested",
            at: UnixMillis(1),
            key: &self.key,
        };
        vault.state(&artifact, standing, &proposed).await
    }

    async fn prod(&mut self) -> Result<VersionId, VaultError> {
        let standing = self.standing().await?;
        Vault::resolve(&name("m"), &name("prod"), &standing)
    }

    async fn statements(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for path in self.rig.store.paths("/statements/").await {
            let content = self.rig.store.content(&path).await;
            all.push((path, content));
        }
        all
    }

    async fn put_back(&self, earlier: &[(String, Vec<u8>)]) {
        for (path, _) in self.statements().await {
            self.rig.store.remove(&path).await;
        }
        for (path, content) in earlier {
            self.rig.store.put(path, content.clone()).await;
        }
    }
}

fn promote() -> Act {
    Act::Promote { alias: name("prod") }
}

fn roll_back() -> Act {
    Act::RollBack { alias: name("prod") }
}

/// What is said about `m` once a version of it is revoked.
pub(super) async fn revoked(rig: &Rig, version: VersionId) -> Standing {
    let key = key();
    let approvers = Approvers::new([key.public().clone()]);
    let vault = rig.vault().await;
    let artifact = vault.artifact(&name("m")).await.unwrap();
    let proposed = Proposed {
        act: Act::Revoke,
        version,
        approver: "alice",
        reason: "unsafe",
        at: UnixMillis(1),
        key: &key,
    };
    vault.state(&artifact, &Standing::default(), &proposed).await.unwrap();
    vault
        .standing(&name("m"), &approvers, &mut Seen::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn aliases_move_forward_and_back_by_new_statements() {
    let mut it = Stated::new().await;
    assert!(matches!(it.prod().await, Err(VaultError::NoAlias { .. })));
    assert_eq!(it.state(promote(), it.first).await.unwrap(), 1);
    assert_eq!(it.state(promote(), it.second).await.unwrap(), 2);
    assert_eq!(it.prod().await.unwrap(), it.second);
    let standing = it.standing().await.unwrap();
    let before = Vault::before(&name("m"), &name("prod"), &standing).unwrap();
    assert_eq!(before, it.first);
    assert_eq!(it.state(roll_back(), before).await.unwrap(), 3);
    assert_eq!(it.prod().await.unwrap(), it.first);
    let last = it.standing().await.unwrap().statements()[2].clone();
    assert_eq!(
        (last.approver.as_str(), last.reason.as_str(), last.sequence),
        ("alice", "tested", 3)
    );
}

#[tokio::test]
async fn yesterdays_statements_put_back_are_refused() {
    let mut it = Stated::new().await;
    it.state(promote(), it.first).await.unwrap();
    let yesterday = it.statements().await;
    it.state(promote(), it.second).await.unwrap();
    assert_eq!(it.prod().await.unwrap(), it.second);
    it.put_back(&yesterday).await;
    assert!(matches!(
        it.prod().await,
        Err(VaultError::Seen(SeenError::RolledBack { .. }))
    ));
    // Remembering survives a restart.
    it.seen = Seen::parse(&it.seen.to_bytes().unwrap()).unwrap();
    assert!(it.prod().await.unwrap_err().is_denial());
    it.put_back(&[]).await;
    assert!(matches!(
        it.prod().await,
        Err(VaultError::Seen(SeenError::RolledBack { .. }))
    ));
}

#[tokio::test]
async fn an_old_statement_played_again_at_the_end_is_refused() {
    let mut it = Stated::new().await;
    it.state(promote(), it.first).await.unwrap();
    it.state(promote(), it.second).await.unwrap();
    let all = it.statements().await;
    it.rig
        .store
        .put("vault/artifacts/m/statements/0000000003.json", all[0].1.clone())
        .await;
    assert!(matches!(it.prod().await, Err(VaultError::Statements { .. })));
}

#[tokio::test]
async fn another_history_by_the_same_approver_is_refused() {
    let mut it = Stated::new().await;
    it.state(promote(), it.first).await.unwrap();
    it.prod().await.unwrap();
    it.put_back(&[]).await;
    it.state_on(&Standing::default(), promote(), it.second).await.unwrap();
    assert!(matches!(
        it.prod().await,
        Err(VaultError::Seen(SeenError::Forked { .. }))
    ));
}

#[tokio::test]
async fn strangers_gaps_and_changes_are_refused() {
    let mut it = Stated::new().await;
    it.state(promote(), it.first).await.unwrap();
    it.state(promote(), it.second).await.unwrap();
    let all = it.statements().await;
    it.rig.store.remove(&all[0].0).await;
    assert!(matches!(it.prod().await, Err(VaultError::Gap { .. })));
    it.put_back(&all).await;
    it.rig.store.put(&all[0].0, all[1].1.clone()).await;
    it.rig.store.put(&all[1].0, all[0].1.clone()).await;
    assert!(matches!(it.prod().await, Err(VaultError::Statements { .. })));
    it.put_back(&all).await;
    let mut changed = all[1].1.clone();
    let at = changed.len() / 2;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    it.rig.store.put(&all[1].0, changed).await;
    assert!(matches!(it.prod().await, Err(VaultError::Statements { .. })));
    it.put_back(&all).await;
    it.rig.store.put("vault/artifacts/m/statements/zzz", Vec::new()).await;
    assert!(matches!(it.prod().await, Err(VaultError::Gap { .. })));
    it.put_back(&all).await;
    assert!(it.prod().await.is_ok());
    it.key = key();
    it.seen = Seen::default();
    assert!(matches!(
        it.prod().await,
        Err(VaultError::Statements {
            source: StatementFault::Stranger { sequence: 1, .. },
            ..
        })
    ));
}

#[tokio::test]
async fn what_is_revoked_is_neither_had_nor_promoted_nor_gone_back_to() {
    let mut it = Stated::new().await;
    it.state(promote(), it.first).await.unwrap();
    it.state(promote(), it.second).await.unwrap();
    it.state(Act::Revoke, it.second).await.unwrap();
    assert!(matches!(it.prod().await, Err(VaultError::Revoked { .. })));
    assert!(matches!(
        it.state(promote(), it.second).await,
        Err(VaultError::Revoked { .. })
    ));
    it.state(roll_back(), it.first).await.unwrap();
    it.state(Act::Revoke, it.first).await.unwrap();
    let standing = it.standing().await.unwrap();
    assert!(matches!(
        Vault::before(&name("m"), &name("prod"), &standing),
        Err(VaultError::NothingBefore { .. })
    ));
    assert!(Vault::permit(&name("m"), it.first, &standing).is_err());
}

#[tokio::test]
async fn of_two_at_once_one_is_told_to_look_again() {
    let mut it = Stated::new().await;
    let standing = it.standing().await.unwrap();
    assert!(it.state_on(&standing, promote(), it.first).await.is_ok());
    assert!(matches!(
        it.state_on(&standing, promote(), it.second).await,
        Err(VaultError::Raced { .. })
    ));
    assert_eq!(it.prod().await.unwrap(), it.first);
}

#[tokio::test]
async fn statements_need_a_version_that_is_there_and_words() {
    let mut it = Stated::new().await;
    let absent = VersionId::from_hex(&"ab".repeat(32)).unwrap();
    assert!(matches!(
        it.state(promote(), absent).await,
        Err(VaultError::NoVersion { .. })
    ));
    assert!(matches!(
        it.state(roll_back(), it.first).await,
        Err(VaultError::NeverMeant { .. })
    ));
    let vault = it.rig.vault().await;
    let artifact = vault.artifact(&name("m")).await.unwrap();
    for (approver, reason) in [("", "r"), ("a", " "), ("a\nb", "r"), ("a", "\u{1b}[31m")] {
        let proposed = Proposed {
            act: promote(),
            version: it.first,
            approver,
            reason,
            at: UnixMillis(1),
            key: &it.key,
        };
        let stated = vault.state(&artifact, &Standing::default(), &proposed).await;
        assert!(stated.is_err(), "{approver:?} {reason:?}");
    }
    assert!(it.statements().await.is_empty());
}

#[tokio::test]
async fn a_statement_whose_answer_was_lost_is_nobody_elses() {
    let mut it = Stated::new().await;
    let (first, second) = (it.first, it.second);
    it.state(Act::Promote { alias: name("prod") }, first).await.unwrap();
    let before = it.standing().await.unwrap();
    it.rig.store = it.rig.store.repeating();
    assert_eq!(it.state(Act::Promote { alias: name("prod") }, second).await.unwrap(), 2);
    assert_eq!(it.prod().await.unwrap(), second);
    // One by somebody else still is.
    let raced = it.state_on(&before, Act::Promote { alias: name("prod") }, first).await;
    assert!(matches!(raced, Err(VaultError::Raced { .. })));
}

#[test]
fn whoever_is_overtaken_reads_again_as_long_as_the_mark_moves() {
    let older = |seen, found| SeenError::RolledBack {
        artifact: "m".to_owned(),
        seen,
        found,
    };
    let mut overtaken = Overtaken::default();
    assert_eq!(overtaken.excuse(older(3, 2)), Ok(()));
    assert_eq!(overtaken.excuse(older(4, 3)), Ok(()));
    // Nobody has come further meanwhile: this is an older state.
    assert_eq!(overtaken.excuse(older(4, 3)), Err(older(4, 3)));
    let forked = SeenError::Forked {
        artifact: "m".to_owned(),
        sequence: 9,
    };
    assert_eq!(Overtaken::default().excuse(forked.clone()), Err(forked));
}
