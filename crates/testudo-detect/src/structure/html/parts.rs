//! Takes a page apart: what is seen, what is hidden, comments, and what attributes say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::entities::decode;
use super::families::Families;
use super::look::Look;
use super::sheet::Sheet;
use super::tokens::{Attribute, Tag, Token, Tokens};

/// Elements inside one another that are followed; deeper ones look like those around them.
const DEPTH_MAX: usize = 256;

/// Why text cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hiding {
    /// `display: none`
    Display,
    Visibility,
    Opacity,
    /// Letters or a box too small to see.
    Size,
    OffScreen,
    /// The colour of the background.
    Colour,
    /// The attribute `hidden`.
    Attribute,
    /// A rule of a style sheet on the page, which scripts or other rules may lift.
    StyleSheet,
    Template,
    NoScript,
    /// Seen by eyes, skipped by screen readers.
    Aria,
}

impl Hiding {
    /// The name used in explanations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Display => "display",
            Self::Visibility => "visibility",
            Self::Opacity => "opacity",
            Self::Size => "size",
            Self::OffScreen => "off_screen",
            Self::Colour => "colour",
            Self::Attribute => "attribute",
            Self::StyleSheet => "style_sheet",
            Self::Template => "template",
            Self::NoScript => "noscript",
            Self::Aria => "aria",
        }
    }

    /// Whether pages hide text in this way as a matter of course, or do not hide it from eyes at all.
    pub(crate) fn is_weak(self) -> bool {
        matches!(self, Self::Template | Self::NoScript | Self::Aria)
    }
}

/// What a part of a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartKind {
    /// What a reader sees, of the whole page.
    Visible,
    /// One hidden stretch.
    Hidden(Hiding),
    Comment,
    /// The value of one attribute that holds words: `alt`, `title`, `aria-label`, `content`, `placeholder`, …
    Attribute,
}

/// One part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub kind: PartKind,
    /// From its first to its last byte in the page; tags and other parts may lie between.
    pub range: Range<usize>,
    /// What it says, without tags and with references decoded.
    pub text: String,
    /// Where the pieces of `text` come from, in order.
    pub pieces: Vec<Piece>,
}

/// A stretch of a part without tags in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the part's text.
    pub at: usize,
    /// The same bytes in both texts, so that offsets inside agree.
    pub is_copy: bool,
    pub original: Range<usize>,
}

impl Part {
    fn new(kind: PartKind) -> Self {
        Self {
            kind,
            range: 0..0,
            text: String::new(),
            pieces: Vec::new(),
        }
    }

    fn push(&mut self, page: &str, original: Range<usize>) {
        let raw = page.get(original.clone()).unwrap_or_default();
        let decoded = decode(raw);
        let is_copy = match &decoded {
            Cow::Borrowed(_) => true,
            Cow::Owned(decoded) => decoded == raw,
        };
        if self.pieces.is_empty() {
            self.range = original.clone();
        }
        self.range.end = original.end;
        self.pieces.push(Piece {
            at: self.text.len(),
            is_copy,
            original,
        });
        self.text.push_str(&decoded);
    }

    /// The smallest range of the page that holds what a range of the part's text stands for.
    #[must_use]
    pub fn original(&self, part: Range<usize>) -> Range<usize> {
        let piece = |at: usize| {
            let next = self.pieces.partition_point(|piece| piece.at <= at);
            self.pieces.get(next.saturating_sub(1))
        };
        let last = part.end.saturating_sub(1).max(part.start);
        let (Some(first), Some(end)) = (piece(part.start), piece(last)) else {
            return self.range.clone();
        };
        let inside = |piece: &Piece, at: usize| {
            let offset = piece.original.start.saturating_add(at.saturating_sub(piece.at));
            offset.min(piece.original.end)
        };
        let start = if first.is_copy {
            inside(first, part.start)
        } else {
            first.original.start
        };
        let end = if end.is_copy {
            inside(end, part.end)
        } else {
            end.original.end
        };
        start..end.max(start)
    }

    /// How many words it has; letters of scripts without spaces count as half a word.
    #[must_use]
    pub fn words(&self) -> usize {
        let mut words = 0_usize;
        let mut wide = 0_usize;
        for word in self.text.split(|c: char| !c.is_alphanumeric()) {
            let mut letters = word.chars().filter(|c| c.is_alphabetic());
            if letters.clone().any(|c| c >= '\u{2E80}') {
                wide = wide.saturating_add(letters.count());
            } else if letters.nth(1).is_some() {
                words = words.saturating_add(1);
            }
        }
        words.saturating_add(wide / 2)
    }
}

