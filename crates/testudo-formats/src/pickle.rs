//! Pickles: one or several in a row, with arrays of joblib between their opcodes and storages of PyTorch after them.

mod arrays;
mod broken;
mod calls;
mod expansion;
mod hidden;
mod machine;
mod notes;
mod numbers;
mod policy;
mod states;
mod tensors;
mod text;
mod values;

pub(crate) use self::hidden::{after, search};
pub(crate) use self::policy::{Known, known, reason_against};
pub(crate) use self::tensors::{Described, tensors};

use self::broken::Broken;
use self::machine::{Bounds, Machine, Next};
use self::values::Value;
use crate::scan::{Place, Scan};
use crate::source::{Cursor, Source, Window, read_up_to};
use crate::verdict::Verdict;

/// Pickles in a row that are read as such.
const IN_A_ROW_MAX: u32 = 10_000;
/// What `torch.save` wrote before 1.6: the first pickle is this number.
const TORCH_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// How such a file begins: PROTO, and the number as LONG1.
const OLD_TORCH: [u8; 14] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
];

/// How sure it is that the bytes are a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surely {
    /// Its place or its first bytes say so: what cannot be read is a finding.
    Pickle,
    /// A call loads it as an old PyTorch file of one storage: what is not that is a finding, too.
    Storage,
    /// A loader takes it for one if it can be read: what it names is a finding, too.
    Tried,
    /// Nothing says so: only what runs something is a finding.
    Perhaps,
}

/// Whether there was a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    Pickle,
    Nothing,
}

/// How one pickle ended.
struct Ended {
    at: u64,
    broken: Option<Broken>,
}

/// Reads pickles from `start` on and says what loading them would do.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, start: u64, place: &Place, surely: Surely) -> Was {
    let (mut at, mut storages) = (start, None);
    // Pickles in front of the first that is sure to be one are pickles only together with it.
    let mut is_one = false;
    if surely == Surely::Storage && !read_up_to(source, start, OLD_TORCH.len()).is_ok_and(|head| head == OLD_TORCH) {
        let reason = "what a tensor's bytes are loaded from is no storage as PyTorch writes it";
        scan.find(place, "pickle.nested", Verdict::Unknown, reason, Some(start));
    }
    for count in 0..IN_A_ROW_MAX {
        let is_first = !is_one;
        let mut machine = Machine::new(Cursor::new(source, at), bounds(scan));
        let ended = run(scan, &mut machine, place);
        scan.opcodes = scan.opcodes.saturating_add(machine.opcodes);
        if surely == Surely::Storage && machine.calls > 0 {
            let reason = "what a tensor's bytes are loaded from calls something, which a storage does not";
            scan.find(place, "pickle.nested", Verdict::Unknown, reason, Some(at));
        }
        if let Some(broken) = &ended.broken {
            let is_pickle = count == 0 && matches!(surely, Surely::Pickle | Surely::Storage);
            if is_pickle || broken.is_limit || runs_something(&machine) {
                if is_first {
                    list(scan, place, source);
                }
                broken_off(scan, source, &machine, &ended, place);
                return Was::Pickle;
            }
            if !is_first {
                after(scan, source, at, place, "follow the last pickle");
            }
            return if is_first { Was::Nothing } else { Was::Pickle };
        }
        // A file that is a name and nothing else imports it; words of a text end that way by chance only.
        let is_named = surely == Surely::Tried || (count == 0 && ended.at == source.size());
        let is_sure = matches!(surely, Surely::Pickle | Surely::Storage)
            || (is_named && machine.notes.worst() >= Some(Verdict::Unknown));
        if is_first && !is_sure && !is_believable(&machine, ended.at.saturating_sub(start)) {
            at = ended.at;
            // Loaders stop at one that leaves nothing.
            if at >= source.size() || machine.stack.is_empty() {
                return Was::Nothing;
            }
            continue;
        }
        if is_first {
            list(scan, place, source);
            is_one = true;
        }
        scan.opcodes = scan.opcodes.saturating_add(machine.judge_counts());
        report(scan, &machine, place, "");
        loads(scan, source, &machine, place);
        hidden::constants(scan, source, &machine, place);
        if is_first && is_torch_magic(source, start) {
            storages = Some(0_u64);
        }
        if let Some(bytes) = storages.as_mut() {
            *bytes = bytes.saturating_add(arrays::storage_bytes(&machine.values));
        }
        at = ended.at;
        if at >= source.size() {
            return Was::Pickle;
        }
        if let Some(bytes) = storages.filter(|_| count >= 4) {
            after_torch(scan, source, at, bytes, place);
            return Was::Pickle;
        }
    }
    scan.find(
        place,
        "pickle.row",
        Verdict::Unknown,
        "too many pickles in a row; the others were not read",
        Some(at),
    );
    Was::Pickle
}

/// Says what a pickle did until it broke, and that it did.
fn broken_off(scan: &mut Scan<'_>, source: &dyn Source, machine: &Machine<'_, '_>, ended: &Ended, place: &Place) {
    report(scan, machine, place, "");
    loads(scan, source, machine, place);
    let ran = machine.calls > 0 || machine.notes.worst() >= Some(Verdict::Unknown);
    let done = if ran { "; what it did until then is done" } else { "" };
    let why = ended.broken.as_ref().map_or("", |broken| broken.why.as_str());
    let reason = format!("the pickle cannot be read on from here: {why}{done}");
    scan.find(place, "pickle.broken", Verdict::Unknown, reason, Some(ended.at));
    search(scan, source, ended.at, place);
}

