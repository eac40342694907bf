//! A request as one view: what is asked, and every string with who wrote it.

use testudo_bounded::json::{Document, Kind as JsonKind, Limits, Node};
use testudo_types::Origin;

use crate::table::Flow;
use crate::walk::{Context, Side, ToolNames, tool_name, walk};
use crate::{Operation, Refused, Span, tables};

mod facts;

/// A request over its original bytes.
#[derive(Debug)]
pub struct RequestView<'a> {
    pub document: Document<'a>,
    pub operation: Operation,
    pub model: Option<String>,
    /// Whether the client asks for an event stream.
    pub stream: bool,
    /// Most tokens one choice may have.
    pub output_tokens_max: Option<u64>,
    /// How many choices the upstream makes and bills; at least 1.
    pub choices: u64,
    /// Every string that is not exempt, in document order.
    pub spans: Vec<Span<'a>>,
    /// Tools that execute upstream, unseen from here, by their type; sorted, without repeats.
    pub hosted_tools: Vec<String>,
    /// Whether conversation content is held upstream, unseen from here: `previous_response_id`,
    /// `conversation`, `prompt`, item references, `background`, an explicit `store`.
    pub server_history: bool,
    /// Whether text is sent as token numbers, which nothing here can read.
    pub token_prompt: bool,
}

/// Reads a request's body. An operation that takes none gives an empty view of an empty body.
///
/// # Errors
/// The client's fault: the body is not strict JSON, no object, has a key that
/// resembles a known one, or a known field of a type that readers disagree about.
pub fn read_request<'a>(operation: Operation, bytes: &'a [u8], limits: &Limits) -> Result<RequestView<'a>, Refused> {
    let document = if operation.has_body() {
        Document::parse(bytes, limits)?
    } else if bytes.is_empty() {
        Document::parse(b"{}", limits)?
    } else {
        return Err(Refused::UnexpectedBody);
    };
    let root = document.root();
    if root.kind() != JsonKind::Object {
        return Err(Refused::NotAnObject);
    }
    let context = Context::new(Origin::Unknown, Flow::Whole);
    let tools = tool_names(operation, root);
    let pieces = walk(&document, tables::request(operation), Side::Request, &tools, &context)?;
    let spans = pieces.into_iter().map(|piece| piece.span).collect();
    Ok(RequestView {
        model: facts::string(root, "model")?,
        stream: facts::boolean(root, "stream")?,
        output_tokens_max: facts::output_tokens_max(operation, root)?,
        choices: facts::choices(operation, root)?,
        hosted_tools: facts::hosted_tools(operation, root)?,
        server_history: facts::server_history(operation, root)?,
        token_prompt: facts::token_prompt(operation, root),
        operation,
        spans,
        document,
    })
}

/// Which tool each call of the conversation was for. An id that two calls share names no tool.
fn tool_names(operation: Operation, root: Node<'_>) -> ToolNames {
    let mut names = ToolNames::new();
    let mut add = |id: Option<Node<'_>>, name: Option<Node<'_>>| {
        let (Some(id), Some(name)) = (id.and_then(|id| id.as_str()), name.and_then(|name| name.as_str())) else {
            return;
        };
        let name = tool_name(&name);
        names
            .entry(id.as_ref().into())
            .and_modify(|known| {
                if *known != name {
                    *known = None;
                }
            })
            .or_insert_with(|| name.clone());
    };
    match operation {
        Operation::ChatCompletions => {
            for message in root.get("messages").into_iter().flat_map(|list| list.items()) {
                for call in message.get("tool_calls").into_iter().flat_map(|list| list.items()) {
                    let function = call.get("function").or_else(|| call.get("custom"));
                    add(call.get("id"), function.and_then(|function| function.get("name")));
                }
            }
        }
        Operation::Responses => {
            for item in root.get("input").into_iter().flat_map(|list| list.items()) {
                add(item.get("call_id"), item.get("name"));
            }
        }
        Operation::Messages | Operation::CountTokens => {
            for message in root.get("messages").into_iter().flat_map(|list| list.items()) {
                for block in message.get("content").into_iter().flat_map(|list| list.items()) {
                    add(block.get("id"), block.get("name"));
                }
            }
        }
        Operation::Completions | Operation::Embeddings | Operation::Models | Operation::AnthropicModels => {}
    }
    names
}