/// Takes a page apart, in linear time; the visible part comes first.
///
/// A text without tags is one visible part.
#[must_use]
pub fn parts(page: &str) -> Vec<Part> {
    let (sheet, kept, rest) = sheet_of(page);
    let mut reader = Reader::new(page, sheet);
    kept.into_iter().for_each(|token| reader.token(token));
    rest.for_each(|token| reader.token(token));
    let Reader { visible, parts, .. } = reader;
    let mut all = vec![visible];
    all.extend(parts);
    all
}

/// So many tokens are kept rather than read again.
const KEPT_MAX: usize = 8 * 1024;
/// How long a token of a page is, more or less.
const TOKEN_BYTES: usize = 16;

/// What the style sheets of a page say, the tokens that were read to know it, and all those behind them.
fn sheet_of(page: &str) -> (Sheet, Vec<Token>, Tokens<'_>) {
    let mut sheet = Sheet::default();
    let mut tokens = Tokens::new(page);
    if !page.contains("</style") && !page.contains("</STYLE") {
        return (sheet, Vec::new(), tokens);
    }
    let last = last_style_end(page);
    let mut kept = Vec::with_capacity(KEPT_MAX.min(page.len() / TOKEN_BYTES));
    let mut in_style = false;
    let mut at = 0;
    let mut all = true;
    while at <= last
        && let Some(token) = tokens.next()
    {
        at = token.range().end;
        match &token {
            Token::Open(tag) => in_style = tag.is(page, &["style"]),
            Token::Raw(range) if in_style => sheet.read(page.get(range.clone()).unwrap_or_default()),
            _ => {}
        }
        all &= kept.len() < KEPT_MAX;
        if all {
            kept.push(token);
        }
    }
    if all {
        (sheet, kept, tokens)
    } else {
        (sheet, Vec::new(), Tokens::new(page))
    }
}

struct Element<'a> {
    name: Cow<'a, str>,
    families: Families,
    look: Look,
    /// Why text in it cannot be seen.
    hiding: Option<Hiding>,
    /// Where text of this look belongs, when it is hidden.
    region: usize,
}

struct Reader<'a> {
    page: &'a str,
    sheet: Sheet,
    stack: Vec<Element<'a>>,
    /// Open elements beyond [`DEPTH_MAX`].
    deeper: usize,
    regions: usize,
    visible: Part,
    parts: Vec<Part>,
    /// The part of each hidden region.
    by_region: BTreeMap<usize, usize>,
    raw: Option<&'static str>,
}

impl<'a> Reader<'a> {
    fn new(page: &'a str, sheet: Sheet) -> Self {
        let mut visible = Part::new(PartKind::Visible);
        visible.text.reserve(page.len());
        visible.pieces.reserve(KEPT_MAX.min(page.len() / TOKEN_BYTES));
        Self {
            page,
            sheet,
            stack: Vec::new(),
            deeper: 0,
            regions: 0,
            visible,
            parts: Vec::new(),
            by_region: BTreeMap::new(),
            raw: None,
        }
    }

    fn token(&mut self, token: Token) {
        match token {
            Token::Text(range) => self.text(range),
            Token::Raw(range) => {
                // A title is shown in another place; scripts and styles are no text.
                match self.raw {
                    Some("textarea" | "xmp") => self.text(range),
                    Some("title") => self.own(PartKind::Attribute, range),
                    _ => {}
                }
            }
            Token::Open(tag) => self.open(&tag),
            Token::Close { name, .. } => self.close(name),
            Token::Comment { inner, .. } => self.own(PartKind::Comment, inner),
        }
    }

    /// How text looks here, and why it cannot be seen.
    fn look(&self) -> (Look, Option<Hiding>) {
        let plain = || (Look::PLAIN, Look::PLAIN.hiding());
        self.stack
            .last()
            .map_or_else(plain, |element| (element.look, element.hiding))
    }

    fn text(&mut self, range: Range<usize>) {
        let (_, Some(hiding)) = self.look() else {
            return self.visible.push(self.page, range);
        };
        let region = self.stack.last().map_or(0, |element| element.region);
        let next = self.parts.len();
        let index = *self.by_region.entry(region).or_insert(next);
        if index == next {
            self.parts.push(Part::new(PartKind::Hidden(hiding)));
        }
        let page = self.page;
        if let Some(part) = self.parts.get_mut(index) {
            part.push(page, range);
        }
    }

