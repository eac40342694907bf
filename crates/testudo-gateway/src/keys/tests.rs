//! Keys from their making to their end.

#![expect(
    clippy::string_slice,
    reason = "a test that cuts a character in two fails, which is right"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use testudo_policy::{ModelPattern, ModelScope, RouteScope};
use testudo_types::{KeyId, PrincipalKind, Role, RouteName, TenantId, UnixMillis};

use super::token::{KeyHasher, RANDOM_BYTES};
use super::{
    Caller, CreateKeyError, CreatedKey, KeyRefresh, KeyRing, KeyStore, KeyToken, NewKey, NewKeyError, PepperError,
    PresentedKey, RevokeKeyError, StoreOpenError, TokenError, pepper,
};
use crate::auth::AuthError;
use crate::settings::Limits;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn new_key(name: &str) -> NewKey {
    NewKey::unrestricted(name, TenantId::parse("acme").unwrap(), PrincipalKind::Service)
}

async fn store_with_key(dir: &Path) -> (KeyStore, CreatedKey) {
    let store = KeyStore::open(dir).await.unwrap();
    let created = store.create(new_key("first"), NOW).await.unwrap();
    (store, created)
}

async fn ring_of(store: &KeyStore) -> (Arc<KeyRing>, KeyRefresh) {
    KeyRing::start(store).await.unwrap()
}

/// A connection as another program has it.
async fn outsider(dir: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(dir.join("keys.db"))
        .connect()
        .await
        .unwrap()
}

