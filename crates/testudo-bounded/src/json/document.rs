//! A parsed document: handles to values, their raw ranges and their meaning.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::error::JsonError;
use super::literal::{StringLiteral, widen};
use super::{Limits, scan};

/// The absent entry: no parent, no open container.
pub(super) const NONE: u32 = u32::MAX;

/// A JSON document over bytes that it does not copy.
pub struct Document<'a> {
    text: &'a str,
    tape: Vec<Entry>,
}

impl<'a> Document<'a> {
    /// Reads `bytes` in one pass, without recursion. Cost is linear in the bytes, times the
    /// logarithm of the key count for the keys of large objects.
    ///
    /// # Errors
    /// The text is not one JSON value within `limits`, or is ambiguous (duplicate keys, lone
    /// surrogates, byte order mark, invalid UTF-8). The sender has to correct it.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, JsonError> {
        let (text, tape) = scan::scan(bytes, limits)?;
        Ok(Self { text, tape })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        self.node(NodeId(0))
    }

    /// The value with this id. An id of another document gives some value of this one, or an
    /// empty `null`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node {
            text: self.text,
            tape: &self.tape,
            id: id.0,
        }
    }

    /// The bytes that were parsed, all of them.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The bytes that were parsed, as the text they are.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// How many values the document holds, containers included.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.tape.len()
    }
}

impl fmt::Debug for Document<'_> {
    /// Sizes only: the text may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.text.len())
            .field("nodes", &self.tape.len())
            .finish()
    }
}

/// Names a value of one document; values are numbered in document order, the root is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// A value of a document: a handle, cheap to copy.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    text: &'d str,
    tape: &'d [Entry],
    id: u32,
}

impl<'d> Node<'d> {
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(self.id)
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.entry().kind
    }

    /// Absolute raw range in bytes, quotes and brackets included.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        let entry = self.entry();
        widen(entry.start)..widen(entry.end)
    }

    /// The raw bytes of the value, exactly as sent.
    #[must_use]
    pub fn raw(&self) -> &'d [u8] {
        self.raw_text().as_bytes()
    }

    /// The value of `key` (decoded) in this object. Linear in the object's entries.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Node<'d>> {
        self.entries()
            .find(|(literal, _)| literal.decode_str(self.text) == key)
            .map(|(_, value)| value)
    }

    /// Keys and values of this object in document order; nothing if it is no object.
    #[must_use]
    pub fn entries(&self) -> Entries<'d> {
        Entries(self.children(Kind::Object))
    }

    /// Items of this array in order; nothing if it is no array.
    #[must_use]
    pub fn items(&self) -> Items<'d> {
        Items(self.children(Kind::Array))
    }

    /// The decoded text, if this is a string; borrowed unless it holds escapes.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'d, str>> {
        self.literal().map(|literal| literal.decode_str(self.text))
    }

    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw_text() == "true")
    }

    /// The number, if it is written as a non-negative integer (no fraction, no exponent) that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        if self.kind() == Kind::Number {
            self.raw_text().parse().ok()
        } else {
            None
        }
    }

    /// The nearest double, if this is a number within a double's range.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        if self.kind() != Kind::Number {
            return None;
        }
        self.raw_text().parse().ok().filter(|number: &f64| number.is_finite())
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// Where this string lies, if it is one.
    #[must_use]
    pub fn literal(&self) -> Option<StringLiteral> {
        let entry = self.entry();
        (entry.kind == Kind::String).then(|| StringLiteral::new(entry.start, entry.end, entry.escaped))
    }

    /// JSON Pointer (RFC 6901) from the root; empty for the root. Costs the depth.
    #[must_use]
    pub fn pointer(&self) -> String {
        pointer(self.text, self.tape, self.id)
    }

    #[must_use]
    pub fn parent(&self) -> Option<Node<'d>> {
        let parent = self.entry().parent;
        (parent != NONE).then(|| self.at(parent))
    }

    /// The key of this value in its object, if it stands in one.
    #[must_use]
    pub fn key(&self) -> Option<StringLiteral> {
        let entry = self.entry();
        entry.has_key().then(|| entry.key())
    }

    /// The decoded key of this value in its object, if it stands in one.
    #[must_use]
    pub fn key_text(&self) -> Option<Cow<'d, str>> {
        self.key().map(|key| key.decode_str(self.text))
    }

    /// Position among the items of its array, or among the entries of its object; `None` for the root.
    #[must_use]
    pub fn index_in_parent(&self) -> Option<usize> {
        let entry = self.entry();
        (entry.parent != NONE).then(|| widen(entry.ordinal))
    }

    /// This value and every value below it, depth first, in document order.
    #[must_use]
    pub fn descendants(&self) -> Descendants<'d> {
        Descendants {
            node: *self,
            end: self.entry().skip,
        }
    }

    /// Every string value here or below, depth first, in document order; keys are not values.
    #[must_use]
    pub fn strings(&self) -> Strings<'d> {
        Strings(self.descendants())
    }

    /// Every key of every object here or below, in document order; not this value's own key.
    #[must_use]
    pub fn keys(&self) -> Keys<'d> {
        let mut below = self.descendants();
        below.next();
        Keys(below)
    }

    fn children(&self, kind: Kind) -> Children<'d> {
        let entry = self.entry();
        let end = if entry.kind == kind { entry.skip } else { 0 };
        Children {
            node: self.at(self.id.saturating_add(1)),
            end,
        }
    }

    fn at(&self, id: u32) -> Self {
        Self { id, ..*self }
    }

    fn entry(&self) -> Entry {
        self.tape.get(widen(self.id)).copied().unwrap_or(Entry::ABSENT)
    }

    fn raw_text(&self) -> &'d str {
        self.text.get(self.range()).unwrap_or_default()
    }
}

