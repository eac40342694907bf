//! Each provider's wire format as one conversation view with byte ranges, and edits spliced back.

pub mod sse;

mod channel;
mod operation;
mod problem;
mod refused;
mod request;
mod response;
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
pub use span::{Form, Span, SpanPath};
pub use stream::{BlockNotice, Frame, Progress, StreamReader};
