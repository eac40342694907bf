//! Path patterns compiled into a tree: what each field of a document is.
//!
//! A pattern is a JSON Pointer in which `*` stands for any element or key and a
//! last `**` for everything at or below. A named key wins over `*`, and `*`
//! over `**`. A table can be mounted into another at a prefix, so that a
//! message is described once for requests, answers and snapshots.

use testudo_types::Origin;

use crate::shape::Shape;
use crate::{ChannelKind, Form};

/// What a string at a place is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// Known by name only; a string here is scanned as unknown.
    Named,
    /// Not scanned as long as it looks as it should.
    Exempt(Shape),
    Scan(Scan),
    /// A payload when it looks like one and its surroundings say so, text otherwise.
    Media,
}

/// How a string is scanned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) form: Form,
    pub(crate) kind: Kind,
    pub(crate) flow: Flow,
    pub(crate) source: Source,
    /// Whether numbers here are data as well.
    pub(crate) numbers: bool,
}

/// Which channel a string belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Is(ChannelKind),
    /// The channel when the event or block announces it, an unknown one otherwise.
    Announced(ChannelKind),
    /// Whatever channel the event announces.
    ByEvent,
}

/// Whether a string continues its channel or stands for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// As the event says.
    Inherit,
    Delta,
    Whole,
}

/// Who wrote a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Whoever wrote what surrounds it.
    Context,
    System,
    User,
    Assistant,
    Document,
    ToolDefinition,
    /// The tool of the surrounding call.
    ToolResult,
}

/// What is looked up on the way into a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enter {
    /// Everything below is by this source.
    From(Source),
    /// Everything below is complete by itself.
    Snapshot,
    /// A message of a chat or a turn of Anthropic's: who wrote it follows from its role.
    Message,
    /// An item of a Responses conversation.
    Item,
    /// A content block of Anthropic's.
    Block,
    /// A content block inside another.
    NestedBlock,
    /// Where a block's payload comes from.
    Payload,
    /// A choice of a chat or completion.
    Choice,
    /// One of several parallel tool calls of a choice.
    ToolCall,
    /// The one call of a choice in the manner before parallel calls.
    LegacyCall,
    /// A content part of an item.
    Part,
    /// Anthropic's `delta`.
    BlockDelta,
    /// A token beside its log probability.
    Token,
    /// An alternative token; its position is its rank.
    Alternative,
    /// An array of byte values beside a token.
    TokenBytes,
    /// As `TokenBytes`, of a refusal.
    RefusalTokenBytes,
    /// An object whose keys are alternative tokens.
    TokenKeys,
}

