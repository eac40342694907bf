//! Which invisible characters are somebody's ordinary writing.

/// Whether a run of Unicode tag characters is anything but one of the three emoji flags that use them.
pub(super) fn not_a_flag(text: &str) -> bool {
    let Some(tags) = text.strip_prefix('\u{1F3F4}') else {
        return true;
    };
    let spelled: String = tags
        .chars()
        .map(|c| {
            u32::from(c)
                .checked_sub(0xE0000)
                .and_then(char::from_u32)
                .unwrap_or('\u{FFFD}')
        })
        .collect();
    !matches!(spelled.as_str(), "gbeng\u{7F}" | "gbsct\u{7F}" | "gbwls\u{7F}")
}

/// Whether lines of signs can be letters drawn large: they differ, and rules and boxes do not.
pub(super) fn drawing(text: &str) -> bool {
    let mut lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let count = lines.len();
    let inked = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let thin = lines
        .iter()
        .filter(|line| inked(line).saturating_mul(10) < line.chars().count().saturating_mul(9))
        .count();
    lines.sort_unstable();
    lines.dedup();
    count >= 4 && lines.len() >= 3 && thin.saturating_mul(2) > count && inked(text) >= 24
}
