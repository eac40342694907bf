//! The tensors that a PyTorch pickle describes, by name: its opcodes are carried out, and what is put where is noted.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{Bounds, Machine, Next};
use super::values::{Value, Values};
use crate::limits::Limits;
use crate::source::{Cursor, Source};

/// How deep containers are looked into.
const DEPTH_MAX: u32 = 32;
/// Values that are looked at.
const VISITS_MAX: usize = 1 << 20;
/// Attributes of a module that hold others and are no part of a name that people use.
const UNNAMED: [&str; 3] = ["_modules", "_parameters", "_buffers"];

/// What is put into a container: where, under which key, what.
pub(super) type Put = (Value, Value, Value);

/// A tensor as its pickle describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    /// Which storage it lies in.
    pub(crate) storage: String,
    /// The storage's class, or the type of its values where the class says nothing.
    pub(crate) class: String,
    /// Values of the storage before it.
    pub(crate) offset: u64,
    pub(crate) shape: Vec<u64>,
    pub(crate) strides: Vec<u64>,
}

/// Reads a pickle to its STOP and finds the tensors in what it makes.
pub(crate) fn tensors(source: &dyn Source) -> Result<Vec<Described>, String> {
    let limits = Limits::DEFAULT;
    let bounds = Bounds {
        opcodes_max: limits.opcodes_max,
        bytes_max: limits.pickle_bytes_max,
        memo_max: limits.memo_max,
        also: &[],
    };
    let mut machine = Machine::new(Cursor::new(source, 0), bounds);
    machine.puts_noted = Some(Vec::new());
    while machine.step().map_err(|broken| broken.why)? == Next::Step {}
    let mut inside: BTreeMap<Key, Vec<(Value, Value)>> = BTreeMap::new();
    for (into, key, value) in machine.puts_noted.take().unwrap_or_default() {
        if let Some(id) = Key::of(into) {
            inside.entry(id).or_default().push((key, value));
        }
    }
    let root = machine.stack.last().copied().ok_or("it leaves nothing")?;
    let mut walk = Walk {
        values: &machine.values,
        inside,
        seen: BTreeSet::new(),
        visits: 0,
        found: Vec::new(),
    };
    walk.visit(root, "", DEPTH_MAX)?;
    Ok(walk.found)
}

/// A container by its kind and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u8, u32);

impl Key {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Dict(id) => Some(Self(0, id)),
            Value::List(id) => Some(Self(1, id)),
            Value::Object(id) => Some(Self(2, id)),
            _ => None,
        }
    }
}

struct Walk<'v> {
    values: &'v Values,
    inside: BTreeMap<Key, Vec<(Value, Value)>>,
    seen: BTreeSet<Key>,
    visits: usize,
    found: Vec<Described>,
}

impl Walk<'_> {
    fn visit(&mut self, value: Value, name: &str, depth: u32) -> Result<(), String> {
        self.visits = self.visits.saturating_add(1);
        if self.visits > VISITS_MAX {
            return Err("it holds more values than are looked at".to_owned());
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(());
        };
        // Shared tensors have several names; shared containers are looked into once.
        if let Some(found) = self.tensor(value, name) {
            self.found.push(found);
            return Ok(());
        }
        if let Some(key) = Key::of(value) {
            if !self.seen.insert(key) {
                return Ok(());
            }
            for (index, (key, value)) in self
                .inside
                .get(&key)
                .cloned()
                .unwrap_or_default()
                .into_iter()
                .enumerate()
            {
                self.visit(value, &self.joined(name, key, index), depth)?;
            }
        }
        if let Some(items) = self.values.items(value) {
            for (index, item) in items.iter().copied().enumerate() {
                self.visit(item, &self.joined(name, Value::None, index), depth)?;
            }
        }
        if let Some(object) = self.values.made(value) {
            // A parameter is its tensor; other objects hold some in what they are made of and in their state.
            for part in [Some(object.args), object.state].into_iter().flatten() {
                match self.values.items(part).map(<[Value]>::to_vec) {
                    Some(items) => {
                        for item in items {
                            self.visit(item, name, depth)?;
                        }
                    }
                    None => self.visit(part, name, depth)?,
                }
            }
        }
        Ok(())
    }

    fn joined(&self, name: &str, key: Value, index: usize) -> String {
        let own = match key {
            Value::Int(number) => number.to_string(),
            Value::None => index.to_string(),
            key => self.values.str(key).map_or("?".to_owned(), ToOwned::to_owned),
        };
        if UNNAMED.contains(&own.as_str()) {
            name.to_owned()
        } else if name.is_empty() {
            own
        } else {
            format!("{name}.{own}")
        }
    }

    /// `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, …)`, or one of its kin with the same beginning.
    fn tensor(&self, value: Value, name: &str) -> Option<Described> {
        let object = self.values.made(value)?;
        let callable = self.values.named(object.callable)?;
        if callable.module != "torch._utils"
            || !matches!(
                callable.name.as_str(),
                "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3"
            )
        {
            return None;
        }
        let [storage, offset, shape, strides, rest @ ..] = self.values.items(object.args)? else {
            return None;
        };
        let id = self.values.items(self.values.persistent_id(*storage)?)?;
        let [kind, class, key, _, _, ..] = id else { return None };
        if self.values.str(*kind) != Some("storage") {
            return None;
        }
        let mut class = self.values.named(*class)?.name.clone();
        if class == "UntypedStorage" {
            // The type of values comes behind requires_grad and the hooks.
            class = self.values.named(*rest.get(2)?)?.name.clone();
        }
        Some(Described {
            name: name.to_owned(),
            storage: self.values.str(*key)?.to_owned(),
            class,
            offset: number(*offset)?,
            shape: self.numbers(*shape)?,
            strides: self.numbers(*strides)?,
        })
    }

    fn numbers(&self, value: Value) -> Option<Vec<u64>> {
        self.values.items(value)?.iter().map(|item| number(*item)).collect()
    }
}

fn number(value: Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(number).ok(),
        _ => None,
    }
}
