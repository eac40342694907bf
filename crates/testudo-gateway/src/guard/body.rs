//! Guards a whole body: every span scanned, edits spliced into the original bytes.

use std::ops::Range;
use std::sync::Arc;

use testudo_bounded::json::{Document, Edits, Kind, Limits, StringLiteral};
use testudo_dialects::{Form, RequestView, ResponseView, Span};
use testudo_types::Origin;

use super::cover::{Edit, cover};
use super::inspection::Inspection;
use super::structure::{Structuring, Unmarkable, insertion};

/// Shorter numbers identify nobody and open nothing.
const NUMBER_BYTES_MIN: usize = 7;

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyOutcome {
    /// Nothing was edited: forward the original bytes.
    Unchanged,
    /// Forward these bytes instead.
    Edited(Vec<u8>),
    /// Forward nothing; [`Inspection::blocked`] says why.
    Blocked,
}

/// Guards a request on its way to the model, and does to its structure what the route says.
pub fn guard_request(
    view: &RequestView<'_>,
    structuring: &Structuring,
    inspection: &mut Inspection,
    limits: &Limits,
) -> BodyOutcome {
    if inspection.wants_texts() {
        show_texts(&view.spans, inspection, limits);
    }
    let explanation = match structuring.explanation(view) {
        Ok(explanation) => explanation,
        Err(Unmarkable(rule)) => {
            if inspection.unscannable(rule, &Arc::from("")) {
                return BodyOutcome::Blocked;
            }
            return guard_spans(&view.document, &view.spans, inspection, limits);
        }
    };
    let mut edits = Edits::new();
    for span in &view.spans {
        let path: Arc<str> = Arc::from(span.path.as_str());
        let tokens = structuring.tokens(span, &path, inspection);
        let mut planned = if inspection.plan().is_off() {
            Vec::new()
        } else {
            inspection.defuse(&tokens);
            plan_span(span, &path, inspection, limits)
        };
        let mut added = structuring.edits(span, &tokens);
        if let Some((place, sentence)) = &explanation {
            let behind = place.behind(&span.literal, sentence);
            added.extend(behind.map(|text| insertion(span.text.len(), text)));
        }
        if !added.is_empty() {
            planned.extend(added);
            planned = cover(planned);
        }
        if !take(span, &path, &planned, view.document.bytes(), inspection, &mut edits) {
            return BodyOutcome::Blocked;
        }
    }
    if let Some((place, sentence)) = &explanation {
        place.add(sentence, &mut edits);
    }
    spliced(&edits, view.document.bytes(), inspection)
}

