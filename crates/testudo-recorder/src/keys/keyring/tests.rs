//! Tests of the keyring of files.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn keyring() -> (tempfile::TempDir, FileKeyring) {
    let folder = tempfile::tempdir().unwrap();
    let keyring = FileKeyring::open(folder.path().join("kek")).unwrap();
    (folder, keyring)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_first_key_is_made_when_it_is_needed_and_is_private() {
    let (folder, keyring) = keyring();
    let kek = folder.path().join("kek");
    assert_eq!(mode(&kek), 0o700);
    assert_eq!(files(&kek).len(), 0);
    let wrapped = keyring.wrap_now(b"key", b"words").unwrap();
    assert_eq!(files(&kek), [keyring.path(&wrapped.kek)]);
    assert_eq!(mode(&keyring.path(&wrapped.kek)), 0o600);
    assert_eq!(keyring.unwrap_now(&wrapped, b"words").unwrap().as_slice(), b"key");
    let again = FileKeyring::open(&kek).unwrap();
    assert_eq!(again.unwrap_now(&wrapped, b"words").unwrap().as_slice(), b"key");
}

#[tokio::test]
async fn the_newest_wraps_and_older_ones_unwrap_until_they_are_destroyed() {
    let (_folder, keyring) = keyring();
    let old = keyring.wrap(b"key", b"").await.unwrap();
    let newest = keyring.renew().await.unwrap();
    let new = keyring.wrap(b"key", b"").await.unwrap();
    assert_eq!(new.kek, newest);
    assert_eq!(keyring.list().await.unwrap(), [old.kek.clone(), newest]);
    assert_eq!(keyring.unwrap(&old, b"").await.unwrap().as_slice(), b"key");
    keyring.destroy(&old.kek).await.unwrap();
    assert!(!keyring.path(&old.kek).exists());
    assert!(matches!(keyring.unwrap(&old, b"").await, Err(KekError::Unknown(_))));
    assert!(matches!(keyring.destroy(&old.kek).await, Err(KekError::Unknown(_))));
    assert!(keyring.unwrap(&new, b"").await.is_ok());
}

#[test]
fn a_key_that_another_process_made_meanwhile_is_found() {
    let (folder, keyring) = keyring();
    let other = FileKeyring::open(folder.path().join("kek")).unwrap();
    let wrapped = other.wrap_now(b"key", b"words").unwrap();
    assert_eq!(keyring.unwrap_now(&wrapped, b"words").unwrap().as_slice(), b"key");
    assert_eq!(keyring.wrap_now(b"key", b"").unwrap().kek, wrapped.kek);
    // What is none of the folder's, or open to others, is not taken.
    for absent in ["kek-00000001-0000000000000000", "notes"] {
        let kek = KekId::parse(absent).unwrap();
        let bytes = wrapped.bytes.clone();
        let refused = keyring.unwrap_now(&WrappedKey { kek, bytes }, b"words");
        assert!(matches!(refused, Err(KekError::Unknown(_))), "{absent}");
    }
    let second = other.with_keys(|keys| other.make(keys)).unwrap().0;
    let wrapped = other.wrap_now(b"key", b"").unwrap();
    assert_eq!(wrapped.kek, second);
    fs::set_permissions(keyring.path(&second), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        keyring.unwrap_now(&wrapped, b""),
        Err(KekError::Permissions { .. })
    ));
}

#[test]
fn open_files_and_folders_are_refused_with_a_remedy() {
    let (folder, keyring) = keyring();
    let path = keyring.path(&keyring.wrap_now(b"key", b"").unwrap().kek);
    let kek = folder.path().join("kek");
    for loose in [0o640, 0o604, 0o660, 0o620, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
        let refused = FileKeyring::open(&kek).unwrap_err();
        assert!(
            matches!(refused, KekError::Permissions { mode, .. } if mode == loose),
            "{refused}"
        );
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(FileKeyring::open(&kek).is_ok());
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o750)).unwrap();
    let refused = FileKeyring::open(&kek).unwrap_err().to_string();
    assert!(refused.contains("chmod 700"), "{refused}");
}

#[test]
fn what_is_no_key_file_is_refused() {
    let (folder, keyring) = keyring();
    let path = keyring.path(&keyring.wrap_now(b"key", b"").unwrap().kek);
    let kek = folder.path().join("kek");
    for len in [0, 31, 33, 4096] {
        fs::write(&path, vec![1; len]).unwrap();
        assert!(
            matches!(FileKeyring::open(&kek), Err(KekError::Shape { .. })),
            "{len} bytes"
        );
    }
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert!(matches!(FileKeyring::open(&kek), Err(KekError::Shape { .. })));
}

#[test]
fn another_key_under_the_same_name_opens_nothing() {
    let (folder, keyring) = keyring();
    let wrapped = keyring.wrap_now(b"key", b"words").unwrap();
    fs::write(keyring.path(&wrapped.kek), [9; KEY_BYTES]).unwrap();
    let other = FileKeyring::open(folder.path().join("kek")).unwrap();
    assert!(matches!(
        other.unwrap_now(&wrapped, b"words"),
        Err(KekError::Refused(_))
    ));
    assert!(matches!(
        keyring.unwrap_now(&wrapped, b"other"),
        Err(KekError::Refused(_))
    ));
}

#[test]
fn foreign_files_are_left_alone() {
    let (folder, keyring) = keyring();
    let kek = folder.path().join("kek");
    for name in ["README", "kek-1-00.key", "kek-00000001-zz.key", ".key", "a.key"] {
        fs::write(kek.join(name), "text").unwrap();
    }
    assert_eq!(keyring.with_keys(|keys| keys.len()), 0);
    assert!(FileKeyring::open(&kek).unwrap().with_keys(|keys| keys.is_empty()));
}

#[test]
fn a_crash_while_a_key_is_made_leaves_a_keyring_that_opens() {
    let (folder, keyring) = keyring();
    let wrapped = keyring.wrap_now(b"key", b"").unwrap();
    let kek = folder.path().join("kek");
    let id = next_id([&wrapped.kek].into_iter()).unwrap();
    let path = keyring.path(&id);
    for len in [0, 1, 31, 32] {
        // The crash comes before the file has its name, however much of it is on the disk.
        let _staged = private_file::stage(&path, &[1; 32][..len]).unwrap();
        let again = FileKeyring::open(&kek).unwrap();
        assert_eq!(again.with_keys(|keys| keys.len()), 1, "{len} bytes");
        assert_eq!(again.unwrap_now(&wrapped, b"").unwrap().as_slice(), b"key");
    }
    let whole = private_file::stage(&path, &[1; 32]).unwrap();
    whole.publish().unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(files(&kek).len(), 2);
    assert_eq!(FileKeyring::open(&kek).unwrap().with_keys(|keys| keys.len()), 2);
    let taken = private_file::create(&path, &[2; 32]).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_dir(&kek).unwrap().count(), 2);
    assert_eq!(testudo_bounded::read_file(&path, 64).unwrap(), [1; 32]);
}
