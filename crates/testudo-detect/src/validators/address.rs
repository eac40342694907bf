//! Addresses: mail, telephone, network, and links that carry data out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use super::check_digits::{all_same, digit_count, digits, exactly};
use super::token::shannon_bits;

/// A mail address; not a file name with a density suffix, nor a clone address.
pub(super) fn email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let suffix = domain.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let file = matches!(
        suffix.as_str(),
        "png" | "jpg" | "jpeg" | "gif" | "svg" | "webp" | "js" | "ts" | "css" | "py" | "rs" | "json" | "html" | "md"
    );
    let clone = local == "git" || domain.eq_ignore_ascii_case("users.noreply.github.com");
    let dotted = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    !file && !clone && !dotted && !domain.contains("..") && !domain.starts_with('-')
}

/// An international number: a calling code in use and a plausible length.
pub(super) fn phone_e164(text: &str) -> bool {
    let number: String = text.chars().filter(char::is_ascii_digit).collect();
    let nanp = number.strip_prefix('1').map(phone_nanp);
    nanp.unwrap_or_else(|| {
        (8..=15).contains(&number.len())
            && !all_same(&number)
            && !looks_like_date(text)
            && CALLING_CODES.iter().any(|code| number.starts_with(code))
    })
}

/// Calling codes outside North America, the shortest prefix that is wholly assigned.
const CALLING_CODES: &[&str] = &[
    "20", "211", "212", "213", "216", "218", "22", "23", "24", "25", "26", "27", "290", "291", "297", "298", "299",
    "30", "31", "32", "33", "34", "350", "351", "352", "353", "354", "355", "356", "357", "358", "359", "36", "370",
    "371", "372", "373", "374", "375", "376", "377", "378", "379", "380", "381", "382", "383", "385", "386", "387",
    "389", "39", "40", "41", "420", "421", "423", "43", "44", "45", "46", "47", "48", "49", "50", "51", "52", "53",
    "54", "55", "56", "57", "58", "59", "60", "61", "62", "63", "64", "65", "66", "670", "672", "673", "674", "675",
    "676", "677", "678", "679", "68", "690", "691", "692", "7", "81", "82", "84", "850", "852", "853", "855", "856",
    "86", "880", "886", "90", "91", "92", "93", "94", "95", "960", "961", "962", "963", "964", "965", "966", "967",
    "968", "970", "971", "972", "973", "974", "975", "976", "977", "98", "992", "993", "994", "995", "996", "998",
];

/// A North American number: area code and exchange from 2, neither of them a service code.
pub(super) fn phone_nanp(text: &str) -> bool {
    let ten = match digit_count(text) {
        11 => digits(text).skip(1).collect::<Vec<_>>(),
        _ => digits(text).collect(),
    };
    let [a, b, c, d, e, f, ..] = ten.as_slice() else {
        return false;
    };
    let service = |x: u32, y: u32| x == 1 && y == 1;
    ten.len() == 10 && *a >= 2 && *b != 9 && !service(*b, *c) && *d >= 2 && !service(*e, *f) && !all_same(text)
}

/// A national number with its trunk zero, as written beside words such as `phone`.
pub(super) fn phone_national(text: &str) -> bool {
    (7..=13).contains(&digit_count(text)) && !all_same(text) && !looks_like_date(text)
}

/// Whether digits and separators read as year, month and day.
fn looks_like_date(text: &str) -> bool {
    exactly::<8>(text).is_some() && super::national_id::date(text)
}

/// An address of the public internet that could be somebody's: not private, reserved, documentation or a version number.
pub(super) fn ip_public(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => ipv4_public(address),
        Ok(IpAddr::V6(address)) => ipv6_public(address),
        Err(_) => false,
    }
}

fn ipv4_public(address: Ipv4Addr) -> bool {
    let octets = address.octets();
    let [a, b, c, d] = octets;
    let reserved = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99);
    // Four small numbers are a version more often than a host; a last zero is a network.
    let version = octets.iter().all(|octet| *octet < 32) || d == 0 || (c == 0 && d < 10);
    let resolver = matches!(
        octets,
        [8, 8, 4, 4] | [9, 9, 9, 9] | [208, 67, 222, 222] | [208, 67, 220, 220]
    );
    !reserved && !version && !resolver
}

