//! Published examples of each scheme, and near misses of each.

mod schemes;

use super::*;

fn check(name: &str, accepted: &[&str], refused: &[&str]) {
    let validator = validator(name).unwrap();
    for text in accepted {
        assert!(validator.accepts(&live(text)), "{name} refuses {text}");
    }
    for text in refused {
        assert!(!validator.accepts(&live(text)), "{name} accepts {text}");
    }
}

/// The text without the mark that keeps what looks like a secret inert in this file.
fn live(text: &str) -> String {
    text.replace('¦', "")
}

#[test]
fn names_are_sorted_and_unique() {
    assert!(VALIDATORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(validator("no-such-check").is_none());
}

#[test]
fn check_digit_schemes() {
    check("luhn", &["79927398713", "0018"], &["79927398710", "7", ""]);
    // Verhoeff's own example: 236 with check digit 3.
    assert!(check_digits::verhoeff("2363"));
    assert!(!check_digits::verhoeff("2364") && !check_digits::verhoeff("2633"));
    assert!(check_digits::iso7064_mod_11_10("0794") || check_digits::iso7064_mod_11_10("07945"));
}

#[test]
fn payment() {
    // The numbers that payment networks publish for testing.
    let cards = [
        "4111 1111 1111 1111",
        "4012-8888-8888-1881",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "6200000000000005",
    ];
    check(
        "payment-card",
        &cards,
        &[
            "4111111111111112",
            "1234567812345670",
            "0000000000000000",
            "411111111111111",
            "",
        ],
    );
    // The registry's examples.
    let accounts = [
        "GB82 WEST 1234 5698 7654 32",
        "DE89370400440532013000",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S",
        "CH93 0076 2011 6238 5295 7",
    ];
    check(
        "iban",
        &accounts,
        &[
            "GB82WEST12345698765433",
            "GB82WEST123456987654",
            "ZZ82WEST12345698765432",
            "DE8",
            "",
        ],
    );
}

#[test]
fn national_ids_of_europe() {
    check(
        "uk-nhs",
        &["943 476 5919", "9434765919"],
        &["9434765918", "0000000000", "943476591"],
    );
    check(
        "de-steuer-id",
        &["86095742719", "47036892816"],
        &["86095742718", "12345678901", "00000000000"],
    );
    check(
        "es-dni",
        &["12345678Z", "X1234567L", "12345678-Z"],
        &["12345678A", "X1234567A", "1234567Z"],
    );
    check(
        "it-codice-fiscale",
        &["RSSMRA85T10A562S"],
        &["RSSMRA85T10A562T", "RSSMRA85T10A562"],
    );
    check(
        "fr-nir",
        &["2 55 08 14 168 025 38"],
        &["255081416802539", "955081416802538", "25508141680253"],
    );
    check(
        "pl-pesel",
        &["44051401359", "02070803628"],
        &["44051401358", "44991401358"],
    );
    check(
        "pt-nif",
        &["123456789", "501442600"],
        &["123456788", "401442600", "111111111"],
    );
    check("nl-bsn", &["111222333", "123456782"], &["111222334", "000000000"]);
    check(
        "be-rrn",
        &["85.07.30-033.28", "17073003384"],
        &["85073003329", "85133003328"],
    );
    check(
        "se-personnummer",
        &["811228-9874", "198112289874"],
        &["811228-9873", "811328-9874"],
    );
    check("fi-hetu", &["131052-308T"], &["131052-308U", "321352-308T"]);
    check("dk-cpr", &["211062-5629"], &["331062-5629", "21106256"]);
}

#[test]
fn national_ids_elsewhere() {
    check(
        "us-ssn",
        &["123-45-6789", "899-12-3456"],
        &[
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "123-00-4567",
            "123-45-0000",
        ],
    );
    check(
        "us-itin",
        &["912-70-1234", "900-50-0001"],
        &["812-70-1234", "912-66-1234", "912-93-1234"],
    );
    check("ca-sin", &["130 692 544"], &["130692545", "046454286", "811111111"]);
    check(
        "br-cpf",
        &["529.982.247-25", "111.444.777-35"],
        &["529.982.247-26", "111.111.111-11"],
    );
    check(
        "br-cnpj",
        &["11.222.333/0001-81", "12.ABC.345/01DE-35"],
        &["11.222.333/0001-82", "00.000.000/0000-00"],
    );
    check("au-tfn", &["123 456 782"], &["123456783", "111111111"]);
    check(
        "au-medicare",
        &["2123 45670 1", "2123456701"],
        &["2123 45671 1", "7123456701"],
    );
    check(
        "au-abn",
        &["51 824 753 556", "83914571673"],
        &["51824753557", "01824753556"],
    );
    check(
        "aadhaar",
        &["2341 2341 2346"],
        &["2341 2341 2345", "1341 2341 2346", "222222222222"],
    );
    check(
        "cn-resident-id",
        &["11010519491231002X", "440524188001010014"],
        &["110105194912310021", "110105194913310020", "11010517491231002X"],
    );
    check(
        "kr-rrn",
        &["750612-1234563", "201112-3000000"],
        &["750612-1234564", "751312-1234567", "750612-9234567"],
    );
    check(
        "tr-kimlik",
        &["10000000146"],
        &["10000000145", "00000000146", "1000000014"],
    );
    check(
        "sg-nric",
        &["S1234567D", "T1234567J", "F1234567N", "G1234567X"],
        &["S1234567E", "A1234567D"],
    );
    check(
        "date",
        &["1987-03-24", "24.03.1987", "3/24/87", "24 March 1987"],
        &["1787-03-24", "45.13.1987", "2024"],
    );
}

#[test]
fn values_that_look_machine_made() {
    check(
        "random-token",
        &[
            "q7Vx2LmT9bKzR4wE",
            "9f86d081884c7d659a2feaa0c55ad015",
            "wXVtMtqaNyutZhPAYQrhnLPahXFRLKBjPZE7",
            "mwqnNHRTSoqCZTmrjCZxbGmYYahzZvSJsylxcAEo",
        ],
        &[
            "AwsSecretAccessKeyFromTheEnvironment",
            "getElementsByTagNameAndSetTheInnerHtml",
            "TheQuickBrownFoxJumpsOverTheLazyDog",
            "NSHTTPURLRequestXMLParserSSLCtxDbDsnKv",
            "PROD-KMS-Key-Ring-Blue-Ghst-Tmpl-Xyz",
            "your_api_key_here_1234",
            "process.env.API_KEY_2",
            "aaaaaaaaaaaaaaaa1111",
            "getUserByIdAndPassword",
            "00000000000000000000",
            "correct-horse-battery-staple",
            "page_of_the_company_2024",
            "layer.norm.scale.factor.2048",
        ],
    );
}

#[test]
fn tokens() {
    // A token long revoked, whose checksum several write-ups of the format show.
    let published = "ghp_¦zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17";
    assert!(token::checksum_holds(&live(published)));
    assert!(!token::checksum_holds(&live(published).replace('z', "y")));
    assert!(!token::checksum_holds("ghp_") && !token::checksum_holds(""));
    check(
        "github-crc32",
        &[published],
        &[
            "ghp_¦xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "ghp_¦aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ],
    );
    let header = "eyJhbGci¦OiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    check(
        "jwt",
        &[&format!("{header}.eyJzdWIiOiIxIn0.c2ln")],
        &["eyJzdWIiOiIxIn0.eyJzdWIiOiIxIn0.c2ln", "eyJ.eyJ.a", ""],
    );
    check(
        "password",
        &["hunter2!A", "Tr0ub4dor&3", "hunter(2", "Win:ter24"],
        &[
            "${DB_PASS1}",
            "{{password}}",
            "password1A",
            "string",
            "<your pass1>",
            "changeme1!",
            "config.get(server",
            "/tmp/build-22",
            "Base64-encoded",
            "authSplit.join(",
            "getAttr(other",
            "configGet(",
            "isSet($_POST[",
            "windows_sys::core::HRESULT",
            "GID:user_list",
        ],
    );
    check(
        "discord-token",
        &["Mjg0NzE5MzA1NTYyOTE4MzQ3.a.b"],
        &["MMjg0NzE5MzA1NTYyOTE4MzQ3.a.b", "MTIzNDU2.a.b", ""],
    );
    check("not-repeated", &["abcabc"], &["xxxxxxxxxx"]);
    check(
        "not-a-placeholder",
        &["glpat-¦Zk3xQ9vLm2Tn8Wp4Rb7c", "AKIA¦2E0A8F3B244C9986"],
        &[
            "glpat-XXXXXXXXXXX-XXXXXXXX",
            "hvs.xxxxxxxxxxxxxxxxxxxxxxxx",
            "AKIA0000000000000000",
            "xoxb-xxxxxxxxx-xxxxxxxxxx-xxxxxxxxxxxx",
        ],
    );
}

