//! Drafts as the TOML that people review.

use std::fmt::Write as _;

use super::ToolDraft;

/// Of a reason or description, so that a line stays a line.
const LINE_CHARS: usize = 110;

/// Writes drafts in the format of `docs/agents.md`, each unreviewed, with why it was proposed.
#[must_use]
pub fn to_toml(drafts: &[ToolDraft]) -> String {
    let mut out = String::from(
        "# Drafted from the tools' definitions; nobody has reviewed it. A tool counts as destroying and as external until\n\
         # `reviewed = true`. Check the effect and each role, add `authoritative`, `ids` and `secrets` where results have them.\n",
    );
    for draft in drafts {
        // Writing to a text does not fail.
        let _written = write(&mut out, draft);
    }
    out
}

fn write(out: &mut String, draft: &ToolDraft) -> std::fmt::Result {
    writeln!(out, "\n# {}", line(&draft.description))?;
    writeln!(out, "[tools.{}]", quoted(&draft.name))?;
    writeln!(
        out,
        "effect = \"{}\"  # {}",
        draft.effect.as_str(),
        line(&draft.effect_why)
    )?;
    if draft.external {
        writeln!(out, "external = true  # what it carries can reach somebody else")?;
    }
    writeln!(out, "reviewed = false")?;
    if draft.arguments.is_empty() {
        return Ok(());
    }
    writeln!(out, "[tools.{}.arguments]", quoted(&draft.name))?;
    for argument in &draft.arguments {
        let (path, role) = (quoted(&argument.path), argument.role.as_str());
        writeln!(out, "{path} = \"{role}\"  # {}", line(&argument.why))?;
    }
    Ok(())
}

/// One line without what would end it or deceive a terminal.
fn line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| {
            if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            {
                ' '
            } else {
                c
            }
        })
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let whole = words.join(" ");
    let mut cut: String = whole.chars().take(LINE_CHARS).collect();
    if cut.len() < whole.len() {
        cut.push('…');
    }
    cut
}

/// A key of TOML.
fn quoted(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare {
        return name.to_owned();
    }
    // The escapes of JSON are among those of TOML, but for one character that JSON leaves as it is.
    serde_json::Value::String(name.to_owned())
        .to_string()
        .replace('\u{7f}', "\\u007f")
}