fn ipv6_public(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let documentation = (first == 0x2001 && second == 0x0db8) || first == 0x3fff;
    (0x2000..0x4000).contains(&first) && !documentation
}

/// A hardware address of one device: not a group, all zeros or a counting example.
pub(super) fn mac(text: &str) -> bool {
    let octets: Vec<u8> = text
        .split([':', '-'])
        .filter_map(|octet| u8::from_str_radix(octet, 16).ok())
        .collect();
    let [first, second, third, ..] = octets.as_slice() else {
        return false;
    };
    let step = second.wrapping_sub(*first);
    let counting = third.wrapping_sub(*second) == step
        && octets
            .iter()
            .zip(octets.iter().skip(1))
            .all(|(left, right)| right.wrapping_sub(*left) == step);
    octets.len() == 6 && first & 1 == 0 && !counting
}

/// A link that is fetched without a click and has more in it than an address needs.
pub(super) fn url_carries_data(text: &str) -> bool {
    carries(
        text,
        &Allowance {
            query_value: 24,
            words: 4,
            path_segment: 48,
            label: 32,
        },
    )
}

/// A link that a person would have to click, with a payload in it.
pub(super) fn url_carries_much_data(text: &str) -> bool {
    carries(
        text,
        &Allowance {
            query_value: 40,
            words: 8,
            path_segment: 80,
            label: 40,
        },
    )
}

/// What a link may hold, in bytes (`words` in words), before it counts as carrying data.
struct Allowance {
    query_value: usize,
    words: usize,
    path_segment: usize,
    label: usize,
}

fn carries(text: &str, allowed: &Allowance) -> bool {
    let absolute = match text.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => text.to_owned(),
    };
    let Ok(url) = Url::parse(&absolute) else { return false };
    let in_query = url.query_pairs().any(|(name, value)| {
        is_payload(&value, allowed.query_value, allowed.words) || is_payload(&name, allowed.query_value, allowed.words)
    });
    let in_path = url.path_segments().is_some_and(|mut segments| {
        segments.any(|segment| is_encoded(segment.split('.').next().unwrap_or_default(), allowed.path_segment))
    });
    let in_fragment = url
        .fragment()
        .is_some_and(|fragment| is_encoded(fragment, allowed.path_segment));
    let in_host = url
        .host_str()
        .is_some_and(|host| host.split('.').any(|label| is_encoded(label, allowed.label)));
    in_query || in_path || in_fragment || in_host
}

/// Whether a decoded value of a query is encoded data, a template to be filled, or sentences.
fn is_payload(value: &str, len_max: usize, words_max: usize) -> bool {
    let words = value
        .split([' ', '\n', '\t', ',', ';', '|'])
        .filter(|word| !word.is_empty())
        .count();
    let address = value.contains('@') && value.contains('.');
    let key = ["sk-", "ghp_", "AKIA", "eyJ", "BEGIN "]
        .iter()
        .any(|prefix| value.contains(prefix));
    is_encoded(value, len_max) || words > words_max || address || key
}

/// Whether hexadecimal digits stand for characters that can be read: those of a hash do not.
fn spells_text(hex: &str) -> bool {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let readable = |pair: &[u8; 2]| {
        let byte = str::from_utf8(pair)
            .ok()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        byte.is_some_and(|byte| (b' '..=b'~').contains(&byte))
    };
    pairs.len() >= 16 && rest.is_empty() && pairs.iter().all(readable)
}

/// Whether a text is base64, base32 or hex data rather than words, a slug, a hash or a UUID.
fn is_encoded(text: &str, len_max: usize) -> bool {
    let encoded = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'%'));
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let separators = text.bytes().filter(|byte| matches!(byte, b'-' | b'_')).count();
    // A slug has a separator every few letters.
    let slug = separators.saturating_mul(12) > text.len();
    let figures = text.bytes().any(|byte| byte.is_ascii_digit());
    let capitals = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let small = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let dense = if hex {
        text.len() > 64 || spells_text(text)
    } else {
        shannon_bits(text) >= 3.5
            && !slug
            && usize::from(figures)
                .saturating_add(usize::from(capitals))
                .saturating_add(usize::from(small))
                >= 2
    };
    encoded && text.len() >= len_max && dense
}
