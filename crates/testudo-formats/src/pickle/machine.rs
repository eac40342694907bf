//! Carries out a pickle's opcodes on abstract values: nothing is imported, called or made.

use std::collections::BTreeMap;

use super::broken::Broken;
use super::expansion::SHARED_MIN;
use super::notes::Notes;
use super::numbers::may_be_in_key;
use super::tensors::Put;
use super::values::{Object, Value, Values};
use crate::source::Cursor;
use crate::verdict::{Verdict, shown};

/// Longest line of an opcode of protocol 0.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Memo slots that may lie far beyond the others.
const SPARSE_MAX: usize = 100_000;

/// How the machine goes on after an opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Step,
    Stop,
}

/// Limits of one run, and what the caller allows beside the list.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'b> {
    pub(super) opcodes_max: u64,
    pub(super) bytes_max: usize,
    pub(super) memo_max: usize,
    pub(super) also: &'b [(String, String)],
}

/// The state of an unpickler.
pub(super) struct Machine<'s, 'b> {
    pub(super) cursor: Cursor<'s>,
    pub(super) bounds: Bounds<'b>,
    pub(super) values: Values,
    pub(super) notes: Notes,
    pub(super) stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    far_memo: BTreeMap<u64, Value>,
    /// Slots in use; MEMOIZE takes this as its key.
    filled: u64,
    /// Where the opcode at hand stands.
    pub(super) at: u64,
    frame_end: Option<u64>,
    /// The highest version that a PROTO said; 0 without one.
    pub(super) version: u8,
    pub(super) opcodes: u64,
    pub(super) calls: u64,
    gets: u64,
    object_gets: u64,
    puts: u64,
    dups: u64,
    /// The array of a joblib file that follows, if this opcode was its wrapper's.
    pub(super) array: Option<Value>,
    /// Constants that may hold another pickle: where they lie.
    pub(super) constants: Vec<(u64, u64)>,
    /// Bytes that a call loads as a file of their own, and where the call stands.
    pub(super) loads: Vec<(u64, Value)>,
    /// What was put into which container, if somebody wants to know.
    pub(super) puts_noted: Option<Vec<Put>>,
}

impl<'s, 'b> Machine<'s, 'b> {
    pub(super) fn new(cursor: Cursor<'s>, bounds: Bounds<'b>) -> Self {
        Self {
            at: cursor.position(),
            cursor,
            values: Values::new(bounds.bytes_max),
            bounds,
            notes: Notes::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            far_memo: BTreeMap::new(),
            filled: 0,
            frame_end: None,
            version: 0,
            opcodes: 0,
            calls: 0,
            gets: 0,
            object_gets: 0,
            puts: 0,
            dups: 0,
            array: None,
            constants: Vec::new(),
            loads: Vec::new(),
            puts_noted: None,
        }
    }

    /// Carries out one opcode.
    pub(super) fn step(&mut self) -> Result<Next, Broken> {
        self.at = self.cursor.position();
        if self.frame_end.is_some_and(|end| self.at >= end) {
            self.frame_end = None;
        }
        let Some(opcode) = self.cursor.next_byte()? else {
            return Err(Broken::new("it ends before its STOP"));
        };
        self.opcodes = self.opcodes.saturating_add(1);
        if self.opcodes > self.bounds.opcodes_max {
            return Err(Broken::limit("it has more opcodes than the limit"));
        }
        let next = self.carry_out(opcode)?;
        if let Some(end) = self.frame_end
            && opcode != b'\x95'
            && self.cursor.position() > end
        {
            self.frame_end = None;
            self.note(
                "pickle.frame",
                Verdict::Unknown,
                "an opcode lies across the end of a frame, which unpicklers read in different ways",
            );
        }
        Ok(next)
    }