    /// A part of its own, unless it is blank.
    fn own(&mut self, kind: PartKind, range: Range<usize>) {
        let text = self.page.get(range.clone()).unwrap_or_default();
        if !text.trim().is_empty() {
            let mut part = Part::new(kind);
            part.push(self.page, range);
            self.parts.push(part);
        }
    }

    fn open(&mut self, tag: &Tag) {
        let page = self.page;
        let name = small(tag.name(page));
        let families = Families::of(&name);
        for attribute in &tag.attributes {
            if speaks(page, attribute) {
                self.own(PartKind::Attribute, attribute.value.clone());
            }
        }
        self.raw = ["textarea", "xmp", "title"].into_iter().find(|raw| *raw == name);
        self.end_before(families);
        if families.any(Families::BLOCK) {
            self.gap(tag.range.end);
        }
        if families.any(Families::VOID) {
            return;
        }
        if self.stack.len() >= DEPTH_MAX {
            self.deeper = self.deeper.saturating_add(1);
            return;
        }
        let (outer, hidden) = self.look();
        let look = outer.inside(page, tag, &name, &self.sheet);
        let hiding = look.hiding();
        let region = if hiding == hidden {
            self.stack.last().map_or(0, |element| element.region)
        } else {
            self.regions = self.regions.saturating_add(1);
            self.regions
        };
        self.stack.push(Element {
            name,
            families,
            look,
            hiding,
            region,
        });
    }

    fn close(&mut self, name: Range<usize>) {
        let name = small(self.page.get(name).unwrap_or_default());
        if Families::of(&name).any(Families::BLOCK) {
            self.gap(self.visible.range.end);
        }
        if self.deeper > 0 {
            self.deeper = self.deeper.saturating_sub(1);
        } else if let Some(at) = self.stack.iter().rposition(|element| element.name == name) {
            self.stack.truncate(at);
        }
    }

    /// Words of two blocks do not touch.
    fn gap(&mut self, at: usize) {
        let part = &mut self.visible;
        if !part.text.is_empty() && !part.text.ends_with(char::is_whitespace) {
            part.pieces.push(Piece {
                at: part.text.len(),
                is_copy: false,
                original: at..at,
            });
            part.text.push('\n');
        }
    }

    /// Closes what an opening tag closes without saying so: a paragraph before a block, an item before an item.
    fn end_before(&mut self, families: Families) {
        let (ended, within) = families.ends();
        if ended == Families::NONE {
            return;
        }
        let mut outermost = None;
        for (at, element) in self.stack.iter().enumerate().rev() {
            if element.families.any(within) {
                break;
            }
            if element.families.any(ended) {
                outermost = Some(at);
            }
        }
        if let Some(at) = outermost {
            self.stack.truncate(at);
        }
    }
}

/// A name in lower case.
fn small(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Where the last closing tag of a style sheet stands.
fn last_style_end(page: &str) -> usize {
    let mut before = page;
    while let Some(at) = before.rfind('<') {
        let tag = page.as_bytes().get(at..at.saturating_add(STYLE_END.len()));
        if tag.is_some_and(|tag| tag.eq_ignore_ascii_case(STYLE_END)) {
            return at;
        }
        before = before.get(..at).unwrap_or_default();
    }
    0
}

const STYLE_END: &[u8] = b"</style";

/// Three words of one letter and the gaps between them.
const WORDS_BYTES_MIN: usize = 5;

/// Whether the value of an attribute holds words for somebody: not an address, a style, a script or a list of names.
fn speaks(page: &str, attribute: &Attribute) -> bool {
    let value = page.get(attribute.value.clone()).unwrap_or_default();
    if value.len() < WORDS_BYTES_MIN {
        return false;
    }
    let name = page.get(attribute.name.clone()).unwrap_or_default();
    let technical = [
        "style",
        "class",
        "id",
        "href",
        "src",
        "srcset",
        "sizes",
        "d",
        "points",
        "viewbox",
        "transform",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(name))
        || name.get(..2).is_some_and(|on| on.eq_ignore_ascii_case("on"));
    !technical && value.split_whitespace().nth(2).is_some()
}
