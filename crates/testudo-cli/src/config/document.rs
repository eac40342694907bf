//! Reads TOML with the line of everything, and goes on after a mistake.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use super::quantity::NotThis;
use super::suggest::did_you_mean;

/// A value and the line it stands in, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    root: DeTable<'t>,
    text: &'t str,
}

impl<'t> Document<'t> {
    /// Parses `text`; what could be read is kept beside the mistakes.
    pub(crate) fn parse(text: &'t str, problems: &mut Problems) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| line_at(text, span.start));
            let what = error.message().replace('\n', ", ");
            problems.add(line, what, "");
        }
        Self {
            root: root.into_inner(),
            text,
        }
    }

    /// The keys at the top.
    pub(crate) fn root(&self) -> Section<'_> {
        Section::new(String::new(), 1, &self.root, self.text)
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let lines = text.bytes().take(offset).filter(|byte| *byte == b'\n');
    lines.count().saturating_add(1)
}

/// An entry under a name of the user's own: a table, or the text in its place.
#[derive(Debug)]
pub(crate) struct Entry<'d> {
    pub(crate) name: At<String>,
    pub(crate) value: Result<Section<'d>, String>,
}

/// A table whose keys are taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Section<'d> {
    /// Dotted; empty at the top.
    path: String,
    pub(crate) line: usize,
    text: &'d str,
    entries: BTreeMap<&'d str, (usize, &'d Spanned<DeValue<'d>>)>,
    known: Vec<&'static str>,
}

impl<'d> Section<'d> {
    fn new(path: String, line: usize, table: &'d DeTable<'d>, text: &'d str) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), (line_at(text, key.span().start), value)))
            .collect();
        Self {
            path,
            line,
            text,
            entries,
            known: Vec::new(),
        }
    }

