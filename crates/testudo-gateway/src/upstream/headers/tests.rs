//! Tests of the header lists.

use super::*;

fn map(names: &[&str]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for name in names {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_static("v"),
        );
    }
    map
}

#[test]
fn only_named_headers_reach_the_upstream() {
    let passing = [
        "accept",
        "content-type",
        "user-agent",
        "anthropic-beta",
        "anthropic-version",
        "idempotency-key",
        "openai-beta",
        "traceparent",
        "tracestate",
        "x-stainless-lang",
        "x-stainless-retry-count",
    ];
    let staying = [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "host",
        "connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "content-length",
        "expect",
        "content-encoding",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "x-real-ip",
        "via",
        "openai-organization",
        "openai-project",
        "x-portkey-custom-host",
        "x-amz-security-token",
        "x-stainless",
        "origin",
        "referer",
        "anthropic-dangerous-direct-browser-access",
        "x-openai-beta",
    ];
    let kept = to_upstream(&map(&[&passing[..], &staying[..]].concat()));
    for name in passing {
        assert!(kept.contains_key(name), "{name} is missing");
    }
    for name in staying {
        assert!(!kept.contains_key(name), "{name} went through");
    }
    assert_eq!(kept[ACCEPT_ENCODING], "identity");
    assert_eq!(kept.len(), passing.len() + 1);
}

#[test]
fn only_named_headers_reach_the_client() {
    let passing = [
        "content-type",
        "content-length",
        "retry-after",
        "retry-after-ms",
        "x-request-id",
        "request-id",
        "openai-processing-ms",
        "openai-version",
        "anthropic-ratelimit-tokens-remaining",
        "x-ratelimit-remaining-requests",
        "x-should-retry",
    ];
    let staying = [
        "set-cookie",
        "server",
        "cf-ray",
        "connection",
        "transfer-encoding",
        "keep-alive",
        "trailer",
        "upgrade",
        "alt-svc",
        "strict-transport-security",
        "location",
        "www-authenticate",
        "x-envoy-upstream-service-time",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "access-control-allow-origin",
        "content-encoding",
        "via",
        "x-powered-by",
    ];
    let kept = to_client(&map(&[&passing[..], &staying[..]].concat()));
    for name in passing {
        assert!(kept.contains_key(name), "{name} is missing");
    }
    assert_eq!(kept.len(), passing.len());
}

#[test]
fn repeated_headers_stay_repeated() {
    let kept = to_upstream(&map(&["anthropic-beta", "anthropic-beta"]));
    assert_eq!(kept.get_all("anthropic-beta").iter().count(), 2);
}

#[test]
fn compressed_answers_are_refused() {
    for (value, fine) in [
        ("identity", true),
        ("Identity", true),
        ("", true),
        ("gzip", false),
        ("br", false),
        ("identity, gzip", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(value));
        assert_eq!(check_encoding(&headers).is_ok(), fine, "{value}");
    }
    let mut twice = HeaderMap::new();
    twice.append(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    twice.append(CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    assert!(check_encoding(&twice).is_err());
}
