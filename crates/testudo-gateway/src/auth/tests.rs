//! Which credential a request presents.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{AuthError, presented_key};

fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            )
        })
        .collect()
}

fn check(pairs: &[(&str, &[u8])], expected: Result<&str, AuthError>) {
    assert_eq!(presented_key(&headers(pairs)), expected, "{pairs:?}");
}

#[test]
fn a_key_is_found_in_each_header_that_clients_use() {
    check(&[("authorization", b"Bearer k")], Ok("k"));
    check(&[("authorization", b"bEARER k")], Ok("k"));
    check(&[("x-api-key", b"k")], Ok("k"));
    check(&[("api-key", b"k")], Ok("k"));
    check(
        &[("authorization", b"Bearer k"), ("x-api-key", b"k"), ("api-key", b"k")],
        Ok("k"),
    );
    check(&[("x-api-key", b"k"), ("x-api-key", b"k")], Ok("k"));
}

#[test]
fn different_credentials_are_refused_wherever_they_stand() {
    check(
        &[("authorization", b"Bearer a"), ("x-api-key", b"b")],
        Err(AuthError::Conflicting),
    );
    check(
        &[("authorization", b"Bearer a"), ("authorization", b"Bearer b")],
        Err(AuthError::Conflicting),
    );
    check(&[("x-api-key", b"a"), ("x-api-key", b"b")], Err(AuthError::Conflicting));
    check(&[("x-api-key", b"a"), ("api-key", b"b")], Err(AuthError::Conflicting));
    check(
        &[("api-key", b"k"), ("authorization", b"Bearer K")],
        Err(AuthError::Conflicting),
    );
}

#[test]
fn what_is_no_credential_is_refused() {
    check(&[], Err(AuthError::Missing));
    check(&[("cookie", b"key=k")], Err(AuthError::Missing));
    for bad in [
        &b""[..],
        b"Bearer",
        b"Bearer ",
        b"Basic dXNlcjpwYXNz",
        b"Bearer\tk",
        b"Digest x",
        b"k",
        b" k",
        b"Bearer \xff\xfe",
        "Bearer schlüssel".as_bytes(),
    ] {
        check(&[("authorization", bad)], Err(AuthError::Malformed));
    }
    check(&[("x-api-key", b"")], Err(AuthError::Malformed));
    check(&[("x-api-key", b"\xff")], Err(AuthError::Malformed));
}

#[test]
fn one_sound_credential_does_not_hide_a_bad_one() {
    check(
        &[("authorization", b"Basic a"), ("x-api-key", b"k")],
        Err(AuthError::Malformed),
    );
    check(&[("x-api-key", b"k"), ("api-key", b"")], Err(AuthError::Malformed));
}

#[test]
fn more_than_128_bytes_are_refused_before_any_work() {
    let long = "k".repeat(129);
    check(&[("x-api-key", long.as_bytes())], Err(AuthError::Malformed));
    check(
        &[("authorization", format!("Bearer {long}").as_bytes())],
        Err(AuthError::Malformed),
    );
    check(
        &[("authorization", "a".repeat(60_000).as_bytes())],
        Err(AuthError::Malformed),
    );
    let fits = "k".repeat(128);
    check(&[("authorization", format!("Bearer {fits}").as_bytes())], Ok(&fits));
}

#[test]
fn only_our_own_failure_is_not_the_callers_fault() {
    for error in AuthError::ALL {
        let expected = if error == AuthError::Unavailable { 503 } else { 401 };
        assert_eq!(error.status().as_u16(), expected, "{error}");
    }
}
