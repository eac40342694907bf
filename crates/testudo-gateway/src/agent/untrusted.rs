//! What an application declares not to be its user's or its own words: it can only lower trust.

use std::ops::Range;

use http::HeaderMap;
use testudo_dialects::RequestView;

use crate::record::Outcome;
use crate::refusal::Refusal;

/// The header in which an application names texts of a request that somebody else wrote; never forwarded.
///
/// A list of JSON Pointers into the body, each for all that is at it or below, or with `#12-80` for those characters
/// of one text.
pub const UNTRUSTED_HEADER: &str = "testudo-untrusted";

/// Declarations of one request.
const DECLARED_MAX: usize = 64;

/// The texts of one request that somebody else wrote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Untrusted(Vec<Declared>);

#[derive(Debug, Clone)]
struct Declared {
    pointer: String,
    /// Characters of the text; all of it when absent.
    characters: Option<Range<usize>>,
}

impl Untrusted {
    /// Reads the header. A declaration that names no text of the body is refused: it would protect nothing.
    pub(crate) fn read(headers: &HeaderMap, view: &RequestView<'_>) -> Result<Self, Refusal> {
        let mut declared = Vec::new();
        for value in headers.get_all(UNTRUSTED_HEADER) {
            let text = value.to_str().map_err(|_| refused("is no list of JSON Pointers"))?;
            for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
                if declared.len() >= DECLARED_MAX {
                    return Err(refused("names more than 64 texts; name what stands above them"));
                }
                declared.push(Declared::read(one, view)?);
            }
        }
        Ok(Self(declared))
    }

    /// Whether all of the text at a path is somebody else's.
    pub(crate) fn covers(&self, path: &str) -> bool {
        self.0
            .iter()
            .any(|declared| declared.characters.is_none() && declared.holds(path))
    }

    /// Byte ranges of the text at a path that are somebody else's.
    pub(crate) fn ranges(&self, path: &str, text: &str) -> Vec<Range<usize>> {
        let at = |character: usize| {
            let mut places = text.char_indices().map(|(at, _)| at);
            places.nth(character).unwrap_or(text.len())
        };
        let parts = self.0.iter().filter(|declared| declared.pointer == path);
        parts
            .filter_map(|declared| declared.characters.as_ref())
            .map(|range| at(range.start)..at(range.end))
            .collect()
    }
}

impl Declared {
    fn read(written: &str, view: &RequestView<'_>) -> Result<Self, Refusal> {
        let (pointer, part) = match written.rsplit_once('#') {
            Some((pointer, part)) => (pointer, Some(part)),
            None => (written, None),
        };
        if !pointer.starts_with('/') {
            return Err(refused(
                "holds what is no JSON Pointer; write for example `/messages/2/content`",
            ));
        }
        let characters = part.map(characters).transpose()?;
        let declared = Self {
            pointer: pointer.to_owned(),
            characters,
        };
        let exact = declared.characters.is_some();
        let named = view.spans.iter().any(|span| {
            let path = span.path.as_str();
            if exact { path == pointer } else { declared.holds(path) }
        });
        if named {
            Ok(declared)
        } else {
            Err(refused(
                "names a text that the body does not have; name the place of each text as it is sent",
            ))
        }
    }

    fn holds(&self, path: &str) -> bool {
        path.strip_prefix(self.pointer.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn characters(part: &str) -> Result<Range<usize>, Refusal> {
    let numbers = part.split_once('-').and_then(|(start, end)| {
        let range = start.parse().ok()?..end.parse().ok()?;
        (range.start < range.end).then_some(range)
    });
    numbers.ok_or_else(|| refused("has characters that are no range; write for example `#12-80`"))
}

fn refused(what: &str) -> Refusal {
    let message = format!("the header {UNTRUSTED_HEADER} {what}");
    Refusal::new(Outcome::Refused, 400, "invalid_request", message)
}
