//! What is pushed comes back whole or not at all, whatever dies meanwhile and whoever touches the store.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod faulty;
mod followed;
mod former;
mod handed;
mod held;
pub(super) mod rig;
mod stated;
mod touched;
mod two_people;

use std::fs;

use testudo_types::UnixMillis;

use super::*;
use rig::{Rig, files, measured, name, signed, unwatched};

/// Around the boundaries of pieces, and larger than one part of an upload.
fn lengths() -> Vec<(String, Vec<u8>)> {
    [0usize, 1, 16383, 16384, 16385, 32768, 9 << 20]
        .iter()
        .map(|length| {
            (
                format!("f/{length}"),
                (0..*length).map(|at| (at * 7 % 251) as u8).collect(),
            )
        })
        .collect()
}

fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect()
}

#[tokio::test]
async fn what_is_pushed_comes_back_byte_for_byte() {
    let rig = Rig::new();
    let content = lengths();
    let model = rig.model("model", &borrowed(&content));
    let pushed = rig.push(&rig.store, &model).await.unwrap();
    assert_eq!((pushed.known, pushed.bytes_known), (false, 0));
    let to = rig.to("back");
    rig.pull(&rig.store, pushed.version, &to).await.unwrap();
    assert_eq!(files(&to), files(&rig.to("model")));
    // Nothing of it lies in the store in the clear, not even names.
    for path in rig.store.paths("").await {
        let bytes = rig.store.content(&path).await;
        assert!(!bytes.windows(6).any(|it| it == b"16385\""), "{path}");
        assert!(!path.contains("16385"), "{path}");
    }
    assert!(matches!(
        rig.pull(&rig.store, pushed.version, &to).await,
        Err(VaultError::Exists { .. })
    ));
}

#[tokio::test]
async fn any_range_is_read_without_the_rest() {
    let rig = Rig::new();
    let content: Vec<u8> = (0..100_000usize).map(|at| (at * 7 % 251) as u8).collect();
    let model = rig.model("model", &[("w", &content)]);
    let pushed = rig.push(&rig.store, &model).await.unwrap();
    let artifact = rig.vault().await.artifact(&name("m")).await.unwrap();
    let record = artifact.record(pushed.version).await.unwrap();
    let file = &record.files()[0];
    for (start, end) in [
        (0, 0),
        (0, 1),
        (16383, 16385),
        (16384, 32768),
        (99_999, 100_000),
        (0, 100_000),
        (5, 70_001),
    ] {
        let read = artifact.read_range(file, start as u64..end as u64).await.unwrap();
        assert_eq!(read, content[start..end], "{start}..{end}");
    }
    assert!(artifact.read_range(file, 0..100_001).await.is_err());
}

#[tokio::test]
async fn each_content_is_kept_once_and_versions_never_change() {
    let rig = Rig::new();
    let model = rig.model("one", &[("a", b"same"), ("b", b"same"), ("c", b"other")]);
    let first = rig.push(&rig.store, &model).await.unwrap();
    assert_eq!(rig.store.paths("/objects/").await.len(), 2);
    let again = rig.push(&rig.store, &model).await.unwrap();
    assert_eq!(
        (again.version, again.known, again.bytes_known),
        (first.version, true, 13)
    );
    let renamed = rig.model("two", &[("a", b"same"), ("b2", b"same"), ("c", b"other")]);
    let second = rig.push(&rig.store, &renamed).await.unwrap();
    // The root digest of the signing specification does not know names; the version does.
    assert_ne!(second.version, first.version);
    assert_eq!(rig.store.paths("/objects/").await.len(), 2);
}

