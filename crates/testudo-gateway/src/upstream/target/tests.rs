//! Tests of the upstream's URI.

use super::*;

fn join(base: &str, target: &str) -> Option<String> {
    let base = Base::new(&base.parse().unwrap()).unwrap();
    base.join(&target.parse().unwrap()).ok().map(|uri| uri.to_string())
}

#[test]
fn base_and_path_meet_in_one_version_segment() {
    for (base, target, expected) in [
        (
            "https://api.example.com",
            "/v1/chat/completions",
            "https://api.example.com/v1/chat/completions",
        ),
        (
            "https://api.example.com/",
            "/chat/completions",
            "https://api.example.com/v1/chat/completions",
        ),
        (
            "https://api.example.com/v1",
            "/v1/models/a.b-c:d",
            "https://api.example.com/v1/models/a.b-c:d",
        ),
        (
            "https://api.example.com/v1/",
            "/messages?beta=true",
            "https://api.example.com/v1/messages?beta=true",
        ),
        (
            "http://127.0.0.1:8000/proxy",
            "/v1/models",
            "http://127.0.0.1:8000/proxy/v1/models",
        ),
        (
            "https://x.example/v1beta",
            "/v1/models",
            "https://x.example/v1beta/models",
        ),
        (
            "https://[2606:4700::1]:444",
            "/v1/models",
            "https://[2606:4700::1]:444/v1/models",
        ),
        ("https://x.example", "/v1x/models", "https://x.example/v1/v1x/models"),
    ] {
        assert_eq!(join(base, target).as_deref(), Some(expected), "{base} {target}");
    }
}

#[test]
fn the_clients_authority_is_ignored() {
    let joined = join("https://api.example.com", "http://evil.example/v1/models");
    assert_eq!(joined.as_deref(), Some("https://api.example.com/v1/models"));
}

#[test]
fn paths_and_queries_with_a_second_meaning_are_refused() {
    for target in [
        "/v1/../admin",
        "/v1/./models",
        "/v1//models",
        "/v1/models/",
        "/v1/models/%2e%2e",
        "/v1/models/a%2fb",
        "/v1/models/a;b",
        "/v1/models/a\\b",
        "/v1/models/é",
        "/v1/models?key=x",
        "/v1/models?api_key=x",
        "/v1/models?limit=a%26key",
        "/v1/models?limit=1&key=x",
        "/v1/models?&",
        "/v1/models?limit=<script>",
    ] {
        if let Ok(target) = target.parse::<Uri>() {
            let base = Base::new(&"https://x.example".parse().unwrap()).unwrap();
            assert!(base.join(&target).is_err(), "{target}");
        }
    }
}

#[test]
fn unusable_bases_are_named() {
    for (url, expected) in [
        ("ftp://x.example", BaseProblem::Scheme),
        ("https://user@x.example", BaseProblem::Credentials),
        ("https://:pw@x.example", BaseProblem::Credentials),
        ("https://x.example?a", BaseProblem::Query),
        ("https://x.example#a", BaseProblem::Query),
    ] {
        assert_eq!(Base::new(&url.parse().unwrap()).unwrap_err(), expected, "{url}");
    }
}
