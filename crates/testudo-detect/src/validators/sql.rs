//! Statements that reach every row.

/// Whether a statement names no rows, or names them by a condition that is always true.
pub(super) fn without_where(statement: &str) -> bool {
    let words: Vec<String> = statement
        .to_ascii_lowercase()
        .split(|c: char| c.is_whitespace() || c == ';')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let Some(at) = words.iter().position(|word| word == "where") else {
        return !words.iter().any(|word| word == "using" || word == "limit");
    };
    let condition: String = words.iter().skip(at.saturating_add(1)).map(String::as_str).collect();
    matches!(condition.as_str(), "1" | "true" | "1=1" | "'1'='1'" | "0=0" | "not0")
}
