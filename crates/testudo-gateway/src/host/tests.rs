//! Tests of the host and origin rules.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn rules(hosts: &[&str], origins: &[&str]) -> HostRules {
    let own = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
    HostRules::new(&own(hosts), &own(origins), "127.0.0.1:8080".parse().unwrap()).unwrap()
}

fn check_one(target: &str, hosts: &[&str], origin: Option<&str>) -> Result<(), HostRefusal> {
    let mut headers = HeaderMap::new();
    for host in hosts {
        headers.append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
    }
    if let Some(origin) = origin {
        headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    let uri: Uri = target.parse().unwrap();
    check(
        Version::HTTP_11,
        &uri,
        &headers,
        &rules(&["gw.example.com", "only.example:99"], &["https://app.example.com"]),
    )
}

#[test]
fn r13_host_and_origin() {
    use HostRefusal::{Malformed, Missing, Origin, Several, Unknown};
    let hosts: &[(&[&str], Result<(), HostRefusal>)] = &[
        (&["localhost"], Ok(())),
        (&["LocalHost:8080"], Ok(())),
        (&["127.0.0.1:8080"], Ok(())),
        (&["[::1]:8080"], Ok(())),
        (&["[0:0:0:0:0:0:0:1]"], Ok(())),
        (&["gw.example.com"], Ok(())),
        (&["GW.EXAMPLE.COM:443"], Ok(())),
        (&["only.example:99"], Ok(())),
        (&["only.example:98"], Err(Unknown)),
        (&["only.example"], Err(Unknown)),
        (&[], Err(Missing)),
        (&["localhost", "localhost"], Err(Several)),
        (&["evil.example"], Err(Unknown)),
        (&["localhost.evil.example"], Err(Unknown)),
        (&["127.0.0.2"], Err(Unknown)),
        (&["[::ffff:127.0.0.1]"], Err(Unknown)),
        (&["localhost."], Err(Malformed)),
        (&[""], Err(Malformed)),
        (&["localhost:"], Err(Malformed)),
        (&["localhost:99999"], Err(Malformed)),
        (&["localhost:+80"], Err(Malformed)),
        (&["localhost:80:80"], Err(Malformed)),
        (&["localhost:4000/#@x"], Err(Malformed)),
        (&["localhost/#@x"], Err(Malformed)),
        (&["localhost#"], Err(Malformed)),
        (&["localhost?x"], Err(Malformed)),
        (&["user@localhost"], Err(Malformed)),
        (&["user:pass@localhost"], Err(Malformed)),
        (&["local host"], Err(Malformed)),
        (&["localhost\t"], Err(Malformed)),
        (&["localhost,evil.example"], Err(Malformed)),
        (&["local%68ost"], Err(Malformed)),
        (&["locälhost"], Err(Malformed)),
        (&["2130706433"], Err(Malformed)),
        (&["127.1"], Err(Malformed)),
        (&["0x7f.0.0.1"], Err(Malformed)),
        (&["::1"], Err(Malformed)),
        (&["[::1"], Err(Malformed)),
        (&["[::1%eth0]"], Err(Malformed)),
        (&["[::1]x"], Err(Malformed)),
        (&["-localhost"], Err(Malformed)),
        (&["http://localhost"], Err(Malformed)),
    ];
    for (given, expected) in hosts {
        assert_eq!(check_one("/v1/models", given, None), *expected, "{given:?}");
    }
    let origins = [
        ("https://app.example.com", Ok(())),
        ("https://app.example.com:443", Ok(())),
        ("https://app.example.com:444", Err(Origin)),
        ("http://app.example.com", Err(Origin)),
        ("https://app.example.com.evil.example", Err(Origin)),
        ("https://app.example.com/", Err(Origin)),
        ("null", Err(Origin)),
        ("*", Err(Origin)),
        ("", Err(Origin)),
        ("http://localhost:8080", Err(Origin)),
        ("chrome-extension://abc", Err(Origin)),
    ];
    for (given, expected) in origins {
        assert_eq!(
            check_one("/v1/models", &["localhost"], Some(given)),
            expected,
            "{given}"
        );
    }
}

#[test]
fn r04_route_from_request_target_only() {
    use HostRefusal::{Disagree, Malformed, Missing, Unknown};
    // The path of the target is the only thing left to route on: a host that smuggles one is refused.
    assert_eq!(
        check_one("/x", &["localhost:4000/key/generate#@"], None),
        Err(Malformed)
    );
    assert_eq!(check_one("http://localhost:8080/x", &["localhost:8080"], None), Ok(()));
    assert_eq!(check_one("http://LOCALHOST:8080/x", &["localhost:8080"], None), Ok(()));
    assert_eq!(
        check_one("http://localhost:8081/x", &["localhost:8080"], None),
        Err(Disagree)
    );
    assert_eq!(
        check_one("http://localhost/x", &["gw.example.com"], None),
        Err(Disagree)
    );
    assert_eq!(
        check_one("http://user@localhost/x", &["localhost"], None),
        Err(Malformed)
    );
    assert_eq!(
        check_one("http://evil.example/x", &["evil.example"], None),
        Err(Unknown)
    );
    assert_eq!(check_one("http://localhost/x", &[], None), Err(Missing));
    assert_eq!(check_one("*", &["localhost"], None), Err(HostRefusal::Target));
    assert_eq!(
        check_one("localhost:443", &["localhost"], None),
        Err(HostRefusal::Target)
    );
    assert_eq!(
        check_one("ftp://localhost/x", &["localhost"], None),
        Err(HostRefusal::Target)
    );
}

#[test]
fn http2_authority_stands_alone_and_must_agree_with_a_host_header() {
    let rules = rules(&[], &[]);
    let uri: Uri = "https://localhost:8080/v1/models".parse().unwrap();
    let mut headers = HeaderMap::new();
    assert_eq!(check(Version::HTTP_2, &uri, &headers, &rules), Ok(()));
    headers.insert(HOST, HeaderValue::from_static("evil.example"));
    assert_eq!(
        check(Version::HTTP_2, &uri, &headers, &rules),
        Err(HostRefusal::Disagree)
    );
    let without: Uri = "/v1/models".parse().unwrap();
    assert_eq!(
        check(Version::HTTP_2, &without, &HeaderMap::new(), &rules),
        Err(HostRefusal::Missing)
    );
}

#[test]
fn loopback_names_are_not_added_to_a_public_listener_with_its_own_names() {
    let public: SocketAddr = "0.0.0.0:443".parse().unwrap();
    let rules = HostRules::new(&["gw.example.com".to_owned()], &[], public).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    let uri = Uri::from_static("/");
    assert_eq!(
        check(Version::HTTP_11, &uri, &headers, &rules),
        Err(HostRefusal::Unknown)
    );
}

#[test]
fn configured_names_are_checked() {
    let bound: SocketAddr = "127.0.0.1:1".parse().unwrap();
    for wrong in ["http://gw", "*", "*.example.com", "a b", ""] {
        let given = HostRules::new(&[wrong.to_owned()], &[], bound).unwrap_err();
        assert_eq!(given, HostRulesProblem::Host(wrong.to_owned()));
    }
    for wrong in ["*", "app.example.com", "https://app.example.com/x", "null"] {
        let given = HostRules::new(&[], &[wrong.to_owned()], bound).unwrap_err();
        assert_eq!(given, HostRulesProblem::Origin(wrong.to_owned()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn accepted_hosts_hold_only_name_characters(text in "[a-z0-9.:@#/ \\[\\]%-]{0,20}") {
        if let Some(found) = Authority::parse(&text) {
            prop_assert!(found.host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b)));
            prop_assert!(!found.host.contains(['@', '#', '/', ' ', '%']));
        }
    }
}