/// Waits until the ring gives an answer, at most two seconds; says how long it took.
async fn wait_for(ring: &KeyRing, token: &str, expected: Result<(), AuthError>) -> Duration {
    let start = tokio::time::Instant::now();
    loop {
        let found = ring.authenticate(token, NOW).map(|_| ());
        if found == expected {
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(2), "still {found:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn token(seed: u8) -> KeyToken {
    let mut random = [0; RANDOM_BYTES];
    for (at, byte) in random.iter_mut().enumerate() {
        *byte = seed
            .wrapping_mul(31)
            .wrapping_add(u8::try_from(at).unwrap().wrapping_mul(7));
    }
    KeyToken::from_random(&random).unwrap()
}

#[test]
fn r02_key_grammar_and_bound_queries() {
    let token = token(1);
    let whole = token.expose();
    assert_eq!(whole.len(), 4 + 12 + 1 + 52);
    assert_eq!(PresentedKey::parse(whole).unwrap().id(), token.id().as_str());
    let id = token.id().as_str();
    let secret = &whole[17..];
    for bad in [
        String::new(),
        "tsk_".to_owned(),
        "tsk__".to_owned(),
        format!("tsk_{id}"),
        format!("tsk_{id}_"),
        format!("sk_{id}_{secret}"),
        format!("TSK_{id}_{secret}"),
        format!(" {whole}"),
        format!("{whole} "),
        format!("{whole}\n"),
        format!("{whole}\0"),
        format!("{whole}a"),
        format!("tsk_{id}a_{secret}"),
        format!("tsk_{id}__{secret}"),
        format!("tsk_{}_{secret}", &id[1..]),
        format!("tsk_{}_{secret}", id.to_uppercase()),
        format!("tsk_{id}_{}", secret.to_uppercase()),
        format!("tsk_{secret}_{id}"),
        format!("tsk_{id}-{secret}"),
        format!("tsk_{}_{secret}", "' OR '1'='1"),
        format!("tsk_{}_{secret}", "a' OR 1=1 --"),
        format!("tsk_{id}_{}", "'; DROP TABLE keys; --aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        format!("tsk_{}_{secret}", "абвгдежзийкл"),
        format!("tsk_{}_{secret}", "абвгде"),
        format!("tsk_{}_{secret}", "0189aaaaaaaa"),
        format!("tsk_{id}_{}", "é".repeat(26)),
        format!("tsk_{id}_{}", "%00".repeat(17) + "a"),
        format!("tsk_%_{secret}"),
        format!("Bearer {whole}"),
    ] {
        assert_eq!(PresentedKey::parse(&bad).unwrap_err(), TokenError::Grammar, "{bad:?}");
    }
    for end in 0..whole.len() {
        assert!(PresentedKey::parse(&whole[..end]).is_err(), "truncated to {end}");
    }
    assert_eq!(PresentedKey::parse(&"a".repeat(129)).unwrap_err(), TokenError::TooLong);
    // The database library takes constant text only; these are the ways around it.
    for source in [
        include_str!("store.rs"),
        include_str!("store/row.rs"),
        include_str!("../sqlite.rs"),
    ] {
        for way in ["format!", "AssertSqlSafe", "QueryBuilder", "push_str", "concat!"] {
            assert!(!source.contains(way), "SQL may be built from strings with {way}");
        }
    }
}

#[tokio::test]
async fn r02_hostile_words_are_stored_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).await.unwrap();
    let hostile = "x'); DROP TABLE keys; -- \u{1F980} %s {} ?1 :a @b $c";
    let created = store.create(new_key(hostile), NOW).await.unwrap();
    let listed = store.list().await.unwrap();
    assert_eq!(listed, [created.record]);
    assert_eq!(&*listed[0].name, hostile);
    let unknown = KeyId::parse("aaaaaaaaaaaa").unwrap();
    assert!(matches!(store.revoke(&unknown, NOW).await, Err(RevokeKeyError::NotFound(id)) if id == unknown));
}

#[tokio::test]
async fn r03_provider_secrets_never_returned() {
    let dir = tempfile::tempdir().unwrap();
    let (store, created) = store_with_key(dir.path()).await;
    // No column could hold a provider's secret, and none holds ours.
    let mut connection = outsider(dir.path()).await;
    let rows = sqlx::query("SELECT name FROM pragma_table_info('keys')")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let columns: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    assert_eq!(
        columns.join(" "),
        "id hash name tenant kind roles routes models requests_per_minute tokens_per_minute cost_micros_per_day \
         concurrent created expires revoked sequence"
    );
    let secret = &created.token.expose()[17..];
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::File::open(&path).map(std::io::BufReader::new).unwrap();
        let mut bytes_of_file = Vec::new();
        std::io::copy(&mut { bytes }, &mut bytes_of_file).unwrap();
        assert!(
            !bytes_of_file
                .windows(secret.len())
                .any(|window| window == secret.as_bytes()),
            "{path:?}"
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{path:?}");
    }
    let shown = format!("{store:?} {created:?} {:?}", store.list().await.unwrap());
    assert!(!shown.contains(secret), "{shown}");
    assert!(!shown.contains(created.token.expose()), "{shown}");
}

#[tokio::test]
async fn r05_key_lookup_by_full_hash() {
    let dir = tempfile::tempdir().unwrap();
    let (store, created) = store_with_key(dir.path()).await;
    let (ring, refresh) = ring_of(&store).await;
    let whole = created.token.expose().to_owned();
    let caller = ring.authenticate(&whole, NOW).unwrap();
    assert_eq!(caller.principal.key, *created.token.id());
    assert_eq!(caller.principal.tenant.as_str(), "acme");
    // Every character counts: no prefix and no part of the key stands for the whole.
    for at in 4..whole.len() {
        let mut other = whole.clone().into_bytes();
        if other[at] == b'_' {
            continue;
        }
        other[at] = if other[at] == b'a' { b'b' } else { b'a' };
        let other = String::from_utf8(other).unwrap();
        assert_eq!(ring.authenticate(&other, NOW).unwrap_err(), AuthError::Unknown, "{at}");
    }
    for end in 0..whole.len() {
        assert_eq!(
            ring.authenticate(&whole[..end], NOW).unwrap_err(),
            AuthError::Malformed,
            "{end}"
        );
    }
    refresh.stop().await;
}

#[test]
fn a_hash_belongs_to_one_pepper() {
    let token = token(3);
    let presented = PresentedKey::parse(token.expose()).unwrap();
    let one = KeyHasher::new(&testudo_types::Secret::new([1; 32]));
    let two = KeyHasher::new(&testudo_types::Secret::new([2; 32]));
    assert!(one.verify(presented, &one.hash(&token)));
    assert!(!two.verify(presented, &one.hash(&token)));
    assert_ne!(one.fingerprint(), two.fingerprint());
}

#[tokio::test]
async fn r12_no_default_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).await.unwrap();
    let (ring, _refresh) = ring_of(&store).await;
    assert!(store.list().await.unwrap().is_empty());
    assert!(ring.is_empty());
    for guess in ["", "admin", "sk-1234", "tsk_", "Bearer", "null", "undefined", "*"] {
        assert_eq!(ring.authenticate(guess, NOW).unwrap_err(), AuthError::Malformed);
    }
    assert_eq!(
        ring.authenticate(token(9).expose(), NOW).unwrap_err(),
        AuthError::Unknown
    );
    let two = tempfile::tempdir().unwrap();
    assert_ne!(pepper(dir.path()).unwrap(), pepper(two.path()).unwrap());
}

