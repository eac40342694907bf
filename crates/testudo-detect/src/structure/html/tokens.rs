//! Splits HTML into tags, comments and text as a browser would, in linear time and for any input.

use std::ops::Range;

/// How often a tag without an end is read as text instead; after that all of the rest is text.
const UNFINISHED_MAX: usize = 16;

/// Elements whose content has no tags in it.
const RAW: [&str; 7] = ["script", "style", "textarea", "title", "xmp", "noembed", "noframes"];

/// One piece of markup; ranges are bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// Characters and entities.
    Text(Range<usize>),
    /// What stands between the tags of an element that holds no tags, such as `script`.
    Raw(Range<usize>),
    Open(Tag),
    Close {
        range: Range<usize>,
        name: Range<usize>,
    },
    /// `<!-- … -->`, and what browsers read like one; `inner` is what it says.
    Comment {
        range: Range<usize>,
        inner: Range<usize>,
    },
}

/// An opening tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) range: Range<usize>,
    pub(crate) name: Range<usize>,
    pub(crate) attributes: Vec<Attribute>,
}

/// One attribute; `value` is without quotes, and empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// The tokens of a text, in order; together they cover it.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    raw: Option<&'static str>,
    unfinished: usize,
    /// Raw elements that have no closing tag in the rest of the text.
    unclosed: Vec<&'static str>,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            raw: None,
            unfinished: 0,
            unclosed: Vec::new(),
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The next byte that ends what `ends` says.
    fn index_of(&self, from: usize, ends: u8) -> Option<usize> {
        let rest = self.text.as_bytes().get(from..)?;
        let wanted = |byte: &u8| ENDS.get(usize::from(*byte)).copied().unwrap_or(0) & ends != 0;
        Some(from.saturating_add(rest.iter().position(wanted)?))
    }

    /// The next of one byte.
    fn index_of_one(&self, from: usize, wanted: u8) -> Option<usize> {
        let rest = self.text.as_bytes().get(from..)?;
        Some(from.saturating_add(position(rest, wanted)?))
    }

    /// Whether what follows a `<` makes it markup.
    fn opens(&self, at: usize) -> bool {
        let next = self.byte(at.saturating_add(1));
        self.unfinished < UNFINISHED_MAX
            && next.is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!' | b'?'))
    }

    /// The markup that starts at a `<`; `None` when it has no end.
    fn markup(&mut self, at: usize) -> Option<Token> {
        let after = at.saturating_add(1);
        let token = match self.byte(after)? {
            b'/' if self.byte(at.saturating_add(2)).is_some_and(|b| b.is_ascii_alphabetic()) => self.close(at),
            b'!' if self.text.get(after..).is_some_and(|rest| rest.starts_with("!--")) => Some(self.comment(at)),
            byte if byte.is_ascii_alphabetic() => self.open(at),
            _ => self.index_of_one(after, b'>').map(|end| Token::Comment {
                range: at..end.saturating_add(1),
                inner: after..end,
            }),
        };
        if token.is_none() {
            self.unfinished = self.unfinished.saturating_add(1);
        }
        token
    }

    fn comment(&self, at: usize) -> Token {
        let from = at.saturating_add(4);
        let rest = self.text.get(from..).unwrap_or_default();
        // `<!-->` and `<!--->` are empty comments.
        let early = [">", "->"].iter().find(|end| rest.starts_with(**end));
        let (inner, length) = early.map_or_else(|| comment_end(rest), |end| (0, end.len()));
        Token::Comment {
            range: at..from.saturating_add(length).min(self.text.len()),
            inner: from.min(self.text.len())..from.saturating_add(inner).min(self.text.len()),
        }
    }

    fn close(&self, at: usize) -> Option<Token> {
        let from = at.saturating_add(2);
        let name_end = self.index_of(from, NAME)?;
        let end = self.index_of_one(name_end, b'>')?;
        Some(Token::Close {
            range: at..end.saturating_add(1),
            name: from..name_end,
        })
    }

    fn open(&mut self, at: usize) -> Option<Token> {
        let from = at.saturating_add(1);
        let name = from..self.index_of(from, NAME)?;
        let mut attributes = Vec::new();
        let mut cursor = name.end;
        loop {
            cursor = self.past(cursor, |byte| is_blank(byte) || byte == b'/');
            if self.byte(cursor)? == b'>' {
                break;
            }
            let (attribute, next) = self.attribute(cursor)?;
            attributes.push(attribute);
            cursor = next;
        }
        let shown = self.text.get(name.clone()).unwrap_or_default();
        self.raw = RAW
            .into_iter()
            .find(|raw| raw.len() == shown.len() && raw.eq_ignore_ascii_case(shown));
        Some(Token::Open(Tag {
            range: at..cursor.saturating_add(1),
            name,
            attributes,
        }))
    }

    fn attribute(&self, at: usize) -> Option<(Attribute, usize)> {
        // A `=` in front belongs to the name.
        let name_end = self.index_of(at.saturating_add(1), ATTRIBUTE)?;
        let name = at..name_end;
        let equals = self.past(name_end, is_blank);
        if self.byte(equals)? != b'=' {
            let value = name_end..name_end;
            return Some((Attribute { name, value }, name_end));
        }
        let from = self.past(equals.saturating_add(1), is_blank);
        let quote = self.byte(from)?;
        let (value, next) = if matches!(quote, b'"' | b'\'') {
            let inside = from.saturating_add(1);
            let end = self.index_of_one(inside, quote)?;
            (inside..end, end.saturating_add(1))
        } else {
            let end = self.index_of(from, VALUE)?;
            (from..end, end)
        };
        Some((Attribute { name, value }, next))
    }

    fn past(&self, from: usize, over: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| over(**byte)).count();
        from.saturating_add(length)
    }

    /// The content of a raw element up to its closing tag; `None` when it never closes.
    fn raw_text(&mut self, name: &'static str) -> Option<Range<usize>> {
        if self.unclosed.contains(&name) {
            return None;
        }
        let mut from = self.at;
        loop {
            let Some(open) = self.index_of_one(from, b'<') else {
                self.unclosed.push(name);
                return None;
            };
            let rest = self.text.as_bytes().get(open.saturating_add(1)..).unwrap_or_default();
            let closes = rest.first() == Some(&b'/')
                && rest
                    .get(1..name.len().saturating_add(1))
                    .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
            if closes {
                return Some(self.at..open);
            }
            from = open.saturating_add(1);
        }
    }
}