    fn carry_out(&mut self, opcode: u8) -> Result<Next, Broken> {
        match opcode {
            b'.' => return Ok(Next::Stop),
            b'\x80' => self.protocol()?,
            b'\x95' => self.frame()?,
            b'(' => self.mark()?,
            b'0' => self.pop_or_mark()?,
            b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => {
                self.dups = self.dups.saturating_add(1);
                let top = self.stack.last().copied().ok_or_else(underflow)?;
                self.push(top)?;
            }
            b'N' => self.push(Value::None)?,
            b'\x88' => self.push(Value::Bool(true))?,
            b'\x89' => self.push(Value::Bool(false))?,
            b'I' | b'L' | b'F' | b'J' | b'K' | b'M' | b'\x8a' | b'\x8b' | b'G' => self.number(opcode)?,
            b'S' | b'V' | b'T' | b'U' | b'X' | b'\x8c' | b'\x8d' | b'B' | b'C' | b'\x8e' | b'\x96' => {
                self.text(opcode)?;
            }
            b'\x97' => self.push(Value::LongBytes)?,
            b'\x98' => {}
            b')' | b't' | b'\x85' | b'\x86' | b'\x87' => self.tuple(opcode)?,
            b']' | b'l' | b'}' | b'd' | b'\x8f' | b'\x91' => self.container(opcode)?,
            b'a' | b'e' | b's' | b'u' | b'\x90' => self.put_in(opcode)?,
            b'g' | b'h' | b'j' => self.recall(opcode)?,
            b'p' | b'q' | b'r' | b'\x94' => self.remember(opcode)?,
            b'P' => {
                let id_line = self.cursor.line(LINE_BYTES_MAX);
                id_line.map_err(|fault| Broken::new(fault.to_string()))?;
                let id = self.values.persistent(Value::LongText);
                self.push(id)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let value = self.values.persistent(id);
                self.push(value)?;
            }
            b'c' => {
                let (module, name) = self.two_lines()?;
                let value = self.name(&module, &name);
                self.push(value)?;
            }
            b'\x93' => self.stack_global()?,
            b'\x82' | b'\x83' | b'\x84' => self.extension(opcode)?,
            b'R' | b'\x81' | b'\x92' | b'o' | b'i' => self.calling(opcode)?,
            b'b' => {
                let state = self.pop()?;
                let on = self.stack.last().copied().ok_or_else(underflow)?;
                self.build(on, state);
            }
            _ => return Err(Broken::new(format!("byte {opcode:#04x} is no opcode"))),
        }
        Ok(Next::Step)
    }

    pub(super) fn note(&mut self, rule: &'static str, verdict: Verdict, reason: impl Into<String>) {
        self.notes.add(rule, verdict, reason.into(), self.at);
    }

    fn protocol(&mut self) -> Result<(), Broken> {
        let version = self.cursor.byte()?;
        self.version = self.version.max(version);
        if version > 5 {
            self.note(
                "pickle.protocol",
                Verdict::Unknown,
                format!("protocol {version} is not known"),
            );
        }
        if self.opcodes > 1 {
            self.note(
                "pickle.protocol",
                Verdict::Suspicious,
                "a second PROTO within one pickle",
            );
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Broken> {
        let bytes = self.cursor.u64_le()?;
        if self.frame_end.is_some() {
            self.note("pickle.frame", Verdict::Unknown, "a frame begins within another");
        }
        if bytes > self.cursor.left() {
            self.note("pickle.frame", Verdict::Unknown, "a frame ends after the data");
        }
        self.frame_end = Some(self.cursor.position().saturating_add(bytes));
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), Broken> {
        // What is popped is not given back: a stack that breathes is paid for at its widest.
        if self.stack.len() == self.stack.capacity() && !self.values.spend(self.stack.len().max(64).saturating_mul(16))
        {
            return Err(Broken::limit("its values need more memory than the limit"));
        }
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Value, Broken> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return Err(underflow());
        }
        self.stack.pop().ok_or_else(underflow)
    }

    fn mark(&mut self) -> Result<(), Broken> {
        if self.marks.len() == self.marks.capacity() && !self.values.spend(self.marks.len().max(64).saturating_mul(8)) {
            return Err(Broken::limit("its values need more memory than the limit"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_or_mark(&mut self) -> Result<(), Broken> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.stack.pop().map(|_| ()).ok_or_else(underflow)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Broken> {
        let mark = self.marks.pop().ok_or_else(|| Broken::new("there is no mark"))?;
        if mark > self.stack.len() {
            return Err(underflow());
        }
        Ok(self.stack.split_off(mark))
    }

    fn number(&mut self, opcode: u8) -> Result<(), Broken> {
        let value = match opcode {
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.cursor.array()?))),
            b'K' => Value::Int(i64::from(self.cursor.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.cursor.array()?))),
            b'G' => {
                self.cursor.skip(8)?;
                Value::Number
            }
            b'\x8a' | b'\x8b' => {
                let bytes = if opcode == b'\x8a' {
                    u64::from(self.cursor.byte()?)
                } else {
                    u64::from(self.cursor.u32_le()?)
                };
                if bytes > 8 {
                    self.cursor.skip(bytes)?;
                    Value::Number
                } else {
                    let raw = self.cursor.take(bytes, 8)?;
                    let negative = raw.last().is_some_and(|byte| byte & 0x80 != 0);
                    let mut wide = [if negative { 0xff } else { 0 }; 8];
                    for (to, from) in wide.iter_mut().zip(&raw) {
                        *to = *from;
                    }
                    Value::Int(i64::from_le_bytes(wide))
                }
            }
            _ => self.written_number(opcode)?,
        };
        self.push(value)
    }

    fn tuple(&mut self, opcode: u8) -> Result<(), Broken> {
        let count = match opcode {
            b')' => 0,
            b'\x85' => 1,
            b'\x86' => 2,
            b'\x87' => 3,
            _ => {
                let items = self.pop_to_mark()?;
                let value = self.values.tuple(&items);
                return self.push(value);
            }
        };
        let mut items = [Value::Unknown; 3];
        let used = items.get_mut(..count).unwrap_or_default();
        for item in used.iter_mut().rev() {
            *item = self.pop()?;
        }
        let value = self.values.tuple(used);
        self.push(value)
    }

    fn container(&mut self, opcode: u8) -> Result<(), Broken> {
        let value = match opcode {
            b']' => self.values.list(),
            b'}' => self.values.dict(),
            b'\x8f' => self.values.set(),
            b'd' => {
                let pairs = self.pop_to_mark()?;
                let dict = self.values.dict();
                self.values.set_items(dict, &pairs);
                self.note_puts(dict, &pairs, true)?;
                dict
            }
            _ => {
                let items = self.pop_to_mark()?;
                let list = if opcode == b'l' {
                    self.values.list()
                } else {
                    self.values.set()
                };
                self.values.append(list, &items);
                self.note_puts(list, &items, false)?;
                list
            }
        };
        self.push(value)
    }

    fn put_in(&mut self, opcode: u8) -> Result<(), Broken> {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_to_mark()?,
        };
        let into = self.stack.last().copied().ok_or_else(underflow)?;
        let is_dict = matches!(opcode, b's' | b'u');
        self.note_puts(into, &items, is_dict)?;
        match into {
            Value::Dict(_) if is_dict => self.values.set_items(into, &items),
            Value::List(_) | Value::Set(_) if !is_dict => self.values.append(into, &items),
            Value::Opaque => {}
            Value::Object(_) if self.values.made(into).is_some_and(|object| object.takes_state) => {
                self.values.hold(into, &items);
            }
            _ => {
                let what = self.values.describe(into);
                self.note("pickle.items", Verdict::Unknown, format!("puts items into {what}"));
            }
        }
        Ok(())
    }

