//! What a pickle's opcodes make, without making it: abstract values in arenas that have a limit.

use std::collections::BTreeMap;

use super::expansion::{HELD_MAX, Node};
use super::policy::{self, Standing, Use};

/// Longest text or bytes whose content is kept; names and nested payloads that matter are shorter, or are read where
/// they lie in the file.
pub(super) const KEPT_BYTES_MAX: usize = 4096;
/// Entries of a dictionary that are kept; the states that matter have fewer.
const KEPT_ENTRIES_MAX: usize = 64;
/// Items of a tuple that are kept.
const KEPT_ITEMS_MAX: usize = 4096;
/// What a value costs in a list, about.
const VALUE_BYTES: usize = 16;
/// How deep tuples are looked into.
const DEPTH_MAX: u32 = 32;

/// A value on the stack or in the memo. Copying one copies a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A float, or an integer of more than 64 bits.
    Number,
    Text(u32),
    /// Text whose content was not kept.
    LongText,
    Bytes(u32),
    /// Bytes whose content was not kept, or that lie in a buffer outside.
    LongBytes,
    /// Bytes that lie in the source, by their place there.
    Span(u32),
    Tuple(u32),
    /// A tuple whose items were not kept.
    LongTuple,
    List(u32),
    Set(u32),
    Dict(u32),
    /// A container that was not kept.
    Opaque,
    Global(u32),
    Object(u32),
    Persistent(u32),
    /// Nothing is known.
    Unknown,
}

/// A (module, qualified name), named once or often.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) module: String,
    pub(super) name: String,
    pub(super) standing: Standing,
}

impl Named {
    pub(super) fn path(&self) -> String {
        crate::verdict::shown(&format!("{}.{}", self.module, self.name))
    }
}

/// What a call made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    pub(super) callable: Value,
    pub(super) args: Value,
    /// May be given a state and items.
    pub(super) takes_state: bool,
    pub(super) state: Option<Value>,
}

#[derive(Debug, Default)]
struct Container {
    /// Only dictionaries keep entries, and only short ones.
    entries: Vec<(Value, Value)>,
    /// Something in it is neither a constant nor made of constants.
    mixed: bool,
    /// A key that begins with two underscores.
    dunder: bool,
    /// Not all entries were kept.
    is_cut: bool,
}

/// The arenas.
#[derive(Debug)]
pub(super) struct Values {
    texts: Vec<Box<[u8]>>,
    tuples: Vec<Box<[Value]>>,
    containers: Vec<Container>,
    globals: Vec<Named>,
    global_ids: BTreeMap<(String, String), u32>,
    objects: Vec<Object>,
    persistent: Vec<Value>,
    spans: Vec<(u64, u64)>,
    /// Which container holds which other, as often as it does.
    held: Vec<(Node, Node)>,
    /// A class whose states are judged was put where another call could get at it.
    pub(super) has_loose_class: bool,
    bytes_left: usize,
}

