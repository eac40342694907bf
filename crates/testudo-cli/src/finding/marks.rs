//! The file of marks: one JSON object a line, only ever added to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use testudo_types::{Direction, Origin, ThreatKind, UnixMillis};

/// In the data folder.
pub(super) const FILE_NAME: &str = "marks.jsonl";
/// More marks than people make.
const FILE_BYTES_MAX: usize = 64 << 20;
const VERSION: u64 = 1;

/// What somebody said about one finding. Holds hashes, no text of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: UnixMillis,
    pub(crate) wrong: bool,
    pub(crate) rule: String,
    pub(crate) kind: ThreatKind,
    pub(crate) direction: Direction,
    pub(crate) origin: Option<Origin>,
    /// Of the finding, when the text was at hand.
    pub(crate) score: Option<u8>,
    /// SHA-256 of the text, when it was at hand.
    pub(crate) content: Option<String>,
    /// SHA-256 of each value that the rule found in it.
    pub(crate) values: Vec<String>,
    /// The id of the exchange.
    pub(crate) exchange: Option<String>,
    /// The place of the mark's own entry in the ledger.
    pub(crate) entry: Option<u64>,
    /// The text is sealed beside that entry.
    pub(crate) kept: bool,
    pub(crate) by: String,
    pub(crate) note: Option<String>,
}

impl Mark {
    pub(super) fn judgement(&self) -> &'static str {
        if self.wrong { "wrong" } else { "right" }
    }

    /// Where the finding was, for people.
    pub(super) fn place(&self) -> String {
        match (&self.exchange, &self.content) {
            (Some(exchange), _) => exchange.clone(),
            (None, Some(content)) => format!("text {}", content.chars().take(12).collect::<String>()),
            (None, None) => String::new(),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "v": VERSION, "at": self.at.0, "mark": self.judgement(), "rule": self.rule, "kind": self.kind.as_str(),
            "direction": self.direction.as_str(), "origin": self.origin.as_ref().map(Origin::as_str),
            "score": self.score, "content_sha256": self.content, "values_sha256": self.values,
            "exchange": self.exchange, "entry": self.entry, "text_kept": self.kept,
            "by": self.by, "note": self.note,
        })
    }

    fn of(object: &Map<String, Value>) -> Option<Self> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| object.get(key).and_then(Value::as_u64);
        if number("v")? != VERSION {
            return None;
        }
        let values = object.get("values_sha256")?.as_array()?;
        Some(Self {
            at: UnixMillis(number("at")?),
            wrong: match text("mark")?.as_str() {
                "wrong" => true,
                "right" => false,
                _ => return None,
            },
            rule: text("rule")?,
            kind: ThreatKind::from_name(&text("kind")?)?,
            direction: match text("direction")?.as_str() {
                "request" => Direction::Request,
                "response" => Direction::Response,
                _ => return None,
            },
            origin: text("origin").and_then(|name| Origin::from_name(&name)),
            score: number("score").and_then(|score| u8::try_from(score).ok()),
            content: text("content_sha256"),
            values: values
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            exchange: text("exchange"),
            entry: number("entry"),
            kept: object.get("text_kept")?.as_bool()?,
            by: text("by")?,
            note: text("note"),
        })
    }

    /// What two marks are about, if it is the same.
    fn about(&self) -> (&str, &str, &str) {
        let content = self.content.as_deref().unwrap_or_default();
        (&self.rule, self.exchange.as_deref().unwrap_or_default(), content)
    }
}

/// All marks, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<Mark>);