    fn note_puts(&mut self, into: Value, items: &[Value], is_dict: bool) -> Result<(), Broken> {
        let Some(noted) = &mut self.puts_noted else {
            return Ok(());
        };
        // Constants hold no tensor, and may be many.
        let size = if is_dict { 2 } else { 1 };
        for put in items.chunks_exact(size) {
            let (key, value) = match put {
                [key, value] => (*key, *value),
                [value] => (Value::None, *value),
                _ => continue,
            };
            if !self.values.is_plain(value) {
                if !self.values.spend(size_of::<Put>()) {
                    return Err(Broken::limit("its values need more memory than the limit"));
                }
                noted.push((into, key, value));
            }
        }
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), Broken> {
        let key = self.memo_key(opcode)?;
        let near = usize::try_from(key)
            .ok()
            .and_then(|key| self.memo.get(key).copied().flatten());
        let value = near
            .or_else(|| self.far_memo.get(&key).copied())
            .ok_or_else(|| Broken::new(format!("memo {key} was never filled")))?;
        if matches!(
            value,
            Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Set(_) | Value::LongTuple
        ) {
            self.gets = self.gets.saturating_add(1);
        } else if matches!(value, Value::Object(_)) {
            self.object_gets = self.object_gets.saturating_add(1);
        }
        self.push(value)
    }

    fn remember(&mut self, opcode: u8) -> Result<(), Broken> {
        let key = if opcode == b'\x94' {
            self.filled
        } else {
            self.memo_key(opcode)?
        };
        self.puts = self.puts.saturating_add(1);
        let value = self.stack.last().copied().ok_or_else(underflow)?;
        let full = || Broken::limit("its memo has more slots than the limit");
        let near = usize::try_from(key)
            .ok()
            .filter(|key| *key <= self.memo.len().saturating_add(4096));
        match near {
            Some(key) => {
                if key >= self.bounds.memo_max {
                    return Err(full());
                }
                let grown = key.saturating_add(1).saturating_sub(self.memo.len());
                if !self.values.spend(grown.saturating_mul(24)) {
                    return Err(Broken::limit("its values need more memory than the limit"));
                }
                if grown > 0 {
                    self.memo.resize(key.saturating_add(1), None);
                }
                if let Some(slot) = self.memo.get_mut(key)
                    && slot.replace(value).is_none()
                {
                    self.filled = self.filled.saturating_add(1);
                }
            }
            None if self.far_memo.len() < SPARSE_MAX => {
                if self.far_memo.insert(key, value).is_none() {
                    self.filled = self.filled.saturating_add(1);
                }
            }
            None => return Err(full()),
        }
        Ok(())
    }

