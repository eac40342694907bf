//! The YAML that people write at the head of a model card: maps, lists and plain texts, and nothing that could be read
//! in two ways.

/// Lines of one document.
const LINES_MAX: usize = 20_000;
/// Values within each other.
const DEPTH_MAX: usize = 16;

/// A value; numbers and truth values stay texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Yaml {
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// Why a document is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum YamlError {
    #[error("it has more than {LINES_MAX} lines")]
    Long,
    #[error("values lie deeper than {DEPTH_MAX} within each other")]
    Deep,
    #[error("line {0} is neither a key with a value nor an item of a list, or uses what is not read here")]
    Line(usize),
    #[error("key `{0}` stands twice")]
    Twice(String),
}

impl Yaml {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::Text(_) | Self::List(_) => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() && text != "null" && text != "~" => Some(text),
            _ => None,
        }
    }

    /// The items of a list; a single value is a list of itself.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Text(text) if text.is_empty() => &[],
            other => std::slice::from_ref(other),
        }
    }
}

struct Line {
    number: usize,
    indent: usize,
    text: String,
}

/// Reads a document.
pub(crate) fn parse(text: &str) -> Result<Yaml, YamlError> {
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if at >= LINES_MAX {
            return Err(YamlError::Long);
        }
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let number = at.saturating_add(1);
        let indent = line.len().saturating_sub(line.trim_start_matches(' ').len());
        if line.trim_start_matches(' ').starts_with('\t') {
            return Err(YamlError::Line(number));
        }
        lines.push(Line {
            number,
            indent,
            text: bare.to_owned(),
        });
    }
    let mut reader = Reader { lines, at: 0 };
    let Some(first) = reader.lines.first() else {
        return Ok(Yaml::Map(Vec::new()));
    };
    let value = reader.block(first.indent, 0)?;
    match reader.line() {
        None => Ok(value),
        Some(line) => Err(YamlError::Line(line.number)),
    }
}

struct Reader {
    lines: Vec<Line>,
    at: usize,
}

impl Reader {
    fn line(&self) -> Option<&Line> {
        self.lines.get(self.at)
    }

    fn next(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// The value that begins at the present line and stands this far to the right.
    fn block(&mut self, indent: usize, depth: usize) -> Result<Yaml, YamlError> {
        if depth >= DEPTH_MAX {
            return Err(YamlError::Deep);
        }
        let Some(line) = self.line() else {
            return Ok(Yaml::Text(String::new()));
        };
        if item(&line.text).is_some() {
            self.list(indent, depth)
        } else if entry(&line.text).is_some() {
            self.map(indent, depth)
        } else {
            Err(YamlError::Line(line.number))
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Yaml, YamlError> {
        let mut items = Vec::new();
        while let Some(line) = self.lines.get_mut(self.at).filter(|line| line.indent == indent) {
            let Some(rest) = item(&line.text).map(str::to_owned) else {
                break;
            };
            if rest.is_empty() {
                self.next();
                items.push(self.below(indent, depth)?);
            } else if item(&rest).is_some() || entry(&rest).is_some() {
                // What begins behind the dash goes on below, as far to the right.
                let behind = line.text.len().saturating_sub(rest.len());
                line.indent = indent.saturating_add(behind);
                line.text = rest;
                let inner = line.indent;
                items.push(self.block(inner, depth.saturating_add(1))?);
            } else {
                let number = line.number;
                self.next();
                items.push(self.scalar(&rest, indent, number)?);
            }
        }
        Ok(Yaml::List(items))
    }

    fn map(&mut self, indent: usize, depth: usize) -> Result<Yaml, YamlError> {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        while let Some(line) = self.line().filter(|line| line.indent == indent) {
            if item(&line.text).is_some() {
                break;
            }
            let number = line.number;
            let Some((key, rest)) = entry(&line.text) else {
                return Err(YamlError::Line(number));
            };
            let rest = rest.to_owned();
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(YamlError::Twice(key.chars().take(80).collect()));
            }
            self.next();
            let value = if rest.is_empty() || rest.starts_with('#') {
                self.below(indent, depth)?
            } else {
                self.scalar(&rest, indent, number)?
            };
            entries.push((key, value));
        }
        Ok(Yaml::Map(entries))
    }

    /// What stands below a key or a dash: further right, or a list just below its key.
    fn below(&mut self, indent: usize, depth: usize) -> Result<Yaml, YamlError> {
        match self.line() {
            Some(line) if line.indent > indent && entry(&line.text).is_none() && item(&line.text).is_none() => {
                Ok(Yaml::Text(self.more(String::new(), indent)))
            }
            Some(line) if line.indent > indent || (line.indent == indent && item(&line.text).is_some()) => {
                let inner = line.indent;
                self.block(inner, depth.saturating_add(1))
            }
            _ => Ok(Yaml::Text(String::new())),
        }
    }

    /// The lines that go on with a text.
    fn more(&mut self, mut text: String, indent: usize) -> String {
        while let Some(line) = self.line().filter(|line| line.indent > indent) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&line.text);
            self.next();
        }
        text
    }