/// Shows every text of a request, also those inside a string that holds JSON, before anything is made up.
fn show_texts(spans: &[Span<'_>], inspection: &mut Inspection, limits: &Limits) {
    for span in spans.iter().filter(|span| !matches!(span.form, Form::Media)) {
        inspection.show(&span.text);
        if !matches!(span.form, Form::JsonText) {
            continue;
        }
        let bytes = span.text.as_bytes();
        let Ok(inner) = Document::parse(bytes, limits) else {
            continue;
        };
        for key in inner.root().keys() {
            inspection.show(&key.decode(bytes));
        }
        for value in inner.root().descendants().filter_map(|node| node.as_str()) {
            inspection.show(&value);
        }
    }
}

/// Guards a whole response on its way to the client.
pub fn guard_response(view: &ResponseView<'_>, inspection: &mut Inspection, limits: &Limits) -> BodyOutcome {
    guard_spans(&view.document, &view.spans, inspection, limits)
}

fn guard_spans(
    document: &Document<'_>,
    spans: &[Span<'_>],
    inspection: &mut Inspection,
    limits: &Limits,
) -> BodyOutcome {
    let mut edits = Edits::new();
    for span in spans {
        let path: Arc<str> = Arc::from(span.path.as_str());
        let planned = plan_span(span, &path, inspection, limits);
        if !take(span, &path, &planned, document.bytes(), inspection, &mut edits) {
            return BodyOutcome::Blocked;
        }
    }
    spliced(&edits, document.bytes(), inspection)
}

/// Notes the edits of one string; false when the exchange must stop.
fn take(
    span: &Span<'_>,
    path: &Arc<str>,
    planned: &[Edit],
    bytes: &[u8],
    inspection: &mut Inspection,
    edits: &mut Edits,
) -> bool {
    inspection.blocked().is_none()
        && (Site::of(span).splice(bytes, planned, edits) || !inspection.unscannable("guard.splice", path))
}

fn spliced(edits: &Edits, bytes: &[u8], inspection: &mut Inspection) -> BodyOutcome {
    if edits.is_empty() {
        return BodyOutcome::Unchanged;
    }
    match edits.apply(bytes) {
        Ok(bytes) => BodyOutcome::Edited(bytes),
        Err(_) => {
            inspection.unscannable("guard.splice", &Arc::from(""));
            BodyOutcome::Blocked
        }
    }
}

/// Scans one complete span and plans edits over its decoded text.
pub(crate) fn plan_span(span: &Span<'_>, path: &Arc<str>, inspection: &mut Inspection, limits: &Limits) -> Vec<Edit> {
    match span.form {
        Form::Media => Vec::new(),
        Form::JsonText => json_text(&span.text, &span.origin, path, inspection, limits),
        Form::Text | Form::Key | Form::Number | Form::LogprobBytes => {
            let maskable = Site::of(span).maskable();
            let mut edits = inspection.whole_text(&span.text, &span.origin, path, maskable);
            if span.form == Form::Text && is_answer(path) && span.origin == Origin::Model {
                let judged = inspection.answer(&span.text, path, maskable, limits);
                if !judged.edits.is_empty() {
                    edits.extend(judged.edits);
                    edits = cover(edits);
                }
            }
            edits
        }
    }
}

/// Whether a path is that of an answer's own text, in a whole body or as a channel of a stream.
pub(crate) fn is_answer(path: &str) -> bool {
    let text = path.ends_with("/text") || path.ends_with("/content");
    let beside = ["reasoning", "summary", "thinking", "annotations"];
    let place = ["/choices/", "/output/", "/content/", "stream/"];
    text && place.iter().any(|start| path.starts_with(start)) && !beside.iter().any(|word| path.contains(word))
}

/// Scans a string that holds JSON by its decoded values, so that an escape hides nothing;
/// the edit replaces the whole text with edited, still valid JSON.
pub(crate) fn json_text(
    text: &str,
    origin: &Origin,
    path: &Arc<str>,
    inspection: &mut Inspection,
    limits: &Limits,
) -> Vec<Edit> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let Ok(inner) = Document::parse(text.as_bytes(), limits) else {
        inspection.unscannable("guard.arguments-not-json", path);
        return inspection.whole_text(text, origin, path, true);
    };
    let mut edits = Edits::new();
    for key in inner.root().keys() {
        inspection.whole_text(&key.decode(text.as_bytes()), origin, path, false);
    }
    for node in inner.root().descendants() {
        if node.kind() == Kind::Number && node.range().len() >= NUMBER_BYTES_MIN {
            // A number cannot hold a placeholder, so what is found in one stops the exchange.
            let digits = text.get(node.range()).unwrap_or_default();
            inspection.whole_text(digits, origin, path, false);
            continue;
        }
        let (Some(value), Some(literal)) = (node.as_str(), node.literal()) else {
            continue;
        };
        let planned = inspection.whole_text(&value, origin, path, true);
        let replacements = planned
            .iter()
            .map(|edit| (edit.range.clone(), edit.replacement.as_str()));
        if edits
            .replace_many_in_string(text.as_bytes(), &literal, replacements)
            .is_err()
        {
            inspection.unscannable("guard.splice", path);
        }
    }
    if edits.is_empty() {
        return Vec::new();
    }
    match edits
        .apply(text.as_bytes())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    {
        Some(replacement) => vec![Edit {
            range: 0..text.len(),
            kind: super::EditKind::Mask,
            replacement,
            weight: u8::MAX,
        }],
        None => {
            inspection.unscannable("guard.splice", path);
            Vec::new()
        }
    }
}

/// Where a string stands in its document, and how edits reach it.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    literal: StringLiteral,
    null_on_edit: Option<Range<usize>>,
    splice: bool,
    text_len: usize,
}

impl Site {
    pub(crate) fn of(span: &Span<'_>) -> Self {
        Self {
            literal: span.literal,
            null_on_edit: span.null_on_edit.clone(),
            splice: span.splice,
            text_len: span.text.len(),
        }
    }

    /// Whether what is found here can be taken out without stopping the exchange.
    pub(crate) fn maskable(&self) -> bool {
        self.splice || self.null_on_edit.is_some()
    }

    /// Puts the edits of one string into the edits of its document; false when they do not fit.
    pub(crate) fn splice(&self, bytes: &[u8], planned: &[Edit], edits: &mut Edits) -> bool {
        if planned.is_empty() {
            return true;
        }
        if let Some(companion) = &self.null_on_edit {
            edits.replace(companion.clone(), *b"null");
        }
        if !self.splice {
            return self.null_on_edit.is_some();
        }
        if let [edit] = planned
            && edit.range == (0..self.text_len)
        {
            edits.replace_string(&self.literal, &edit.replacement);
            return true;
        }
        let replacements = planned
            .iter()
            .map(|edit| (edit.range.clone(), edit.replacement.as_str()));
        edits.replace_many_in_string(bytes, &self.literal, replacements).is_ok()
    }
}
