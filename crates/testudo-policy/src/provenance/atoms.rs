//! Values of arguments as people write them: what may be left off, and what kind of value it is.

use super::forms::is_word;

/// Ways to write the same value, the value itself first.
pub(super) fn spellings(value: &str) -> Vec<String> {
    let trimmed = value.trim();
    let mut all = vec![trimmed.to_owned()];
    let mut add = |spelling: &str| {
        let spelling = spelling.trim();
        if !spelling.is_empty() && all.len() < 8 && !all.iter().any(|known| known == spelling) {
            all.push(spelling.to_owned());
        }
    };
    let unquoted = trimmed.trim_matches(['"', '\'', '`']);
    add(unquoted);
    if let Some(rest) = unquoted.strip_prefix(['#', '@', '~', '$', '€', '£']) {
        add(rest);
    }
    if let Some(address) = unquoted.strip_prefix("mailto:") {
        add(address);
    }
    if let Some((name, address)) = unquoted.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'))
        && !name.contains(['<', '@'])
        && address.contains('@')
    {
        add(address);
    }
    if is_url(unquoted) {
        add(bare_url(unquoted));
    }
    // People write a version with its letter.
    if unquoted.starts_with(|c: char| c.is_ascii_digit()) && unquoted.contains('.') {
        add(&format!("v{unquoted}"));
    }
    if let Some(whole) = unquoted.strip_suffix(".0").or_else(|| unquoted.strip_suffix(".00"))
        && is_number(whole)
    {
        add(whole);
    }
    all
}

/// Several addresses in one text.
pub(super) fn parts(value: &str) -> Vec<&str> {
    if value.contains('@') && value.contains([',', ';']) {
        let parts = value.split([',', ';']).map(str::trim).filter(|part| !part.is_empty());
        return parts.take(256).collect();
    }
    vec![value]
}

pub(super) fn is_url(value: &str) -> bool {
    let start = value.get(..8).unwrap_or(value).to_ascii_lowercase();
    start.starts_with("http://") || start.starts_with("https://") || start.starts_with("www.")
}

/// Without scheme and closing marks.
pub(super) fn bare_url(url: &str) -> &str {
    let rest = match url.find("://") {
        Some(at) if at <= 5 => url.get(at.saturating_add(3)..).unwrap_or(url),
        _ => url,
    };
    rest.trim_end_matches(['/', '.', ','])
}

/// Addresses that begin with a scheme or `www.`, up to the first character that ends one.
pub(crate) fn urls(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut at = 0;
    while found.len() < 256 {
        let rest = lower.get(at..).unwrap_or_default();
        let Some(start) = ["http://", "https://", "www."]
            .iter()
            .filter_map(|mark| rest.find(mark))
            .min()
            .map(|to| at.saturating_add(to))
        else {
            break;
        };
        let tail = text.get(start..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | ']' | '|' | '`');
        let length = tail.find(ends).unwrap_or(tail.len());
        found.extend(tail.get(..length));
        at = start.saturating_add(length.max(1));
        while !text.is_char_boundary(at) && at < text.len() {
            at = at.saturating_add(1);
        }
    }
    found
}

/// Somebody can be reached there: no platform assigns such a value as an id.
pub(super) fn is_address(value: &str) -> bool {
    let value = value.trim();
    value.contains('@') || is_url(value) || value.contains("://") || is_account(value) || is_phone(value)
}

/// The shape of an international bank account number.
fn is_account(value: &str) -> bool {
    let compact: Vec<char> = value.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let letters = compact.iter().take(2).filter(|c| c.is_ascii_alphabetic()).count();
    let digits = compact.iter().skip(2).take(2).filter(|c| c.is_ascii_digit()).count();
    (15..=34).contains(&compact.len()) && letters == 2 && digits == 2 && compact.iter().all(char::is_ascii_alphanumeric)
}

fn is_phone(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let rest = value.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
    value.starts_with('+') && rest && (7..=16).contains(&digits)
}

/// A value whose parts people set off with spaces, hyphens or dots: an account, a card, a telephone number.
pub(super) fn is_grouped(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let letters = value.chars().filter(|c| is_word(*c)).count();
    let plain = value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '.' | '+' | '(' | ')'));
    plain && digits >= 6 && letters >= 8 && (is_account(value) || digits == letters)
}

/// The letters and the digits of a number that begins with letters: `WO-3301`. People set such digits off as they like.
pub(super) fn numbered(exact: &str) -> Option<(&str, &str)> {
    let exact = exact.trim();
    let at = exact.find(|c: char| c.is_ascii_digit())?;
    let (prefix, digits) = (exact.get(..at)?, exact.get(at..)?);
    let prefix = prefix.strip_suffix(['-', ' ']).unwrap_or(prefix);
    let letters = (1..=5).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_lowercase());
    (letters && digits.len() >= 4 && is_number(digits)).then_some((prefix, digits))
}

/// A few digits: they stand everywhere, so that they need a word beside them.
pub(super) fn is_short_number(value: &str) -> bool {
    (1..=3).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn is_number(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text ends in one of the nouns, as the words before a short number: "files 12 and", "event with the id".
pub(super) fn ends_in_noun(before: &str, nouns: &[String]) -> bool {
    let mut rest = before;
    for _ in 0..16 {
        rest = rest.trim_end_matches([' ', '"', '\'', '#', ':', '(', ',', '&', '.']);
        let start = rest.rfind(|c: char| !is_word(c)).map_or(0, |at| {
            at.saturating_add(
                rest.get(at..)
                    .and_then(|it| it.chars().next())
                    .map_or(1, char::len_utf8),
            )
        });
        let word = rest.get(start..).unwrap_or_default();
        if word.is_empty() {
            return false;
        }
        if nouns
            .iter()
            .any(|noun| word == noun || plural_of(word, noun) || noun.contains(' ') && rest.ends_with(noun.as_str()))
        {
            return true;
        }
        let passed = is_number(word)
            || matches!(
                word,
                "id" | "ids" | "with" | "the" | "number" | "no" | "nr" | "and" | "or"
            );
        if !passed {
            return false;
        }
        rest = rest.get(..start).unwrap_or_default();
    }
    false
}

fn plural_of(word: &str, noun: &str) -> bool {
    word.strip_suffix('s') == Some(noun) || word.strip_suffix("es") == Some(noun)
}