    fn scalar(&mut self, rest: &str, indent: usize, number: usize) -> Result<Yaml, YamlError> {
        match rest.chars().next() {
            Some('|' | '>') => Ok(Yaml::Text(self.more(String::new(), indent))),
            Some('&' | '*' | '!' | '%' | '@' | '`') => Err(YamlError::Line(number)),
            Some('[') => {
                let whole = self.more(rest.to_owned(), indent);
                flow(&whole).ok_or(YamlError::Line(number))
            }
            // Not read, and not mistaken for anything else.
            Some('{') => {
                self.more(String::new(), indent);
                Ok(Yaml::Text(String::new()))
            }
            Some('"' | '\'') => {
                let whole = self.more(rest.to_owned(), indent);
                quoted(&whole).map(Yaml::Text).ok_or(YamlError::Line(number))
            }
            _ => {
                let whole = self.more(plain(rest).to_owned(), indent);
                Ok(Yaml::Text(whole))
            }
        }
    }
}

/// What follows a dash.
fn item(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('-')?;
    if rest.is_empty() || rest.starts_with(' ') {
        Some(rest.trim_start())
    } else {
        None
    }
}

/// A key and what follows it.
fn entry(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let (key, rest) = text.get(1..)?.split_once(quote)?;
        let rest = rest.trim_start().strip_prefix(':')?;
        return (rest.is_empty() || rest.starts_with(' ')).then(|| (key.to_owned(), rest.trim()));
    }
    if text.starts_with(['[', '{', '#']) {
        return None;
    }
    let (key, rest) = match text.split_once(": ") {
        Some((key, rest)) => (key, rest),
        None => (text.strip_suffix(':')?, ""),
    };
    Some((key.trim_end().to_owned(), rest.trim()))
}

/// Without a comment behind it.
fn plain(text: &str) -> &str {
    text.split_once(" #").map_or(text, |(text, _)| text).trim_end()
}

fn quoted(text: &str) -> Option<String> {
    let mut letters = text.chars();
    let quote = letters.next()?;
    let mut out = String::new();
    loop {
        match letters.next()? {
            '\\' if quote == '"' => match letters.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                letter @ ('"' | '\\' | '/') => out.push(letter),
                _ => return None,
            },
            letter if letter == quote => {
                let rest = letters.as_str();
                match rest.strip_prefix('\'').filter(|_| quote == '\'') {
                    Some(more) => {
                        out.push('\'');
                        letters = more.chars();
                    }
                    None => return plain(rest).trim().is_empty().then_some(out),
                }
            }
            letter => out.push(letter),
        }
    }
}

/// `[a, "b"]`, of texts alone.
fn flow(text: &str) -> Option<Yaml> {
    let inner = plain(text).strip_prefix('[')?.strip_suffix(']')?;
    if inner.contains(['[', ']', '{', '}']) {
        return None;
    }
    let items = inner.split(',').map(str::trim).filter(|text| !text.is_empty());
    let items = items.map(|text| {
        if text.starts_with(['"', '\'']) {
            quoted(text).map(Yaml::Text)
        } else {
            Some(Yaml::Text(text.to_owned()))
        }
    });
    items.collect::<Option<Vec<_>>>().map(Yaml::List)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Yaml {
        Yaml::Text(text.to_owned())
    }

    #[test]
    fn what_cards_hold_is_read() {
        let card = "\
language: en
# a comment
tags:
- sentence-transformers
- 'feature: x'
datasets: [a, \"b c\"]
long: >-
  two
  lines
model-index:
- name: m
  results:
    - task:
        type: text-classification
      metrics:
      - type: acc
        value: 0.9   # good
empty:
";
        let yaml = parse(card).unwrap();
        assert_eq!(yaml.get("language"), Some(&text("en")));
        assert_eq!(
            yaml.get("tags").unwrap().items(),
            [text("sentence-transformers"), text("feature: x")]
        );
        assert_eq!(yaml.get("datasets").unwrap().items(), [text("a"), text("b c")]);
        assert_eq!(yaml.get("long"), Some(&text("two lines")));
        assert_eq!(yaml.get("empty").unwrap().text(), None);
        let results = yaml.get("model-index").unwrap().items()[0].get("results").unwrap();
        let metric = &results.items()[0].get("metrics").unwrap().items()[0];
        assert_eq!(metric.get("value"), Some(&text("0.9")));
        assert_eq!(
            results.items()[0].get("task").unwrap().get("type"),
            Some(&text("text-classification"))
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "license: mit\nlicense: apache-2.0",
            "license: &a mit\nother: *a",
            "a: !!python/object:os.system x",
            "just text",
            "\ta: b",
            "a: [b",
            "a: 'b",
            "a: \"b\\x\"",
            "a: b\n c: d\n",
            "<<: *base",
        ] {
            let read = parse(bad);
            assert!(
                read.is_err() || read == Ok(Yaml::Map(vec![("a".to_owned(), text("b c: d"))])),
                "{bad}: {read:?}"
            );
        }
        let deep = (0..40).map(|at| format!("{}k:\n", " ".repeat(at))).collect::<String>();
        assert_eq!(parse(&deep), Err(YamlError::Deep));
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "([ \\-a:\\[\\]'\"#|\n]|- |: ){0,120}") {
            let _read = parse(&text);
        }
    }
}
