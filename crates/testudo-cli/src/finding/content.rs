//! The texts of an exchange, from its opened content.

use std::borrow::Cow;

use testudo_bounded::json::{Document, Limits};
use testudo_dialects::{Form, Operation, read_response};
use testudo_types::{Direction, Origin};

use super::target::Target;
use crate::inspect::request_texts;
use crate::ledger::content::Parts;

/// What one direction of an exchange said, by whom; whatever cannot be read as its operation says is one text.
pub(super) fn texts(content: &[u8], target: &Target) -> Vec<(Origin, String)> {
    let parts = Parts::of(content);
    let bytes = match target.direction {
        Direction::Request => parts.request.bytes,
        Direction::Response => parts.answer.bytes,
    };
    let operation = Operation::all()
        .iter()
        .copied()
        .find(|it| it.as_str() == target.operation);
    let read = operation.and_then(|operation| match target.direction {
        Direction::Request => request_texts(operation, bytes),
        Direction::Response => answer_texts(operation, target.status, bytes),
    });
    read.unwrap_or_else(|| {
        let origin = match target.direction {
            Direction::Request => Origin::Unknown,
            Direction::Response => Origin::Model,
        };
        vec![(origin, String::from_utf8_lossy(bytes).into_owned())]
    })
}

fn answer_texts(operation: Operation, status: u16, bytes: &[u8]) -> Option<Vec<(Origin, String)>> {
    let view = read_response(operation, status, bytes, &Limits::DEFAULT).ok()?;
    let mut texts = Vec::new();
    for span in &view.spans {
        let inner = (span.form == Form::JsonText).then(|| Document::parse(span.text.as_bytes(), &Limits::DEFAULT).ok());
        match inner.flatten() {
            Some(inner) => {
                let strings = inner
                    .root()
                    .descendants()
                    .filter_map(|node| node.as_str().map(Cow::into_owned));
                texts.extend(strings.map(|text| (span.origin.clone(), text)));
            }
            None => texts.push((span.origin.clone(), span.text.clone().into_owned())),
        }
    }
    Some(texts)
}
