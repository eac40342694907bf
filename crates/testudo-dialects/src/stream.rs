//! The events of a streamed answer: which texts they continue, which they end, and how to end them all.

use std::collections::BTreeSet;

use testudo_bounded::json::{Document, Limits, Node};
use testudo_types::Origin;

use crate::shape::Shape;
use crate::sse::Event;
use crate::table::Flow;
use crate::walk::{Context, Side, ToolNames, walk};
use crate::{Channel, ChannelKind, Operation, Piece, PieceKind, Refused, Usage, response, tables};

mod anthropic;
mod chat;
mod ending;
mod lines;
mod responses;
mod saying;

use ending::{Delivered, Head};
pub use saying::Saying;

/// Most channels of one stream, open or closed.
const CHANNELS_MAX: usize = 4096;

/// Reads the events of one streamed answer, in order.
#[derive(Debug)]
pub struct StreamReader {
    operation: Operation,
    head: Head,
    /// Channels that may still grow.
    open: BTreeSet<Channel>,
    closed: BTreeSet<Scope>,
    /// Choices or blocks that have begun.
    begun: BTreeSet<u32>,
    /// Whether the stream's own end was read.
    ended: bool,
    delivered: Delivered,
}

/// What one event holds.
#[derive(Debug, Default)]
pub struct Frame<'e> {
    /// Every string that is not exempt, in document order; empty strings are left out.
    pub pieces: Vec<Piece<'e>>,
    /// Channels that get no more text after this event. The end of the bytes closes all.
    pub closes: Vec<Channel>,
    /// Counts so far; they are cumulative.
    pub usage: Option<Usage>,
    /// Whether nothing of meaning follows.
    pub end: bool,
    /// Whether the block has lines beside `data` and `event` that could carry text to the client
    /// (comments, ids, unknown fields): send it with [`crate::sse::write`] instead of its raw
    /// bytes, or not at all when it has no data.
    pub other_lines: bool,
    /// What the client knows once it has this event; give it to [`StreamReader::delivered`] then.
    pub progress: Progress,
}

/// What the client knows once it has an event: the ending must fit to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    marks: Vec<Mark>,
    sequence: Option<u64>,
}

/// A step in the structure of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// The message or response began.
    Started,
    /// A choice or block began.
    Opened(u32),
    /// A choice or block ended.
    Closed(u32),
    /// The stream's last event.
    Ended,
}

/// Why a stream is cut short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockNotice {
    /// One sentence for people, shown where the dialect has a place for it.
    pub message: String,
}

/// What is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Output(u32),
    Part(u32, u32),
    Channel(Channel),
}

impl Scope {
    fn holds(self, channel: &Channel) -> bool {
        match self {
            Self::Output(output) => channel.output == output,
            Self::Part(output, part) => channel.output == output && channel.part == part,
            Self::Channel(one) => *channel == one,
        }
    }
}

/// What an event does apart from its text.
#[derive(Debug, Default)]
struct Effect {
    closes: Vec<Scope>,
    closes_all: bool,
    usage: Option<Usage>,
    end: bool,
    progress: Progress,
}

impl StreamReader {
    /// A reader for the answer to one request.
    #[must_use]
    pub fn new(operation: Operation) -> Self {
        Self {
            operation,
            head: Head::default(),
            open: BTreeSet::new(),
            closed: BTreeSet::new(),
            begun: BTreeSet::new(),
            ended: false,
            delivered: Delivered::default(),
        }
    }

