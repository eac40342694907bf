//! A whole answer, or an error body, as one view.

use testudo_bounded::json::{Document, Kind as JsonKind, Limits, Node};
use testudo_types::Origin;

use crate::shape::Shape;
use crate::table::Flow;
use crate::walk::{Context, Side, ToolNames, walk};
use crate::{Operation, Refused, Span, Usage, tables};

/// An answer over its original bytes.
#[derive(Debug)]
pub struct ResponseView<'a> {
    pub document: Document<'a>,
    /// Every string that is not exempt, in document order.
    pub spans: Vec<Span<'a>>,
    pub usage: Option<Usage>,
    /// The model that answered, as far as it is named as models are.
    pub model: Option<String>,
    /// Whether the body says that something failed, whatever the status.
    pub error: bool,
}

/// Reads the body of an answer; any status, since error bodies repeat what was sent.
///
/// # Errors
/// The upstream's fault: the body is not strict JSON, or an index in it is no index.
pub fn read_response<'a>(
    operation: Operation,
    status: u16,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<ResponseView<'a>, Refused> {
    let document = Document::parse(bytes, limits)?;
    let context = Context::new(Origin::Model, Flow::Whole);
    let pieces = walk(
        &document,
        tables::response(operation),
        Side::Response,
        &ToolNames::new(),
        &context,
    )?;
    let spans = pieces.into_iter().map(|piece| piece.span).collect();
    let root = document.root();
    let usage = usage(root);
    let model = model(root);
    let error = status >= 400 || root.get("error").is_some_and(|error| !error.is_null());
    Ok(ResponseView {
        spans,
        usage,
        model,
        error,
        document,
    })
}

/// The counts in a body's or event's `usage`; tokens read from or written to a cache are input too.
pub(crate) fn usage(body: Node<'_>) -> Option<Usage> {
    let number = |at: Node<'_>, key: &str| at.get(key).and_then(|value| value.as_u64());
    let Some(usage) = body.get("usage").filter(|usage| usage.kind() == JsonKind::Object) else {
        return number(body, "input_tokens").map(|tokens| Usage {
            input_tokens: Some(tokens),
            output_tokens: None,
        });
    };
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"]
        .into_iter()
        .filter_map(|key| number(usage, key))
        .fold(0u64, u64::saturating_add);
    let input = number(usage, "prompt_tokens")
        .or_else(|| number(usage, "input_tokens").map(|tokens| tokens.saturating_add(cached)));
    let output = number(usage, "completion_tokens").or_else(|| number(usage, "output_tokens"));
    (input.is_some() || output.is_some()).then_some(Usage {
        input_tokens: input,
        output_tokens: output,
    })
}

/// The model's name, if it looks like one.
pub(crate) fn model(body: Node<'_>) -> Option<String> {
    body.get("model")
        .and_then(|model| model.as_str())
        .filter(|model| Shape::Token.fits(model) && !model.is_empty())
        .map(std::borrow::Cow::into_owned)
}
