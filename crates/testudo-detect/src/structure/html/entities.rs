//! Character references of HTML: all numeric ones, and the named ones that matter in addresses and words.

use std::borrow::Cow;

/// The longest name in the table.
const NAME_BYTES_MAX: usize = 16;

/// Names that end in `;`, in order of bytes; those marked `true` count without it as well.
const NAMED: &[(&str, char, bool)] = &[
    ("ApplyFunction", '\u{2061}', false),
    ("Hat", '^', false),
    ("InvisibleComma", '\u{2063}', false),
    ("InvisibleTimes", '\u{2062}', false),
    ("LT", '<', true),
    ("GT", '>', true),
    ("AMP", '&', true),
    ("QUOT", '"', true),
    ("NewLine", '\n', false),
    ("NoBreak", '\u{2060}', false),
    ("Tab", '\t', false),
    ("UnderBar", '_', false),
    ("VerticalLine", '|', false),
    ("ZeroWidthSpace", '\u{200B}', false),
    ("amp", '&', true),
    ("apos", '\'', false),
    ("ast", '*', false),
    ("bsol", '\\', false),
    ("bull", '•', false),
    ("colon", ':', false),
    ("comma", ',', false),
    ("commat", '@', false),
    ("copy", '©', true),
    ("dash", '\u{2010}', false),
    ("dollar", '$', false),
    ("emsp", '\u{2003}', false),
    ("ensp", '\u{2002}', false),
    ("equals", '=', false),
    ("excl", '!', false),
    ("fjlig", 'f', false),
    ("grave", '`', false),
    ("gt", '>', true),
    ("hellip", '…', false),
    ("hyphen", '\u{2010}', false),
    ("lbrace", '{', false),
    ("lbrack", '[', false),
    ("lcub", '{', false),
    ("ldquo", '“', false),
    ("lowbar", '_', false),
    ("lpar", '(', false),
    ("lrm", '\u{200E}', false),
    ("lsqb", '[', false),
    ("lsquo", '‘', false),
    ("lt", '<', true),
    ("mdash", '—', false),
    ("middot", '·', true),
    ("nbsp", '\u{A0}', true),
    ("ndash", '–', false),
    ("num", '#', false),
    ("percnt", '%', false),
    ("period", '.', false),
    ("plus", '+', false),
    ("quest", '?', false),
    ("quot", '"', true),
    ("rbrace", '}', false),
    ("rbrack", ']', false),
    ("rcub", '}', false),
    ("rdquo", '”', false),
    ("rlm", '\u{200F}', false),
    ("rpar", ')', false),
    ("rsqb", ']', false),
    ("rsquo", '’', false),
    ("semi", ';', false),
    ("shy", '\u{AD}', true),
    ("sol", '/', false),
    ("thinsp", '\u{2009}', false),
    ("verbar", '|', false),
    ("vert", '|', false),
    ("zwj", '\u{200D}', false),
    ("zwnj", '\u{200C}', false),
];

/// The text with its character references replaced by what they stand for.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        decoded.push_str(before);
        match reference(from) {
            Some((c, length)) => {
                decoded.push(c);
                rest = from.get(length..).unwrap_or_default();
            }
            None => {
                decoded.push('&');
                rest = from;
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character that a reference stands for, and its length behind the `&`.
fn reference(from: &str) -> Option<(char, usize)> {
    match from.strip_prefix('#') {
        Some(number) => numeric(number).map(|(c, length)| (c, length.saturating_add(1))),
        None => named(from),
    }
}

fn numeric(from: &str) -> Option<(char, usize)> {
    let (digits, radix, prefix) = match from.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1_usize),
        None => (from, 10, 0),
    };
    let length = digits.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
    let written = digits.get(..length).filter(|digits| !digits.is_empty())?;
    // Leading zeros are allowed without bound; what is above the last character stands for U+FFFD.
    let code = written.bytes().try_fold(0_u32, |code, byte| {
        let digit = char::from(byte).to_digit(radix)?;
        code.checked_mul(radix)?.checked_add(digit)
    });
    let c = code.and_then(char::from_u32).unwrap_or('\u{FFFD}');
    let end = usize::from(digits.as_bytes().get(length) == Some(&b';'));
    Some((c, prefix.saturating_add(length).saturating_add(end)))
}

fn named(from: &str) -> Option<(char, usize)> {
    let length = from
        .bytes()
        .take(NAME_BYTES_MAX)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    let name = from.get(..length)?;
    if from.as_bytes().get(length) == Some(&b';') {
        let (_, c, _) = NAMED.iter().find(|(known, _, _)| *known == name)?;
        return Some((*c, length.saturating_add(1)));
    }
    // `&copy=1` in an address is no reference.
    let ends = from.as_bytes().get(length) != Some(&b'=');
    let (known, c, _) = NAMED.iter().find(|(known, _, bare)| *bare && *known == name && ends)?;
    Some((*c, known.len()))
}
