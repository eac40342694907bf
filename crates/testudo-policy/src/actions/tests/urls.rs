//! Addresses: which host a browser goes to, and what must be reported.

use proptest::prelude::{any, proptest};

use crate::actions::UrlFacts;

fn read(value: &str) -> UrlFacts {
    let mut facts = UrlFacts::default();
    facts.add(value);
    assert!(facts.present);
    facts
}

fn hosts(value: &str) -> Vec<String> {
    read(value).hosts.into_iter().collect()
}

#[test]
fn plain_addresses_are_understood() {
    for (value, host) in [
        ("https://example.com/a?b=c#d", "example.com"),
        ("HTTP://Example.COM", "example.com"),
        ("example.com/path", "example.com"),
        ("www.example.com", "www.example.com"),
        ("//cdn.example.com/x.js", "cdn.example.com"),
        ("https://example.com.", "example.com"),
        ("https://münchen.example/", "xn--mnchen-3ya.example"),
        ("ftp://files.example.com", "files.example.com"),
        ("wss://example.com:8443/feed", "example.com"),
        ("postgres://db.example.com/x", "db.example.com"),
        ("example.com:8080/x", "example.com"),
        ("https://example.com/a b?q=c d", "example.com"),
    ] {
        let facts = read(value);
        assert!(!facts.unparsed && !facts.private, "{value}: {facts:?}");
        assert_eq!(facts.hosts.iter().collect::<Vec<_>>(), [host], "{value}");
    }
}

#[test]
fn the_host_is_the_one_a_browser_goes_to() {
    for (value, host) in [
        ("https://good.example@evil.example/", "evil.example"),
        ("https://good.example:443@evil.example/", "evil.example"),
        ("https://good.example%2f@evil.example/", "evil.example"),
        ("https://evil.example#@good.example/", "evil.example"),
        ("https://evil.example?@good.example/", "evil.example"),
        ("https://evil.example/good.example", "evil.example"),
        ("https://%65vil.example/", "evil.example"),
        ("https://ｅｖｉｌ.example/", "evil.example"),
        ("https://evil。example/", "evil.example"),
        ("https://good.example.evil.example/", "good.example.evil.example"),
        ("hTTps://EVIL.example", "evil.example"),
    ] {
        assert!(hosts(value).contains(&host.to_owned()), "{value}: {:?}", hosts(value));
        assert!(!read(value).under.contains("good.example"), "{value}");
    }
    for value in [
        "https://a@evil.example",
        "https://:p@evil.example",
        "https://a:b@evil.example",
    ] {
        assert!(read(value).userinfo, "{value}");
    }
}

#[test]
fn addresses_that_programs_read_differently_are_not_understood() {
    for value in [
        "https://good.example\\@evil.example",
        "https:\\\\evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "https://good.example@a@evil.example",
        "https://ev\til.example",
        "https://ev\nil.example/",
        "https://evil.example\0.good.example/",
        "https://good.example /x",
        "https://a.example https://b.example",
        "https://a.example,https://b.example",
        "https://a.example|https://b.example",
        "http://[::1",
        "https://",
        "http://a b.example/",
        "/etc/passwd",
        "not an address",
        "",
        "http://exa<mple.com/",
        "https://example.com:99999/",
        "https://0x7f.1.1.1.1/",
        "intranet",
        "http://good.example,.evil.example/",
        "http://evil.example;good.example/",
    ] {
        let facts = read(value);
        assert!(facts.unparsed, "{value}: {facts:?}");
        assert!(facts.hosts.contains("*") || facts.hosts.len() > 1, "{value}: {facts:?}");
        assert!(facts.under.is_empty(), "{value}: {facts:?}");
    }
}

#[test]
fn private_places_are_seen_in_every_notation() {
    for value in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://①②⑦.0.0.1/",
        "http://0/",
        "http://0.0.0.0:8080/",
        "http://10.1.2.3/",
        "http://172.31.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://localhost/",
        "http://LOCALHOST:3000/",
        "http://app.localhost/",
        "localhost:3000/x",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://metadata/",
        "http://intranet/",
        "http://127.0.0.1.nip.io/",
        "http://10-0-0-1.sslip.io/",
        "http://localtest.me/",
        "gopher://127.0.0.1:6379/_x",
        "redis://0x7f.1:6379/",
        "file:///etc/passwd",
        "javascript:fetch('//evil.example')",
        "data:text/html,x",
    ] {
        let facts = read(value);
        assert!(facts.private || facts.unparsed, "{value}: {facts:?}");
    }
    for value in [
        "http://8.8.8.8/",
        "http://[2606:4700::1111]/",
        "https://localhost.example.com/",
        "http://11.0.0.1/",
    ] {
        assert!(!read(value).private, "{value}");
    }
}

#[test]
fn what_all_hosts_share_is_known_without_a_list_of_suffixes() {
    let mut facts = UrlFacts::default();
    facts.add("https://a.shop.example.com/");
    facts.add("https://b.shop.example.com/");
    let under: Vec<&str> = facts.under.iter().map(String::as_str).collect();
    assert_eq!(under, ["com", "example.com", "shop.example.com"]);
    facts.add("https://evilexample.com/");
    let under: Vec<&str> = facts.under.iter().map(String::as_str).collect();
    assert_eq!(under, ["com"]);
    facts.add("mailto:a@example.com");
    assert!(facts.under.is_empty());
    // What comes later cannot bring back what is lost.
    facts.add("https://a.shop.example.com/");
    assert!(facts.under.is_empty());
}

#[test]
fn what_an_address_carries_is_measured() {
    let plain = read("https://example.com/docs/index.html");
    let laden = read("https://example.com/?d=c2stbGl2ZS00ZjhhOTlkMmU3YjE0YzA5YWE3ZDJmMWI4ZTYwYzM3ZQ#x");
    assert_eq!((plain.query_bytes, laden.query_bytes), (0, 57));
    assert!(
        plain.entropy_bits < 80 && laden.entropy_bits > 200,
        "{plain:?} {laden:?}"
    );
    assert_eq!(read("https://example.com/aaaaaaaa").entropy_bits, 4);
    assert_eq!(
        read("https://example.com:8443").ports.into_iter().collect::<Vec<_>>(),
        [8443]
    );
    assert_eq!(read("https://example.com").ports.into_iter().collect::<Vec<_>>(), [443]);
}

proptest! {
    #[test]
    fn no_address_is_read_without_a_host_or_a_doubt(value in any::<String>()) {
        let facts = read(&value);
        let hostless = facts.schemes.iter().any(|scheme| !["http", "https", "ws", "wss", "ftp"].contains(&scheme.as_str()));
        assert!(facts.unparsed || !facts.hosts.is_empty() || hostless, "{facts:?}");
    }

    #[test]
    fn every_notation_of_a_private_number_is_private(low in any::<[u8; 3]>(), hexadecimal in any::<[bool; 4]>()) {
        let [b, c, d] = low;
        let part = |number: u8, hex: bool| if hex { format!("{number:#x}") } else { format!("0{number:o}") };
        let dotted: Vec<String> = [10, b, c, d].into_iter().zip(hexadecimal).map(|(n, hex)| part(n, hex)).collect();
        let whole = u32::from_be_bytes([10, b, c, d]);
        for host in [dotted.join("."), whole.to_string(), format!("{whole:#x}"), format!("[::ffff:{whole:x}]").replace(&format!("{whole:x}"), &format!("{:x}:{:x}", whole >> 16, whole & 0xffff))] {
            let facts = read(&format!("http://{host}/"));
            assert!(facts.private && facts.numeric, "{host}: {facts:?}");
        }
    }
}
