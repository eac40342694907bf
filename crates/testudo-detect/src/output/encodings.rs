//! Reads text that was dressed up for the way out: base64, base32, hex, turned around.

/// Shorter pieces carry too little to tell.
const ENCODED_BYTES_MIN: usize = 12;

/// Every reading of `text` as an encoding of printable text; the plain text is not among them.
pub(super) fn readings(text: &str) -> Vec<String> {
    if text.len() < ENCODED_BYTES_MIN {
        return Vec::new();
    }
    let mut found = Vec::new();
    for piece in text
        .split(|c: char| !(c.is_ascii_alphanumeric() || "+/-_".contains(c)))
        .filter(|piece| piece.len() >= ENCODED_BYTES_MIN)
    {
        for decoded in [base64(piece), hex(piece), base32(piece)].into_iter().flatten() {
            if let Some(text) = printable(decoded) {
                found.push(text);
            }
        }
    }
    found.push(text.chars().rev().collect());
    found.push(text.chars().map(rot13).collect());
    found
}

/// The letter 13 places on.
pub(crate) fn rot13(c: char) -> char {
    let turn = |base: u8| {
        let place = u32::from(c).saturating_sub(u32::from(base)).saturating_add(13) % 26;
        char::from_u32(u32::from(base).saturating_add(place)).unwrap_or(c)
    };
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        _ => c,
    }
}

/// The value of a base64 character of either alphabet.
pub(crate) fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte.checked_sub(b'A')?,
        b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(26)?,
        b'0'..=b'9' => byte.checked_sub(b'0')?.checked_add(52)?,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Reads groups of `bits` bits as bytes; what is left over at the end is dropped.
fn bytes_of(values: impl Iterator<Item = u32>, bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut held, mut count) = (0_u32, 0_u32);
    for value in values {
        held = (held << bits) | value;
        count = count.saturating_add(bits);
        if count >= 8 {
            count = count.saturating_sub(8);
            out.extend(u8::try_from((held >> count) & 0xff));
            held &= (1_u32 << count).saturating_sub(1);
        }
    }
    out
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u32>> = text.bytes().map(sextet).collect();
    values.map(|values| bytes_of(values.into_iter(), 6))
}

fn base32(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| match byte.to_ascii_uppercase() {
        letter @ b'A'..=b'Z' => letter.checked_sub(b'A'),
        figure @ b'2'..=b'7' => figure.checked_sub(b'2')?.checked_add(26),
        _ => None,
    };
    let values: Option<Vec<u32>> = text.bytes().map(|byte| value(byte).map(u32::from)).collect();
    values.map(|values| bytes_of(values.into_iter(), 5))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    values.map(|values| bytes_of(values.into_iter(), 4))
}

/// Decoded bytes as text, when nearly all of it is what people write.
fn printable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    let all = text.chars().count();
    let odd = text
        .chars()
        .filter(|c| *c == '\u{FFFD}' || (c.is_control() && !c.is_whitespace()))
        .count();
    (all >= 8 && odd.saturating_mul(20) <= all).then_some(text)
}
