//! A bounded map that forgets what was used longest ago; what leaves it is dropped at once.

use std::collections::BTreeMap;

/// At most `max` values, by key.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    max: usize,
    clock: u64,
    values: BTreeMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            clock: 0,
            values: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// The value, which is the most recent one from now on.
    pub(crate) fn find(&mut self, key: &K) -> Option<&V> {
        let now = self.tick();
        let (used, value) = self.values.get_mut(key)?;
        if let Some(key) = self.order.remove(used) {
            self.order.insert(now, key);
        }
        *used = now;
        Some(value)
    }

    /// Puts a value in, in the place of an older one under the same key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let now = self.tick();
        if let Some((used, _)) = self.values.insert(key.clone(), (now, value)) {
            self.order.remove(&used);
        }
        self.order.insert(now, key);
        while self.values.len() > self.max {
            match self.order.pop_first() {
                Some((_, oldest)) => drop(self.values.remove(&oldest)),
                None => break,
            }
        }
    }

    /// Drops every value that `wanted` does not want.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&K, &V) -> bool) {
        self.values.retain(|key, (_, value)| wanted(key, value));
        self.order.retain(|_, key| self.values.contains_key(key));
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.order.clear();
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_unused_goes_first() {
        let mut recent = Recent::new(2);
        recent.insert(1, "a");
        recent.insert(2, "b");
        assert_eq!(recent.find(&1), Some(&"a"));
        recent.insert(3, "c");
        assert_eq!(recent.find(&2), None);
        assert_eq!(recent.find(&1), Some(&"a"));
        recent.retain(|key, _| *key != 1);
        assert_eq!(recent.find(&1), None);
        recent.clear();
        assert_eq!(recent.find(&3), None);
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_list_ordered_by_use(steps in prop::collection::vec((0_u8..3, 0_u8..8), 0..200)) {
            let mut recent = Recent::new(4);
            let mut model: Vec<(u8, usize)> = Vec::new();
            for (value, (step, key)) in steps.into_iter().enumerate() {
                let at = model.iter().position(|(it, _)| *it == key);
                match step {
                    0 => {
                        let expected = at.map(|at| model.remove(at));
                        prop_assert_eq!(recent.find(&key).copied(), expected.map(|(_, value)| value));
                        model.extend(expected);
                    }
                    1 => {
                        if let Some(at) = at { model.remove(at); }
                        model.push((key, value));
                        if model.len() > 4 { model.remove(0); }
                        recent.insert(key, value);
                    }
                    _ => {
                        model.retain(|(it, _)| *it != key);
                        recent.retain(|it, _| *it != key);
                    }
                }
                prop_assert_eq!(recent.values.len(), model.len());
                prop_assert_eq!(recent.order.len(), model.len());
            }
        }
    }
}
