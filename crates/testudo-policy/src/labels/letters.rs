//! What is left of a text when everything that pasting changes is taken away.

use unicode_normalization::UnicodeNormalization as _;

use crate::provenance::is_unseen;

/// The letters and digits of a text, folded to bytes, with their places in it.
#[derive(Debug, Default)]
pub(super) struct Letters {
    pub(super) bytes: Vec<u8>,
    /// Where the character, or its escape, begins that a byte comes from.
    places: Vec<u32>,
}

impl Letters {
    /// Reads a text up to a number of bytes.
    pub(super) fn of(text: &str, bytes_max: usize) -> Self {
        let text = head(text, bytes_max.min(u32::MAX as usize));
        let mut letters = Self {
            bytes: Vec::with_capacity(text.len()),
            places: Vec::with_capacity(text.len()),
        };
        let mut at: usize = 0;
        while let Some((read, next)) = read(text, at) {
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            match read {
                Read::Nothing => {}
                Read::Letter(letter) => letters.push(letter, place),
                Read::Character(c) => {
                    for c in std::iter::once(c).nfkd().filter(|c| !is_unseen(*c)) {
                        c.to_lowercase().for_each(|c| letters.push_folded(c, place));
                    }
                }
            }
            at = next;
        }
        letters
    }

    /// Bytes of the text from one letter to before another.
    pub(super) fn range(&self, text: &str, start: usize, end: usize) -> std::ops::Range<usize> {
        let place = |at: usize| self.places.get(at).map_or(text.len(), |place| *place as usize);
        let last = place(end.saturating_sub(1));
        let end = read(text, last).map_or(text.len(), |(_, next)| next);
        place(start)..end
    }

    fn push(&mut self, letter: u8, place: u32) {
        self.bytes.push(letter);
        self.places.push(place);
    }

    /// One byte for a letter of an alphabet: within one they differ. Characters that are words get all their bytes.
    fn push_folded(&mut self, c: char, place: u32) {
        if !c.is_alphanumeric() {
            return;
        }
        match u8::try_from(c) {
            Ok(letter) if letter.is_ascii() => self.push(letter, place),
            _ if c >= '\u{3000}' => {
                let mut bytes = [0; 4];
                for letter in c.encode_utf8(&mut bytes).bytes() {
                    self.push(letter, place);
                }
            }
            _ => self.push(u8::try_from(u32::from(c) & 0x7f).unwrap_or(0) | 0x80, place),
        }
    }
}

/// The beginning of a text, cut between characters.
pub(super) fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The text without what stands in HTML tags; `None` when there are none.
pub(super) fn untagged(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut changed = false;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        out.push_str(before);
        let name = tag.get(1..).unwrap_or_default();
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        let end = tag.find('>').filter(|_| starts);
        changed |= end.is_some();
        let after = end.map_or(1, |end| end.saturating_add(1));
        rest = tag.get(after..).unwrap_or_default();
    }
    out.push_str(rest);
    changed.then_some(out)
}

enum Read {
    Nothing,
    /// A letter or digit of ASCII, in lower case.
    Letter(u8),
    Character(char),
}

/// What stands at a place of a text, and the next place.
fn read(text: &str, at: usize) -> Option<(Read, usize)> {
    let byte = *text.as_bytes().get(at)?;
    let next = at.saturating_add(1);
    Some(match byte {
        b'\\' => escaped(text, next),
        b'&' => entity(text, next),
        byte if byte.is_ascii_alphanumeric() => (Read::Letter(byte.to_ascii_lowercase()), next),
        byte if byte.is_ascii() => (Read::Nothing, next),
        _ => {
            let c = text.get(at..)?.chars().next()?;
            (Read::Character(c), at.saturating_add(c.len_utf8()))
        }
    })
}

/// After a backslash, or any number of them: a text that was escaped again reads the same.
fn escaped(text: &str, mut at: usize) -> (Read, usize) {
    let bytes = text.as_bytes();
    while bytes.get(at) == Some(&b'\\') {
        at = at.saturating_add(1);
    }
    let next = at.saturating_add(1);
    match bytes.get(at) {
        Some(b'n' | b'r' | b't' | b'b' | b'f') => (Read::Nothing, next),
        Some(b'u') => match unit(text, next) {
            Some((high @ 0xd800..0xdc00, end)) => paired(text, high, end),
            Some((unit, end)) => (char::from_u32(unit).map_or(Read::Nothing, Read::Character), end),
            None => (Read::Nothing, at),
        },
        _ => (Read::Nothing, at),
    }
}

/// The second half of a character that JSON writes as two.
fn paired(text: &str, high: u32, end: usize) -> (Read, usize) {
    let bytes = text.as_bytes();
    let mut at = end;
    while bytes.get(at) == Some(&b'\\') {
        at = at.saturating_add(1);
    }
    let low = (bytes.get(at) == Some(&b'u'))
        .then(|| unit(text, at.saturating_add(1)))
        .flatten();
    match low {
        Some((low @ 0xdc00..0xe000, end)) => {
            let high = high.wrapping_sub(0xd800).wrapping_mul(0x400);
            let code = 0x1_0000_u32.wrapping_add(high).wrapping_add(low.wrapping_sub(0xdc00));
            (char::from_u32(code).map_or(Read::Nothing, Read::Character), end)
        }
        _ => (Read::Nothing, end),
    }
}

fn unit(text: &str, at: usize) -> Option<(u32, usize)> {
    let end = at.saturating_add(4);
    let digits = text.get(at..end)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
        .map(|unit| (unit, end))
}

/// After an ampersand. `&amp;lt;` is `&lt;` that was escaped again.
fn entity(text: &str, mut at: usize) -> (Read, usize) {
    while text.as_bytes().get(at..at.saturating_add(4)) == Some(b"amp;") {
        at = at.saturating_add(4);
    }
    let window = text.as_bytes().get(at..).unwrap_or_default();
    let length = window.iter().take(10).position(|byte| *byte == b';');
    let name = length.and_then(|length| text.get(at..at.saturating_add(length)));
    let Some(name) = name else { return (Read::Nothing, at) };
    let next = at.saturating_add(name.len()).saturating_add(1);
    let code = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(number) => u32::from_str_radix(number, 16).ok(),
            None => number.parse().ok(),
        },
        None => return named(name).map_or((Read::Nothing, at), |read| (read, next)),
    };
    let read = code.and_then(char::from_u32).map_or(Read::Nothing, |c| {
        u8::try_from(c)
            .ok()
            .filter(u8::is_ascii_alphanumeric)
            .map_or(Read::Character(c), |letter| Read::Letter(letter.to_ascii_lowercase()))
    });
    (read, next)
}

/// Names that pages and libraries use; a letter with a mark is the letter.
fn named(name: &str) -> Option<Read> {
    const SIGNS: &[&str] = &[
        "lt", "gt", "quot", "apos", "nbsp", "ndash", "mdash", "hellip", "lsquo", "rsquo", "ldquo", "rdquo", "bull",
        "middot", "euro", "pound", "copy", "reg", "trade", "shy", "laquo", "raquo", "deg", "times",
    ];
    const MARKS: &[&str] = &["acute", "grave", "circ", "uml", "tilde", "ring", "cedil", "caron"];
    if SIGNS.contains(&name) {
        return Some(Read::Nothing);
    }
    if name == "szlig" {
        return Some(Read::Character('ß'));
    }
    let (letter, mark) = name.split_at_checked(1)?;
    let letter = letter.bytes().next().filter(u8::is_ascii_alphabetic)?;
    MARKS.contains(&mark).then(|| Read::Letter(letter.to_ascii_lowercase()))
}
