//! Characters that show nothing, and where they are ordinary writing.

/// What a character is to somebody who looks for text that people do not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unseen {
    /// Spells a character of ASCII invisibly.
    Tag,
    /// Chooses a glyph for the character before it, or spells a byte.
    Selector,
    /// Joins or parts letters, or emoji.
    Joiner,
    /// Takes no room: zero width, soft hyphen, invisible operators and their like.
    ZeroWidth,
    /// Sets or overrides a direction.
    Direction,
    /// A control character that terminals and models take as deletion or ignore.
    Control,
    /// A letter without a shape.
    Blank,
}

/// The kind of an unseen character; `None` for all others.
pub(super) fn unseen(c: char) -> Option<Unseen> {
    Some(match u32::from(c) {
        0x09 | 0x0A | 0x0D => return None,
        0x00..=0x1F | 0x7F => Unseen::Control,
        0x20..=0xAC => return None,
        0xAD | 0x034F | 0x180B..=0x180E | 0x200B | 0x2060..=0x2064 | 0x206A..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB => {
            Unseen::ZeroWidth
        }
        0x1D173..=0x1D17A | 0x1BCA0..=0x1BCA3 => Unseen::ZeroWidth,
        0x200C | 0x200D => Unseen::Joiner,
        0x061C | 0x200E | 0x200F | 0x202A..=0x202E | 0x2066..=0x2069 => Unseen::Direction,
        0x115F | 0x1160 | 0x3164 | 0xFFA0 | 0x17B4 | 0x17B5 | 0x2800 => Unseen::Blank,
        0xFE00..=0xFE0F | 0xE0100..=0xE01EF => Unseen::Selector,
        0xE0000..=0xE007F => Unseen::Tag,
        _ => return None,
    })
}

/// Whether an unseen character belongs to ordinary writing between its neighbours.
pub(super) fn belongs(kind: Unseen, c: char, before: Option<char>, after: Option<char>) -> bool {
    match kind {
        Unseen::Tag | Unseen::Control => false,
        Unseen::Selector => selects(c, before),
        Unseen::Joiner => joins(before, after),
        Unseen::ZeroWidth => match c {
            // A byte-order mark at the start; word borders where scripts write none.
            '\u{FEFF}' => before.is_none(),
            '\u{200B}' => before.is_some_and(unspaced) || after.is_some_and(unspaced),
            '\u{180B}'..='\u{180E}' => before.is_some_and(|c| matches!(c, '\u{1820}'..='\u{18AA}')),
            _ => false,
        },
        Unseen::Direction => {
            matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{2066}'..='\u{2069}' | '\u{202A}'..='\u{202C}')
                && (before.is_none_or(|c| right_to_left(c) || !c.is_alphanumeric())
                    || after.is_none_or(|c| right_to_left(c) || !c.is_alphanumeric()))
        }
        Unseen::Blank => match c {
            '\u{2800}' => before.is_some_and(braille) || after.is_some_and(braille),
            '\u{17B4}' | '\u{17B5}' => before.is_some_and(|c| matches!(c, '\u{1780}'..='\u{17D3}')),
            _ => before.is_some_and(jamo) || after.is_some_and(jamo),
        },
    }
}

fn selects(c: char, before: Option<char>) -> bool {
    let Some(before) = before else {
        return false;
    };
    match c {
        '\u{FE0E}' | '\u{FE0F}' => emoji(before) || ideograph(before) || matches!(before, '0'..='9' | '#' | '*'),
        '\u{FE00}'..='\u{FE0D}' => {
            ideograph(before)
                || matches!(before, '0' | '\u{2200}'..='\u{22FF}' | '\u{2A00}'..='\u{2AFF}' | '\u{1000}'..='\u{109F}' | '\u{A840}'..='\u{A87F}' | '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF60}')
        }
        _ => ideograph(before),
    }
}

fn joins(before: Option<char>, after: Option<char>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return before.is_some_and(joining);
    };
    joining(before) || ((emoji(before) || matches!(before, '\u{FE0F}' | '\u{E007F}')) && emoji(after))
}

/// Letters that joiners shape: Arabic, Syriac, the Indic scripts and their neighbours.
fn joining(c: char) -> bool {
    matches!(c, '\u{0600}'..='\u{109F}' | '\u{1780}'..='\u{18AF}' | '\u{1B00}'..='\u{1C4F}' | '\u{A800}'..='\u{AAFF}' | '\u{ABC0}'..='\u{ABFF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' | '\u{11000}'..='\u{11FFF}')
}

/// Scripts that do not write spaces between words.
fn unspaced(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}')
        || ideograph(c)
}

fn right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

fn braille(c: char) -> bool {
    matches!(c, '\u{2801}'..='\u{28FF}')
}

fn jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115E}' | '\u{1161}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}')
}

/// Characters that may have an emoji form.
pub(super) fn emoji(c: char) -> bool {
    matches!(c, '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{20E3}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21FF}' | '\u{2300}'..='\u{23FF}' | '\u{24C2}' | '\u{25A0}'..='\u{27BF}' | '\u{2900}'..='\u{297F}' | '\u{2B00}'..='\u{2BFF}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}' | '\u{1F000}'..='\u{1FAFF}')
}

/// Han ideographs, which have registered variants.
pub(super) fn ideograph(c: char) -> bool {
    matches!(c, '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// The letter that one unit of an emoji flag of a nation within a state spells; the three flags that exist.
pub(super) const FLAGS: [&str; 3] = [
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

/// Whether a text begins with a flag that is spelled with tags.
pub(super) fn flag_len(text: &str) -> Option<usize> {
    FLAGS
        .iter()
        .find(|flag| text.starts_with(**flag))
        .map(|flag| flag.len())
}

/// Marks that cross out, underline or frame letters and that no language spells with.
pub(super) fn decoration(c: char) -> bool {
    matches!(c, '\u{0305}' | '\u{0332}' | '\u{0333}' | '\u{0335}'..='\u{033F}' | '\u{0346}'..='\u{034E}' | '\u{0350}'..='\u{0362}' | '\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{1AB0}'..='\u{1AFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}
