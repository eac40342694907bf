//! Names of files inside a model, exactly as they are signed.

use std::fmt;
use std::path::PathBuf;

/// Longest name, in bytes; no path of the system is longer.
const NAME_BYTES_MAX: usize = 4096;

/// A path below the model: `/` between parts, no part empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName(Box<str>);

/// A text that cannot name a file of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a path inside the model: {why}")]
pub struct NameError {
    pub name: String,
    pub why: &'static str,
}

impl ResourceName {
    /// Checks and takes a name; nothing is repaired.
    ///
    /// # Errors
    /// When it is empty, longer than 4096 bytes, absolute, or has an empty, `.` or `..` part or a zero byte.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refused = |why| NameError {
            name: text.chars().take(200).collect::<String>().escape_debug().to_string(),
            why,
        };
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(refused("it is empty or longer than 4096 bytes"));
        }
        if text.contains('\0') {
            return Err(refused("it holds a zero byte"));
        }
        if text.starts_with('/') {
            return Err(refused("it is absolute"));
        }
        match text.split('/').find(|part| matches!(*part, "" | "." | "..")) {
            None => Ok(Self(text.into())),
            Some("") => Err(refused("a part of it is empty")),
            Some(_) => Err(refused("a part of it is `.` or `..`")),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, outermost first; never none.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The name itself, then each folder around it, outermost last.
    pub(crate) fn and_folders(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |name| {
            name.rsplit_once('/').map(|(folder, _)| folder)
        })
    }

    pub(crate) fn below(folder: Option<&Self>, part: &str) -> Result<Self, NameError> {
        match folder {
            None => Self::parse(part),
            Some(folder) => Self::parse(&format!("{folder}/{part}")),
        }
    }

    pub(crate) fn to_path(&self) -> PathBuf {
        self.parts().collect()
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes from `start` up to `end` of a file, as `name:start:end`.
pub(crate) fn split_shard(text: &str) -> Option<(&str, u64, u64)> {
    let (rest, end) = text.rsplit_once(':')?;
    let (name, start) = rest.rsplit_once(':')?;
    Some((name, decimal(start)?, decimal(end)?))
}

/// A number as it is written, in one way only.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_names() {
        for good in ["a", "a/b", "weights.bin", "ä/ö:1:2", ".hidden", "a b\n", "..a", "a\\b"] {
            assert_eq!(ResourceName::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for bad in ["", "/", "/a", "a/", "a//b", "./a", "a/.", "..", "a/../b", "a\0b", &long] {
            assert!(ResourceName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shards_end_in_two_numbers() {
        assert_eq!(split_shard("a:b:0:10"), Some(("a:b", 0, 10)));
        for bad in [
            "a",
            "a:1",
            "a:01:2",
            "a:+1:2",
            "a:1:-2",
            "a:1:",
            "a:1:99999999999999999999",
        ] {
            assert_eq!(split_shard(bad), None, "{bad}");
        }
    }

    #[test]
    fn folders_come_after_the_name() {
        let name = ResourceName::parse("a/b/c").unwrap();
        assert_eq!(name.and_folders().collect::<Vec<_>>(), ["a/b/c", "a/b", "a"]);
    }
}
