//! Regular expressions of tokenizers that may take longer than anybody waits.

/// Whether a repeated group holds something repeated, `(a+)+` or `(a+.)+`, which may backtrack without end.
pub(super) fn explodes(pattern: &str) -> bool {
    let mut open: Vec<bool> = Vec::new();
    let mut signs = pattern.chars().peekable();
    let mut in_class = false;
    // Whether something in this group repeats without a bound.
    let mut repeats = false;
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => {
                signs.next();
            }
            '[' if !in_class => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '(' => {
                open.push(repeats);
                repeats = false;
            }
            ')' => {
                let outer = open.pop().unwrap_or(false);
                let after: String = signs.clone().take(3).collect();
                let again = after.starts_with(['+', '*']) || (after.starts_with('{') && after.ends_with(','));
                // `(…)++` does not give back.
                if repeats && again && !after.get(1..).is_some_and(|rest| rest.starts_with('+')) {
                    return true;
                }
                repeats |= outer;
            }
            '+' | '*' => {
                // A possessive one gives nothing back.
                repeats |= signs.next_if_eq(&'+').is_none();
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::explodes;

    #[test]
    fn repeated_repetitions_are_seen_and_those_of_tokenizers_are_not() {
        for pattern in [
            "(a+)+$",
            "^(([a-z])+)+$",
            "(.*)*x",
            "(?:\\w+)+",
            "(a*){2,}",
            "^(([a-z])+.)+$",
        ] {
            assert!(explodes(pattern), "{pattern}");
        }
        for pattern in [
            "(?i:'s|'t|'re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            "'s|'t| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            "(?:ab)+c",
            "[(a+)+]",
            "\\(a+\\)+",
            "(a+)?",
        ] {
            assert!(!explodes(pattern), "{pattern}");
        }
    }
}
