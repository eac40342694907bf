//! Models that changed after they were signed, and files that do not belong in one.

use std::fs;
use std::os::unix::fs::symlink;

use super::rig::{Key, Rig, key, lookup, options, unwatched};
use crate::signing::keys::Curve;
use crate::signing::*;

fn signed() -> (Rig, Key, Verified) {
    let rig = Rig::new();
    let key = key(Curve::P256);
    let verified = key.verify(&rig.signed(&key)).unwrap();
    (rig, key, verified)
}

/// What differs after `act`, as `missing`, `changed` and `unsigned`.
fn after(act: impl FnOnce(&Rig)) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (rig, _, verified) = signed();
    act(&rig);
    let comparison = rig.compare(&verified).unwrap();
    assert!(!comparison.is_same());
    let unsigned = comparison.unsigned.iter().map(ToString::to_string).collect();
    (comparison.missing, comparison.changed, unsigned)
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn one_flipped_bit_is_seen() {
    let found = after(|rig| rig.write("weights/a.bin", b"0123456788"));
    assert_eq!(found, (texts(&[]), texts(&["weights/a.bin"]), texts(&[])));
}

#[test]
fn missing_added_and_renamed_files_are_seen() {
    let found = after(|rig| fs::remove_file(rig.path().join("config.json")).unwrap());
    assert_eq!(found, (texts(&["config.json"]), texts(&[]), texts(&[])));
    let found = after(|rig| rig.write("weights/evil.py", b"x"));
    assert_eq!(found, (texts(&[]), texts(&[]), texts(&["weights/evil.py"])));
    let found = after(|rig| fs::rename(rig.path().join("config.json"), rig.path().join("Config.json")).unwrap());
    assert_eq!(found, (texts(&["config.json"]), texts(&[]), texts(&["Config.json"])));
    let found = after(|rig| rig.write("weights/.git/x", b"only at the top"));
    assert_eq!(found.2, texts(&["weights/.git/x"]));
}

#[test]
fn unsigned_files_can_be_ignored_and_signed_ones_cannot() {
    let (rig, _, verified) = signed();
    rig.write("extra", b"x");
    let mut lookup = lookup();
    lookup.unlisted = Unlisted::Ignore;
    let compared = || verified.compare(&rig.model(), &lookup, &unwatched).unwrap();
    assert!(compared().is_same());
    rig.write("config.json", b"[]");
    assert_eq!(compared().changed, ["config.json"]);
    fs::remove_file(rig.path().join("config.json")).unwrap();
    assert_eq!(compared().missing, ["config.json"]);
}

#[test]
fn leaving_out_a_signed_file_does_not_hide_that_it_changed() {
    let (rig, _, verified) = signed();
    rig.write("config.json", b"[]");
    let mut lookup = lookup();
    lookup.scope.leave_out(ResourceName::parse("config.json").unwrap());
    let comparison = verified.compare(&rig.model(), &lookup, &unwatched).unwrap();
    assert_eq!(comparison.changed, ["config.json"]);
}

#[test]
fn a_grown_file_has_pieces_that_nobody_signed() {
    let rig = Rig::new();
    let key = key(Curve::P256);
    let mut options = options();
    options.method = Method::Shards(std::num::NonZeroU64::new(5).unwrap());
    let signed = sign(&rig.model(), &Signer::Key(key.signing()), &options, &unwatched).unwrap();
    let verified = key.verify(&signed.bundle).unwrap();
    rig.write("weights/a.bin", b"0123456789more");
    let comparison = rig.compare(&verified).unwrap();
    assert_eq!(comparison.changed, ["weights/a.bin:10:14"]);
    assert!(!comparison.is_same());
    rig.write("weights/a.bin", b"01234");
    assert_eq!(rig.compare(&verified).unwrap().missing, ["weights/a.bin:5:10"]);
}

#[test]
fn links_are_errors_when_signing_and_when_verifying() {
    let (rig, _, verified) = signed();
    let outside = tempfile::NamedTempFile::new().unwrap();
    symlink(outside.path(), rig.path().join("link")).unwrap();
    assert!(matches!(
        digest(&rig.model(), &options(), &unwatched),
        Err(SignError::Tree(TreeError::Link { .. }))
    ));
    assert!(matches!(
        rig.compare(&verified),
        Err(CompareError::Tree(TreeError::Link { .. }))
    ));
}

#[test]
fn a_signed_file_or_its_folder_replaced_by_a_link_is_refused() {
    for replaced in ["config.json", "weights"] {
        let (rig, _, verified) = signed();
        let elsewhere = tempfile::tempdir().unwrap();
        let moved = elsewhere.path().join("moved");
        fs::rename(rig.path().join(replaced), &moved).unwrap();
        symlink(&moved, rig.path().join(replaced)).unwrap();
        let mut lookup = lookup();
        for unlisted in [Unlisted::Refuse, Unlisted::Ignore] {
            lookup.unlisted = unlisted;
            let compared = verified.compare(&rig.model(), &lookup, &unwatched);
            assert!(
                matches!(compared, Err(CompareError::Tree(TreeError::Link { .. }))),
                "{replaced} {compared:?}"
            );
        }
    }
}

#[test]
fn links_are_followed_to_files_only_and_when_both_sides_say_so() {
    let rig = Rig::new();
    let key = key(Curve::P256);
    let outside = tempfile::NamedTempFile::new().unwrap();
    symlink(outside.path(), rig.path().join("link")).unwrap();
    let mut options = options();
    options.links = Links::Follow;
    let model = Model::open(rig.path(), Links::Follow).unwrap();
    let signed = sign(&model, &Signer::Key(key.signing()), &options, &unwatched).unwrap();
    assert_eq!(
        signed.warnings,
        [Warning::Outside(ResourceName::parse("link").unwrap())]
    );
    let verified = key.verify(&signed.bundle).unwrap();
    assert!(matches!(rig.compare(&verified), Err(CompareError::FollowsLinks)));
    let mut lookup = lookup();
    lookup.links = Links::Follow;
    assert!(verified.compare(&model, &lookup, &unwatched).unwrap().is_same());
    fs::write(outside.path(), b"changed").unwrap();
    assert_eq!(verified.compare(&model, &lookup, &unwatched).unwrap().changed, ["link"]);
    symlink(rig.path().join("weights"), rig.path().join("folder")).unwrap();
    assert!(matches!(
        digest(&model, &options, &unwatched),
        Err(SignError::Tree(TreeError::FolderLink { .. }))
    ));
}

#[test]
fn what_is_no_file_and_what_has_no_text_as_name_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let (rig, _, verified) = signed();
    let socket = std::os::unix::net::UnixListener::bind(rig.path().join("s")).unwrap();
    assert!(matches!(
        rig.compare(&verified),
        Err(CompareError::Tree(TreeError::Special { .. }))
    ));
    drop(socket);
    fs::remove_file(rig.path().join("s")).unwrap();
    fs::write(rig.path().join(std::ffi::OsStr::from_bytes(b"\xff")), b"").unwrap();
    assert!(matches!(
        digest(&rig.model(), &options(), &unwatched),
        Err(SignError::Tree(TreeError::NotUtf8 { .. }))
    ));
}

#[test]
fn a_model_without_files_is_not_signed() {
    let rig = Rig::empty();
    rig.write(".git/HEAD", b"");
    assert!(matches!(
        digest(&rig.model(), &options(), &unwatched),
        Err(SignError::Tree(TreeError::Empty { .. }))
    ));
}