#[tokio::test]
async fn another_process_revokes_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let (store, created) = store_with_key(dir.path()).await;
    let (ring, refresh) = ring_of(&store).await;
    let whole = created.token.expose();
    wait_for(&ring, whole, Ok(())).await;
    let other_process = KeyStore::open(dir.path()).await.unwrap();
    assert_eq!(other_process.revoke(created.token.id(), NOW).await.unwrap(), NOW);
    let took = wait_for(&ring, whole, Err(AuthError::Revoked)).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    // A key that another process makes opens as fast.
    let second = other_process.create(new_key("second"), NOW).await.unwrap();
    let took = wait_for(&ring, second.token.expose(), Ok(())).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    // The first revocation counts, and nothing takes it back.
    assert_eq!(
        store.revoke(created.token.id(), UnixMillis(NOW.0 + 5)).await.unwrap(),
        NOW
    );
    let mut connection = outsider(dir.path()).await;
    assert!(
        sqlx::query("UPDATE keys SET revoked = NULL")
            .execute(&mut connection)
            .await
            .is_err()
    );
    assert!(sqlx::query("DELETE FROM keys").execute(&mut connection).await.is_err());
    refresh.stop().await;
}

#[tokio::test]
async fn a_ring_without_its_task_accepts_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let (store, created) = store_with_key(dir.path()).await;
    let (ring, refresh) = ring_of(&store).await;
    assert!(ring.is_current());
    refresh.stop().await;
    assert!(!ring.is_current());
    assert_eq!(
        ring.authenticate(created.token.expose(), NOW).unwrap_err(),
        AuthError::Unavailable
    );
    let (ring, refresh) = ring_of(&store).await;
    drop(refresh);
    wait_for(&ring, created.token.expose(), Err(AuthError::Unavailable)).await;
}

#[tokio::test]
async fn a_row_that_was_tampered_with_opens_nothing() {
    for change in [
        "UPDATE keys SET tenant = ''",
        "UPDATE keys SET kind = 'root'",
        "UPDATE keys SET routes = '[\"a b\"]'",
        "UPDATE keys SET routes = 'everything'",
        "UPDATE keys SET models = '[1]'",
        "UPDATE keys SET roles = '{}'",
        "UPDATE keys SET requests_per_minute = -1",
        "UPDATE keys SET expires = -1",
        "UPDATE keys SET hash = zeroblob(32)",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (store, created) = store_with_key(dir.path()).await;
        let (ring, refresh) = ring_of(&store).await;
        let mut connection = outsider(dir.path()).await;
        sqlx::query(change).execute(&mut connection).await.unwrap();
        wait_for(&ring, created.token.expose(), Err(AuthError::Unknown)).await;
        refresh.stop().await;
    }
}

#[tokio::test]
async fn a_key_ends_at_its_expiry() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).await.unwrap();
    let expires = UnixMillis(NOW.0 + 1_000);
    let created = store
        .create(
            NewKey {
                expires: Some(expires),
                ..new_key("short")
            },
            NOW,
        )
        .await
        .unwrap();
    let (ring, refresh) = ring_of(&store).await;
    let at = |ms| ring.authenticate(created.token.expose(), UnixMillis(ms)).map(|_| ());
    assert_eq!(at(NOW.0), Ok(()));
    assert_eq!(at(expires.0 - 1), Ok(()));
    assert_eq!(at(expires.0), Err(AuthError::Expired));
    assert_eq!(at(u64::MAX), Err(AuthError::Expired));
    // Without the secret nobody learns that the key once existed.
    let mut wrong = created.token.expose().to_owned();
    wrong.truncate(wrong.len() - 1);
    wrong.push(if created.token.expose().ends_with('a') {
        'b'
    } else {
        'a'
    });
    assert_eq!(
        ring.authenticate(&wrong, UnixMillis(u64::MAX)).unwrap_err(),
        AuthError::Unknown
    );
    refresh.stop().await;
}