/// One line of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line {
    Rule(&'static str, Rule),
    Enter(&'static str, Enter),
    Mount(&'static str, &'static [Self]),
}

/// Known by name only.
pub(crate) const fn named(path: &'static str) -> Line {
    Line::Rule(path, Rule::Named)
}

pub(crate) const fn word(path: &'static str) -> Line {
    Line::Rule(path, Rule::Exempt(Shape::Word))
}

pub(crate) const fn token(path: &'static str) -> Line {
    Line::Rule(path, Rule::Exempt(Shape::Token))
}

pub(crate) const fn opaque(path: &'static str) -> Line {
    Line::Rule(path, Rule::Exempt(Shape::Opaque))
}

pub(crate) const fn media(path: &'static str) -> Line {
    Line::Rule(path, Rule::Media)
}

/// Text that continues its channel where the event says so.
pub(crate) const fn text(path: &'static str, kind: ChannelKind) -> Line {
    Line::Rule(
        path,
        Rule::Scan(Scan {
            kind: Kind::Is(kind),
            ..PLAIN
        }),
    )
}

/// Text of a channel when the event or block announces that channel.
pub(crate) const fn announced(path: &'static str, kind: ChannelKind) -> Line {
    Line::Rule(
        path,
        Rule::Scan(Scan {
            kind: Kind::Announced(kind),
            ..PLAIN
        }),
    )
}

/// Text of whatever channel the event announces.
pub(crate) const fn by_event(path: &'static str) -> Line {
    Line::Rule(
        path,
        Rule::Scan(Scan {
            kind: Kind::ByEvent,
            ..PLAIN
        }),
    )
}

/// Text that stands for itself.
pub(crate) const fn whole(path: &'static str, kind: ChannelKind) -> Line {
    Line::Rule(
        path,
        Rule::Scan(Scan {
            kind: Kind::Is(kind),
            flow: Flow::Whole,
            ..PLAIN
        }),
    )
}

/// Text that stands for itself, by a source of its own.
pub(crate) const fn by(path: &'static str, kind: ChannelKind, source: Source) -> Line {
    Line::Rule(
        path,
        Rule::Scan(Scan {
            kind: Kind::Is(kind),
            flow: Flow::Whole,
            source,
            ..PLAIN
        }),
    )
}

/// Tool-call arguments: JSON inside a string.
pub(crate) const fn arguments(path: &'static str) -> Line {
    let scan = Scan {
        form: Form::JsonText,
        kind: Kind::Is(ChannelKind::Arguments),
        ..PLAIN
    };
    Line::Rule(path, Rule::Scan(scan))
}

/// Tool-call input as JSON proper: strings and numbers are data.
pub(crate) const fn tool_input(path: &'static str) -> Line {
    let scan = Scan {
        kind: Kind::Is(ChannelKind::ToolData),
        flow: Flow::Whole,
        numbers: true,
        ..PLAIN
    };
    Line::Rule(path, Rule::Scan(scan))
}

pub(crate) const fn enter(path: &'static str, enter: Enter) -> Line {
    Line::Enter(path, enter)
}

pub(crate) const fn mount(path: &'static str, lines: &'static [Line]) -> Line {
    Line::Mount(path, lines)
}

const PLAIN: Scan = Scan {
    form: Form::Text,
    kind: Kind::Is(ChannelKind::Text),
    flow: Flow::Inherit,
    source: Source::Context,
    numbers: false,
};

impl Source {
    /// The origin, given the surrounding one and the surrounding tool's name.
    pub(crate) fn origin(self, context: &Origin, tool: Option<&str>) -> Origin {
        match self {
            Self::Context => context.clone(),
            Self::System => Origin::System,
            Self::User => Origin::User,
            Self::Assistant => Origin::Assistant,
            Self::Document => Origin::Document,
            Self::ToolDefinition => Origin::ToolDefinition,
            Self::ToolResult => match context {
                Origin::ToolResult { .. } => context.clone(),
                _ => Origin::ToolResult {
                    tool: tool.map(Box::from),
                },
            },
        }
    }
}

/// A compiled table.
#[derive(Debug)]
pub(crate) struct Table {
    places: Vec<Place>,
}

/// A place in the tree of patterns.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Sorted by key.
    named: Vec<(&'static str, usize)>,
    /// The same keys folded, sorted.
    folded: Vec<(String, &'static str)>,
    any: Option<usize>,
    pub(crate) rule: Option<Rule>,
    /// For everything below that has no rule of its own.
    pub(crate) below: Option<Rule>,
    pub(crate) enter: Option<Enter>,
}

impl Table {
    pub(crate) fn compile(lines: &'static [Line]) -> Self {
        let mut table = Self {
            places: vec![Place::default()],
        };
        table.add(0, lines);
        for place in &mut table.places {
            place.named.sort_unstable();
            place.folded = place.named.iter().map(|(name, _)| (fold(name), *name)).collect();
            place.folded.sort_unstable();
        }
        table
    }

    pub(crate) fn root(&self) -> Option<&Place> {
        self.places.first()
    }

    /// The place under a key.
    pub(crate) fn child(&self, place: &Place, key: &str) -> Option<&Place> {
        let next = match place.named.binary_search_by(|(name, _)| (*name).cmp(key)) {
            Ok(found) => place.named.get(found).map(|(_, next)| *next),
            Err(_) => place.any,
        };
        next.and_then(|next| self.places.get(next))
    }

    /// The place under any element.
    pub(crate) fn element(&self, place: &Place) -> Option<&Place> {
        place.any.and_then(|next| self.places.get(next))
    }

    /// Adds lines whose patterns start at a place.
    fn add(&mut self, base: usize, lines: &'static [Line]) {
        for line in lines {
            match *line {
                Line::Rule(path, rule) => {
                    let above = path.strip_suffix("/**");
                    let at = self.place(base, above.unwrap_or(path));
                    if let Some(place) = self.places.get_mut(at) {
                        if above.is_some() {
                            place.below = Some(rule);
                        } else {
                            place.rule = Some(rule);
                        }
                    }
                }
                Line::Enter(path, enter) => {
                    let at = self.place(base, path);
                    if let Some(place) = self.places.get_mut(at) {
                        place.enter = Some(enter);
                    }
                }
                Line::Mount(path, lines) => {
                    let at = self.place(base, path);
                    self.add(at, lines);
                }
            }
        }
    }

    /// The index of the place that a pattern names, made if need be.
    fn place(&mut self, base: usize, path: &'static str) -> usize {
        path.split('/')
            .filter(|segment| !segment.is_empty())
            .fold(base, |at, segment| self.step(at, segment))
    }

    fn step(&mut self, at: usize, segment: &'static str) -> usize {
        let fresh = self.places.len();
        let Some(place) = self.places.get_mut(at) else {
            return at;
        };
        if segment == "*" {
            if let Some(next) = place.any {
                return next;
            }
            place.any = Some(fresh);
        } else {
            if let Some((_, next)) = place.named.iter().find(|(name, _)| *name == segment) {
                return *next;
            }
            place.named.push((segment, fresh));
        }
        self.places.push(Place::default());
        fresh
    }
}

impl Place {
    /// The known key that an unknown one could be taken for.
    pub(crate) fn resembled_by(&self, key: &str) -> Option<&'static str> {
        let key = fold(key);
        self.folded
            .binary_search_by(|(folded, _)| folded.as_str().cmp(&key))
            .ok()
            .and_then(|found| self.folded.get(found))
            .map(|(_, name)| *name)
    }

    /// Whether a key is known here by name.
    pub(crate) fn names(&self, key: &str) -> bool {
        self.named.binary_search_by(|(name, _)| (*name).cmp(key)).is_ok()
    }
}

/// A key without case and separators, as lenient readers compare it.
fn fold(key: &str) -> String {
    key.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests;