/// What a byte ends: the name of an element, that of an attribute, a value without quotes.
const NAME: u8 = 1;
const ATTRIBUTE: u8 = 1 << 1;
const VALUE: u8 = 1 << 2;

/// By byte, what it ends.
const ENDS: [u8; 256] = {
    let mut ends = [0; 256];
    let mut rest: &mut [u8] = &mut ends;
    let mut byte = 0_u8;
    while let Some((slot, tail)) = rest.split_first_mut() {
        *slot = match byte {
            b'>' => NAME | ATTRIBUTE | VALUE,
            b'/' => NAME | ATTRIBUTE,
            b'=' => ATTRIBUTE,
            _ if is_blank(byte) => NAME | ATTRIBUTE | VALUE,
            _ => 0,
        };
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    ends
};

/// Where the first of a byte stands, eight bytes at a time.
pub(in crate::structure) fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    const LOWEST: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);
    let (eights, rest) = bytes.as_chunks::<8>();
    let pattern = u64::from_le_bytes([wanted; 8]);
    let mut base = 0_usize;
    for eight in eights {
        let others = u64::from_le_bytes(*eight) ^ pattern;
        // The lowest bit that is set here belongs to the first byte that is zero.
        let zeros = others.wrapping_sub(LOWEST) & !others & HIGHEST;
        if zeros != 0 {
            return Some(base.wrapping_add(zeros.trailing_zeros() as usize / 8));
        }
        base = base.wrapping_add(8);
    }
    let found = rest.iter().position(|byte| *byte == wanted)?;
    Some(base.wrapping_add(found))
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0C')
}

/// Where a comment's text ends and how long it is with its end; the rest of the text when it has none.
fn comment_end(rest: &str) -> (usize, usize) {
    for (at, three) in rest.as_bytes().windows(3).enumerate() {
        if three == b"-->" {
            return (at, at.saturating_add(3));
        }
        if three == b"--!" && rest.as_bytes().get(at.saturating_add(3)) == Some(&b'>') {
            return (at, at.saturating_add(4));
        }
    }
    (rest.len(), rest.len())
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let raw = self.raw.take().and_then(|name| self.raw_text(name));
        if let Some(range) = raw.filter(|range| !range.is_empty()) {
            self.at = range.end;
            return Some(Token::Raw(range));
        }
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        let mut from = start;
        while let Some(open) = self.index_of_one(from, b'<') {
            if self.opens(open) {
                if open > start {
                    self.at = open;
                    return Some(Token::Text(start..open));
                }
                if let Some(token) = self.markup(open) {
                    self.at = token.range().end;
                    return Some(token);
                }
            }
            from = open.saturating_add(1);
        }
        self.at = self.text.len();
        Some(Token::Text(start..self.at))
    }
}

impl Token {
    pub(crate) fn range(&self) -> Range<usize> {
        match self {
            Self::Text(range) | Self::Raw(range) | Self::Close { range, .. } | Self::Comment { range, .. } => {
                range.clone()
            }
            Self::Open(tag) => tag.range.clone(),
        }
    }
}

impl Tag {
    /// The name as written.
    pub(crate) fn name<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.name.clone()).unwrap_or_default()
    }

    /// Whether the name is one of these, which are in lower case.
    pub(crate) fn is(&self, text: &str, names: &[&str]) -> bool {
        let own = self.name(text);
        names.iter().any(|name| name.eq_ignore_ascii_case(own))
    }

    /// The raw value of the first attribute with this name: browsers ignore a second one.
    pub(crate) fn attribute<'t>(&self, text: &'t str, name: &str) -> Option<&'t str> {
        let found = self.attributes.iter().find(|attribute| {
            text.get(attribute.name.clone())
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
        })?;
        text.get(found.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::position;

    proptest! {
        #[test]
        fn the_first_of_a_byte_is_found(bytes in prop::collection::vec(0_u8..5, 0..40), high in any::<bool>()) {
            let bytes: Vec<u8> = bytes.into_iter().map(|byte| if high { byte | 0x80 } else { byte }).collect();
            for wanted in (0..5).chain(0x7F..0x86) {
                prop_assert_eq!(position(&bytes, wanted), bytes.iter().position(|byte| *byte == wanted));
            }
        }
    }
}
