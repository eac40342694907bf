//! Credentials: checksums inside tokens, and how random a value looks.

/// A GitHub or npm token: a true checksum, or at least a random-looking body.
///
/// Both end in six characters of base 62 that are the CRC-32 of the thirty before; a token whose
/// checksum is wrong is kept when it looks random, since issuers change formats without notice.
pub(super) fn github_crc32(text: &str) -> bool {
    checksum_holds(text) || random_token(text)
}

/// Whether the last six characters are the CRC-32 in base 62 of the thirty before them.
pub(super) fn checksum_holds(text: &str) -> bool {
    let Some((_, body)) = text.rsplit_once('_') else {
        return false;
    };
    let (Some(payload), Some(check)) = (body.get(..30), body.get(30..)) else {
        return false;
    };
    check.len() == 6 && base62(check) == Some(u64::from(crc32(payload.as_bytes())))
}

/// A number in base 62, digits before capitals before small letters.
fn base62(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |sum, byte| {
        let value = match byte {
            b'0'..=b'9' => byte.checked_sub(b'0')?,
            b'A'..=b'Z' => byte.checked_sub(b'A')?.checked_add(10)?,
            b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(36)?,
            _ => return None,
        };
        sum.checked_mul(62)?.checked_add(u64::from(value))
    })
}

/// CRC-32 of ISO 3309, bit by bit: it runs only on what a pattern already matched.
fn crc32(bytes: &[u8]) -> u32 {
    let folded = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            let shifted = crc >> 1_u32;
            if crc & 1 == 1 { shifted ^ 0xEDB8_8320 } else { shifted }
        })
    });
    !folded
}

/// A JSON web token: the first part decodes to a JSON object that names an algorithm.
pub(super) fn jwt(text: &str) -> bool {
    let header = text.split('.').next().map(decode_base64url).unwrap_or_default();
    let header = String::from_utf8_lossy(&header);
    header.trim_start().starts_with('{') && header.contains("\"alg\"") && header.trim_end().ends_with('}')
}

/// A Discord token: the first part decodes to the number of an account.
pub(super) fn discord_token(text: &str) -> bool {
    let account = text.split('.').next().map(decode_base64url).unwrap_or_default();
    (15..=20).contains(&account.len()) && account.iter().all(u8::is_ascii_digit)
}

/// Decodes base64 with the alphabet for URLs up to the first foreign character.
fn decode_base64url(text: &str) -> Vec<u8> {
    let sextets: Vec<u32> = text.bytes().map_while(sextet).collect();
    sextets
        .chunks(4)
        .flat_map(|group| {
            let bits = (0..4).fold(0_u32, |bits, place| {
                (bits << 6_u32) | group.get(place).copied().unwrap_or(0)
            });
            let [_, a, b, c] = bits.to_be_bytes();
            [a, b, c].into_iter().take(group.len().saturating_sub(1))
        })
        .collect()
}

/// The value of a base64 character, in either alphabet.
fn sextet(byte: u8) -> Option<u32> {
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

/// Anything but a single character over and over, as in `xxxxxxxx`.
pub(super) fn not_repeated(text: &str) -> bool {
    longest_run(text) < 8
}

/// Anything but a prefix with one character over and over, in groups or not: no key has one character half of the time.
pub(super) fn not_a_placeholder(text: &str) -> bool {
    let count = |byte: u8| text.bytes().filter(|it| *it == byte).count();
    let most = text.bytes().filter(u8::is_ascii_alphanumeric).map(count).max();
    most.unwrap_or(0) <= text.len() / 2
}

/// A long token in which chance left out the digits, as one in seventy of 36 letters in base 62: capitals and small letters change more often
/// than in names of code, and few letters are vowels.
fn is_cased_at_random(text: &str) -> bool {
    let share = |of: fn(&u8) -> bool| text.bytes().filter(of).count().saturating_mul(10);
    let vowel = |byte: &u8| matches!(byte | 0x20, b'a' | b'e' | b'i' | b'o' | b'u');
    text.len() >= 32
        && share(vowel) <= text.len().saturating_mul(3)
        && share(u8::is_ascii_punctuation) <= text.len()
        && class_changes(text).saturating_mul(10) >= text.len().saturating_mul(4)
}

/// A value without a telling prefix that looks machine-made: enough entropy, mixed characters, no filler words.
pub(super) fn random_token(text: &str) -> bool {
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let figures = text.bytes().filter(u8::is_ascii_digit).count();
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let bits_min = match text.len() {
        0..=15 => 3.0,
        16..=23 => 3.2,
        _ if hex => 3.0,
        _ => 3.6,
    };
    letters >= 2
        && (figures >= 2 || is_cased_at_random(text))
        && shannon_bits(text) >= bits_min
        && class_changes(text) >= text.len() / 6
        && longest_run(text) < 6
        && !is_filler(text)
        && !is_name(text)
}

/// Words and numbers of a name in code, as in `layer_norm_scale_2`: no piece is made of both.
fn is_name(text: &str) -> bool {
    let mut pieces = 0_usize;
    let plain = text.split(['_', '-', '.']).all(|piece| {
        pieces = pieces.saturating_add(1);
        let letters = piece.len() > 1 && piece.bytes().all(|byte| byte.is_ascii_lowercase());
        letters || (!piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_digit()))
    });
    plain && pieces >= 4
}

