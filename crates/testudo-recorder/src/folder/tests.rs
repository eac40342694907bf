//! Who gets a folder, and what is made in it.

use super::{Folder, FolderError};

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
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(path.join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
}

#[test]
fn the_same_log_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let first = Folder::prepare(home.path()).unwrap().verifier().clone();
    std::fs::remove_file(home.path().join("origin")).unwrap();
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
    std::fs::write(home.path().join("origin"), "testudo/other\n").unwrap();
    assert!(matches!(Folder::prepare(home.path()), Err(FolderError::Origin { .. })));
    std::fs::write(&key, "PRIVATE+KEY+x\n").unwrap();
    assert!(matches!(Folder::prepare(home.path()), Err(FolderError::Key { .. })));
    std::fs::remove_file(&key).unwrap();
    std::fs::write(home.path().join("checkpoint"), "x").unwrap();
    assert!(matches!(
        Folder::prepare(home.path()),
        Err(FolderError::KeyMissing { .. })
    ));
}
