//! All substrings of one text, in memory proportional to its length.

const NONE: u32 = u32::MAX;

/// The smallest automaton that accepts every substring of a text; ASCII letters are folded.
#[derive(Debug)]
pub(crate) struct SuffixAutomaton {
    states: Vec<State>,
    edges: Vec<Edge>,
    root: Box<[u32; 256]>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// The state of the longest suffix that is in another class.
    link: u32,
    /// Length of the longest string of the state.
    len: u32,
    /// First edge of a linked list; the root keeps a table instead.
    edges: u32,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    to: u32,
    next: u32,
    byte: u8,
}

/// The longest suffix of some read text that is a substring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Matched {
    state: u32,
    pub(crate) len: u32,
}

impl SuffixAutomaton {
    /// Builds the automaton of `text`, at most 2³⁰ bytes.
    pub(crate) fn new(text: &[u8]) -> Self {
        let states = Vec::with_capacity(text.len().saturating_mul(2).saturating_add(1));
        let edges = Vec::with_capacity(text.len().saturating_mul(3));
        let mut automaton = Self {
            states,
            edges,
            root: Box::new([NONE; 256]),
        };
        automaton.states.push(State {
            link: NONE,
            len: 0,
            edges: NONE,
        });
        let mut last = 0;
        for byte in text {
            last = automaton.extend(last, byte.to_ascii_lowercase());
        }
        automaton
    }

    /// Reads one more byte.
    pub(crate) fn step(&self, mut matched: Matched, byte: u8) -> Matched {
        let byte = byte.to_ascii_lowercase();
        loop {
            if let Some(to) = self.edge(matched.state, byte) {
                return Matched {
                    state: to,
                    len: matched.len.saturating_add(1),
                };
            }
            match self.states.get(matched.state as usize) {
                Some(state) if state.link != NONE => {
                    let len = self.states.get(state.link as usize).map_or(0, |link| link.len);
                    matched = Matched { state: state.link, len };
                }
                _ => return Matched::default(),
            }
        }
    }

    fn extend(&mut self, last: u32, byte: u8) -> u32 {
        let len = self.len(last).saturating_add(1);
        let new = self.push(State {
            link: 0,
            len,
            edges: NONE,
        });
        let mut at = last;
        while at != NONE && self.edge(at, byte).is_none() {
            self.set(at, byte, new);
            at = self.link(at);
        }
        if at == NONE {
            return new;
        }
        let to = self.edge(at, byte).unwrap_or(0);
        let split_len = self.len(at).saturating_add(1);
        if split_len == self.len(to) {
            self.relink(new, to);
            return new;
        }
        let copy = self.push(State {
            link: self.link(to),
            len: split_len,
            edges: NONE,
        });
        self.copy_edges(to, copy);
        while at != NONE && self.edge(at, byte) == Some(to) {
            self.set(at, byte, copy);
            at = self.link(at);
        }
        self.relink(to, copy);
        self.relink(new, copy);
        new
    }

    fn push(&mut self, state: State) -> u32 {
        self.states.push(state);
        u32::try_from(self.states.len().saturating_sub(1)).unwrap_or(NONE)
    }

    fn len(&self, state: u32) -> u32 {
        self.states.get(state as usize).map_or(0, |state| state.len)
    }

    fn link(&self, state: u32) -> u32 {
        self.states.get(state as usize).map_or(NONE, |state| state.link)
    }

    fn relink(&mut self, state: u32, link: u32) {
        if let Some(state) = self.states.get_mut(state as usize) {
            state.link = link;
        }
    }

    fn edge(&self, state: u32, byte: u8) -> Option<u32> {
        if state == 0 {
            return self.root.get(usize::from(byte)).copied().filter(|to| *to != NONE);
        }
        let mut at = self.states.get(state as usize)?.edges;
        while let Some(edge) = self.edges.get(at as usize) {
            if edge.byte == byte {
                return Some(edge.to);
            }
            at = edge.next;
        }
        None
    }

    fn set(&mut self, state: u32, byte: u8, to: u32) {
        if state == 0 {
            if let Some(slot) = self.root.get_mut(usize::from(byte)) {
                *slot = to;
            }
            return;
        }
        let Some(from) = self.states.get_mut(state as usize) else {
            return;
        };
        let mut at = from.edges;
        while let Some(edge) = self.edges.get_mut(at as usize) {
            if edge.byte == byte {
                edge.to = to;
                return;
            }
            at = edge.next;
        }
        let index = u32::try_from(self.edges.len()).unwrap_or(NONE);
        self.edges.push(Edge {
            to,
            next: from.edges,
            byte,
        });
        from.edges = index;
    }

    fn copy_edges(&mut self, from: u32, to: u32) {
        let mut at = self.states.get(from as usize).map_or(NONE, |state| state.edges);
        while let Some(edge) = self.edges.get(at as usize).copied() {
            self.set(to, edge.byte, edge.to);
            at = edge.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::*;

    fn longest_suffix(text: &str, read: &str) -> usize {
        let suffixes = (0..=read.len()).filter_map(|at| read.get(at..));
        suffixes
            .into_iter()
            .find(|suffix| text.contains(suffix))
            .map_or(0, str::len)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn it_matches_the_longest_suffix_that_occurs(text in "[ab]{0,30}c?[abc]{0,30}", read in "[abcd]{0,40}") {
            let automaton = SuffixAutomaton::new(text.as_bytes());
            let mut matched = Matched::default();
            for (at, byte) in read.bytes().enumerate() {
                matched = automaton.step(matched, byte);
                prop_assert_eq!(matched.len as usize, longest_suffix(&text, read.get(..=at).unwrap()));
            }
        }
    }
}