/// A word that says something: not what forms and schemas write where an answer would stand.
pub(super) fn not_a_blank(text: &str) -> bool {
    const BLANKS: &[&str] = &[
        "unknown",
        "none",
        "null",
        "nil",
        "string",
        "str",
        "text",
        "optional",
        "required",
        "undefined",
        "not",
        "see",
        "the",
        "any",
        "other",
        "yes",
        "no",
        "true",
        "false",
        "int",
        "select",
        "varchar",
        "enum",
        "missing",
        "todo",
    ];
    let first = text.split(' ').next().unwrap_or_default().to_ascii_lowercase();
    !BLANKS.contains(&first.as_str())
}

/// A password in an address: not a variable, a template or what manuals write there.
pub(super) fn url_password(text: &str) -> bool {
    const MANUALS: &[&str] = &[
        "pass", "password", "passwd", "pwd", "secret", "user", "username", "token", "test", "admin",
    ];
    let lower = text.to_ascii_lowercase();
    !is_reference(text) && !MANUALS.contains(&lower.as_str()) && longest_run(text) < 4 && !is_filler(text)
}

/// Whether a value names where the real one comes from: a variable, a template, a call, a blank to fill in.
fn is_reference(text: &str) -> bool {
    text.starts_with(['$', '{', '<', '%', '[', '('])
        || text.contains("${")
        || text.contains("{{")
        || text.contains("()")
        || text.contains("::")
        // A path.
        || (text.starts_with('/') && text.matches('/').count() > 1)
        || is_call(text)
        || (text.contains(':')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b':' | b'_')))
        || text.ends_with(['>', '}', ')', ']'])
}

/// The beginning of a call in code: names with points between them, then a bracket that nothing closes.
fn is_call(text: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    text.split_once('(').is_some_and(|(name, rest)| {
        let plain = !digits && (rest.is_empty() || rest.starts_with('$') || is_name(rest));
        (plain || (name.contains('.') && !rest.contains(')'))) && name.split('.').all(is_name)
    })
}

/// A password somebody typed: not a variable, a template, a filler word or a plain word.
pub(super) fn password(text: &str) -> bool {
    let kinds = [
        text.bytes().any(|byte| byte.is_ascii_lowercase()),
        text.bytes().any(|byte| byte.is_ascii_uppercase()),
        text.bytes().any(|byte| byte.is_ascii_digit()),
        text.bytes()
            .any(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'.' | b'_' | b'-' | b'/')),
    ];
    let mixed = kinds.iter().filter(|kind| **kind).count() >= 2;
    let changes = class_changes(text) >= 2;
    !is_reference(text) && mixed && changes && longest_run(text) < 4 && !is_filler(text)
}

/// Shannon entropy of the bytes, in bits per byte.
pub(super) fn shannon_bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count = count.saturating_add(1);
        }
    }
    let total: f64 = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)).max(1.0);
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// How often neighbouring characters are of different classes: small, capital, figure, other.
fn class_changes(text: &str) -> usize {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    text.bytes()
        .zip(text.bytes().skip(1))
        .filter(|(left, right)| class(*left) != class(*right))
        .count()
}

/// The longest stretch of one byte repeated.
fn longest_run(text: &str) -> usize {
    let mut longest = 0_usize;
    let mut run = 0_usize;
    let mut before = None;
    for byte in text.bytes() {
        run = if before == Some(byte) { run.saturating_add(1) } else { 1 };
        longest = longest.max(run);
        before = Some(byte);
    }
    longest
}

/// Whether a value says of itself that it stands for another.
fn is_filler(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    FILLERS.iter().any(|word| lower.contains(word))
}

/// What people write where a secret would stand.
const FILLERS: &[&str] = &[
    "example",
    "placeholder",
    "your_",
    "your-",
    "yourapi",
    "yourkey",
    "yourtoken",
    "yourpass",
    "changeme",
    "change_me",
    "change-me",
    "replace",
    "insert",
    "dummy",
    "redacted",
    "xxxx",
    "****",
    "....",
    "sample",
    "12345678",
    "abcdefgh",
    "deadbeef",
    "encoded",
    "encrypted",
    "todo",
    "getenv",
    "environ",
    "process.env",
    "my_secret",
    "my-secret",
    "mysecret",
    "secret_here",
    "key_here",
    "token_here",
    "api_key",
    "api-key",
    "apikey",
    "password",
    "passwd",
];
