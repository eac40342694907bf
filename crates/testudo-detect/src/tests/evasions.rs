//! What is found plainly is found in disguise: every injection case under every evasion of characters and encodings.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use testudo_types::ThreatKind;

use super::packs::{detector, packs};
use crate::rescan::Reading;
use crate::{Budget, Selection};

fn everything() -> &'static Selection {
    static SELECTION: OnceLock<Selection> = OnceLock::new();
    SELECTION.get_or_init(|| {
        let detector: &Arc<_> = detector();
        detector.select_reading(vec![true; detector.rules().len()], Reading::Whole)
    })
}

pub(super) fn finds_injection(text: &str) -> bool {
    let scan = everything().scan(text, &mut Budget::unlimited());
    let injection = |hit: &crate::Hit| {
        let rule = everything().rule(hit.rule).unwrap();
        rule.kind == ThreatKind::Injection
    };
    for hit in &scan.hits {
        assert!(
            text.get(hit.start..hit.end).is_some_and(|part| !part.is_empty()),
            "{hit:?} in {text:?}"
        );
    }
    scan.hits.iter().any(injection)
}

fn each(text: &str, mut letter: impl FnMut(char) -> String) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_alphabetic() {
                letter(c)
            } else {
                c.to_string()
            }
        })
        .collect()
}

fn mapped(text: &str, from: &str, to: &str) -> String {
    text.chars()
        .map(|c| {
            from.chars()
                .position(|known| known == c)
                .and_then(|at| to.chars().nth(at))
                .unwrap_or(c)
        })
        .collect()
}

fn offset(c: char, upper: u32, lower: u32) -> String {
    let place = |from: char| u32::from(c) - u32::from(from);
    let code = if c.is_ascii_uppercase() {
        upper + place('A')
    } else {
        lower + place('a')
    };
    char::from_u32(code).unwrap().to_string()
}

fn upside(text: &str) -> String {
    mapped(
        &text.to_lowercase().chars().rev().collect::<String>(),
        "abcdefghijklmnopqrstuvwxyz.,'?!",
        "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz˙',¿¡",
    )
}

fn base(text: &[u8], alphabet: &[u8], bits: u32) -> String {
    let (mut held, mut count, mut out) = (0_u32, 0, String::new());
    for byte in text {
        held = held << 8 | u32::from(*byte);
        count += 8;
        while count >= bits {
            count -= bits;
            out.push(char::from(alphabet[(held >> count) as usize & ((1 << bits) - 1)]));
            held &= (1 << count) - 1;
        }
    }
    if count > 0 {
        out.push(char::from(
            alphabet[(held << (bits - count)) as usize & ((1 << bits) - 1)],
        ));
    }
    out
}

pub(super) fn base64(text: &[u8]) -> String {
    base(
        text,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        6,
    )
}

fn base85(text: &[u8]) -> String {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let mut out = String::new();
    for group in text.chunks(4) {
        let mut bytes = [0; 4];
        bytes[..group.len()].copy_from_slice(group);
        let mut value = u32::from_be_bytes(bytes);
        let mut digits = [0; 5];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(value % 85) as usize];
            value /= 85;
        }
        out.extend(digits.iter().take(group.len() + 1).map(|digit| char::from(*digit)));
    }
    out
}

fn zlib_stored(text: &[u8]) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap();
    let mut out = vec![0x78, 0x9C, 1];
    out.extend(len.to_le_bytes());
    out.extend((!len).to_le_bytes());
    out.extend(text);
    out
}

fn escaped(text: &str, one: impl Fn(u8) -> String) -> String {
    text.bytes().map(one).collect()
}

fn morse(text: &str) -> Option<String> {
    const LETTERS: [&str; 26] = [
        ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.", "---",
        ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..",
    ];
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'a'..='z' => out += LETTERS[c as usize - 'a' as usize],
            ' ' => out += "/",
            _ => return None,
        }
        out += " ";
    }
    Some(out)
}

fn shuffled(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    if chars.len() < 5 {
        return word.to_owned();
    }
    let inner: String = chars[1..chars.len() - 1].iter().rev().collect();
    format!("{}{inner}{}", chars[0], chars[chars.len() - 1])
}