#[tokio::test]
async fn what_is_stored_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).await.unwrap();
    let full = NewKey {
        name: "Ünïcode ☃".to_owned(),
        tenant: TenantId::parse("t.1").unwrap(),
        kind: PrincipalKind::Agent,
        roles: vec![Role("reader".into()), Role("on-call".into())],
        routes: RouteScope::Only(vec![RouteName::parse("a").unwrap(), RouteName::parse("b").unwrap()]),
        models: ModelScope::Only(vec![ModelPattern::parse("gpt-4o*").unwrap()]),
        limits: Limits {
            requests_per_minute: Some(0),
            tokens_per_minute: Some(i64::MAX.unsigned_abs()),
            cost_micros_per_day: None,
            concurrent: Some(7),
        },
        expires: Some(UnixMillis(NOW.0 + 1)),
    };
    let created = store.create(full, NOW).await.unwrap();
    store.close().await;
    let store = KeyStore::open(dir.path()).await.unwrap();
    assert_eq!(store.list().await.unwrap(), std::slice::from_ref(&created.record));
    let (ring, refresh) = ring_of(&store).await;
    let caller = ring.authenticate(created.token.expose(), NOW).unwrap();
    assert_eq!(*caller, Caller::of(&created.record));
    assert_eq!(caller.limits.concurrent, Some(7));
    refresh.stop().await;
}

/// A sound key with one thing changed.
fn changed(change: impl FnOnce(&mut NewKey)) -> NewKey {
    let mut new = new_key("k");
    change(&mut new);
    new
}

#[tokio::test]
async fn keys_that_make_no_sense_are_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).await.unwrap();
    let too_many = (0..257).map(|n| RouteName::parse(&format!("r{n}")).unwrap()).collect();
    let expiring = |at| changed(|new| new.expires = Some(UnixMillis(at)));
    for (new, expected) in [
        (new_key(""), NewKeyError::Name),
        (new_key(&"n".repeat(129)), NewKeyError::Name),
        (new_key("two\nlines"), NewKeyError::Name),
        (new_key("esc\u{1b}[2J"), NewKeyError::Name),
        (changed(|new| new.roles = vec![Role("".into())]), NewKeyError::Roles),
        (changed(|new| new.roles = vec![Role("a b".into())]), NewKeyError::Roles),
        (
            changed(|new| new.roles = vec![Role("a".into()); 33]),
            NewKeyError::Roles,
        ),
        (
            changed(|new| new.routes = RouteScope::Only(Vec::new())),
            NewKeyError::Scope,
        ),
        (
            changed(|new| new.routes = RouteScope::Only(too_many)),
            NewKeyError::Scope,
        ),
        (
            changed(|new| new.models = ModelScope::Only(Vec::new())),
            NewKeyError::Scope,
        ),
        (expiring(NOW.0), NewKeyError::Expired),
        (expiring(0), NewKeyError::Expired),
        (expiring(u64::MAX), NewKeyError::Number),
        (
            changed(|new| new.limits.concurrent = Some(u64::MAX)),
            NewKeyError::Number,
        ),
    ] {
        let refused = store.create(new.clone(), NOW).await.unwrap_err();
        assert!(
            matches!(refused, CreateKeyError::Invalid(found) if found == expected),
            "{new:?}: {refused:?}"
        );
    }
    assert!(store.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_is_not_ours_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store_with_key(dir.path()).await;
    store.close().await;
    let database = dir.path().join("keys.db");
    let mode = |mode| fs::set_permissions(&database, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert!(matches!(
        KeyStore::open(dir.path()).await.unwrap_err(),
        StoreOpenError::Permissions { mode: 0o644, .. }
    ));
    mode(0o600);
    fs::rename(dir.path().join("pepper"), dir.path().join("pepper.old")).unwrap();
    assert!(matches!(
        KeyStore::open(dir.path()).await.unwrap_err(),
        StoreOpenError::OtherPepper { .. }
    ));
    fs::rename(dir.path().join("pepper.old"), dir.path().join("pepper")).unwrap();
    KeyStore::open(dir.path()).await.unwrap().close().await;
    let mut connection = outsider(dir.path()).await;
    sqlx::query("PRAGMA user_version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(matches!(
        KeyStore::open(dir.path()).await.unwrap_err(),
        StoreOpenError::Newer {
            found: 99,
            known: 1,
            ..
        }
    ));
    let other = tempfile::tempdir().unwrap();
    fs::write(
        other.path().join("keys.db"),
        b"this is no database, whatever its name says........",
    )
    .unwrap();
    fs::set_permissions(other.path().join("keys.db"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(
        KeyStore::open(other.path()).await.unwrap_err(),
        StoreOpenError::Database { .. }
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_open_at_once_share_one_format_and_one_pepper() {
    let dir = tempfile::tempdir().unwrap();
    let mut openings = tokio::task::JoinSet::new();
    for name in 0..8 {
        let path = dir.path().to_owned();
        openings.spawn(async move {
            let store = KeyStore::open(&path).await.unwrap();
            store
                .create(new_key(&format!("k{name}")), NOW)
                .await
                .unwrap()
                .token
                .expose()
                .to_owned()
        });
    }
    let tokens = openings.join_all().await;
    let store = KeyStore::open(dir.path()).await.unwrap();
    let (ring, refresh) = ring_of(&store).await;
    for token in tokens {
        assert!(ring.authenticate(&token, NOW).is_ok());
    }
    refresh.stop().await;
}

#[test]
fn a_pepper_is_made_once_and_kept_private() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep").join("data");
    let first = pepper(&folder).unwrap();
    assert_eq!(first.expose().len(), 32);
    assert_eq!(pepper(&folder).unwrap(), first);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("pepper")), 0o600);
    let left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["pepper"]);
}

