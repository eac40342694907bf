//! One depth-first walk over every string of a document, so that nothing can be missed.
//!
//! A table says what the known fields are; whatever it does not name comes out
//! as a span of unknown origin. The walk never skips a string because of its
//! place, only because of its look (see [`crate::shape`]).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use testudo_bounded::json::{Document, Kind as JsonKind, Node, StringLiteral};
use testudo_types::Origin;

use crate::shape::{is_media, is_plain_key};
use crate::table::{Flow, Kind, Place, Rule, Scan, Table};
use crate::{Channel, ChannelKind, Form, Piece, PieceKind, Refused, Span, SpanPath};

mod enter;

pub(crate) use enter::{RANKS, tool_name};

/// Deepest nesting that is walked.
const DEPTH_MAX: usize = 256;
/// Most strings that one body or event may hold apart from exempt ones.
const SPANS_MAX: usize = 100_000;
/// Longest path that is written down, in bytes; what is longer ends in `…`.
const POINTER_BYTES_MAX: usize = 256;
/// Numbers shorter than this hold nothing worth a scan, in bytes.
const NUMBER_BYTES_MIN: usize = 6;

/// Which way the document travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// Names of tools by the id of the call.
pub(crate) type ToolNames = BTreeMap<Box<str>, Option<Box<str>>>;

/// What surrounds a place.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) origin: Origin,
    /// The tool whose call surrounds the place.
    pub(crate) tool: Option<Box<str>>,
    pub(crate) output: u32,
    pub(crate) part: u32,
    pub(crate) flow: Flow,
    /// The channel that the event or block announced.
    pub(crate) announced: Option<ChannelKind>,
    /// Tells unknown paths of different events apart.
    pub(crate) seed: u64,
    pub(crate) null_on_edit: Option<Range<usize>>,
    /// Whether base64 is expected here.
    pub(crate) media: bool,
    /// Whether a signature covers the text here.
    pub(crate) signed: bool,
    /// Whether keys are tokens here.
    pub(crate) token_keys: bool,
}

impl Context {
    pub(crate) fn new(origin: Origin, flow: Flow) -> Self {
        Self {
            origin,
            tool: None,
            output: Channel::OUTSIDE,
            part: 0,
            flow,
            announced: None,
            seed: 0,
            null_on_edit: None,
            media: true,
            signed: false,
            token_keys: false,
        }
    }
}

/// Every string of the document that is not exempt, in document order.
///
/// # Errors
/// A known field has a shape that would let readers disagree about it, or there are too many strings.
pub(crate) fn walk<'a>(
    document: &Document<'a>,
    table: &'static Table,
    side: Side,
    tools: &ToolNames,
    context: &Context,
) -> Result<Vec<Piece<'a>>, Refused> {
    let mut walker = Walker {
        text: document.text(),
        table,
        side,
        tools,
        pointer: String::new(),
        names: FNV_OFFSET,
        pieces: Vec::new(),
    };
    let at = At {
        place: table.root(),
        below: None,
        key: None,
    };
    walker.visit(document.root(), at, context, 0)?;
    Ok(walker.pieces)
}

#[derive(Debug)]
struct Walker<'w, 'a> {
    text: &'a str,
    table: &'static Table,
    side: Side,
    tools: &'w ToolNames,
    pointer: String,
    /// A hash of the keys above, indexes taken out.
    names: u64,
    pieces: Vec<Piece<'a>>,
}

/// Where the walk stands in the table.
#[derive(Debug, Clone, Copy)]
struct At {
    place: Option<&'static Place>,
    below: Option<Rule>,
    /// The nearest key above.
    key: Option<StringLiteral>,
}

impl At {
    fn rule(&self) -> Option<Rule> {
        self.place.and_then(|place| place.rule).or(self.below)
    }
}

