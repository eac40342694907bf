//! Places in a file system, without looking at one.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;

use super::{ANYTHING, insert, narrow};

/// Paths in the arguments of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathFacts {
    pub present: bool,
    pub unparsed: bool,
    /// Folders that the paths lie in, with `.` and `..` resolved; `/` between their parts.
    pub directories: BTreeSet<String>,
    /// Folders that all paths are, or lie in or below.
    pub under: BTreeSet<String>,
    pub absolute: bool,
    /// `..` leads out of where a relative path begins, or above the root.
    pub escapes: bool,
    /// `~` or a variable: the shell decides where that is.
    pub home: bool,
    /// A drive, a share, a device or a stream of another system.
    pub device: bool,
    /// Written with escapes or look-alikes of dots and slashes; what they mean was followed.
    pub encoded: bool,
}

/// How often escapes inside escapes are followed.
const DECODINGS_MAX: usize = 4;

impl PathFacts {
    pub(super) fn add(&mut self, value: &str) {
        let mut written = value.trim().to_owned();
        if let Some(rest) = strip_file(&written) {
            written = rest;
        }
        for _ in 0..DECODINGS_MAX {
            self.add_form(&written);
            match decoded(&written) {
                Ok(Some(next)) => {
                    self.encoded = true;
                    written = next;
                }
                Ok(None) => return,
                Err(()) => break,
            }
        }
        // Escapes that mean no text, or too many inside one another.
        self.encoded = true;
        self.add_unparsed();
    }

    pub(super) fn add_unparsed(&mut self) {
        self.present = true;
        self.unparsed = true;
        insert(&mut self.directories, ANYTHING);
        self.under.clear();
    }

    fn add_form(&mut self, written: &str) {
        let first = !self.present;
        self.present = true;
        if written.is_empty() || written.contains(char::is_control) || is_expanded(written) {
            return self.add_unparsed();
        }
        self.device |= is_device(written);
        if is_home(written) {
            self.home = true;
            insert(&mut self.directories, ANYTHING);
            narrow(&mut self.under, first, BTreeSet::new());
            return;
        }
        let slashes = written.replace('\\', "/");
        let absolute = slashes.starts_with('/') || self.device;
        self.absolute |= absolute;
        let mut parts: Vec<&str> = Vec::new();
        let mut above: usize = 0;
        for part in slashes.split('/') {
            match part.trim_end_matches(' ') {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        above = above.saturating_add(1);
                    }
                }
                _ => parts.push(part),
            }
        }
        self.escapes |= above > 0;
        let above = if absolute { 0 } else { above };
        let of_folder = slashes.ends_with('/') || slashes.ends_with("/.") || slashes.ends_with("..") || slashes == ".";
        let folder = parts.len().saturating_sub(usize::from(!of_folder));
        insert(
            &mut self.directories,
            &joined(absolute, above, parts.get(..folder).unwrap_or_default()),
        );
        let under = (0..=parts.len()).map(|to| joined(absolute, above, parts.get(..to).unwrap_or_default()));
        narrow(&mut self.under, first, under.collect());
        if self.unparsed {
            self.under.clear();
        }
    }
}

fn joined(absolute: bool, above: usize, parts: &[&str]) -> String {
    let ups = std::iter::repeat_n("..", above);
    let path: Vec<&str> = ups.chain(parts.iter().copied()).collect();
    match (absolute, path.is_empty()) {
        (true, _) => format!("/{}", path.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => path.join("/"),
    }
}

/// The path of a `file:` address.
fn strip_file(written: &str) -> Option<String> {
    let scheme = written.get(..5)?;
    if !scheme.eq_ignore_ascii_case("file:") {
        return None;
    }
    let rest = written.get(5..)?;
    Some(match rest.strip_prefix("//") {
        // `file://host/share` is a share.
        Some(local) if local.starts_with('/') => local.to_owned(),
        Some(local) => match local.strip_prefix("localhost/") {
            Some(path) => format!("/{path}"),
            None => format!("//{local}"),
        },
        None => rest.to_owned(),
    })
}

/// One layer of escapes taken away; `None` where there are none.
fn decoded(written: &str) -> Result<Option<String>, ()> {
    let alike: String = written
        .nfkc()
        .map(|c| match c {
            '\u{2215}' | '\u{2044}' | '\u{29f8}' | '\u{ff0f}' | '\u{2571}' => '/',
            '\u{2216}' | '\u{29f5}' | '\u{ff3c}' | '\u{2572}' => '\\',
            other => other,
        })
        .collect();
    let marks = |text: &str| text.matches(['/', '\\', '.', '~']).count();
    if alike != written && marks(&alike) != marks(written) {
        return Ok(Some(alike));
    }
    if !written.contains('%') {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    let mut changed = false;
    while let [first, after @ ..] = rest {
        let escape = match (first, after) {
            (b'%', [high, low, beyond @ ..]) => hex(*high).zip(hex(*low)).map(|two| (two, beyond)),
            _ => None,
        };
        match escape {
            Some(((high, low), beyond)) => {
                bytes.push(high << 4 | low);
                changed = true;
                rest = beyond;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    if !changed {
        return Ok(None);
    }
    String::from_utf8(bytes).map(Some).map_err(|_| ())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Braces around parts that lead upwards: a shell makes several paths of it.
fn is_expanded(written: &str) -> bool {
    written.contains('{') && written.contains("..") || written.contains('`')
}

fn is_home(written: &str) -> bool {
    let variable = |at: usize| {
        let next = written.get(at.saturating_add(1)..).and_then(|rest| rest.chars().next());
        next.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '('))
    };
    let named = written.split('%').skip(1).step_by(2).any(|name| {
        name.len() > 2 && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_') && written.matches('%').count() > 1
    });
    written.starts_with('~') || named || written.match_indices('$').any(|(at, _)| variable(at))
}

/// Names that another system keeps for its devices.
const DEVICES: [&str; 8] = ["con", "prn", "aux", "nul", "conin$", "conout$", "com", "lpt"];

fn is_device(written: &str) -> bool {
    let drive = written.chars().nth(1) == Some(':') && written.starts_with(|c: char| c.is_ascii_alphabetic());
    let share = written.starts_with("\\\\") || written.starts_with("//") || written.starts_with("\\?");
    let stream = written.contains("::") || written.contains(":$");
    let device = written.split(['/', '\\']).any(|part| {
        let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_lowercase();
        let bare = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let numbered = matches!(bare, "com" | "lpt");
        DEVICES.contains(&bare) && (if numbered { stem.len() == 4 } else { bare == stem })
    });
    drive || share || stream || device
}
