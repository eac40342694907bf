//! What a tool gave back, as scalars with their paths: JSON, YAML, a table, or one plain text.

use serde_json::Value;

use super::{tables, yaml};

/// The longest text that is read as structure; what is longer is one plain text.
const STRUCTURE_BYTES_MAX: usize = 1 << 20;
/// Leaves of one text; what has more is one plain text.
const LEAVES_MAX: usize = 65_536;
/// Levels of lists and mappings in arguments and results.
const DEPTH_MAX: usize = 64;
/// A longer path has a mark in the place of its keys.
const PATH_BYTES_MAX: usize = 256;

/// A scalar of a result or of arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// `$[*].email`; keys are leaves, too, at the path of their mapping and `~`.
    pub path: String,
    /// As it would be written in text.
    pub value: String,
    /// The mapping it belongs to, or itself in a list that is no part of a mapping; an index of [`Leaves::records`].
    pub record: u32,
    /// For a key whose value is a mapping: that mapping.
    pub names: Option<u32>,
}

/// The scalars of a text, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaves {
    pub leaves: Vec<Leaf>,
    /// For each record the one that it is part of.
    pub records: Vec<Option<u32>>,
    /// Nothing but one text.
    pub plain: bool,
}

impl Leaves {
    /// Reads a result. What is neither JSON nor YAML nor a table, or too large or too deep to be read, is one
    /// leaf at `$`.
    #[must_use]
    pub fn of_result(text: &str) -> Self {
        let structure = (text.len() <= STRUCTURE_BYTES_MAX)
            .then(|| {
                json(text)
                    .or_else(|| tables::read(text, Builder::default()))
                    .or_else(|| yaml::read(text, Builder::default()))
            })
            .flatten();
        structure.map_or_else(|| Self::of_text(text), |builder| builder.leaves)
    }

    /// A text that has no parts.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self {
            leaves: vec![Leaf {
                path: "$".to_owned(),
                value: text.to_owned(),
                record: 0,
                names: None,
            }],
            records: vec![None],
            plain: true,
        }
    }

    /// Reads arguments; `None` when there are too many or they lie too deep to be judged.
    #[must_use]
    pub fn of_arguments(arguments: &Value) -> Option<Self> {
        let mut builder = Builder::default();
        walk(arguments, &mut builder, 0)?;
        Some(builder.leaves)
    }
}

fn json(text: &str) -> Option<Builder> {
    let start = text.trim_start();
    if !start.starts_with(['{', '[']) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let mut builder = Builder::default();
    walk(&value, &mut builder, 0)?;
    Some(builder)
}

fn walk(value: &Value, builder: &mut Builder, depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value {
        Value::Null => {}
        Value::Bool(value) => builder.scalar(if *value { "true" } else { "false" })?,
        Value::Number(number) => builder.scalar(&number.to_string())?,
        Value::String(text) => builder.scalar(text)?,
        Value::Array(items) => {
            builder.open_list();
            for item in items {
                builder.enter_element();
                walk(item, builder, depth.saturating_add(1))?;
                builder.leave();
            }
            builder.close();
        }
        Value::Object(members) => {
            builder.open_mapping();
            for (key, item) in members {
                builder.enter_key(key)?;
                walk(item, builder, depth.saturating_add(1))?;
                builder.leave();
            }
            builder.close();
        }
    }
    Some(())
}

/// Collects leaves on a walk through structure.
#[derive(Debug)]
pub(super) struct Builder {
    leaves: Leaves,
    path: String,
    /// Lengths of the path at each level entered.
    marks: Vec<usize>,
    /// The records that are open; `None` for a list.
    open: Vec<Option<u32>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            leaves: Leaves::default(),
            path: "$".to_owned(),
            marks: Vec::new(),
            open: Vec::new(),
        }
    }
}

impl Builder {
    pub(super) fn open_list(&mut self) {
        self.open.push(None);
    }

    pub(super) fn open_mapping(&mut self) {
        let record = self.new_record();
        // The key that was just given, if this is the value of one.
        if let Some(key) = self.leaves.leaves.last_mut()
            && key.path.len() == self.marks.last().map_or(0, |mark| mark.saturating_add(1))
            && key.path.ends_with('~')
        {
            key.names = Some(record);
        }
        self.open.push(Some(record));
    }

    pub(super) fn close(&mut self) {
        self.open.pop();
    }

    pub(super) fn enter_element(&mut self) {
        self.marks.push(self.path.len());
        self.path.push_str("[*]");
    }

    /// The key is a leaf of its own.
    pub(super) fn enter_key(&mut self, key: &str) -> Option<()> {
        self.marks.push(self.path.len());
        self.path.push('~');
        self.scalar(key)?;
        self.path.pop();
        self.path.push('.');
        let fits = self.path.len().saturating_add(key.len()) <= PATH_BYTES_MAX;
        self.path.push_str(if fits { key } else { "\u{2026}" });
        Some(())
    }

    pub(super) fn leave(&mut self) {
        if let Some(mark) = self.marks.pop() {
            self.path.truncate(mark);
        }
    }

    /// `None` when there are too many leaves.
    pub(super) fn scalar(&mut self, value: &str) -> Option<()> {
        if self.leaves.leaves.len() >= LEAVES_MAX {
            return None;
        }
        let record = match self.open.iter().rev().flatten().next() {
            Some(record) => *record,
            None => self.new_record(),
        };
        self.leaves.leaves.push(Leaf {
            path: self.path.clone(),
            value: value.to_owned(),
            record,
            names: None,
        });
        Some(())
    }

    fn new_record(&mut self) -> u32 {
        let record = u32::try_from(self.leaves.records.len()).unwrap_or(u32::MAX);
        let parent = self.open.iter().rev().flatten().next().copied();
        self.leaves.records.push(parent);
        record
    }
}
