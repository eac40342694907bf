//! Labelled texts, one JSON object a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};
use testudo_detect::model::metrics::default_origin;
use testudo_types::Origin;

use crate::config::document::shown;
use crate::lines::{Line, read_line};

/// The longest line.
const LINE_BYTES_MAX: usize = 32 << 20;

/// One text with what people say about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) attack: bool,
    /// `meta.family`, else `source`.
    pub(crate) family: String,
    /// `meta.lang` in lower case.
    pub(crate) language: Option<String>,
    pub(crate) origin: Origin,
}

/// Gives each row of a file, or what is wrong with it.
///
/// # Errors
/// Only what `give` returns.
pub(super) fn each_row(path: &Path, give: &mut impl FnMut(Result<Row, String>) -> io::Result<()>) -> io::Result<()> {
    let name = path.display().to_string();
    if name == "-" {
        return each_of(io::stdin().lock(), &name, give);
    }
    match File::open(path) {
        Ok(file) => each_of(BufReader::new(file), &name, give),
        Err(error) => give(Err(format!("{name}: cannot be opened ({error})"))),
    }
}

fn each_of(
    mut reader: impl BufRead,
    name: &str,
    give: &mut impl FnMut(Result<Row, String>) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number: usize = 0;
    loop {
        number = number.saturating_add(1);
        let wrong = |what: String| Err(format!("{name}:{number}: {what}"));
        match read_line(&mut reader, &mut line, LINE_BYTES_MAX) {
            Ok(Line::End) => return Ok(()),
            Ok(Line::Whole) if line.trim_ascii().is_empty() => {}
            Ok(Line::Whole) => give(row(&line, name, number).or_else(wrong))?,
            Ok(Line::TooLong(bytes)) => give(wrong(format!("is a line of {bytes} bytes; split the text")))?,
            Err(error) => return give(wrong(format!("cannot be read ({error})"))),
        }
    }
}

pub(super) fn row(line: &[u8], name: &str, number: usize) -> Result<Row, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("is not JSON ({error})"))?;
    let Value::Object(mut object) = value else {
        return Err("is not an object; write {\"id\": …, \"text\": …, \"label\": …}".to_owned());
    };
    let Some(Value::String(text)) = object.remove("text") else {
        return Err("has no `text`, or one that is not a string".to_owned());
    };
    let id = match object.get("id") {
        Some(Value::String(id)) => id.clone(),
        Some(id @ Value::Number(_)) => id.to_string(),
        _ => format!("{name}:{number}"),
    };
    let attack = match word(&object, "label") {
        Some("benign") => false,
        Some("injection" | "jailbreak") => true,
        Some(other) => {
            let other = shown(other);
            return Err(format!(
                "has the unknown label `{other}`; known are `benign`, `injection` and `jailbreak`"
            ));
        }
        None => return Err("has no `label`; write benign, injection or jailbreak".to_owned()),
    };
    let meta = object.get("meta").and_then(Value::as_object);
    let said = |key: &str| meta.and_then(|meta| word(meta, key));
    let family = said("family").or_else(|| word(&object, "source")).unwrap_or("none");
    let origin = match word(&object, "origin").or_else(|| said("origin")) {
        None => default_origin(word(&object, "kind").unwrap_or_default(), family),
        Some(name) => Origin::from_name(name).ok_or_else(|| format!("has the unknown origin `{}`", shown(name)))?,
    };
    Ok(Row {
        attack,
        family: family.to_owned(),
        language: said("lang").map(str::to_lowercase),
        origin,
        id,
        text,
    })
}

fn word<'o>(object: &'o Map<String, Value>, key: &str) -> Option<&'o str> {
    object.get(key).and_then(Value::as_str)
}
