//! Allow-lists as typed, and what stands in the place of masked values.

use testudo_detect::pseudonym::PlaceholderStyle;

use crate::config::document::{At, Section, shown};
use crate::config::problem::Problems;
use crate::config::suggest::did_you_mean;

/// One entry.
#[derive(Debug)]
pub(crate) struct Allow {
    pub(crate) line: usize,
    pub(crate) rules: Vec<String>,
    pub(crate) what: AllowText,
}

/// What an entry lets pass; digests are read.
#[derive(Debug)]
pub(crate) enum AllowText {
    Value(String),
    Sha256([u8; 32]),
    Keyed([u8; 32]),
    Pattern(String),
    Host(String),
}

/// The entries of `[[….allow]]`; those that cannot be read are reported and left out.
pub(super) fn entries(section: &mut Section<'_>, problems: &mut Problems) -> Vec<Allow> {
    let tables = section.tables("allow", problems);
    tables.into_iter().filter_map(|table| entry(table, problems)).collect()
}

fn entry(mut table: Section<'_>, problems: &mut Problems) -> Option<Allow> {
    let line = table.line;
    let rule = table.text("rule", problems);
    let rules = table.texts("rules", problems);
    // Why the entry is there is for its readers.
    table.text("reason", problems);
    let value = table.text("value", problems);
    let sha256 = table.text("sha256", problems);
    let keyed = table.text("hmac_sha256", problems);
    let pattern = table.text("pattern", problems);
    let host = table.text("host", problems);
    table.finish(problems);
    let whats: Vec<Option<AllowText>> = [
        value.map(|it| Some(AllowText::Value(it.value))),
        sha256.map(|it| digest(&it, problems).map(AllowText::Sha256)),
        keyed.map(|it| digest(&it, problems).map(AllowText::Keyed)),
        pattern.map(|it| Some(AllowText::Pattern(it.value))),
        host.map(|it| Some(AllowText::Host(it.value))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let one: Result<[Option<AllowText>; 1], _> = whats.try_into();
    let Ok([what]) = one else {
        problems.at(
            line,
            "an entry of an allow-list needs exactly one of `value`, `sha256`, `hmac_sha256`, `pattern`, `host`",
            "write one entry for each",
        );
        return None;
    };
    Some(Allow {
        line,
        rules: rule.into_iter().chain(rules).map(|it| it.value).collect(),
        what: what?,
    })
}

/// Sixty-four hexadecimal digits.
fn digest(text: &At<String>, problems: &mut Problems) -> Option<[u8; 32]> {
    let nibbles: Option<Vec<u8>> = text
        .value
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let bytes: Option<Vec<u8>> = nibbles.map(|nibbles| {
        let pairs = nibbles.chunks(2);
        pairs
            .map(|pair| pair.iter().fold(0, |byte, nibble| (byte << 4) | nibble))
            .collect()
    });
    let digest = bytes
        .filter(|_| text.value.len() == 64)
        .and_then(|bytes| bytes.try_into().ok());
    if digest.is_none() {
        problems.at(
            text.line,
            "a digest in an allow-list is not 64 hexadecimal digits",
            "make it with `printf %s VALUE | sha256sum`, or with `openssl dgst -sha256 -hmac KEY` for a keyed one",
        );
    }
    digest
}

/// `placeholder` of a profile.
pub(super) fn placeholder(section: &mut Section<'_>, problems: &mut Problems) -> Option<PlaceholderStyle> {
    let name = section.name("placeholder");
    let text = section.text("placeholder", problems)?;
    let style = PlaceholderStyle::from_name(&text.value);
    if style.is_none() {
        problems.at(
            text.line,
            format!("`{name}` cannot be `{}`", shown(&text.value)),
            did_you_mean(&text.value, ["bracket", "typed"]),
        );
    }
    style
}