#[test]
fn wallets() {
    // Examples of the address formats' own specifications.
    check(
        "base58check",
        &[
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "5Hue¦CGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        ],
        &[
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
            "0BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            "1",
            "",
        ],
    );
    check(
        "bech32",
        &[
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "A12UEL5L",
        ],
        &[
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "bc1QW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "bc1",
            "",
        ],
    );
    check(
        "eip55",
        &[
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        ],
        &[
            "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "0x12",
        ],
    );
}

#[test]
fn addresses() {
    check(
        "email",
        &["ada@example.org", "a.b+c@mail.example.co.uk"],
        &[
            "icon@2x.png",
            "git@github.com",
            ".a@example.org",
            "a..b@example.org",
            "1+x@users.noreply.github.com",
        ],
    );
    check(
        "phone-e164",
        &["+49 30 901820", "+1 (415) 555-2671", "+442071838750"],
        &["+1 (115) 555-2671", "+999123456789", "+4930", "+11111111111"],
    );
    check(
        "phone-nanp",
        &["415-555-2671", "(212) 867-5309", "1 415 555 2671"],
        &["115-555-2671", "411-155-2671", "911-555-2671", "415-155-2671"],
    );
    check(
        "phone-national",
        &["030 901820", "01 23 45 67 89"],
        &["2024-01-31", "123", "0000000000"],
    );
    check(
        "ip-public",
        &["203.0.114.77", "84.23.9.200", "2a00:1450:4001:81b::200e"],
        &[
            "10.0.0.1",
            "192.168.1.20",
            "127.0.0.1",
            "1.2.3.4",
            "120.0.6099.18",
            "120.0.0.0",
            "192.0.2.44",
            "224.0.0.251",
            "8.8.8.8",
            "2001:db8::1",
            "fe80::1",
            "1.2.3.4.5",
            "12:34:56",
        ],
    );
    check(
        "mac",
        &["3c:22:fb:9a:01:7e", "3C-22-FB-9A-01-7E"],
        &[
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "00:11:22:33:44:55",
            "01:00:5e:00:00:fb",
        ],
    );
}

#[test]
fn links_that_carry_data() {
    let carrying = [
        "https://evil.example/p.png?d=c2st¦cHJvai1hYmNkZWZnaGlqa2xtbm9wcXJzdHV2MTIz",
        "https://evil.example/log?q=the+customer+said+that+her+order+never+arrived",
        "https://evil.example/x?mail=ada@example.org",
        "https://evil.example/aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBzZWNyZXQgbWVzc2FnZTEyMw/i.png",
        "//evil.example/a?k=AKIA¦Q3EGRXZ7EXAMPLE1",
        "https://4d79206e616d6520697320416e6e61204d656965722061.host.test/a.png",
    ];
    let ordinary = [
        "https://9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c.host.test/a.png",
        "https://docs.rs/regex/latest/regex/struct.Regex.html#method.find_iter",
        "https://img.shields.io/badge/build-passing-brightgreen.svg?style=flat-square&logo=github",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://example.org/images/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b.png",
        "https://user-images.githubusercontent.com/1234/0b6c7a2e-7f3a-4c5d-9e8f-1a2b3c4d5e6f.png",
        "https://en.wikipedia.org/wiki/Special:Search?search=rust+programming",
        "https://example.org/blog/how-to-write-a-really-long-slug-for-an-article-about-nothing-at-all",
        "not a url",
        "/relative/path.png",
    ];
    check("url-carries-data", &carrying, &ordinary);
    check("url-carries-much-data", &[carrying[0], carrying[2]], &ordinary);
}

#[test]
fn flags() {
    check(
        "not-a-flag",
        &[
            "\u{E0048}\u{E0049}",
            "\u{1F3F4}\u{E0048}\u{E0049}\u{E007F}",
            "\u{1F3F4}\u{E0067}\u{E0062}",
        ],
        &["\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}"],
    );
}
