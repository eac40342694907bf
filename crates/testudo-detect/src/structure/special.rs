//! Strings that tokenizers and models take for structure, found and broken by a visible sign, never deleted.
//!
//! The sign is `¦` (U+00A6): it is shown, it stands in no token, it means nothing in JSON, HTML, Markdown or
//! shell, and no normalisation or case folding changes or removes it. A text about templates stays readable:
//! `<|im_start|>` becomes `<¦|im_start|>`.

mod plain;
#[cfg(test)]
mod tests;

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use self::plain::Plain;
use crate::Budget;

/// What breaks a token.
pub const SIGN: &str = "¦";

pub(crate) const TABLE: &str = include_str!("../../rules/special_tokens.toml");
/// Memory of one compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// How much is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenLevel {
    /// Tokens that hardly stand in anything but templates.
    Tokens,
    /// Also what ordinary mark-up, code and transcripts contain: `</s>`, `</data>`, `### System:`.
    All,
}

impl TokenLevel {
    /// The name used in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::All => "all",
        }
    }

    /// The level that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Tokens, Self::All]
            .into_iter()
            .find(|level| level.as_str() == name)
    }
}

/// The table of tokens does not load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    #[error("the table of special tokens is not valid TOML of the expected shape: {0}")]
    Toml(String),
    #[error("the special token `{name}` has a pattern that does not compile: {fault}")]
    Pattern { name: String, fault: String },
}

/// One place where a token stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Where [`SIGN`] breaks it: inside of `range`, between two characters.
    pub at: usize,
    /// The token's bytes as written.
    pub range: Range<usize>,
}

/// The tokens of the shipped table, compiled; made once and shared.
#[derive(Debug)]
pub struct SpecialTokens {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    level: TokenLevel,
    mark: MarkAt,
    pattern: Regex,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    token: Vec<TokenText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenText {
    name: String,
    /// For people.
    #[serde(rename = "used_by")]
    _used_by: String,
    level: TokenLevel,
    #[serde(default)]
    mark: MarkAt,
    pattern: String,
    /// Texts that must be changed, and texts that must not.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "cases are read by tests"))]
    neutral: Vec<String>,
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "cases are read by tests"))]
    keep: Vec<String>,
}

/// Where in a token the sign goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MarkAt {
    /// Behind the first character.
    #[default]
    Start,
    /// Before the last character.
    End,
}

impl SpecialTokens {
    /// Compiles the table that ships with the program.
    ///
    /// # Errors
    /// When the shipped table is unsound, which a test excludes.
    pub fn builtin() -> Result<Self, TokenProblem> {
        let entries = table()?.into_iter().map(|text| {
            RegexBuilder::new(&text.pattern)
                .size_limit(PATTERN_BYTES_MAX)
                .build()
                .map(|pattern| Entry {
                    level: text.level,
                    mark: text.mark,
                    pattern,
                })
                .map_err(|fault| TokenProblem::Pattern {
                    name: text.name,
                    fault: fault.to_string(),
                })
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Every token of `level` in a text, in order of [`Token::at`], each place once.
    ///
    /// Found as after NFKC, case folding and the removal of unseen characters, so that no later step can
    /// make one. `None` when the budget does not suffice; the text then counts as not looked at.
    #[must_use]
    pub fn find(&self, text: &str, level: TokenLevel, budget: &mut Budget) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        if !text.contains(['<', '[', ':']) && text.is_ascii() {
            return Some(tokens);
        }
        if !budget.spend(text.len()) {
            return None;
        }
        let plain = Plain::of(text);
        for entry in self.entries.iter().filter(|entry| entry.level <= level) {
            let mut from = 0;
            while let Some(found) = entry.pattern.find_at(plain.text(), from) {
                tokens.extend(token(&plain, entry.mark, found.range()));
                // Tokens may overlap: the next may start inside of this one.
                let first = plain.text().get(found.start()..).and_then(|rest| rest.chars().next());
                from = found.start().saturating_add(first.map_or(1, char::len_utf8));
            }
        }
        tokens.sort_unstable_by_key(|token| (token.at, token.range.start));
        tokens.dedup_by_key(|token| token.at);
        Some(tokens)
    }
}

fn table() -> Result<Vec<TokenText>, TokenProblem> {
    toml::from_str::<Table>(TABLE)
        .map(|table| table.token)
        .map_err(|error| TokenProblem::Toml(error.to_string()))
}

/// The place of a match in the text as written; `None` for one that is a single character there.
fn token(plain: &Plain<'_>, mark: MarkAt, found: Range<usize>) -> Option<Token> {
    let matched = plain.text().get(found.clone())?;
    let range = plain.original(found.clone());
    let near = match mark {
        MarkAt::Start => found.start.saturating_add(matched.chars().next()?.len_utf8()),
        MarkAt::End => found.end.saturating_sub(matched.chars().next_back()?.len_utf8()),
    };
    // One character as written may stand for several: then the sign goes to the nearest edge inside.
    let inside = |at: usize| range.start < at && at < range.end;
    let before = plain.start_of(near);
    let after = plain.end_of(near);
    let at = [before, after].into_iter().find(|at| inside(*at))?;
    Some(Token { at, range })
}

/// The text with a sign in each token.
#[must_use]
pub fn neutralise(text: &str, tokens: &[Token]) -> String {
    let mut broken = String::with_capacity(text.len().saturating_add(tokens.len().saturating_mul(SIGN.len())));
    let mut from = 0;
    for token in tokens {
        broken.push_str(text.get(from..token.at).unwrap_or_default());
        broken.push_str(SIGN);
        from = token.at;
    }
    broken.push_str(text.get(from..).unwrap_or_default());
    broken
}

/// The text that was neutralised with these tokens.
#[must_use]
pub fn restore(broken: &str, tokens: &[Token]) -> String {
    let mut text = String::with_capacity(broken.len());
    let mut from = 0;
    for (count, token) in tokens.iter().enumerate() {
        let sign = token.at.saturating_add(count.saturating_mul(SIGN.len()));
        text.push_str(broken.get(from..sign).unwrap_or_default());
        from = sign.saturating_add(SIGN.len());
    }
    text.push_str(broken.get(from..).unwrap_or_default());
    text
}
