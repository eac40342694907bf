//! What people spell out: `ann at site dot org`, `seven four four one`.

/// The text with addresses and numbers written as they are meant; `None` when nothing is spelled out.
///
/// English only. It is read beside the text itself, and only of what the user says.
pub(super) fn unspelled(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
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
    const DIGITS: [&str; 10] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    let at = DIGITS.iter().position(|digit| word.eq_ignore_ascii_case(digit))?;
    char::from_digit(u32::try_from(at).ok()?, 10)
}

/// `name at host dot org`, or `name@host dot org`.
fn address_of(words: &[&str]) -> Option<(String, usize)> {
    let (name, mut rest) = words.split_first()?;
    let mut address = (*name).to_owned();
    let mut count: usize = 1;
    let mut take = |mark: &str, sign: char, rest: &mut &[&str], address: &mut String| {
        let [said, part, after @ ..] = *rest else { return false };
        if !said.eq_ignore_ascii_case(mark) {
            return false;
        }
        address.push(sign);
        address.push_str(part);
        *rest = after;
        count = count.saturating_add(2);
        true
    };
    while take("dot", '.', &mut rest, &mut address) {}
    let at = take("at", '@', &mut rest, &mut address) || address.contains('@');
    let mut dots: usize = 0;
    while take("dot", '.', &mut rest, &mut address) {
        dots = dots.saturating_add(1);
    }
    (at && dots > 0).then_some((address, count))
}