    /// The full name of a key, for messages.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Whether a key stands in the table and was not taken yet.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<At<String>> {
        let (line, value) = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At {
                value: text.to_string(),
                line,
            }),
            other => {
                self.wrong(key, line, other, "write a text in quotes", problems);
                None
            }
        }
    }

    /// A switch.
    pub(crate) fn flag(&mut self, key: &'static str, problems: &mut Problems) -> Option<At<bool>> {
        let (line, value) = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(At { value: *flag, line }),
            other => {
                self.wrong(key, line, other, "write true or false without quotes", problems);
                None
            }
        }
    }

    /// A quantity, written as a text or a bare number.
    pub(crate) fn quantity<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, NotThis>,
        problems: &mut Problems,
    ) -> Option<At<T>> {
        let (line, value) = self.take(key)?;
        let written = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string().replace('_', ""),
            DeValue::Float(number) => number.to_string(),
            other => {
                let NotThis(remedy) = parse("").err().unwrap_or(NotThis("write a number"));
                self.wrong(key, line, other, remedy, problems);
                return None;
            }
        };
        match parse(&written) {
            Ok(value) => Some(At { value, line }),
            Err(NotThis(remedy)) => {
                let name = self.name(key);
                problems.at(line, format!("`{name}` cannot be `{}`", shown(&written)), remedy);
                None
            }
        }
    }

    /// A list of texts; empty when absent.
    pub(crate) fn texts(&mut self, key: &'static str, problems: &mut Problems) -> Vec<At<String>> {
        let Some((line, value)) = self.take(key) else {
            return Vec::new();
        };
        let remedy = "write a list of texts, for example [\"one\", \"two\"]";
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, line, value.get_ref(), remedy, problems);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            let line = line_at(self.text, item.span().start);
            match item.get_ref() {
                DeValue::String(text) => texts.push(At {
                    value: text.to_string(),
                    line,
                }),
                other => self.wrong(key, line, other, remedy, problems),
            }
        }
        texts
    }

    /// A table inside this one.
    pub(crate) fn section(&mut self, key: &'static str, problems: &mut Problems) -> Option<Section<'d>> {
        let (line, value) = self.take(key)?;
        self.inner(key, line, value, problems)
    }

    /// A list of texts and tables; empty when absent.
    pub(crate) fn texts_or_tables(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<Result<Section<'d>, At<String>>> {
        let Some((line, value)) = self.take(key) else {
            return Vec::new();
        };
        let remedy = "write a list of texts or tables in braces";
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, line, value.get_ref(), remedy, problems);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            let line = line_at(self.text, item.span().start);
            match item.get_ref() {
                DeValue::String(text) => found.push(Err(At {
                    value: text.to_string(),
                    line,
                })),
                DeValue::Table(table) => found.push(Ok(Section::new(self.name(key), line, table, self.text))),
                other => self.wrong(key, line, other, remedy, problems),
            }
        }
        found
    }

    /// A table inside this one, or the text that stands in its place.
    pub(crate) fn section_or_text(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Result<Section<'d>, At<String>>> {
        let (line, value) = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Err(At {
                value: text.to_string(),
                line,
            })),
            _ => self.inner(key, line, value, problems).map(Ok),
        }
    }

    /// All tables of a table whose keys the user chooses, in the order of the file.
    pub(crate) fn named(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(At<String>, Section<'d>)> {
        let Some(outer) = self.section(key, problems) else {
            return Vec::new();
        };
        let mut found: Vec<(At<String>, Section<'d>)> = Vec::new();
        for (name, (line, value)) in &outer.entries {
            if let Some(section) = outer.inner(name, *line, value, problems) {
                let name = At {
                    value: (*name).to_owned(),
                    line: *line,
                };
                found.push((name, section));
            }
        }
        found.sort_by_key(|(name, _)| name.line);
        found
    }

    /// Every entry of a table whose keys are names of the user's own.
    pub(crate) fn entries(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Entry<'d>> {
        let Some(outer) = self.section(key, problems) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, (line, value)) in &outer.entries {
            let line = *line;
            let read = match value.get_ref() {
                DeValue::String(text) => Some(Err(text.to_string())),
                _ => outer.inner(name, line, value, problems).map(Ok),
            };
            let value = (*name).to_owned();
            let name = At { value, line };
            found.extend(read.map(|value| Entry { name, value }));
        }
        found
    }

    /// Whole numbers under names of the user's own; empty when absent.
    pub(crate) fn counts(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(At<String>, At<u64>)> {
        let Some(outer) = self.section(key, problems) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, (line, value)) in &outer.entries {
            let line = *line;
            let number = match value.get_ref() {
                DeValue::Integer(number) => number.to_string().replace('_', "").parse::<u64>().ok(),
                _ => None,
            };
            match number {
                Some(value) => {
                    let name = (*name).to_owned();
                    found.push((At { value: name, line }, At { value, line }));
                }
                None => outer.wrong(
                    name,
                    line,
                    value.get_ref(),
                    "write a whole number without quotes",
                    problems,
                ),
            }
        }
        found
    }

    /// A list of tables; empty when absent.
    pub(crate) fn tables(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Section<'d>> {
        let Some((line, value)) = self.take(key) else {
            return Vec::new();
        };
        let name = self.name(key);
        let remedy = format!("write each as [[{name}]]");
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, line, value.get_ref(), &remedy, problems);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            let line = line_at(self.text, item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Section::new(name.clone(), line, table, self.text)),
                other => self.wrong(key, line, other, &remedy, problems),
            }
        }
        tables
    }

    /// Reports a key that is absent.
    pub(crate) fn require(&self, key: &str, example: &str, problems: &mut Problems) {
        if !self.entries.contains_key(key) {
            problems.at(
                self.line,
                format!("`{}` is missing", self.name(key)),
                format!("add {key} = {example}"),
            );
        }
    }

    /// Reports every key that was not taken.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (key, (line, _)) in &self.entries {
            if !self.known.contains(key) {
                let remedy = did_you_mean(key, self.known.iter().copied());
                problems.at(*line, format!("`{}` is not a setting", self.name(&shown(key))), remedy);
            }
        }
    }

    fn inner(
        &self,
        key: &str,
        line: usize,
        value: &'d Spanned<DeValue<'d>>,
        problems: &mut Problems,
    ) -> Option<Section<'d>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.name(key), line, table, self.text)),
            other => {
                let name = self.name(key);
                let remedy = format!("write a table: [{name}] or {key} = {{ … }}");
                self.wrong(key, line, other, &remedy, problems);
                None
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, &'d Spanned<DeValue<'d>>)> {
        self.known.push(key);
        self.entries.get(key).copied()
    }

    /// Never shows the value: it may be a secret in the wrong place.
    fn wrong(&self, key: &str, line: usize, found: &DeValue<'_>, remedy: &str, problems: &mut Problems) {
        let kind = match found {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        problems.at(line, format!("`{}` cannot be {kind}", self.name(key)), remedy);
    }
}

/// A piece of the user's text, short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut out: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}