impl<'a> Walker<'_, 'a> {
    fn visit(&mut self, node: Node<'_>, at: At, context: &Context, depth: usize) -> Result<(), Refused> {
        if depth > DEPTH_MAX {
            return Err(Refused::Depth {
                pointer: self.pointer.as_str().into(),
                max: DEPTH_MAX,
            });
        }
        let entered;
        let context = match at.place.and_then(|place| place.enter) {
            Some(enter) => {
                entered = self.enter(enter, node, at, context)?;
                &entered
            }
            None => context,
        };
        let at = At {
            below: at.place.and_then(|place| place.below).or(at.below),
            ..at
        };
        match node.kind() {
            JsonKind::Null | JsonKind::Bool => Ok(()),
            JsonKind::Number => self.number(node, at, context),
            JsonKind::String => match node.literal() {
                Some(literal) => self.string(literal, at.rule(), context),
                None => Ok(()),
            },
            JsonKind::Array => self.array(node, at, context, depth),
            JsonKind::Object => self.object(node, at, context, depth),
        }
    }

    fn array(&mut self, node: Node<'_>, at: At, context: &Context, depth: usize) -> Result<(), Refused> {
        let place = at.place.and_then(|place| self.table.element(place));
        let (length, names) = (self.pointer.len(), self.names);
        self.names = fnv(names, "/*");
        for (index, item) in node.items().enumerate() {
            self.step_index(index);
            self.visit(item, At { place, ..at }, context, depth.saturating_add(1))?;
            self.pointer.truncate(length);
        }
        self.names = names;
        Ok(())
    }

    fn object(&mut self, node: Node<'_>, at: At, context: &Context, depth: usize) -> Result<(), Refused> {
        let (length, names) = (self.pointer.len(), self.names);
        for (rank, (literal, value)) in node.entries().enumerate() {
            let key = self.decode(literal);
            let below = At {
                place: at.place.and_then(|place| self.table.child(place, &key)),
                key: Some(literal),
                ..at
            };
            let known = at.place.is_some_and(|place| place.names(&key));
            if !known && self.side == Side::Request {
                self.refuse_variant(&key, at.place, depth)?;
            }
            let plain = known || is_plain_key(&key);
            self.step(&key, plain);
            self.names = fnv(fnv(names, "/"), &key);
            if context.token_keys {
                self.token_key(literal, key, rank, context)?;
            } else if !plain {
                self.key(literal, key, below, context)?;
            }
            self.visit(value, below, context, depth.saturating_add(1))?;
            self.pointer.truncate(length);
        }
        self.names = names;
        Ok(())
    }

    /// Refuses a key that another reader could take for a known one: servers
    /// exist that ignore case or separators.
    fn refuse_variant(&self, key: &str, place: Option<&Place>, depth: usize) -> Result<(), Refused> {
        let Some(place) = place.filter(|place| depth == 0 || place.enter.is_some_and(enter::has_roles)) else {
            return Ok(());
        };
        match place.resembled_by(key) {
            Some(meant) => {
                let pointer = format!("{}/{}", self.pointer, shown(key)).into();
                Err(Refused::KeyVariant { pointer, meant })
            }
            None => Ok(()),
        }
    }

    fn string(&mut self, literal: StringLiteral, rule: Option<Rule>, context: &Context) -> Result<(), Refused> {
        let text = self.decode(literal);
        if text.is_empty() {
            return Ok(());
        }
        let origin = match rule {
            Some(Rule::Exempt(shape)) if shape.fits(&text) => return Ok(()),
            Some(Rule::Scan(scan)) => return self.scanned(literal, text, scan, context),
            Some(Rule::Media) => {
                // A payload is no text that could continue another.
                let (form, flow) = if context.media && is_media(&text) {
                    (Form::Media, Flow::Whole)
                } else {
                    (Form::Text, context.flow)
                };
                let span = self.span(literal, text, form, context.origin.clone(), context);
                let kind = self.unknown(context);
                return self.push(kind, context.part, flow, span, context);
            }
            Some(Rule::Exempt(_) | Rule::Named) | None => self.unknown_origin(context),
        };
        let span = self.span(literal, text, Form::Text, origin, context);
        self.push(self.unknown(context), context.part, context.flow, span, context)
    }

    fn scanned(
        &mut self,
        literal: StringLiteral,
        text: Cow<'a, str>,
        scan: Scan,
        context: &Context,
    ) -> Result<(), Refused> {
        let kind = match scan.kind {
            Kind::Is(kind) => kind,
            Kind::Announced(kind) if context.announced == Some(kind) => kind,
            Kind::Announced(_) => self.unknown(context),
            Kind::ByEvent => context.announced.unwrap_or_else(|| self.unknown(context)),
        };
        let flow = if scan.flow == Flow::Inherit {
            context.flow
        } else {
            scan.flow
        };
        let origin = scan.source.origin(&context.origin, context.tool.as_deref());
        let form = if kind == ChannelKind::Arguments {
            Form::JsonText
        } else {
            scan.form
        };
        let mut span = self.span(literal, text, form, origin, context);
        let signed = context.signed && kind == ChannelKind::Reasoning;
        span.splice = !signed && !is_logprob(kind);
        self.push(kind, context.part, flow, span, context)
    }

    /// A number in free-form JSON; `null_on_edit` removes it.
    fn number(&mut self, node: Node<'_>, at: At, context: &Context) -> Result<(), Refused> {
        let (Some(Rule::Scan(scan)), Some(key)) = (at.rule(), at.key) else {
            return Ok(());
        };
        let range = node.range();
        if !scan.numbers || range.len() < NUMBER_BYTES_MIN {
            return Ok(());
        }
        let text = Cow::Borrowed(self.text.get(range.clone()).unwrap_or_default());
        let origin = scan.source.origin(&context.origin, context.tool.as_deref());
        let mut span = self.span(key, text, Form::Number, origin, context);
        span.null_on_edit = Some(range);
        span.splice = false;
        self.push(ChannelKind::ToolData, context.part, Flow::Whole, span, context)
    }

    fn key(&mut self, literal: StringLiteral, key: Cow<'a, str>, below: At, context: &Context) -> Result<(), Refused> {
        if key.is_empty() {
            return Ok(());
        }
        let known = below.rule().is_some() || below.place.is_some();
        let origin = if known {
            context.origin.clone()
        } else {
            self.unknown_origin(context)
        };
        let mut span = self.span(literal, key, Form::Key, origin, context);
        span.splice = false;
        self.push(self.unknown(context), context.part, Flow::Whole, span, context)
    }

    fn token_key(
        &mut self,
        literal: StringLiteral,
        key: Cow<'a, str>,
        rank: usize,
        context: &Context,
    ) -> Result<(), Refused> {
        let mut span = self.span(literal, key, Form::Key, context.origin.clone(), context);
        span.splice = false;
        let part = enter::ranked(context.part, rank.saturating_add(1));
        self.push(ChannelKind::LogprobTokens, part, context.flow, span, context)
    }

    /// Text spelt by byte values.
    fn token_bytes(&mut self, node: Node<'_>, at: At, kind: ChannelKind, context: &Context) -> Result<(), Refused> {
        let Some(key) = at.key else {
            return Ok(());
        };
        let bytes: Vec<u8> = node
            .items()
            .filter_map(|item| item.as_u64().and_then(|value| u8::try_from(value).ok()))
            .collect();
        if bytes.is_empty() {
            return Ok(());
        }
        let text = Cow::Owned(String::from_utf8_lossy(&bytes).into_owned());
        let mut span = self.span(key, text, Form::LogprobBytes, context.origin.clone(), context);
        span.splice = false;
        self.push(kind, context.part, context.flow, span, context)
    }

    fn span(
        &self,
        literal: StringLiteral,
        text: Cow<'a, str>,
        form: Form,
        origin: Origin,
        context: &Context,
    ) -> Span<'a> {
        let path = SpanPath::new(&self.pointer);
        Span {
            path,
            origin,
            literal,
            text,
            form,
            null_on_edit: context.null_on_edit.clone(),
            splice: true,
        }
    }

    fn push(
        &mut self,
        kind: ChannelKind,
        part: u32,
        flow: Flow,
        span: Span<'a>,
        context: &Context,
    ) -> Result<(), Refused> {
        if self.pieces.len() >= SPANS_MAX {
            return Err(Refused::TooManyStrings { max: SPANS_MAX });
        }
        let kind_of_piece = match (span.form, flow) {
            (Form::JsonText, Flow::Whole) => PieceKind::ArgumentsWhole,
            (Form::JsonText, Flow::Delta | Flow::Inherit) => PieceKind::ArgumentsDelta,
            (_, Flow::Whole) => PieceKind::Whole,
            (_, Flow::Delta | Flow::Inherit) => PieceKind::Delta,
        };
        let channel = Channel {
            output: context.output,
            part,
            kind,
        };
        self.pieces.push(Piece {
            channel,
            kind: kind_of_piece,
            span,
        });
        Ok(())
    }

    fn unknown_origin(&self, context: &Context) -> Origin {
        match self.side {
            Side::Request => Origin::Unknown,
            Side::Response => context.origin.clone(),
        }
    }

    /// The channel of an unknown field: its path with every index taken out, told apart by event.
    fn unknown(&self, context: &Context) -> ChannelKind {
        ChannelKind::Unknown(self.names ^ context.seed)
    }

    fn decode(&self, literal: StringLiteral) -> Cow<'a, str> {
        if literal.is_escaped() {
            literal.decode(self.text.as_bytes())
        } else {
            Cow::Borrowed(self.text.get(literal.body()).unwrap_or_default())
        }
    }

    /// Adds an index to the path, which the caller takes off again.
    fn step_index(&mut self, index: usize) {
        if self.pointer.len() < POINTER_BYTES_MAX {
            // Writing to a string cannot fail.
            let _written = write!(self.pointer, "/{index}");
        }
    }

    /// Adds a key to the path, which the caller takes off again. A key that is neither known nor
    /// plain is written as `?`: it could be a secret, and paths stand in records.
    fn step(&mut self, key: &str, shown: bool) {
        let segment = if shown { key } else { "?" };
        if self.pointer.len().saturating_add(segment.len()) < POINTER_BYTES_MAX {
            self.pointer.push('/');
            self.pointer.push_str(segment);
        } else if !self.pointer.ends_with('…') {
            self.pointer.push_str("/…");
        }
    }
}

/// The start of an FNV-1a hash.
pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: names paths, guards nothing.
pub(crate) fn fnv(hash: u64, text: &str) -> u64 {
    text.bytes()
        .fold(hash, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn is_logprob(kind: ChannelKind) -> bool {
    matches!(
        kind,
        ChannelKind::LogprobTokens
            | ChannelKind::LogprobBytes
            | ChannelKind::RefusalLogprobTokens
            | ChannelKind::RefusalLogprobBytes
    )
}

/// A hostile key cut to what a message may repeat.
fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(64).collect()
}