#[tokio::test]
async fn a_signature_must_be_over_what_is_pushed_and_comes_back_with_it() {
    let rig = Rig::new();
    let model = rig.model("model", &[("a", b"x")]);
    let (signature, verified) = signed(&model);
    let vault = rig.vault().await;
    let artifact = vault.artifact_or_make(&name("m")).await.unwrap();
    let push = |manifest| Push {
        model: &model,
        manifest,
        signature: Some(PushedSignature {
            bundle: &signature.bundle,
            verified: &verified,
            signer: "somebody".to_owned(),
        }),
        evidence: None,
    };
    let pushed = artifact.push(&push(&signature.manifest), &unwatched).await.unwrap();
    let record = artifact.record(pushed.version).await.unwrap();
    assert_eq!(record.signer(), Some("somebody"));
    let to = rig.to("back");
    artifact.pull(&record, &to, &unwatched).await.unwrap();
    assert_eq!(fs::read(to.join("model.sig")).unwrap(), signature.bundle);
    let other = measured(&rig.model("model", &[("b", b"y")])).manifest;
    assert!(matches!(
        artifact.push(&push(&other), &unwatched).await,
        Err(VaultError::SignedOther)
    ));
}

#[tokio::test]
async fn a_file_that_changes_after_it_was_measured_is_not_pushed() {
    let rig = Rig::new();
    let model = rig.model("model", &[("a", b"measured")]);
    let manifest = measured(&model).manifest;
    fs::write(rig.to("model").join("a"), b"changed!").unwrap();
    let artifact = rig.vault().await.artifact_or_make(&name("m")).await.unwrap();
    let push = Push {
        model: &model,
        manifest: &manifest,
        signature: None,
        evidence: None,
    };
    assert!(matches!(
        artifact.push(&push, &unwatched).await,
        Err(VaultError::Changed { .. })
    ));
    assert!(artifact.versions().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_push_that_dies_anywhere_shows_nothing_and_goes_on_when_repeated() {
    let count = Rig::new();
    let content = lengths();
    let pushed = count
        .push(&count.store, &count.model("model", &borrowed(&content)))
        .await
        .unwrap();
    let requests = count.store.asked();
    let whole = count.store.paths("").await.len();
    for dies_after in 0..requests {
        let rig = Rig::new();
        let model = rig.model("model", &borrowed(&content));
        let outcome = rig.push(&rig.store.dying_after(dies_after), &model).await;
        assert!(outcome.is_err(), "{dies_after} of {requests}");
        // Whoever looks now sees no version, or a whole one.
        if let Ok(artifact) = rig.vault().await.artifact(&name("m")).await {
            for version in artifact.versions().await.unwrap() {
                rig.pull(&rig.store, version, &rig.to("early")).await.unwrap();
                assert_eq!(files(&rig.to("early")), files(&rig.to("model")));
            }
        }
        let again = rig.push(&rig.store, &model).await.unwrap();
        assert_eq!(rig.store.paths("").await.len(), whole, "{dies_after}");
        rig.pull(&rig.store, again.version, &rig.to("back")).await.unwrap();
        assert_eq!(files(&rig.to("back")), files(&rig.to("model")), "{dies_after}");
    }
    assert!(requests > 20, "{requests}");
    assert!(pushed.bytes > 9 << 20);
}

#[tokio::test]
async fn a_pull_that_dies_anywhere_leaves_nothing_under_the_name_and_goes_on_when_repeated() {
    let rig = Rig::new();
    let model = rig.model("model", &borrowed(&lengths()));
    let pushed = rig.push(&rig.store, &model).await.unwrap();
    let counting = rig.store.dying_after(u64::MAX);
    rig.pull(&counting, pushed.version, &rig.to("count")).await.unwrap();
    for dies_after in 0..counting.asked() {
        let to = rig.to(&format!("to-{dies_after}"));
        let outcome = rig.pull(&rig.store.dying_after(dies_after), pushed.version, &to).await;
        assert!(outcome.is_err(), "{dies_after}");
        assert!(!to.exists(), "{dies_after}");
        // The process may have died in the middle of a file, too.
        let half = rig.to(&format!(".to-{dies_after}.part/f"));
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("16385"), b"half").unwrap();
        fs::write(half.join("stranger"), b"of another version").unwrap();
        rig.pull(&rig.store, pushed.version, &to).await.unwrap();
        assert_eq!(files(&to), files(&rig.to("model")), "{dies_after}");
    }
}

#[tokio::test]
async fn sweeping_takes_what_nothing_needs_and_is_old_enough() {
    let rig = Rig::new();
    let first = rig
        .push(&rig.store, &rig.model("one", &[("a", b"1"), ("b", b"both")]))
        .await
        .unwrap();
    let second = rig
        .push(&rig.store, &rig.model("two", &[("a", b"2"), ("b", b"both")]))
        .await
        .unwrap();
    let vault = rig.vault().await;
    let artifact = vault.artifact(&name("m")).await.unwrap();
    let standing = stated::revoked(&rig, first.version).await;
    let sweep = |before, revoked, dry_run| Sweep {
        standing: &standing,
        before: UnixMillis(before),
        revoked,
        versions_before: UnixMillis(u64::MAX / 2),
        only: None,
        dry_run,
    };
    let nothing = artifact.sweep(sweep(u64::MAX / 2, false, false)).await.unwrap();
    assert_eq!(nothing, Swept::default());
    let told = artifact.sweep(sweep(u64::MAX / 2, true, true)).await.unwrap();
    assert_eq!(
        (told.versions.as_slice(), told.objects),
        ([first.version].as_slice(), 1)
    );
    assert_eq!(artifact.versions().await.unwrap().len(), 2);
    let young = artifact.sweep(sweep(0, true, false)).await.unwrap();
    assert_eq!((young.versions.len(), young.objects, young.young), (1, 0, 1));
    let swept = artifact.sweep(sweep(u64::MAX / 2, true, false)).await.unwrap();
    assert_eq!((swept.versions.len(), swept.objects), (0, 1));
    rig.pull(&rig.store, second.version, &rig.to("back")).await.unwrap();
    assert!(rig.pull(&rig.store, first.version, &rig.to("gone")).await.is_err());
}

#[tokio::test]
async fn a_store_that_writes_over_what_is_there_becomes_no_vault() {
    let rig = Rig::new();
    let careless = faulty::Faulty::careless();
    let model = rig.model("model", &[("a", b"1")]);
    for _ in 0..2 {
        let refused = rig.push(&careless, &model).await;
        assert!(matches!(refused, Err(VaultError::Careless(_))), "{refused:?}");
        assert!(careless.paths("").await.is_empty());
    }
}

#[tokio::test]
async fn parts_are_equally_long_but_the_last_and_a_changed_file_leaves_nothing() {
    let rig = Rig::new();
    let content: Vec<u8> = (0..40_000_000u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let model = rig.model("model", &[("w", &content)]);
    let pushed = rig.push(&rig.store, &model).await.unwrap();
    let sent = rig.store.parts();
    let (last, others) = sent.split_last().unwrap();
    assert!(others.len() >= 4 && others.iter().all(|it| *it == 8 << 20), "{sent:?}");
    assert!(*last > 0 && *last <= 8 << 20, "{sent:?}");
    rig.pull(&rig.store, pushed.version, &rig.to("back")).await.unwrap();
    assert_eq!(files(&rig.to("back")), files(&rig.to("model")));
    // Between measuring and pushing one byte is another.
    let other = Rig::new();
    let model = other.model("model", &[("w", &content)]);
    let measured = measured(&model);
    let mut changed = content;
    changed[39_000_000] ^= 1;
    fs::write(other.to("model/w"), &changed).unwrap();
    let artifact = other.vault().await.artifact_or_make(&name("m")).await.unwrap();
    let push = Push {
        model: &model,
        manifest: &measured.manifest,
        signature: None,
        evidence: None,
    };
    let refused = artifact.push(&push, &unwatched).await;
    assert!(matches!(refused, Err(VaultError::Changed { .. })), "{refused:?}");
    assert!(other.store.paths("/objects/").await.is_empty());
}