#[test]
fn a_pepper_that_is_not_private_or_not_whole_is_refused() {
    for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o666, 0o610] {
        let dir = tempfile::tempdir().unwrap();
        pepper(dir.path()).unwrap();
        fs::set_permissions(dir.path().join("pepper"), fs::Permissions::from_mode(mode)).unwrap();
        let refused = pepper(dir.path()).unwrap_err();
        assert!(matches!(refused, PepperError::Permissions { mode: found, .. } if found == mode));
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
    for bytes in [0, 31, 33, 64] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pepper");
        fs::write(&path, vec![7; bytes]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(pepper(dir.path()), Err(PepperError::Shape { .. })), "{bytes}");
    }
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/zero", dir.path().join("pepper")).unwrap();
    assert!(matches!(pepper(dir.path()), Err(PepperError::Shape { .. })));
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("pepper")).unwrap();
    assert!(matches!(pepper(dir.path()), Err(PepperError::Shape { .. })));
}

#[test]
fn threads_that_start_at_once_get_the_same_pepper() {
    let dir = tempfile::tempdir().unwrap();
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| pepper(dir.path()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|each| *each == found[0]));
}

#[test]
fn nothing_prints_a_token() {
    let token = token(5);
    let secret = &token.expose()[17..];
    let presented = PresentedKey::parse(token.expose()).unwrap();
    let hasher = KeyHasher::new(&testudo_types::Secret::new([4; 32]));
    let mut shown = format!("{token:?} {presented:?} {hasher:?} {:?}", hasher.hash(&token));
    for error in AuthError::ALL {
        shown.push_str(&format!("{error} {error:?}"));
    }
    assert!(!shown.contains(secret), "{shown}");
}

fn random() -> impl Strategy<Value = [u8; RANDOM_BYTES]> {
    proptest::collection::vec(any::<u8>(), RANDOM_BYTES).prop_map(|bytes| bytes.try_into().unwrap())
}

proptest! {
    #[test]
    fn every_made_token_has_the_form(random in random()) {
        let token = KeyToken::from_random(&random).unwrap();
        let presented = PresentedKey::parse(token.expose()).unwrap();
        prop_assert_eq!(presented.id(), token.id().as_str());
    }

    #[test]
    fn a_token_with_one_other_byte_never_verifies(random in random(), at in 0_usize..69, with in any::<char>()) {
        let token = KeyToken::from_random(&random).unwrap();
        let hasher = KeyHasher::new(&testudo_types::Secret::new([8; 32]));
        let stored = hasher.hash(&token);
        let mut changed: Vec<char> = token.expose().chars().collect();
        changed[at] = with;
        let changed: String = changed.into_iter().collect();
        if changed != token.expose() {
            let verified = PresentedKey::parse(&changed).is_ok_and(|presented| hasher.verify(presented, &stored));
            prop_assert!(!verified);
        }
    }

    #[test]
    fn arbitrary_text_is_no_token(text in any::<String>()) {
        prop_assert!(PresentedKey::parse(&text).is_err());
    }
}
