//! Spellings that hide words from a reader of n-grams: leet, spaced letters, mixed case, typing mistakes.

use crate::random::SplitMix64;

/// The text in one of the spellings.
pub(crate) fn disguise(text: &str, rng: &mut SplitMix64) -> String {
    match rng.below(4) {
        0 => text.chars().map(|it| leet(it, rng)).collect(),
        1 => text
            .chars()
            .map(|it| {
                if rng.chance(50) {
                    it.to_ascii_uppercase()
                } else {
                    it.to_ascii_lowercase()
                }
            })
            .collect(),
        2 => spaced(text, rng),
        _ => mistyped(text, rng),
    }
}

fn leet(letter: char, rng: &mut SplitMix64) -> char {
    if rng.chance(35) {
        return letter;
    }
    match letter {
        'a' | 'A' => '4',
        'e' | 'E' => '3',
        'i' | 'I' => '1',
        'o' | 'O' => '0',
        's' | 'S' => '5',
        't' | 'T' => '7',
        other => other,
    }
}

fn spaced(text: &str, rng: &mut SplitMix64) -> String {
    let joint = if rng.chance(50) { " " } else { "-" };
    text.split(' ')
        .map(|word| {
            let letters: Vec<String> = word.chars().map(String::from).collect();
            letters.join(joint)
        })
        .collect::<Vec<_>>()
        .join("  ")
}

fn mistyped(text: &str, rng: &mut SplitMix64) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let rounds = letters.len().checked_div(18).unwrap_or(0).saturating_add(1);
    for _ in 0..rounds {
        let at = rng.below(letters.len().saturating_sub(1));
        let next = at.saturating_add(1);
        let plain = |it: Option<&char>| it.is_some_and(char::is_ascii_alphabetic);
        if plain(letters.get(at)) && plain(letters.get(next)) {
            if rng.chance(60) {
                letters.swap(at, next);
            } else {
                letters.remove(at);
            }
        }
    }
    letters.into_iter().collect()
}
