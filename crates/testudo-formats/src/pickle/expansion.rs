//! Containers that hold each other so often that whoever walks through them does not come to an end.
//!
//! A pickle of a few hundred bytes loads in no time and stands for more items than any memory holds, once it is printed,
//! copied or compared: `a = [0]; b = [a, a]; c = [b, b]; …`. What counts is therefore the walk and not the opcodes: it is
//! done here as Python's `repr` does it, which goes into the same container again, but not into one that it is just in.

use super::machine::Machine;
use super::values::Value;
use crate::verdict::Verdict;

/// Containers in others that are noted.
pub(super) const HELD_MAX: usize = 1 << 20;
/// Fewer shared containers cannot stand for many items.
pub(super) const SHARED_MIN: u64 = 16;
/// How far containers are walked through; then, and past so many steps for each container that is held, it is no data.
const STEPS_MAX: u64 = 10_000_000;
const STEPS_EACH_MAX: u64 = 100;

/// A container, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node(u32);

impl Node {
    /// `None` for what holds nothing.
    pub(super) fn of(value: Value) -> Option<Self> {
        let (kind, id) = match value {
            Value::List(id) => (0, id),
            Value::Set(id) => (1, id),
            Value::Dict(id) => (2, id),
            Value::Tuple(id) => (3, id),
            Value::Object(id) => (4, id),
            _ => return None,
        };
        id.checked_mul(8)?.checked_add(kind).map(Self)
    }
}

impl Machine<'_, '_> {
    /// Says whether what it made can be walked through; gives the steps that this took.
    pub(super) fn judge_expansion(&mut self) -> u64 {
        let steps_left = self.bounds.opcodes_max.saturating_sub(self.opcodes);
        let (found, steps) = walk(self.values.held(), steps_left);
        match found {
            Walk::Ends => {}
            Walk::DoesNotEnd => {
                let reason = "its containers hold each other so often that whoever prints, copies or compares them does \
                              not come to an end";
                self.note("pickle.expansion", Verdict::Unknown, reason);
            }
            Walk::HoldsItself => {
                let reason = "a container holds itself several times, which no saver writes";
                self.note("pickle.expansion", Verdict::Suspicious, reason);
            }
        }
        steps
    }
}

/// What a walk through the containers of a pickle comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Ends,
    /// It was given up.
    DoesNotEnd,
    /// A container holds itself several times: `repr` gets by, others may not.
    HoldsItself,
}

/// Walks through everything that is held, in no more steps than are left, and counts them.
fn walk(held: &[(Node, Node)], steps_left: u64) -> (Walk, u64) {
    let graph = Graph::of(held);
    let count = u64::try_from(held.len()).unwrap_or(u64::MAX);
    let steps_max = count.saturating_mul(STEPS_EACH_MAX).max(STEPS_MAX).min(steps_left);
    let mut steps_left = steps_max;
    let mut walked = vec![false; graph.nodes.len()];
    let mut inside = walked.clone();
    // What nothing holds first, so that nothing is walked by itself that is walked within something.
    let mut starts: Vec<usize> = (0..graph.nodes.len()).collect();
    starts.sort_by_key(|node| graph.is_held.get(*node).copied().unwrap_or(false));
    for start in starts {
        let is_new = walked.get(start) == Some(&false);
        if is_new && !graph.ends_from(start, &mut inside, &mut walked, &mut steps_left) {
            return (Walk::DoesNotEnd, steps_max);
        }
    }
    let steps = steps_max.saturating_sub(steps_left);
    let itself = |node: &usize| graph.inner(*node).iter().filter(|inner| *inner == node).count() > 1;
    if (0..graph.nodes.len()).any(|node| itself(&node)) {
        (Walk::HoldsItself, steps)
    } else {
        (Walk::Ends, steps)
    }
}

struct Graph {
    nodes: Vec<Node>,
    /// For each node where its part of `inner` ends.
    ends: Vec<usize>,
    inner: Vec<usize>,
    is_held: Vec<bool>,
}

impl Graph {
    fn of(held: &[(Node, Node)]) -> Self {
        let mut held = held.to_vec();
        held.sort_unstable();
        let mut nodes: Vec<Node> = held.iter().flat_map(|(outer, inner)| [*outer, *inner]).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let mut is_held = vec![false; nodes.len()];
        let mut inner = Vec::with_capacity(held.len());
        let mut ends = Vec::with_capacity(nodes.len());
        let mut rest = held.iter().peekable();
        for node in &nodes {
            while let Some((_, held)) = rest.next_if(|(outer, _)| outer == node) {
                if let Ok(at) = nodes.binary_search(held) {
                    set(&mut is_held, at, true);
                    inner.push(at);
                }
            }
            ends.push(inner.len());
        }
        Self {
            nodes,
            ends,
            inner,
            is_held,
        }
    }

    /// The containers in a container.
    fn inner(&self, node: usize) -> &[usize] {
        let end = self.ends.get(node).copied().unwrap_or(0);
        let start = node.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        self.inner.get(start.unwrap_or(0)..end).unwrap_or_default()
    }

    /// Whether a walk from here ends; `inside` is where it is just in, and empty before and after.
    fn ends_from(&self, start: usize, inside: &mut [bool], walked: &mut [bool], steps_left: &mut u64) -> bool {
        set(inside, start, true);
        set(walked, start, true);
        // Where the walk is, and what of each container it has not been in yet.
        let mut path = vec![(start, self.inner(start).iter())];
        while let Some((node, rest)) = path.last_mut() {
            let Some(left) = steps_left.checked_sub(1) else {
                return false;
            };
            *steps_left = left;
            match rest.next() {
                Some(inner) if inside.get(*inner) == Some(&false) => {
                    set(inside, *inner, true);
                    set(walked, *inner, true);
                    path.push((*inner, self.inner(*inner).iter()));
                }
                Some(_) => {}
                None => {
                    set(inside, *node, false);
                    path.pop();
                }
            }
        }
        true
    }
}

fn set(flags: &mut [bool], at: usize, to: bool) {
    if let Some(flag) = flags.get_mut(at) {
        *flag = to;
    }
}