fn list(scan: &mut Scan<'_>, place: &Place, source: &dyn Source) {
    scan.part(place, "pickle", source.size());
}

fn bounds<'o>(scan: &Scan<'o>) -> Bounds<'o> {
    let limits = scan.limits();
    Bounds {
        opcodes_max: limits.opcodes_max.saturating_sub(scan.opcodes),
        bytes_max: limits.pickle_bytes_max,
        memo_max: limits.memo_max,
        also: &scan.options.also_allowed,
    }
}

/// Runs a machine to its end, over the arrays in it.
fn run(scan: &mut Scan<'_>, machine: &mut Machine<'_, '_>, place: &Place) -> Ended {
    loop {
        match machine.step() {
            Ok(Next::Step) => {}
            Ok(Next::Stop) => {
                return Ended {
                    at: machine.cursor.position(),
                    broken: None,
                };
            }
            Err(broken) => {
                return Ended {
                    at: machine.at,
                    broken: Some(broken),
                };
            }
        }
        if let Some(array) = machine.array.take()
            && let Err(broken) = arrays::skip(scan, machine, array, place)
        {
            return Ended {
                at: machine.cursor.position(),
                broken: Some(broken),
            };
        }
    }
}

/// Whether loading it would have run something that is not allowed.
fn runs_something(machine: &Machine<'_, '_>) -> bool {
    machine.calls > 0 && machine.notes.worst() >= Some(Verdict::Unknown)
}

/// Whether bytes that nothing calls a pickle, and that read as one, are one: text has short ones by chance.
fn is_believable(machine: &Machine<'_, '_>, bytes: u64) -> bool {
    runs_something(machine) || (machine.opcodes > 3 && bytes > 8 && machine.stack.len() == 1)
}

fn report(scan: &mut Scan<'_>, machine: &Machine<'_, '_>, place: &Place, before: &str) {
    for note in machine.notes.all() {
        for _ in 0..note.count.min(1_000) {
            scan.find(
                place,
                note.rule,
                note.verdict,
                format!("{before}{}", note.reason),
                Some(note.at),
            );
        }
    }
    if machine.notes.left_out() > 0 {
        let reason = format!(
            "{} findings more of this pickle were left out",
            machine.notes.left_out()
        );
        let verdict = machine.notes.worst().unwrap_or(Verdict::Unknown);
        scan.find(place, "pickle.more", verdict, reason, None);
    }
}

fn is_torch_magic(source: &dyn Source, start: u64) -> bool {
    let head = read_up_to(source, start, 32).unwrap_or_default();
    head.windows(TORCH_MAGIC.len()).any(|window| window == TORCH_MAGIC)
}

/// The raw storages of an old PyTorch file: for each its length in elements, and its bytes.
fn after_torch(scan: &mut Scan<'_>, source: &dyn Source, at: u64, bytes: u64, place: &Place) {
    let end = at.saturating_add(bytes);
    if end < source.size() {
        after(scan, source, end, place, "follow the storages");
    } else if end > source.size() {
        let reason = "its storages are longer than the file";
        scan.find(place, "torch.storages", Verdict::Suspicious, reason, Some(at));
    }
}

/// Runs a pickle that may only be there by chance, at `at`; gives the machine back if it does something.
fn suppose<'s, 'o>(scan: &mut Scan<'o>, source: &'s dyn Source, at: u64, opcodes_max: u64) -> Option<Machine<'s, 'o>> {
    let mut bounds = bounds(scan);
    bounds.opcodes_max = bounds.opcodes_max.min(opcodes_max);
    bounds.bytes_max = bounds.bytes_max.min(1 << 20);
    let mut machine = Machine::new(Cursor::new(source, at), bounds);
    // What begins in the middle finds something on the stack.
    for _ in 0..8 {
        machine.push(Value::Unknown).ok()?;
    }
    while matches!(machine.step(), Ok(Next::Step)) {}
    scan.opcodes = scan.opcodes.saturating_add(machine.opcodes);
    (machine.calls > 0).then_some(machine)
}

/// Bytes that the pickle has loaded as a file of their own are judged like one.
fn loads(scan: &mut Scan<'_>, source: &dyn Source, machine: &Machine<'_, '_>, place: &Place) {
    let deeper = Place {
        depth: place.depth.saturating_add(1),
        ..place.clone()
    };
    for (at, bytes) in &machine.loads {
        if deeper.depth > scan.limits().depth_max {
            let reason = "files lie in each other deeper than the limit";
            scan.find(place, "pickle.nested", Verdict::Unknown, reason, Some(*at));
            return;
        }
        if let Some((start, length)) = machine.values.span(*bytes) {
            judge(scan, &Window::new(source, start, length), 0, &deeper, Surely::Storage);
        } else if let Some(content) = machine.values.content(*bytes) {
            judge(scan, &content, 0, &deeper, Surely::Storage);
        }
    }
}