    /// Reads one event.
    ///
    /// # Errors
    /// The upstream's fault: data that is not strict JSON, a name that contradicts the data, text
    /// for something that was closed, more channels than any answer needs. The event and what
    /// follows must not reach the client.
    pub fn frame<'e>(&mut self, event: &'e Event, limits: &Limits) -> Result<Frame<'e>, Refused> {
        let name = event.name.as_deref();
        if name.is_some_and(|name| !Shape::Word.fits(name)) {
            return Err(Refused::EventName);
        }
        let other_lines = lines::has_others(&event.raw);
        let data = event.data.as_deref().map(str::trim).unwrap_or_default();
        if data.is_empty() {
            return Ok(Frame {
                other_lines,
                ..Frame::default()
            });
        }
        if data == "[DONE]" {
            let progress = Progress {
                marks: vec![Mark::Ended],
                sequence: None,
            };
            return Ok(Frame {
                closes: self.close_all(),
                end: true,
                other_lines,
                progress,
                ..Frame::default()
            });
        }
        let document = Document::parse(event.data.as_deref().unwrap_or_default().as_bytes(), limits)?;
        let root = document.root();
        let mut context = Context::new(Origin::Model, Flow::Delta);
        let effect = match self.operation {
            Operation::Responses => responses::read(self, root, name, &mut context)?,
            Operation::Messages => anthropic::read(self, root, name, &mut context)?,
            Operation::ChatCompletions
            | Operation::Completions
            | Operation::Embeddings
            | Operation::Models
            | Operation::CountTokens
            | Operation::AnthropicModels => chat::read(self, root),
        };
        let table = tables::stream(self.operation);
        let pieces = walk(&document, table, Side::Response, &ToolNames::new(), &context)?;
        self.follow(&pieces)?;
        self.head.count(effect.usage);
        let closes = if effect.closes_all {
            self.close_all()
        } else {
            self.close(&effect.closes)?
        };
        Ok(Frame {
            pieces,
            closes,
            usage: effect.usage,
            end: effect.end,
            other_lines,
            progress: effect.progress,
        })
    }

    /// Says that the client was sent an event (edited or not), by that event's progress.
    pub fn delivered(&mut self, progress: &Progress) {
        self.delivered.take(progress);
    }

    /// Writes events that end the stream in the dialect's own way, so that the client's kit sees a
    /// filtered answer and not a broken one. Fits to what was [`Self::delivered`], which may be
    /// nothing; writes nothing when the stream's own end was delivered.
    pub fn block(&self, notice: &BlockNotice, out: &mut Vec<u8>) {
        ending::write(self.operation, &self.head, &self.delivered, notice, out);
    }

    /// Writes events with which the model seems to say a text and to stop. Fits to what was [`Self::delivered`], as
    /// [`Self::block`] does.
    pub fn say(&self, saying: &Saying<'_>, out: &mut Vec<u8>) {
        saying::write(self.operation, &self.head, &self.delivered, saying, out);
    }

    /// Notes the channels that grow, and refuses those that may not.
    fn follow(&mut self, pieces: &[Piece<'_>]) -> Result<(), Refused> {
        for piece in pieces {
            if !matches!(piece.kind, PieceKind::Delta | PieceKind::ArgumentsDelta) {
                continue;
            }
            let channel = piece.channel;
            if self.ended {
                return Err(Refused::AfterClose { what: "text" });
            }
            if self.open.contains(&channel) {
                continue;
            }
            let known = !matches!(channel.kind, ChannelKind::Unknown(_));
            if known && self.is_closed(&channel) {
                return Err(Refused::AfterClose {
                    what: channel.kind.as_str(),
                });
            }
            self.open.insert(channel);
            self.check_size()?;
        }
        Ok(())
    }

    fn is_closed(&self, channel: &Channel) -> bool {
        let Channel { output, part, .. } = *channel;
        [
            Scope::Output(output),
            Scope::Part(output, part),
            Scope::Channel(*channel),
        ]
        .iter()
        .any(|scope| self.closed.contains(scope))
    }

    /// Closes scopes. Unknown fields stay open to the end: what closes them is unknown, too.
    fn close(&mut self, scopes: &[Scope]) -> Result<Vec<Channel>, Refused> {
        if scopes.is_empty() {
            return Ok(Vec::new());
        }
        self.closed.extend(scopes);
        self.check_size()?;
        let ends = |channel: &Channel| {
            !matches!(channel.kind, ChannelKind::Unknown(_)) && scopes.iter().any(|scope| scope.holds(channel))
        };
        let closes: Vec<Channel> = self.open.iter().copied().filter(ends).collect();
        for channel in &closes {
            self.open.remove(channel);
        }
        Ok(closes)
    }

    /// Closes everything; only complete texts may follow.
    fn close_all(&mut self) -> Vec<Channel> {
        self.ended = true;
        std::mem::take(&mut self.open).into_iter().collect()
    }

    fn check_size(&self) -> Result<(), Refused> {
        if self
            .open
            .len()
            .saturating_add(self.closed.len())
            .saturating_add(self.begun.len())
            > CHANNELS_MAX
        {
            return Err(Refused::TooManyChannels { max: CHANNELS_MAX });
        }
        Ok(())
    }
}

/// An index field of an event; absent and `null` give `None`.
fn index_of(root: Node<'_>, key: &'static str) -> Result<Option<u32>, Refused> {
    match root.get(key).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|index| u32::try_from(index).ok())
            .filter(|index| *index < Channel::OUTSIDE)
            .map(Some)
            .ok_or_else(|| Refused::Shape {
                pointer: format!("/{key}").into(),
                expected: "a small whole number",
            }),
    }
}
