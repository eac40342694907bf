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