impl Marks {
    /// Reads the marks of a data folder; none when there is no file yet.
    pub(super) fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE_NAME);
        if !path.try_exists().unwrap_or(true) {
            return Ok(Self::default());
        }
        let text = testudo_bounded::read_text(&path, FILE_BYTES_MAX)?;
        let mut marks = Vec::new();
        for (number, line) in (1usize..).zip(text.lines()) {
            let value: Option<Value> = serde_json::from_str(line).ok();
            let mark = value.as_ref().and_then(Value::as_object).and_then(Mark::of);
            match mark {
                Some(mark) => marks.push(mark),
                None => bail!(
                    "line {number} of `{}` is no mark that this version knows; move the line elsewhere",
                    path.display()
                ),
            }
        }
        Ok(Self(marks))
    }

    pub(super) fn all(&self) -> &[Mark] {
        &self.0
    }

    /// What was said last about each finding.
    pub(super) fn latest(&self) -> Vec<&Mark> {
        let mut latest: Vec<&Mark> = Vec::new();
        for mark in self.0.iter().rev() {
            if !latest.iter().any(|later| later.about() == mark.about()) {
                latest.push(mark);
            }
        }
        latest.reverse();
        latest
    }

    /// Adds a mark, durably.
    pub(super) fn add(data_dir: &Path, mark: &Mark) -> anyhow::Result<()> {
        let path = data_dir.join(FILE_NAME);
        let added = || -> io::Result<()> {
            if !data_dir.is_dir() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
            }
            let is_link = fs::symlink_metadata(&path).is_ok_and(|it| it.file_type().is_symlink());
            if is_link {
                return Err(io::Error::other("it is a link"));
            }
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            file.write_all(format!("{}\n", mark.json()).as_bytes())?;
            file.sync_all()
        };
        added().with_context(|| format!("the mark cannot be written to `{}`", path.display()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    pub(in crate::finding) fn mark(rule: &str, score: u8, wrong: bool) -> Mark {
        Mark {
            at: UnixMillis(1_000),
            wrong,
            rule: rule.to_owned(),
            kind: ThreatKind::Injection,
            direction: Direction::Request,
            origin: Some(Origin::Document),
            score: Some(score),
            content: Some(format!("{rule}{score}")),
            values: vec![format!("{:064x}", u64::from(score))],
            exchange: None,
            entry: None,
            kept: false,
            by: "ann".to_owned(),
            note: None,
        }
    }

    #[test]
    fn marks_are_read_as_written_and_only_by_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new");
        assert!(Marks::read(&data).unwrap().all().is_empty());
        let first = mark("a.b", 90, true);
        let second = Mark {
            note: Some("a \"note\"\n".to_owned()),
            exchange: Some("ex_1".to_owned()),
            entry: Some(7),
            kept: true,
            origin: None,
            score: None,
            content: None,
            values: Vec::new(),
            ..mark("a.b", 90, false)
        };
        Marks::add(&data, &first).unwrap();
        Marks::add(&data, &second).unwrap();
        assert_eq!(Marks::read(&data).unwrap().all(), [first, second]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data), mode(&data.join(FILE_NAME))), (0o700, 0o600));
    }

    #[test]
    fn the_last_word_counts() {
        let marks = Marks(vec![
            mark("a.b", 90, true),
            mark("a.b", 80, true),
            mark("a.b", 90, false),
        ]);
        let latest: Vec<(Option<u8>, bool)> = marks.latest().iter().map(|it| (it.score, it.wrong)).collect();
        assert_eq!(latest, [(Some(80), true), (Some(90), false)]);
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let sound = mark("a.b", 90, true).json().to_string();
        for bad in [
            "x".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            sound.replace("\"v\":1", "\"v\":2"),
            sound.replace("\"wrong\"", "\"perhaps\""),
            sound.replace("\"injection\"", "\"other\""),
            sound.replace("\"request\"", "\"sideways\""),
        ] {
            fs::write(dir.path().join(FILE_NAME), format!("{sound}\n{bad}\n")).unwrap();
            let error = Marks::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{bad}: {error}");
        }
        fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join(FILE_NAME)).unwrap();
        assert!(Marks::add(dir.path(), &mark("a.b", 1, true)).is_err());
        assert!(!dir.path().join("elsewhere").exists());
    }
}
