//! What a server says that it serves, out of the documents that real servers answer with.

use testudo_bounded::json::{Document, Limits, Node};

/// The longest name that a server may give what it serves, in bytes.
const SAID_BYTES_MAX: usize = 1024;
/// Of a document.
pub const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    depth_max: 32,
    nodes_max: 50_000,
};

/// Which server's document it is, and what in it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served<'q> {
    /// Ollama: the digest of a model in `/api/tags`.
    Ollama {
        /// As Ollama names it; without a tag `latest` is meant.
        model: &'q str,
    },
    /// Text Generation Inference: `model_sha` in `/info`, or `model_id` for a model from a folder.
    Tgi,
    /// vLLM: `root` of a model in `/v1/models`.
    Vllm {
        /// `None` for the only one that is no adapter.
        model: Option<&'q str>,
    },
    /// The text at a JSON pointer (RFC 6901) of any document.
    Pointer(&'q str),
}

/// Why a document does not say what is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// It is no JSON, or not of the shape that was expected.
    #[error("it answers with something else than JSON")]
    Shape,
    /// The model that was asked about is not in it.
    #[error("it does not serve the model that it was asked about")]
    NoModel,
    /// More than one model is in it that could be meant.
    #[error("it serves several models; say which one is meant")]
    Several,
    /// What stands there is no text, empty or too long.
    #[error("its answer does not say what it serves")]
    NoText,
}

/// What the server calls that which it serves.
///
/// # Errors
/// When the document does not say it; nothing is guessed.
pub fn served(question: &Served<'_>, document: &[u8]) -> Result<String, Unsaid> {
    let document = Document::parse(document, &LIMITS).map_err(|_| Unsaid::Shape)?;
    let root = document.root();
    let text = match question {
        Served::Ollama { model } => text(ollama(root, model)?, "digest"),
        Served::Tgi => text(root, "model_sha").or_else(|| text(root, "model_id")),
        Served::Vllm { model } => text(vllm(root, *model)?, "root"),
        Served::Pointer(pointer) => at(root, pointer).and_then(|node| node.as_str()).map(Into::into),
    };
    text.filter(|text| !text.is_empty() && text.len() <= SAID_BYTES_MAX)
        .ok_or(Unsaid::NoText)
}

fn text(node: Node<'_>, key: &str) -> Option<String> {
    Some(node.get(key)?.as_str()?.into_owned())
}

/// A name without a tag means the tag `latest`.
fn ollama<'d>(root: Node<'d>, model: &str) -> Result<Node<'d>, Unsaid> {
    let models = root.get("models").ok_or(Unsaid::Shape)?;
    let last = model.rsplit('/').next().unwrap_or(model);
    let tagged = if last.contains(':') {
        model.to_owned()
    } else {
        format!("{model}:latest")
    };
    let is_it = |entry: &Node<'d>| {
        let names = [entry.get("model"), entry.get("name")];
        names
            .into_iter()
            .flatten()
            .any(|name| name.as_str().is_some_and(|it| it == tagged))
    };
    only(models.items().filter(is_it))
}

/// Adapters have a parent, and are meant only by name.
fn vllm<'d>(root: Node<'d>, model: Option<&str>) -> Result<Node<'d>, Unsaid> {
    let models = root.get("data").ok_or(Unsaid::Shape)?;
    match model {
        Some(model) => {
            let is_it = |entry: &Node<'d>| {
                entry
                    .get("id")
                    .is_some_and(|id| id.as_str().is_some_and(|it| it == model))
            };
            only(models.items().filter(is_it))
        }
        None => {
            let is_whole = |entry: &Node<'d>| entry.get("parent").is_none_or(|parent| parent.is_null());
            // One model under several names has one root.
            let mut whole = models.items().filter(is_whole);
            let first = whole.next().ok_or(Unsaid::NoModel)?;
            if whole.all(|other| text(other, "root") == text(first, "root")) {
                Ok(first)
            } else {
                Err(Unsaid::Several)
            }
        }
    }
}

fn only<'d>(mut found: impl Iterator<Item = Node<'d>>) -> Result<Node<'d>, Unsaid> {
    match (found.next(), found.next()) {
        (Some(it), None) => Ok(it),
        (None, _) => Err(Unsaid::NoModel),
        (Some(_), Some(_)) => Err(Unsaid::Several),
    }
}

fn at<'d>(root: Node<'d>, pointer: &str) -> Option<Node<'d>> {
    let mut tokens = pointer.split('/');
    let mut node = tokens.next().filter(|before| before.is_empty()).map(|_| root)?;
    for token in tokens {
        let key = token.replace("~1", "/").replace("~0", "~");
        node = match node.get(&key) {
            Some(member) => member,
            None => node.items().nth(index(token)?)?,
        };
    }
    Some(node)
}

/// Without leading zeros, as the pointers' specification has it.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    token.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests;
