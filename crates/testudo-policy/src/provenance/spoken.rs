//! What people spell out: `ann at site dot org`, `seven four four one`.

const AT: &[&str] = &["at", "arobase", "arroba", "chiocciola"];
const DOT: &[&str] = &["dot", "punkt", "point", "punto", "ponto", "punt"];
/// English, German, French, Spanish, Italian, Dutch.
const DIGITS: [[&str; 10]; 6] = [
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ],
    [
        "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun",
    ],
    [
        "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf",
    ],
    [
        "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve",
    ],
    [
        "zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove",
    ],
    [
        "nul", "een", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen",
    ],
];

/// The text with addresses and numbers written as they are meant; `None` when nothing is spelled out.
///
/// In a few languages. It is read beside the text itself, and only of what the user says.
pub(super) fn unspelled(text: &str) -> Option<String> {
    let unbracketed = unbracketed(text);
    let mut changed = unbracketed.is_some();
    let words: Vec<&str> = unbracketed.as_deref().unwrap_or(text).split_whitespace().collect();
    let mut out = String::with_capacity(text.len());
    let mut rest = words.as_slice();
    while let Some((word, after)) = rest.split_first() {
        let digits = digits_of(rest);
        if let Some((number, count)) = digits {
            push(&mut out, &number);
            rest = rest.get(count..).unwrap_or_default();
            changed = true;
            continue;
        }
        match address_of(rest) {
            Some((address, count)) => {
                push(&mut out, &address);
                rest = rest.get(count..).unwrap_or_default();
                changed = true;
            }
            None => {
                push(&mut out, word);
                rest = after;
            }
        }
    }
    changed.then_some(out)
}

/// `name (at) host [dot] org` with the signs themselves; `None` when there are none.
fn unbracketed(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    while let Some(open) = rest.find(['(', '[', '{']) {
        let (Some(before), Some(after)) = (rest.get(..open), rest.get(open.saturating_add(1)..)) else {
            break;
        };
        let inside = after.split_once([')', ']', '}']);
        let sign = inside.and_then(|(word, behind)| Some((sign(word.trim())?, behind)));
        if let Some((sign, behind)) = sign {
            out.push_str(before.trim_end());
            out.push(sign);
            rest = behind.trim_start();
            changed = true;
        } else {
            out.push_str(before);
            out.push(' ');
            rest = after;
        }
    }
    out.push_str(rest);
    changed.then_some(out)
}

fn sign(word: &str) -> Option<char> {
    let is = |known: &&str| word.eq_ignore_ascii_case(known);
    if word == "@" || AT.iter().any(is) {
        return Some('@');
    }
    (word == "." || DOT.iter().any(is)).then_some('.')
}

fn push(out: &mut String, word: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(word);
}

/// At least three digits in words, with what stands behind the last.
fn digits_of(words: &[&str]) -> Option<(String, usize)> {
    let mut number = String::new();
    let mut count: usize = 0;
    for word in words {
        let bare = word.trim_end_matches(['.', ',', ';', '!', '?']);
        let Some(digit) = digit(bare) else { break };
        number.push(digit);
        count = count.saturating_add(1);
        if bare != *word {
            number.push_str(word.get(bare.len()..).unwrap_or_default());
            break;
        }
    }
    (count >= 3).then_some((number, count))
}

fn digit(word: &str) -> Option<char> {
    let place = |digits: &[&str; 10]| digits.iter().position(|digit| word.eq_ignore_ascii_case(digit));
    let at = DIGITS.iter().find_map(place)?;
    char::from_digit(u32::try_from(at).ok()?, 10)
}

/// `name at host dot org`, or `name@host dot org`.
fn address_of(words: &[&str]) -> Option<(String, usize)> {
    let (name, mut rest) = words.split_first()?;
    let mut address = (*name).to_owned();
    let mut count: usize = 1;
    let mut take = |marks: &[&str], sign: char, rest: &mut &[&str], address: &mut String| {
        let [said, part, after @ ..] = *rest else { return false };
        if !marks.iter().any(|mark| said.eq_ignore_ascii_case(mark)) {
            return false;
        }
        address.push(sign);
        address.push_str(part);
        *rest = after;
        count = count.saturating_add(2);
        true
    };
    while take(DOT, '.', &mut rest, &mut address) {}
    let at = take(AT, '@', &mut rest, &mut address) || address.contains('@');
    let mut dots: usize = 0;
    while take(DOT, '.', &mut rest, &mut address) {
        dots = dots.saturating_add(1);
    }
    (at && dots > 0).then_some((address, count))
}