fn per_word(text: &str, one: impl Fn(&str) -> String) -> String {
    text.split_inclusive(|c: char| !c.is_ascii_alphabetic())
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
            one(word) + piece.strip_prefix(word).unwrap_or_default()
        })
        .collect()
}

fn halves(word: &str, gap: &str) -> String {
    if word.len() < 5 {
        return word.to_owned();
    }
    let (head, tail) = word.split_at(word.len() / 2);
    format!("{head}{gap}{tail}")
}

fn selector(byte: u8) -> char {
    char::from_u32(if byte < 16 {
        0xFE00 + u32::from(byte)
    } else {
        0xE0100 + u32::from(byte) - 16
    })
    .unwrap()
}

/// The text in small letters, where it is still an attack: some rules know names by their capitals.
fn small(text: &str) -> Option<String> {
    let small = text.to_lowercase();
    finds_injection(&small).then_some(small)
}

/// A text that its encoding does not make too short to be told from a word.
fn long(text: &str) -> Option<&[u8]> {
    (text.len() >= 16).then_some(text.as_bytes())
}

/// A text with enough words to recognise a disguise of all of them.
fn wordy(text: &str) -> Option<&str> {
    (text.split_whitespace().count() >= 4).then_some(text)
}

type Evasion = (&'static str, fn(&str) -> Option<String>);

/// Evasions of characters, as in Hackett et al. (2025) and beyond; `None` where one cannot write the text.
#[rustfmt::skip]
const CHARACTERS: &[Evasion] = &[
    ("combining marks", |t| Some(each(t, |c| format!("{c}\u{301}")))),
    ("letters with marks", |t| Some(mapped(t, "aeiouncszy", "áéíóúñçšžý"))),
    ("full width", |t| Some(each(t, |c| offset(c, 0xFF21, 0xFF41)))),
    ("underline", |t| Some(each(t, |c| format!("{c}\u{332}")))),
    ("strike-through", |t| Some(each(t, |c| format!("{c}\u{336}")))),
    ("zalgo", |t| Some(each(t, |c| format!("{c}\u{30D}\u{31A}\u{317}\u{34F}\u{322}")))),
    ("zero width", |t| Some(each(t, |c| format!("{c}\u{200B}")))),
    ("zero-width joiner", |t| Some(each(t, |c| format!("{c}\u{200D}")))),
    ("soft hyphen", |t| Some(each(t, |c| format!("{c}\u{AD}")))),
    ("grapheme joiner", |t| Some(each(t, |c| format!("{c}\u{34F}")))),
    ("invisible operators", |t| Some(each(t, |c| format!("{c}\u{2062}")))),
    ("zero width for spaces", |t| Some(t.replace(' ', "\u{200B}"))),
    ("blank letters for spaces", |t| Some(t.replace(' ', "\u{3164}"))),
    ("homoglyphs", |t| Some(mapped(t, "aceopxyijsABEHIKMOPTX", "асеорхуіјѕАВЕНІКМОРТХ"))),
    ("homoglyphs in every place", |t| Some(mapped(t, "abcdefghijklmnopqrstuvwxyz", "аЬсԁеfɡһіјκӏmոорԛгѕтսνԝхуᴢ"))),
    ("numbers", |t| Some(mapped(t, "aeiostAEIOST", "431057431057"))),
    ("leet", |t| Some(mapped(t, "aeiosAEIOS", "@3!0$@3!0$")).filter(|_| !t.contains('@'))),
    ("unicode tags", |t| Some(format!("hi{}", t.chars().filter_map(|c| char::from_u32(0xE0000 + u32::from(c))).collect::<String>()))),
    ("emoji smuggling", |t| Some(format!("\u{1F600}{}", t.bytes().map(selector).collect::<String>()))),
    ("bidirectional override", |t| Some(format!("\u{202E}{}\u{202C}", t.chars().rev().collect::<String>()))),
    ("upside down", |t| small(t).map(|t| upside(&t))),
    ("backspaces", |t| Some(each(t, |c| format!("x\u{8}{c}")))),
    ("deletions", |t| Some(each(t, |c| format!("{c}\u{7F}")))),
    ("spaced letters", |t| Some(t.replace(' ', "  ").chars().map(|c| format!("{c} ")).collect())),
    ("spaced letters, one space", |t| Some(t.chars().filter(|c| *c != ' ').map(|c| format!("{c} ")).collect()).filter(|_| !t.contains(['\n', '/']))),
    ("hyphened letters", |t| Some(t.split(' ').map(|w| w.chars().map(String::from).collect::<Vec<_>>().join("-")).collect::<Vec<_>>().join(" "))),
    ("dotted letters", |t| Some(t.split(' ').map(|w| w.chars().map(String::from).collect::<Vec<_>>().join(".")).collect::<Vec<_>>().join(" "))),
    ("split words", |t| Some(per_word(t, |w| halves(w, " ")))),
    ("hyphened words", |t| Some(per_word(t, |w| halves(w, "-")))),
    ("bold", |t| Some(each(t, |c| offset(c, 0x1D400, 0x1D41A)))),
    ("script", |t| Some(each(t, |c| offset(c, 0x1D4D0, 0x1D4EA)))),
    ("circled", |t| Some(each(t, |c| offset(c, 0x24B6, 0x24D0)))),
    ("boxed", |t| Some(each(t, |c| offset(c.to_ascii_uppercase(), 0x1F170, 0x1F170)))),
    ("regional indicators", |t| Some(each(t, |c| offset(c.to_ascii_lowercase(), 0x1F1E6, 0x1F1E6)))),
    ("regional indicators, spaced", |t| Some(t.replace(' ', "  ").chars().map(|c| if c.is_ascii_alphabetic() { offset(c.to_ascii_lowercase(), 0x1F1E6, 0x1F1E6) + " " } else { c.to_string() }).collect()).filter(|_| !t.contains('@'))),
    ("small capitals", |t| small(t).map(|t| mapped(&t, "abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ"))),
    ("superscript", |t| small(t).map(|t| mapped(&t, "abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"))),
    ("wide gaps", |t| Some(t.replace(' ', "        ")).filter(|_| !t.contains("as ") && !t.contains(" You") && !t.starts_with('#'))),
    ("wide spaces", |t| Some(t.replace(' ', "\u{2003}"))),
];

/// Encodings.
#[rustfmt::skip]
const ENCODINGS: &[Evasion] = &[
    ("base64", |t| long(t).map(base64)),
    ("base64 for URLs", |t| long(t).map(|t| base64(t).replace('+', "-").replace('/', "_"))),
    ("base64 in lines", |t| Some(base64(format!("{t}\n").repeat(3).as_bytes()).as_bytes().chunks(40).map(|line| String::from_utf8(line.to_vec()).unwrap() + "\n").collect())),
    ("base64 in groups", |t| long(t).map(|t| base64(t).as_bytes().chunks(4).map(|group| String::from_utf8(group.to_vec()).unwrap() + " ").collect())),
    ("hex in groups", |t| Some(t.as_bytes().chunks(2).map(|two| two.iter().map(|b| format!("{b:02x}")).collect::<String>() + " ").collect())),
    ("base64 twice", |t| long(t).map(|t| base64(base64(t).as_bytes()))),
    ("base64 three times", |t| long(t).map(|t| base64(base64(base64(t).as_bytes()).as_bytes()))),
    ("base64 of UTF-16", |t| Some(base64(&t.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()))),
    ("base64 of zlib", |t| Some(base64(&zlib_stored(t.as_bytes())))),
    ("data URI", |t| long(t).map(|t| format!("see data:text/plain;base64,{} here", base64(t)))),
    ("base32", |t| long(t).map(|t| base(t, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5))),
    ("base85", |t| long(t).map(base85)),
    ("hex", |t| Some(escaped(t, |b| format!("{b:02x}")))),
    ("hex, spaced", |t| Some(escaped(t, |b| format!("{b:02x} ")))),
    ("hex escapes", |t| Some(escaped(t, |b| format!("\\x{b:02x}")))),
    ("percent", |t| Some(escaped(t, |b| format!("%{b:02X}")))),
    ("percent twice", |t| Some(escaped(t, |b| format!("%25{b:02X}")))),
    ("entities", |t| Some(t.chars().fold(String::new(), |mut out, c| { write!(out, "&#{};", u32::from(c)).unwrap(); out }))),
    ("entities, hexadecimal", |t| Some(t.chars().fold(String::new(), |mut out, c| { write!(out, "&#x{:X};", u32::from(c)).unwrap(); out }))),
    ("JSON escapes", |t| Some(t.encode_utf16().fold(String::new(), |mut out, unit| { write!(out, "\\u{unit:04x}").unwrap(); out }))),
    ("quoted-printable", |t| Some(escaped(t, |b| format!("={b:02X}")))),
    ("decimal codes", |t| Some(t.chars().fold(String::new(), |mut out, c| { write!(out, "{} ", u32::from(c)).unwrap(); out }))),
    ("bits", |t| Some(escaped(t, |b| format!("{b:08b} ")))),
    ("bits, unbroken", |t| Some(escaped(t, |b| format!("{b:08b}")))),
    ("ROT13", |t| wordy(t).map(|t| each(t, |c| { let from = if c.is_ascii_uppercase() { b'A' } else { b'a' }; char::from((c as u8 - from + 13) % 26 + from).to_string() }))),
    ("Caesar, three places", |t| wordy(t).map(|t| each(t, |c| { let from = if c.is_ascii_uppercase() { b'A' } else { b'a' }; char::from((c as u8 - from + 3) % 26 + from).to_string() }))),
    ("Atbash", |t| wordy(t).map(|t| each(t, |c| char::from(if c.is_ascii_uppercase() { b'A' + b'Z' - c as u8 } else { b'z' - (c as u8 - b'a') }).to_string()))),
    ("each letter twice", |t| wordy(t).map(|t| each(t, |c| format!("{c}{c}")))),
    ("Morse", |t| morse(&small(t)?)),
    ("Braille", |t| small(t).map(|t| each(&t, |c| "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵".chars().nth(c as usize - 'a' as usize).unwrap().to_string()))),
    ("reversed", |t| wordy(t).map(|t| t.chars().rev().collect())),
    ("words reversed", |t| wordy(t).map(|t| per_word(t, |w| w.chars().rev().collect()))),
    ("shuffled letters", |t| wordy(t).map(|t| per_word(t, shuffled))),
];

/// All hit cases of English injection rules that are found plainly.
fn texts() -> Vec<String> {
    let rules = packs().into_iter().flat_map(|pack| pack.rule);
    let ours = |id: &str| id.starts_with("injection.") && !id.starts_with("injection.override-");
    let texts = rules.filter(|rule| ours(&rule.id)).flat_map(|rule| rule.cases.hit);
    texts
        .map(|text| text.replace('¦', ""))
        .filter(|text| finds_injection(text))
        .collect()
}

fn english(text: &str) -> bool {
    text.is_ascii() && text.bytes().filter(u8::is_ascii_alphabetic).count() * 4 > text.len() * 3
}

#[test]
fn what_is_found_plainly_is_found_in_disguise() {
    let texts = texts();
    let english: Vec<&String> = texts.iter().filter(|text| english(text)).collect();
    let mut report = String::new();
    let mut missed_of_all = 0;
    for (name, evade) in CHARACTERS.iter().chain(ENCODINGS) {
        let evaded: Vec<String> = english.iter().filter_map(|text| evade(text)).collect();
        let missed: Vec<&String> = evaded.iter().filter(|text| !finds_injection(text)).collect();
        missed_of_all += missed.len();
        writeln!(report, "{name}: {} of {}", evaded.len() - missed.len(), evaded.len()).unwrap();
        for text in missed.iter().take(6) {
            writeln!(report, "    {text:?}").unwrap();
        }
    }
    println!("{} texts, {} English\n{report}", texts.len(), english.len());
    assert!(missed_of_all == 0, "{missed_of_all} missed\n{report}");
}
