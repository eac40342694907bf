//! Reads what unseen characters spell, and what controls of direction and deletion show.

use super::derived::Derived;
use super::look_alike::{turned, turned_ascii};
use super::unseen::{Unseen, belongs, flag_len, unseen};

/// Fewer turned letters are letters of their own languages.
const TURNED_MIN: usize = 4;
/// Two letters of a region are a flag.
const REGIONAL_MIN: usize = 3;
/// Braille cells in a row that spell something.
const BRAILLE_MIN: usize = 4;

/// The text that tag characters spell.
pub(super) fn tags(text: &str) -> Derived {
    let mut out = Derived::default();
    let mut rest = text;
    while let Some(found) = rest.find(|c| unseen(c) == Some(Unseen::Tag) || c == '\u{1F3F4}') {
        let (_, here) = rest.split_at(found);
        if let Some((_, after)) = flag_len(here).and_then(|len| here.split_at_checked(len)) {
            rest = after;
            continue;
        }
        let Some(c) = here.chars().next() else {
            break;
        };
        let at = text.len().saturating_sub(here.len());
        let code = u32::from(c).checked_sub(0xE0000).and_then(char::from_u32);
        if let Some(ascii) = code.filter(|c| matches!(c, '\n' | '\t' | ' '..='~')) {
            out.replace_char(ascii, at..at.saturating_add(c.len_utf8()));
        }
        rest = here.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// The bytes that variation selectors spell, one after the other.
pub(super) fn selectors(text: &str) -> Derived {
    let mut out = Derived::default();
    let mut held: Vec<u8> = Vec::new();
    let mut from = 0;
    let mut before = None;
    for (at, c) in text.char_indices() {
        if unseen(c) == Some(Unseen::Selector) {
            if !belongs(Unseen::Selector, c, before, None) {
                if held.is_empty() {
                    from = at;
                }
                let code = u32::from(c);
                let byte = if code < 0xFE10 {
                    code.checked_sub(0xFE00)
                } else {
                    code.checked_sub(0xE0100 - 16)
                };
                held.extend(byte.and_then(|byte| u8::try_from(byte).ok()));
                match std::str::from_utf8(&held) {
                    Ok(text) => {
                        out.replace(text, from..at.saturating_add(c.len_utf8()));
                        held.clear();
                    }
                    Err(error) if error.error_len().is_some() || held.len() > 3 => held.clear(),
                    Err(_) => {}
                }
            }
            continue;
        }
        before = Some(c);
    }
    out
}

/// The text with a space for each unseen character that ordinary writing has no use for.
pub(super) fn spaced(text: &str) -> Derived {
    let mut out = Derived::default();
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map(|(_, c)| *c);
        match unseen(c) {
            Some(kind) if !belongs(kind, c, before, after) => {
                if !out.text.ends_with(' ') {
                    out.replace_char(' ', at..at.saturating_add(c.len_utf8()));
                }
            }
            _ => out.copy_char(c, at),
        }
        before = Some(c);
    }
    out
}

/// The text as it is seen where overrides of direction turn parts of it around.
pub(super) fn visual(text: &str) -> Derived {
    let mut out = Derived::default();
    let mut turned: Option<Vec<(usize, char)>> = None;
    let flush = |turned: &mut Option<Vec<(usize, char)>>, out: &mut Derived| {
        for (at, c) in turned.take().unwrap_or_default().into_iter().rev() {
            out.copy_char(c, at);
        }
    };
    for (at, c) in text.char_indices() {
        match c {
            '\u{202E}' => {
                flush(&mut turned, &mut out);
                turned = Some(Vec::new());
                out.drop_one();
            }
            '\u{202A}'..='\u{202D}' | '\u{2066}'..='\u{2069}' => {
                if matches!(c, '\u{202C}' | '\u{202D}' | '\u{2069}') {
                    flush(&mut turned, &mut out);
                }
                out.drop_one();
            }
            '\n' => {
                flush(&mut turned, &mut out);
                out.copy_char(c, at);
            }
            _ => match &mut turned {
                Some(turned) => turned.push((at, c)),
                None => out.copy_char(c, at),
            },
        }
    }
    flush(&mut turned, &mut out);
    out
}

/// The text after backspaces and deletions have done their work.
pub(super) fn deleted(text: &str) -> Derived {
    let mut kept: Vec<(usize, char)> = Vec::new();
    let mut out = Derived::default();
    for (at, c) in text.char_indices() {
        if matches!(c, '\u{8}' | '\u{7F}') {
            kept.pop();
            out.drop_one();
        } else {
            kept.push((at, c));
        }
    }
    for (at, c) in kept {
        out.copy_char(c, at);
    }
    out
}

/// The text with its turned letters upright, in both orders; `None` when it is not turned.
pub(super) fn upright(text: &str) -> Option<(Derived, Derived)> {
    let count = text
        .chars()
        .filter(|c| !c.is_ascii() && turned(*c).is_some())
        .take(TURNED_MIN)
        .count();
    if count < TURNED_MIN {
        return None;
    }
    let mut forward = Derived::default();
    let mut letters = Vec::new();
    for (at, c) in text.char_indices() {
        let range = at..at.saturating_add(c.len_utf8());
        let upright = if c.is_ascii() {
            turned_ascii(c)
        } else {
            turned(c).unwrap_or(c)
        };
        // Letters that are upright already stay so where the text is only styled.
        forward.replace_char(if c.is_ascii() { c } else { upright }, range.clone());
        letters.push((range, upright));
    }
    let mut backward = Derived::default();
    for (range, c) in letters.into_iter().rev() {
        backward.replace_char(c, range);
    }
    Some((forward, backward))
}

/// The text with letters for regional indicators and for Braille; nothing changes where they are flags and single cells.
pub(super) fn signs(text: &str) -> Derived {
    let mut out = Derived::default();
    if !spells(text) {
        return out;
    }
    for (at, c) in text.char_indices() {
        match regional(c).or_else(|| braille(c)) {
            Some(letter) => out.replace_char(letter, at..at.saturating_add(c.len_utf8())),
            None => out.copy_char(c, at),
        }
    }
    out
}

/// Whether some signs in a row, spaces aside, are more than a flag.
fn spells(text: &str) -> bool {
    let (mut letters, mut cells) = (0_usize, 0_usize);
    for c in text.chars() {
        if regional(c).is_some() {
            letters = letters.saturating_add(1);
        } else if braille(c).is_some_and(|letter| letter != ' ') {
            cells = cells.saturating_add(1);
        } else if c != ' ' && c != '\u{2800}' {
            (letters, cells) = (0, 0);
        }
        if letters >= REGIONAL_MIN || cells >= BRAILLE_MIN {
            return true;
        }
    }
    false
}

fn regional(c: char) -> Option<char> {
    let place = u32::from(c).checked_sub(0x1F1E6).filter(|place| *place < 26)?;
    char::from_u32(place.saturating_add(u32::from('A')))
}

/// Whether a text has signs that [`signs`] reads.
pub(super) fn has_signs(c: char) -> bool {
    regional(c).is_some() || matches!(c, '\u{2801}'..='\u{283F}')
}

fn braille(c: char) -> Option<char> {
    const CELLS: &str = "\u{2801}\u{2803}\u{2809}\u{2819}\u{2811}\u{280B}\u{281B}\u{2813}\u{280A}\u{281A}\u{2805}\u{2807}\u{280D}\u{281D}\u{2815}\u{280F}\u{281F}\u{2817}\u{280E}\u{281E}\u{2825}\u{2827}\u{283A}\u{282D}\u{283D}\u{2835}";
    if c == '\u{2800}' {
        return Some(' ');
    }
    let place = CELLS.chars().position(|cell| cell == c)?;
    u8::try_from(place)
        .ok()
        .map(|place| char::from(b'a'.saturating_add(place)))
}
