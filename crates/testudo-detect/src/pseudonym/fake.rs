//! Made-up values of the kinds that have a range nobody owns: reserved for examples, fiction, tests or never given out.

mod account;
mod calendar;

use sha2::{Digest as _, Sha256};

/// A made-up value of the kind and writing of `value`; `None` for kinds without a range for it.
///
/// The same arguments give the same value; another `attempt` gives another.
pub(super) fn fake(label: &str, value: &str, nonce: &[u8; 8], place: usize, attempt: u32) -> Option<String> {
    let mut random = Random::new(label, nonce, place, attempt);
    match label {
        "EMAIL" => Some(email(&mut random)),
        "PHONE" => Some(phone(value, &mut random)),
        "PAYMENT_CARD" => Some(account::card(value, &mut random)),
        "IBAN" => account::iban(value, &mut random),
        "IP_ADDRESS" => Some(ip_address(value, &mut random)),
        "MAC_ADDRESS" => Some(mac(value, &mut random)),
        "US_SSN" => Some(us_ssn(&mut random)),
        // One exchange shifts all its dates alike, so that the time between two of them stays.
        "DATE_OF_BIRTH" | "DATE" => calendar::shifted(value, &mut Random::new("", nonce, 0, 0), attempt),
        _ => None,
    }
}

/// Bytes that follow from the exchange's nonce and cannot be foretold without it.
pub(super) struct Random {
    seed: [u8; 32],
    block: u64,
    bytes: Vec<u8>,
}

impl Random {
    fn new(label: &str, nonce: &[u8; 8], place: usize, attempt: u32) -> Self {
        let mut seed = Sha256::new();
        seed.update(nonce);
        seed.update(place.to_be_bytes());
        seed.update(attempt.to_be_bytes());
        seed.update(label.as_bytes());
        Self {
            seed: seed.finalize().into(),
            block: 0,
            bytes: Vec::new(),
        }
    }

    fn byte(&mut self) -> u8 {
        if self.bytes.is_empty() {
            self.block = self.block.wrapping_add(1);
            let next = Sha256::new()
                .chain_update(self.seed)
                .chain_update(self.block.to_be_bytes());
            self.bytes = next.finalize().to_vec();
        }
        self.bytes.pop().unwrap_or(0)
    }

    /// A number below `bound`, which is at most 2^24; the bias is below one in a hundred for any use here.
    fn below(&mut self, bound: u32) -> u32 {
        let bits = u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]);
        bits.checked_rem(bound).unwrap_or(0)
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .filter_map(|_| char::from_digit(self.below(10), 10))
            .collect()
    }

    /// One of some texts, which are not empty.
    fn one<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        let count = u32::try_from(texts.len()).unwrap_or(1);
        let place = usize::try_from(self.below(count)).unwrap_or(0);
        texts.get(place).copied().unwrap_or_default()
    }
}

/// A mail address in the domains of RFC 2606, with fifty random bits.
fn email(random: &mut Random) -> String {
    const NAMES: &[&str] = &[
        "alex", "billie", "charlie", "drew", "ellis", "frankie", "gray", "jamie", "kim", "lee", "morgan", "robin",
    ];
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let tag: String = (0..10)
        .filter_map(|_| {
            ALPHABET
                .get(usize::from(random.byte() & 31))
                .map(|byte| char::from(*byte))
        })
        .collect();
    format!(
        "{}.{tag}@example.{}",
        random.one(NAMES),
        random.one(&["com", "net", "org"])
    )
}

/// A telephone number that its country's regulator keeps for fiction; of North America where none is known.
fn phone(value: &str, random: &mut Random) -> String {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let international = value.trim_start().starts_with('+');
    if international {
        return match digits.as_str() {
            it if it.starts_with("44") => format!("+447700900{}", random.digits(3)),
            it if it.starts_with("33") => format!("+3319900{}", random.digits(4)),
            it if it.starts_with("49") => format!("+493023125{}", random.digits(3)),
            it if it.starts_with("61") => format!("+6125550{}", random.digits(4)),
            _ => format!("+1{}55501{}", area(random), random.digits(2)),
        };
    }
    if digits.len() == 10 && digits.starts_with('0') && value.contains([' ', '.']) {
        let pair = [random.digits(2), random.digits(2)];
        return format!("01.99.00.{}", pair.join("."));
    }
    format!("{}-555-01{}", area(random), random.digits(2))
}

/// An area code as North America gives them out.
fn area(random: &mut Random) -> u32 {
    let [first, second, third] = [random.below(8), random.below(9), random.below(10)];
    first
        .saturating_add(2)
        .saturating_mul(100)
        .saturating_add(second.saturating_mul(10))
        .saturating_add(third)
}

/// An address of the ranges for documentation (RFC 5737, RFC 3849).
fn ip_address(value: &str, random: &mut Random) -> String {
    if value.contains(':') {
        let mut group = || random.below(1 << 16);
        return format!("2001:db8:{:x}:{:x}::{:x}", group(), group(), group());
    }
    let host = random.below(254).saturating_add(1);
    format!("{}.{host}", random.one(&["192.0.2", "198.51.100", "203.0.113"]))
}

/// A hardware address of the range for documentation (RFC 7042).
fn mac(value: &str, random: &mut Random) -> String {
    let last = random.below(256);
    if value.contains('-') {
        format!("00-00-5E-00-53-{last:02X}")
    } else {
        format!("00:00:5e:00:53:{last:02x}")
    }
}

/// A social security number of an area that is never given out, and no taxpayer number either.
fn us_ssn(random: &mut Random) -> String {
    let area = random.below(100).saturating_add(900);
    let group = random.below(49).saturating_add(1);
    format!("{area}-{group:02}-{}", random.digits(4))
}