impl Values {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            texts: Vec::new(),
            tuples: Vec::new(),
            containers: Vec::new(),
            globals: Vec::new(),
            global_ids: BTreeMap::new(),
            objects: Vec::new(),
            persistent: Vec::new(),
            spans: Vec::new(),
            held: Vec::new(),
            has_loose_class: false,
            bytes_left: bytes_max,
        }
    }

    /// Whether so many bytes more may be used; then they are.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                true
            }
            None => false,
        }
    }

    pub(super) fn text(&mut self, content: &[u8]) -> Value {
        match self.keep(content) {
            Some(id) => Value::Text(id),
            None => Value::LongText,
        }
    }

    pub(super) fn bytes(&mut self, content: &[u8]) -> Value {
        match self.keep(content) {
            Some(id) => Value::Bytes(id),
            None => Value::LongBytes,
        }
    }

    /// Bytes that are too long to keep: where they lie and how many they are.
    pub(super) fn long_bytes(&mut self, at: u64, bytes: u64) -> Value {
        if !self.spend(VALUE_BYTES) {
            return Value::LongBytes;
        }
        push(&mut self.spans, (at, bytes)).map_or(Value::LongBytes, Value::Span)
    }

    pub(super) fn span(&self, value: Value) -> Option<(u64, u64)> {
        match value {
            Value::Span(id) => at(&self.spans, id).copied(),
            _ => None,
        }
    }

    fn keep(&mut self, content: &[u8]) -> Option<u32> {
        if content.len() > KEPT_BYTES_MAX || !self.spend(content.len().saturating_add(VALUE_BYTES)) {
            return None;
        }
        push(&mut self.texts, content.into())
    }

    pub(super) fn tuple(&mut self, items: &[Value]) -> Value {
        let cost = items.len().saturating_add(1).saturating_mul(VALUE_BYTES);
        let is_loose = |item: &Value| {
            let is_inner = matches!(item, Value::Tuple(_));
            (is_inner || items.len() > KEPT_ITEMS_MAX) && self.holds_stated(*item)
        };
        self.has_loose_class |= items.iter().any(is_loose);
        if items.len() > KEPT_ITEMS_MAX || !self.spend(cost) {
            return Value::LongTuple;
        }
        let tuple = push(&mut self.tuples, items.into()).map_or(Value::LongTuple, Value::Tuple);
        self.hold(tuple, items);
        tuple
    }

    fn container(&mut self) -> Option<u32> {
        if !self.spend(VALUE_BYTES.saturating_mul(2)) {
            return None;
        }
        push(&mut self.containers, Container::default())
    }

    pub(super) fn list(&mut self) -> Value {
        self.container().map_or(Value::Opaque, Value::List)
    }

    pub(super) fn set(&mut self) -> Value {
        self.container().map_or(Value::Opaque, Value::Set)
    }

    pub(super) fn dict(&mut self) -> Value {
        self.container().map_or(Value::Opaque, Value::Dict)
    }

    /// Puts items into a list or set.
    pub(super) fn append(&mut self, container: Value, items: &[Value]) {
        self.loosen(items);
        self.hold(container, items);
        let mixed = items.iter().any(|item| !self.is_plain(*item));
        if let Value::List(id) | Value::Set(id) = container
            && let Some(container) = at_mut(&mut self.containers, id)
        {
            container.mixed |= mixed;
        }
    }

    /// Whether it is a class whose states are judged, or a tuple with one in it.
    pub(super) fn holds_stated(&self, value: Value) -> bool {
        let is_stated = |value: Value| {
            self.named(value)
                .is_some_and(|named| named.standing == Standing::Allowed(Use::Stated))
        };
        is_stated(value)
            || self
                .items(value)
                .is_some_and(|items| items.iter().any(|item| is_stated(*item)))
    }

    /// Notes that whoever gets at the container of these items gets at the classes among them.
    pub(super) fn loosen(&mut self, items: &[Value]) {
        self.has_loose_class |= items.iter().any(|item| self.holds_stated(*item));
    }

    /// Notes which of the items are containers, too.
    pub(super) fn hold(&mut self, container: Value, items: &[Value]) {
        let Some(outer) = self.node(container) else { return };
        for item in items {
            let Some(inner) = self.node(*item) else { continue };
            if self.held.len() < HELD_MAX && self.spend(size_of::<(Node, Node)>()) {
                self.held.push((outer, inner));
            }
        }
    }

    /// A container, which what `collections` and `builtins` make is, too.
    fn node(&self, value: Value) -> Option<Node> {
        if let Some(object) = self.made(value) {
            let module = self.named(object.callable).map(|named| named.module.as_str());
            if !matches!(module, Some("collections" | "builtins" | "__builtin__")) {
                return None;
            }
        }
        Node::of(value)
    }

    /// Which container holds which, up to a limit.
    pub(super) fn held(&self) -> &[(Node, Node)] {
        &self.held
    }

    /// Puts keys and values, one after the other, into a dictionary.
    pub(super) fn set_items(&mut self, dict: Value, pairs: &[Value]) {
        self.loosen(pairs);
        let Value::Dict(id) = dict else { return };
        self.hold(dict, pairs);
        let mut mixed = false;
        let mut dunder = false;
        for pair in pairs.chunks(2) {
            mixed |= pair.iter().any(|item| !self.is_plain(*item));
            dunder |= pair
                .first()
                .and_then(|key| self.content(*key))
                .is_some_and(|key| key.starts_with(b"__"));
        }
        let kept = at(&self.containers, id).map_or(0, |container| container.entries.len());
        let room = KEPT_ENTRIES_MAX.saturating_sub(kept).min(pairs.len().div_ceil(2));
        let room = if self.spend(room.saturating_mul(VALUE_BYTES).saturating_mul(2)) {
            room
        } else {
            0
        };
        if let Some(container) = at_mut(&mut self.containers, id) {
            container.mixed |= mixed;
            container.dunder |= dunder;
            container.is_cut |= room < pairs.len().div_ceil(2);
            for pair in pairs.chunks_exact(2).take(room) {
                if let [key, value] = pair {
                    container.entries.push((*key, *value));
                }
            }
        }
    }

    /// A name, judged when it is first named.
    pub(super) fn global(&mut self, module: &str, name: &str, also: &[(String, String)]) -> Value {
        let key = (module.to_owned(), name.to_owned());
        if let Some(id) = self.global_ids.get(&key) {
            return Value::Global(*id);
        }
        if !self.spend(module.len().saturating_add(name.len()).saturating_mul(3)) {
            return Value::Unknown;
        }
        let named = Named {
            module: module.to_owned(),
            name: name.to_owned(),
            standing: policy::standing(module, name, also),
        };
        match push(&mut self.globals, named) {
            Some(id) => {
                self.global_ids.insert(key, id);
                Value::Global(id)
            }
            None => Value::Unknown,
        }
    }

    pub(super) fn object(&mut self, object: Object) -> Value {
        if !self.spend(VALUE_BYTES.saturating_mul(4)) {
            return Value::Unknown;
        }
        let made = push(&mut self.objects, object).map_or(Value::Unknown, Value::Object);
        self.hold(made, &[object.args]);
        made
    }

    pub(super) fn persistent(&mut self, id: Value) -> Value {
        self.loosen(&[id]);
        if !self.spend(VALUE_BYTES) {
            return Value::Unknown;
        }
        push(&mut self.persistent, id).map_or(Value::Unknown, Value::Persistent)
    }

    /// The bytes of a text or of bytes, if they were kept.
    pub(super) fn content(&self, value: Value) -> Option<&[u8]> {
        match value {
            Value::Text(id) | Value::Bytes(id) => at(&self.texts, id).map(AsRef::as_ref),
            _ => None,
        }
    }

    /// A text, if it was kept.
    pub(super) fn str(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(_) => self.content(value).and_then(|bytes| std::str::from_utf8(bytes).ok()),
            _ => None,
        }
    }

    pub(super) fn items(&self, value: Value) -> Option<&[Value]> {
        match value {
            Value::Tuple(id) => at(&self.tuples, id).map(AsRef::as_ref),
            _ => None,
        }
    }

    /// What a short dictionary holds under a key.
    pub(super) fn entry(&self, dict: Value, key: &str) -> Option<Value> {
        let Value::Dict(id) = dict else { return None };
        // The last one counts, as in Python.
        let entries = &at(&self.containers, id)?.entries;
        let found = entries.iter().rev().find(|(name, _)| self.str(*name) == Some(key));
        found.map(|(_, value)| *value)
    }

    /// Every entry of a dictionary, if all were kept.
    pub(super) fn entries(&self, dict: Value) -> Option<&[(Value, Value)]> {
        let Value::Dict(id) = dict else { return None };
        let container = at(&self.containers, id)?;
        (!container.is_cut).then_some(container.entries.as_slice())
    }

    /// The class of an object that was made without calling its class.
    pub(super) fn class_of(&self, value: Value) -> Option<Value> {
        let object = self.made(value)?;
        match self.named(object.callable)?.standing {
            Standing::Allowed(Use::Reconstructor) => self.items(object.args)?.first().copied(),
            _ => Some(object.callable),
        }
    }

    /// Whether a state sets an attribute whose name begins with two underscores, or may.
    pub(super) fn sets_dunder(&self, state: Value) -> bool {
        match state {
            Value::Dict(id) => at(&self.containers, id).is_some_and(|container| container.dunder),
            Value::Tuple(_) => self.items(state).is_some_and(|items| {
                items
                    .iter()
                    .take(2)
                    .any(|item| matches!(item, Value::Dict(_)) && self.sets_dunder(*item))
            }),
            _ => false,
        }
    }

    pub(super) fn named(&self, value: Value) -> Option<&Named> {
        match value {
            Value::Global(id) => at(&self.globals, id),
            _ => None,
        }
    }

    /// Whether the value is this name.
    pub(super) fn is_named(&self, value: Value, module: &str, name: &str) -> bool {
        self.named(value)
            .is_some_and(|named| named.module == module && named.name == name)
    }

    pub(super) fn made(&self, value: Value) -> Option<Object> {
        match value {
            Value::Object(id) => at(&self.objects, id).copied(),
            _ => None,
        }
    }

    pub(super) fn give_state(&mut self, value: Value, state: Value) {
        if let Value::Object(id) = value
            && let Some(object) = at_mut(&mut self.objects, id)
        {
            object.state = Some(state);
        }
    }

    /// The class in a persistent id with which old PyTorch files name the classes of modules.
    pub(super) fn module_class(&self, value: Value) -> Option<Value> {
        let Value::Persistent(id) = value else { return None };
        match self.items(*at(&self.persistent, id)?)? {
            [kind, class @ Value::Global(_), ..] if self.str(*kind) == Some("module") => Some(*class),
            _ => None,
        }
    }

    /// The id behind a persistent value.
    pub(super) fn persistent_id(&self, value: Value) -> Option<Value> {
        match value {
            Value::Persistent(id) => at(&self.persistent, id).copied(),
            _ => None,
        }
    }

    /// Every persistent id, in the order in which they were read.
    pub(super) fn persistent_ids(&self) -> &[Value] {
        &self.persistent
    }

    /// Whether it is a constant, or made of constants only.
    pub(super) fn is_plain(&self, value: Value) -> bool {
        self.is_plain_to(value, DEPTH_MAX)
    }

    fn is_plain_to(&self, value: Value, depth: u32) -> bool {
        match value {
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Number
            | Value::Text(_)
            | Value::LongText
            | Value::Bytes(_)
            | Value::LongBytes
            | Value::Span(_) => true,
            Value::Tuple(_) => {
                let Some(depth) = depth.checked_sub(1) else {
                    return false;
                };
                // A tuple of tuples of the same tuple would be looked at again and again.
                self.items(value)
                    .is_some_and(|items| items.iter().take(64).all(|item| self.is_plain_to(*item, depth.min(3))))
            }
            Value::List(id) | Value::Set(id) | Value::Dict(id) => {
                at(&self.containers, id).is_some_and(|container| !container.mixed)
            }
            // Bytes, as protocols below 3 write them.
            Value::Object(_) => self.made(value).is_some_and(|object| {
                self.named(object.callable)
                    .is_some_and(|named| named.standing == Standing::Allowed(Use::Latin1))
            }),
            Value::LongTuple | Value::Opaque | Value::Global(_) | Value::Persistent(_) | Value::Unknown => false,
        }
    }

    /// A value for a message: short, escaped.
    pub(super) fn describe(&self, value: Value) -> String {
        self.describe_to(value, 3)
    }

    fn describe_to(&self, value: Value, depth: u32) -> String {
        let quoted = |bytes: &[u8], mark: &str| {
            let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(160)).unwrap_or_default());
            format!("{mark}'{}'", crate::verdict::shown(&text))
        };
        match value {
            Value::None => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Number => "a number".to_owned(),
            Value::Text(_) => quoted(self.content(value).unwrap_or_default(), ""),
            Value::Bytes(_) => quoted(self.content(value).unwrap_or_default(), "b"),
            Value::LongText => "a long text".to_owned(),
            Value::LongBytes | Value::Span(_) => "bytes".to_owned(),
            Value::Tuple(_) => {
                let items = self.items(value).unwrap_or_default();
                let Some(depth) = depth.checked_sub(1) else {
                    return "(…)".to_owned();
                };
                let mut shown: Vec<String> = items
                    .iter()
                    .take(4)
                    .map(|item| self.describe_to(*item, depth))
                    .collect();
                if items.len() > 4 {
                    shown.push("…".to_owned());
                }
                format!("({})", shown.join(", "))
            }
            Value::LongTuple => "a long tuple".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Set(_) => "a set".to_owned(),
            Value::Dict(_) => "a dict".to_owned(),
            Value::Opaque => "a container".to_owned(),
            Value::Global(_) => self.named(value).map_or("a name".to_owned(), Named::path),
            Value::Object(_) => match (self.made(value), depth.checked_sub(1)) {
                (Some(object), Some(depth)) => format!("what {} made", self.describe_to(object.callable, depth)),
                _ => "an object".to_owned(),
            },
            Value::Persistent(_) => "a persistent id".to_owned(),
            Value::Unknown => "an unknown value".to_owned(),
        }
    }
}

fn push<T>(arena: &mut Vec<T>, value: T) -> Option<u32> {
    let id = u32::try_from(arena.len()).ok()?;
    arena.push(value);
    Some(id)
}

fn at<T>(arena: &[T], id: u32) -> Option<&T> {
    arena.get(usize::try_from(id).ok()?)
}

fn at_mut<T>(arena: &mut [T], id: u32) -> Option<&mut T> {
    arena.get_mut(usize::try_from(id).ok()?)
}
