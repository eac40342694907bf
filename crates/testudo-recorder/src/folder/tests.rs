//! Who gets a folder, and what is made in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{Folder, FolderError};
use crate::files::{Disk, Files as _};

#[test]
fn a_new_folder_has_name_key_and_policy_for_the_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data/ledger");
    let folder = Folder::prepare(&path).unwrap();
    let text = |name: &str| String::from_utf8(folder.files().read(&path.join(name), 4096).unwrap().unwrap()).unwrap();
    assert_eq!(text("origin"), format!("{}\n", folder.origin()));
    assert!(text("log.key").starts_with("PRIVATE+KEY+testudo/"));
    assert_eq!(text("policy"), format!("log {}\nquorum none\n", folder.verifier()));
    #[cfg(unix)]
    for (name, mode) in [
        ("", 0o700),
        ("log.key", 0o600),
        ("origin", 0o600),
        ("policy", 0o600),
        ("lock", 0o600),
    ] {
        let found = fs::metadata(path.join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
}

#[test]
fn the_same_log_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let first = Folder::prepare(home.path()).unwrap().verifier().clone();
    fs::remove_file(home.path().join("origin")).unwrap();
    assert_eq!(*Folder::prepare(home.path()).unwrap().verifier(), first);
}

#[test]
fn a_second_writer_is_told_so() {
    let home = tempfile::tempdir().unwrap();
    let held = Folder::prepare(home.path()).unwrap();
    let second = Folder::prepare(home.path());
    assert!(matches!(second, Err(FolderError::Locked { .. })), "{second:?}");
    drop(held);
    assert!(Folder::prepare(home.path()).is_ok());
}

#[test]
fn damaged_and_missing_keys_are_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    drop(Folder::prepare(home.path()).unwrap());
    let key = home.path().join("log.key");
    fs::write(home.path().join("origin"), "testudo/other\n").unwrap();
    assert!(matches!(Folder::prepare(home.path()), Err(FolderError::Origin { .. })));
    fs::write(&key, "PRIVATE+KEY+x\n").unwrap();
    assert!(matches!(Folder::prepare(home.path()), Err(FolderError::Key { .. })));
    fs::remove_file(&key).unwrap();
    fs::write(home.path().join("checkpoint"), "x").unwrap();
    assert!(matches!(
        Folder::prepare(home.path()),
        Err(FolderError::KeyMissing { .. })
    ));
}

fn change_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_folder_that_others_may_enter_is_refused_and_the_remedy_told() {
    let home = tempfile::tempdir().unwrap();
    // Nothing is in it, so nobody can have changed anything.
    change_mode(home.path(), 0o777);
    drop(Folder::prepare(home.path()).unwrap());
    assert_eq!(mode(home.path()), 0o700);
    for open in [0o755, 0o770, 0o701, 0o720] {
        change_mode(home.path(), open);
        let error = Folder::prepare(home.path()).unwrap_err();
        assert!(
            matches!(error, FolderError::Open { mode, .. } if mode == open),
            "{error}"
        );
        let remedy = format!("`chmod 700 {}`", home.path().display());
        assert!(error.to_string().contains(&remedy), "{error}");
        assert_eq!(mode(home.path()), open);
    }
    change_mode(home.path(), 0o700);
    drop(Folder::prepare(home.path()).unwrap());
    // The folders above a new one are for the owner alone as well.
    drop(Folder::prepare(&home.path().join("a/b")).unwrap());
    assert_eq!(mode(&home.path().join("a")), 0o700);
    assert!(Folder::prepare(&home.path().join("log.key")).is_err());
}

#[test]
fn a_key_that_others_may_read_or_a_link_is_refused() {
    let home = tempfile::tempdir().unwrap();
    drop(Folder::prepare(home.path()).unwrap());
    let key = home.path().join("log.key");
    change_mode(&key, 0o640);
    let error = Folder::prepare(home.path()).unwrap_err();
    assert!(error.to_string().contains("`chmod 600 "), "{error}");
    change_mode(&key, 0o600);
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&key, &elsewhere).unwrap();
    symlink(&elsewhere, &key).unwrap();
    let error = Folder::prepare(home.path()).unwrap_err();
    assert!(matches!(error, FolderError::Shape { .. }), "{error}");
}

#[test]
fn nothing_is_written_through_a_link() {
    let home = tempfile::tempdir().unwrap();
    let [victim, link] = ["victim", "checkpoint.tmp"].map(|name| home.path().join(name));
    fs::write(&victim, "keep").unwrap();
    symlink(&victim, &link).unwrap();
    let text = |path: &Path| testudo_bounded::read_text(path, 64).unwrap();
    assert!(Disk.open_append(&link).is_err());
    Disk.write(&link, b"new").unwrap();
    assert_eq!(text(&victim), "keep");
    assert!(fs::symlink_metadata(&link).unwrap().is_file());
    Disk.write(&link, b"n").unwrap();
    assert_eq!(text(&link), "n");
    assert_eq!(mode(&link), 0o600);
    // A link to nowhere makes no file there.
    let nowhere = home.path().join("nowhere");
    fs::remove_file(&link).unwrap();
    symlink(&nowhere, &link).unwrap();
    Disk.write(&link, b"new").unwrap();
    assert!(!nowhere.exists());
}
