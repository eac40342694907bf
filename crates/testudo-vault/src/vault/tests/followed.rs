//! A reader that looks again and again, and what it makes of a vault that says other things than before.

use object_store::path::Path as ObjectPath;
use testudo_recorder::ship::Store;
use testudo_types::UnixMillis;

use super::faulty::Faulty;
use super::rig::{Rig, key, name};
use crate::signing::SigningKey;
use crate::vault::*;

struct Followed {
    rig: Rig,
    key: SigningKey,
    first: VersionId,
    second: VersionId,
}

impl Followed {
    async fn new() -> Self {
        let rig = Rig::new();
        let mut versions = Vec::new();
        for (called, content) in [("one", b"1"), ("two", b"2")] {
            let model = rig.model(called, &[("a", content)]);
            versions.push(rig.push(&rig.store, &model).await.unwrap().version);
        }
        Self {
            rig,
            key: key(),
            first: versions[0],
            second: versions[1],
        }
    }

    fn follower_in(&self, store: &Faulty) -> Follower {
        let store = Store::other(Arc::new(store.clone()), ObjectPath::from("vault"), "memory");
        let approvers = Approvers::new([self.key.public().clone()]);
        Follower::reading(&store, approvers, SeenFile::new(&self.rig.to("seen.json")))
    }

    fn follower(&self) -> Follower {
        self.follower_in(&self.rig.store)
    }

    async fn state(&self, act: Act, version: VersionId) {
        let approvers = Approvers::new([self.key.public().clone()]);
        let vault = self.rig.vault().await;
        let standing = vault
            .standing(&name("m"), &approvers, &mut Seen::default())
            .await
            .unwrap();
        let proposed = Proposed {
            act,
            version,
            approver: "alice",
            reason: "tested",
            at: UnixMillis(1),
            key: &self.key,
        };
        let artifact = vault.artifact(&name("m")).await.unwrap();
        vault.state(&artifact, &standing, &proposed).await.unwrap();
    }

    async fn statements(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for path in self.rig.store.paths("/statements/").await {
            all.push((path.clone(), self.rig.store.content(&path).await));
        }
        all
    }
}

fn promote() -> Act {
    Act::Promote { alias: name("prod") }
}

async fn prod(follower: &mut Follower) -> Result<VersionId, VaultError> {
    let standing = follower.look(&name("m")).await?;
    Vault::resolve(&name("m"), &name("prod"), &standing)
}

#[tokio::test]
async fn each_look_sees_what_was_stated_since() {
    let it = Followed::new().await;
    let mut follower = it.follower();
    assert!(matches!(prod(&mut follower).await, Err(VaultError::NoAlias { .. })));
    it.state(promote(), it.first).await;
    assert_eq!(prod(&mut follower).await.unwrap(), it.first);
    it.state(promote(), it.second).await;
    assert_eq!(prod(&mut follower).await.unwrap(), it.second);
    it.state(Act::RollBack { alias: name("prod") }, it.first).await;
    assert_eq!(prod(&mut follower).await.unwrap(), it.first);
    it.state(Act::Revoke, it.first).await;
    assert!(matches!(prod(&mut follower).await, Err(VaultError::Revoked { .. })));
}

#[tokio::test]
async fn looking_again_reads_the_last_statement_and_no_key() {
    let it = Followed::new().await;
    for _ in 0..20 {
        it.state(promote(), it.first).await;
    }
    let counted = it.rig.store.dying_after(u64::MAX);
    let mut follower = it.follower_in(&counted);
    prod(&mut follower).await.unwrap();
    let before = counted.asked();
    prod(&mut follower).await.unwrap();
    // The vault's first file, the list, the last statement.
    assert!(counted.asked() - before <= 3, "{}", counted.asked() - before);
    std::fs::remove_dir_all(it.rig.to("keys")).unwrap();
    assert_eq!(prod(&mut it.follower()).await.unwrap(), it.first);
}

#[tokio::test]
async fn an_older_state_and_another_history_are_refused_and_the_true_one_is_taken_again() {
    let it = Followed::new().await;
    let mut follower = it.follower();
    it.state(promote(), it.first).await;
    prod(&mut follower).await.unwrap();
    let one = it.statements().await;
    it.state(promote(), it.second).await;
    prod(&mut follower).await.unwrap();
    let two = it.statements().await;
    it.rig.store.remove(&two[1].0).await;
    for mut reader in [follower, it.follower()] {
        let refused = prod(&mut reader).await.unwrap_err();
        assert!(
            matches!(refused, VaultError::Seen(SeenError::RolledBack { .. })),
            "{refused}"
        );
        assert!(!refused.is_unreadable());
    }
    let mut follower = it.follower();
    // Another second statement by the same approver.
    it.state(promote(), it.first).await;
    let refused = prod(&mut follower).await.unwrap_err();
    assert!(
        matches!(refused, VaultError::Seen(SeenError::Forked { .. })),
        "{refused}"
    );
    it.rig.store.put(&two[1].0, two[1].1.clone()).await;
    assert_eq!(prod(&mut follower).await.unwrap(), it.second);
    it.rig.store.put(&one[0].0, two[1].1.clone()).await;
    assert!(matches!(
        prod(&mut it.follower()).await,
        Err(VaultError::Statements { .. })
    ));
}

#[tokio::test]
async fn a_vault_that_is_gone_is_unreadable_and_not_empty() {
    let it = Followed::new().await;
    let mut follower = it.follower();
    it.state(promote(), it.first).await;
    prod(&mut follower).await.unwrap();
    for path in it.rig.store.paths("").await {
        it.rig.store.remove(&path).await;
    }
    assert!(prod(&mut follower).await.unwrap_err().is_unreadable());
    let mut dead = it.follower_in(&it.rig.store.dying_after(0));
    assert!(prod(&mut dead).await.unwrap_err().is_unreadable());
}
