//! Tells the language of a text from its script, its commonest words and its particular letters.

mod table;

use std::collections::BTreeMap;

use self::table::{LETTERS, NAMES, WORDS};

/// Letters that are looked at.
const LETTERS_MAX: usize = 4000;
/// With fewer letters there is no guess.
const LETTERS_MIN: usize = 40;
/// The same for scripts whose letters stand for syllables or words.
const SYLLABLES_MIN: usize = 12;
/// Words that must be known before a language counts, in hundredths of a word.
const POINTS_MIN: u32 = 200;

/// A language by its ISO 639-1 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(&'static str);

impl Language {
    /// Two letters, for example `de`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }

    /// Whether short texts of the two cannot be told apart reliably.
    #[must_use]
    pub fn resembles(self, other: Self) -> bool {
        const KIN: &[&[&str]] = &[
            &["da", "no", "sv"],
            &["cs", "sk"],
            &["hr", "sl", "sr"],
            &["es", "ca", "pt"],
            &["hi", "mr", "ne"],
            &["ru", "uk", "bg", "sr"],
            &["et", "fi"],
            &["ar", "fa", "ur"],
            &["id", "tl"],
            &["ja", "zh"],
        ];
        self == other || KIN.iter().any(|kin| kin.contains(&self.0) && kin.contains(&other.0))
    }
}

/// What a text seems to be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    pub language: Language,
    /// How far it is ahead of the next one, 0 to 100.
    pub lead: u8,
}

/// Every language that can be told.
pub fn languages() -> impl Iterator<Item = Language> {
    let own_script = SCRIPTS.iter().filter_map(|(_, language)| *language);
    let by_words = WORDS.iter().map(|(code, _)| *code);
    by_words.chain(own_script).chain(["ja", "zh"]).map(Language)
}

/// The language of a text; `None` when it is short, mixed, or too close to call.
#[must_use]
pub fn identify(text: &str) -> Option<Guess> {
    let mut scripts: BTreeMap<Script, usize> = BTreeMap::new();
    let mut all = 0_usize;
    for c in text.chars().filter(|c| c.is_alphabetic()).take(LETTERS_MAX) {
        let script = Script::of(c);
        let seen = scripts.entry(script).or_default();
        *seen = seen.saturating_add(1);
        all = all.saturating_add(1);
    }
    let count = |script| scripts.get(&script).copied().unwrap_or(0);
    let (script, most) = scripts
        .iter()
        .max_by_key(|(_, count)| **count)
        .map(|(script, count)| (*script, *count))?;
    let east = count(Script::Han).saturating_add(count(Script::Kana));
    if east.saturating_mul(5) >= all.saturating_mul(3) {
        let language = if count(Script::Kana).saturating_mul(12) >= east {
            "ja"
        } else {
            "zh"
        };
        return (all >= SYLLABLES_MIN).then_some(Guess {
            language: Language(language),
            lead: 90,
        });
    }
    if most.saturating_mul(3) < all.saturating_mul(2) {
        return None;
    }
    match SCRIPTS.iter().find(|(known, _)| *known == script) {
        Some((_, Some(code))) => (all >= SYLLABLES_MIN).then_some(Guess {
            language: Language(code),
            lead: 95,
        }),
        _ if all >= LETTERS_MIN => by_words(text),
        _ => None,
    }
}

/// Whether a text speaks of languages or translation, so that an answer in another one is no surprise.
#[must_use]
pub(super) fn speaks_of_languages(text: &str) -> bool {
    let lower = text.to_lowercase();
    NAMES.iter().any(|name| lower.contains(name))
}

