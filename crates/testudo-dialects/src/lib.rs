//! Each provider's wire format as one conversation view with byte ranges, and edits spliced back.
//!
//! Sans-I/O: bytes in, views out. Nothing is written anew; an edit replaces a range of the original
//! bytes ([`testudo_bounded::json::Edits`]), so what is not edited stays byte for byte.
//!
//! # What happens to every string
//! One walk visits every string value, key and, in tool input, number of a body or event. A table
//! per operation (`tables`) names the known fields. Each string is then one of
//!
//! * **scanned**: a [`Span`] with the [`Origin`](testudo_types::Origin) of whoever wrote it;
//! * **exempt**: a known field that looks as it should. *Word* (`type`, `role`, `finish_reason`, …):
//!   64 bytes of `[a-z0-9_.-]`; *token* (ids, model names, times): 256 bytes of
//!   `[A-Za-z0-9_.:/+=-]`; *ciphertext* (`encrypted_content`, `signature`, …): base64. A string
//!   in such a field that looks different is scanned;
//! * **a payload**: [`Form::Media`], named but not read: long base64 where base64 belongs, `data:` URIs;
//! * **unknown**: any other field. Scanned: with `Origin::Unknown` in requests; in streams as a
//!   channel of its own per path and event, so that a text split over events is read as one;
//! * **empty**: left out.
//!
//! Keys that are neither known nor plain (`[a-z0-9_]`, at most 64 bytes and four digits) are
//! spans of [`Form::Key`]; they can be judged, not rewritten.
//!
//! | operation | scanned | exempt | refused |
//! | --- | --- | --- | --- |
//! | chat completions | content (string or parts), names, refusal, reasoning, tool calls and their arguments, annotations, transcript, tokens beside log probabilities and their bytes; tools, schemas, `stop`, `user`, `metadata`, `prediction` | ids, `model`, `role`, `type`, `object`, `finish_reason`, `system_fingerprint`, `service_tier`, `obfuscation`, signatures | duplicate and look-alike keys, `model`/`stream`/`n`/limits of another type, indexes that are none |
//! | completions, embeddings | `prompt`, `input`, `suffix`, `stop`, `user`; text and tokens of the answer | as above, vectors | as above |
//! | Responses | `instructions`, `input` and every item of it, tools, `text` and `prompt` settings, `metadata`; in answers all of it again, as deltas, done events and snapshots | as above, `encrypted_content`, status words | as above, an event whose name is not its type, text after its close |
//! | Messages, token counting | `system`, content blocks of all kinds, tool input (strings, keys, numbers), tool results, documents, citations, tools, `metadata`, `stop_sequences` | as above, `signature`, `redacted_thinking` data | as above, a content block begun twice |
//! | lists of models | names for people, errors | ids, owners, times | a body |
//!
//! Every answer's error fields are scanned, in every operation. Not seen here, and said so by
//! [`RequestView`]: history held upstream, tools that run upstream, token numbers for text. What a
//! URL or a file id refers to is not seen either; the URL itself is scanned.
//!
//! # Who wrote it
//! Requests: by role; a tool's result carries the tool's name, found through the id of the call (an
//! id that two calls share names no tool). Answers: the model, except results of hosted tools and
//! the request's own settings, which Responses repeats.
//!
//! # Streams
//! [`StreamReader::frame`] reads events in order; [`StreamReader::delivered`] must be told what was
//! sent, because [`StreamReader::block`] ends exactly that. Both count on one reader per answer.

pub mod calls;
pub mod mcp;
pub mod mlflow;
pub mod sse;

mod channel;
mod operation;
mod problem;
mod refused;
mod request;
mod response;
mod served;
mod shape;
mod span;
mod stream;
mod table;
mod tables;
mod walk;

pub use channel::{Channel, ChannelKind, Piece, PieceKind, Usage};
pub use operation::{Family, Operation};
pub use problem::{Problem, error_type, problem_body};
pub use refused::Refused;
pub use request::{RequestView, read_request};
pub use response::{ResponseView, read_response};
pub use served::{LIMITS as SERVED_LIMITS, Served, Unsaid, served};
pub use span::{Form, Span, SpanPath};
pub use stream::{BlockNotice, Frame, Progress, Saying, StreamReader};