impl fmt::Debug for Node<'_> {
    /// Kind and place only: the text may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("kind", &self.kind())
            .field("range", &self.range())
            .finish()
    }
}

/// See [`Node::entries`].
#[derive(Debug, Clone)]
pub struct Entries<'d>(Children<'d>);

impl<'d> Iterator for Entries<'d> {
    type Item = (StringLiteral, Node<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|node| (node.entry().key(), node))
    }
}

/// See [`Node::items`].
#[derive(Debug, Clone)]
pub struct Items<'d>(Children<'d>);

impl<'d> Iterator for Items<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// See [`Node::descendants`].
#[derive(Debug, Clone)]
pub struct Descendants<'d> {
    node: Node<'d>,
    end: u32,
}

impl<'d> Iterator for Descendants<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        let node = self.node;
        if node.id >= self.end {
            return None;
        }
        self.node = node.at(node.id.saturating_add(1));
        Some(node)
    }
}

/// See [`Node::strings`].
#[derive(Debug, Clone)]
pub struct Strings<'d>(Descendants<'d>);

impl<'d> Iterator for Strings<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find(|node| node.kind() == Kind::String)
    }
}

/// See [`Node::keys`].
#[derive(Debug, Clone)]
pub struct Keys<'d>(Descendants<'d>);

impl Iterator for Keys<'_> {
    type Item = StringLiteral;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find_map(|node| node.key())
    }
}

#[derive(Debug, Clone)]
struct Children<'d> {
    node: Node<'d>,
    end: u32,
}

impl<'d> Iterator for Children<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        let node = self.node;
        if node.id >= self.end {
            return None;
        }
        self.node = node.at(node.entry().skip);
        Some(node)
    }
}

/// One value on the tape. Offsets are bytes from the start of the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) parent: u32,
    /// The entry after this value's subtree.
    pub(super) skip: u32,
    /// Position among the parent's children.
    ordinal: u32,
    /// The key's quotes; no key can start at 0, so 0 says that there is none.
    pub(super) key_start: u32,
    key_end: u32,
    pub(super) kind: Kind,
    escaped: bool,
    key_escaped: bool,
}

impl Entry {
    const ABSENT: Self = Self {
        start: 0,
        end: 0,
        parent: NONE,
        skip: 0,
        ordinal: 0,
        key_start: 0,
        key_end: 0,
        kind: Kind::Null,
        escaped: false,
        key_escaped: false,
    };

    pub(super) fn new(kind: Kind, start: u32, end: u32, escaped: bool) -> Self {
        Self {
            kind,
            start,
            end,
            escaped,
            ..Self::ABSENT
        }
    }

    pub(super) fn under(self, parent: u32, ordinal: u32, key: Option<StringLiteral>) -> Self {
        let placed = Self {
            parent,
            ordinal,
            ..self
        };
        match key {
            None => placed,
            Some(key) => {
                let (key_start, key_end) = key.offsets();
                Self {
                    key_start,
                    key_end,
                    key_escaped: key.is_escaped(),
                    ..placed
                }
            }
        }
    }

    pub(super) fn skipping_to(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    pub(super) fn key(&self) -> StringLiteral {
        StringLiteral::new(self.key_start, self.key_end, self.key_escaped)
    }

    fn has_key(&self) -> bool {
        self.key_start > 0
    }
}

/// JSON Pointer of the entry `id`; the tape may be unfinished, [`NONE`] gives the root's.
pub(super) fn pointer(text: &str, tape: &[Entry], id: u32) -> String {
    let mut path = Vec::new();
    let mut at = id;
    while let Some(entry) = tape.get(widen(at)).filter(|entry| entry.parent != NONE) {
        path.push(entry);
        at = entry.parent;
    }
    let mut pointer = String::new();
    for entry in path.iter().rev() {
        pointer.push('/');
        if !entry.has_key() {
            pointer.push_str(&entry.ordinal.to_string());
            continue;
        }
        for char in entry.key().decode_str(text).chars() {
            match char {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                _ => pointer.push(char),
            }
        }
    }
    pointer
}