fn by_words(text: &str) -> Option<Guess> {
    let mut points: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut left = LETTERS_MAX;
    let mut add = |codes: &[&'static str], whole: u32| {
        let share = whole
            .checked_div(u32::try_from(codes.len()).unwrap_or(u32::MAX))
            .unwrap_or(0);
        for code in codes {
            let sum = points.entry(code).or_default();
            *sum = sum.saturating_add(share);
        }
    };
    for word in text.split(|c: char| !(c.is_alphabetic() || c == '\'' || c == '’')) {
        if word.is_empty() || left == 0 {
            continue;
        }
        left = left.saturating_sub(word.len());
        let lower = word.to_lowercase();
        let codes: Vec<&'static str> = WORDS
            .iter()
            .filter(|(_, words)| words.split(' ').any(|known| known == lower))
            .map(|(code, _)| *code)
            .collect();
        add(&codes, 100);
        for c in lower.chars().filter(|c| !c.is_ascii()) {
            if let Some((_, codes)) = LETTERS.iter().find(|(letters, _)| letters.contains(c)) {
                add(codes, 40);
            }
        }
    }
    let mut ranked: Vec<(u32, &'static str)> = points.into_iter().map(|(code, sum)| (sum, code)).collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    let (best, code) = *ranked.first()?;
    let next = ranked.get(1).map_or(0, |(sum, _)| *sum);
    let lead = best
        .saturating_sub(next)
        .saturating_mul(100)
        .checked_div(best)
        .unwrap_or(0);
    (best >= POINTS_MIN && lead >= 8).then_some(Guess {
        language: Language(code),
        lead: u8::try_from(lead).unwrap_or(100),
    })
}

/// The writing systems that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Script {
    Latin,
    Cyrillic,
    Arabic,
    Devanagari,
    Han,
    Kana,
    Hangul,
    Thai,
    Greek,
    Hebrew,
    Armenian,
    Georgian,
    Bengali,
    Tamil,
    Telugu,
    Gujarati,
    Kannada,
    Malayalam,
    Gurmukhi,
    Sinhala,
    Khmer,
    Lao,
    Myanmar,
    Ethiopic,
    Other,
}

/// Scripts that one language is mostly written in.
const SCRIPTS: &[(Script, Option<&str>)] = &[
    (Script::Hangul, Some("ko")),
    (Script::Thai, Some("th")),
    (Script::Greek, Some("el")),
    (Script::Hebrew, Some("he")),
    (Script::Armenian, Some("hy")),
    (Script::Georgian, Some("ka")),
    (Script::Bengali, Some("bn")),
    (Script::Tamil, Some("ta")),
    (Script::Telugu, Some("te")),
    (Script::Gujarati, Some("gu")),
    (Script::Kannada, Some("kn")),
    (Script::Malayalam, Some("ml")),
    (Script::Gurmukhi, Some("pa")),
    (Script::Sinhala, Some("si")),
    (Script::Khmer, Some("km")),
    (Script::Lao, Some("lo")),
    (Script::Myanmar, Some("my")),
    (Script::Ethiopic, Some("am")),
];

impl Script {
    fn of(c: char) -> Self {
        match u32::from(c) {
            0x0041..=0x024F | 0x1E00..=0x1EFF => Self::Latin,
            0x0370..=0x03FF | 0x1F00..=0x1FFF => Self::Greek,
            0x0400..=0x052F => Self::Cyrillic,
            0x0530..=0x058F => Self::Armenian,
            0x0590..=0x05FF => Self::Hebrew,
            0x0600..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF => Self::Arabic,
            0x0900..=0x097F => Self::Devanagari,
            0x0980..=0x09FF => Self::Bengali,
            0x0A00..=0x0A7F => Self::Gurmukhi,
            0x0A80..=0x0AFF => Self::Gujarati,
            0x0B80..=0x0BFF => Self::Tamil,
            0x0C00..=0x0C7F => Self::Telugu,
            0x0C80..=0x0CFF => Self::Kannada,
            0x0D00..=0x0D7F => Self::Malayalam,
            0x0D80..=0x0DFF => Self::Sinhala,
            0x0E00..=0x0E7F => Self::Thai,
            0x0E80..=0x0EFF => Self::Lao,
            0x1000..=0x109F => Self::Myanmar,
            0x10A0..=0x10FF => Self::Georgian,
            0x1200..=0x139F => Self::Ethiopic,
            0x1780..=0x17FF => Self::Khmer,
            0x3040..=0x30FF | 0x31F0..=0x31FF => Self::Kana,
            0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF => Self::Han,
            0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7AF => Self::Hangul,
            _ => Self::Other,
        }
    }
}