    fn memo_key(&mut self, opcode: u8) -> Result<u64, Broken> {
        match opcode {
            b'h' | b'q' => Ok(u64::from(self.cursor.byte()?)),
            b'j' | b'r' => Ok(u64::from(self.cursor.u32_le()?)),
            _ => {
                let line = self.number_line(may_be_in_key)?;
                let text = String::from_utf8_lossy(&line);
                // Python takes underscores between digits.
                let digits: String = text.trim().chars().filter(|digit| *digit != '_').collect();
                digits
                    .parse()
                    .map_err(|_| Broken::new(format!("`{}` is no memo key", shown(&text))))
            }
        }
    }

    fn two_lines(&mut self) -> Result<(String, String), Broken> {
        let mut line = || -> Result<String, Broken> {
            // Nothing is called by a longer name.
            let bytes = self
                .cursor
                .line(LINE_BYTES_MAX)
                .map_err(|fault| Broken::new(fault.to_string()))?;
            String::from_utf8(bytes).map_err(|_| Broken::new("a name is not UTF-8"))
        };
        Ok((line()?, line()?))
    }

    fn stack_global(&mut self) -> Result<(), Broken> {
        let name = self.pop()?;
        let module = self.pop()?;
        let named = match (self.values.str(module), self.values.str(name)) {
            (Some(module), Some(name)) => Some((module.to_owned(), name.to_owned())),
            _ => None,
        };
        let value = match named {
            Some((module, name)) => self.name(&module, &name),
            None => {
                let (module, name) = (self.values.describe(module), self.values.describe(name));
                self.note(
                    "pickle.name",
                    Verdict::Unknown,
                    format!("names something by values that are no texts: {module}, {name}"),
                );
                Value::Unknown
            }
        };
        self.push(value)
    }

    fn extension(&mut self, opcode: u8) -> Result<(), Broken> {
        let code = match opcode {
            b'\x82' => u32::from(self.cursor.byte()?),
            b'\x83' => u32::from(u16::from_le_bytes(self.cursor.array()?)),
            _ => self.cursor.u32_le()?,
        };
        self.note(
            "pickle.extension",
            Verdict::Unknown,
            format!("names something by extension code {code}, which only the loading process can resolve"),
        );
        self.push(Value::Unknown)
    }

    fn calling(&mut self, opcode: u8) -> Result<(), Broken> {
        let (callable, args, is_new) = match opcode {
            b'R' => {
                let args = self.pop()?;
                (self.pop()?, args, false)
            }
            b'\x81' => {
                let args = self.pop()?;
                (self.pop()?, args, true)
            }
            b'\x92' => {
                let keywords = self.pop()?;
                let args = self.pop()?;
                let both = self.values.tuple(&[args, keywords]);
                (self.pop()?, both, true)
            }
            b'o' => {
                let mut items = self.pop_to_mark()?;
                if items.is_empty() {
                    return Err(underflow());
                }
                let callable = items.remove(0);
                (callable, self.values.tuple(&items), false)
            }
            _ => {
                let (module, name) = self.two_lines()?;
                let items = self.pop_to_mark()?;
                (self.name(&module, &name), self.values.tuple(&items), false)
            }
        };
        let value = self.call(callable, args, is_new);
        self.push(value)
    }

    /// What the counts of opcodes and the containers in each other say, once it ended; gives the steps that it took,
    /// which count as opcodes do.
    pub(super) fn judge_counts(&mut self) -> u64 {
        let shared = self.gets.saturating_add(self.object_gets).saturating_add(self.dups);
        let is_shared = shared >= SHARED_MIN;
        let steps = if is_shared { self.judge_expansion() } else { 0 };
        if self.gets > 10_000 && self.gets > self.puts.saturating_mul(50) {
            let (gets, puts) = (self.gets, self.puts);
            let reason = format!("recalls {gets} containers with {puts} values in its memo, as what grows on use does");
            self.note("pickle.counts", Verdict::Suspicious, reason);
        }
        if self.dups > 100 {
            let dups = self.dups;
            self.note(
                "pickle.counts",
                Verdict::Suspicious,
                format!("{dups} DUP, which no saver writes"),
            );
        }
        steps
    }

    pub(super) fn object(&mut self, callable: Value, args: Value, takes_state: bool) -> Value {
        self.values.object(Object {
            callable,
            args,
            takes_state,
            state: None,
        })
    }
}

pub(super) fn underflow() -> Broken {
    Broken::new("it takes more from the stack than is there")
}
