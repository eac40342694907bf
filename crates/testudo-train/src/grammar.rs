//! Templates with slots: `${list}`, `${list^}` (capital first), `${list#1}` (same choice again), `$(a|b)`, `${int:1:9}`.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

use crate::random::SplitMix64;

/// Deeper nesting is a list that names itself.
const DEPTH_MAX: usize = 24;

/// Named lists of templates.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    lists: BTreeMap<String, Vec<String>>,
}

/// What `${list#1}` chose, for one row.
pub(crate) type Bound = BTreeMap<String, String>;

impl Grammar {
    /// Adds lists.
    ///
    /// # Errors
    /// A list of that name is there already: merged, the attacks of one would be the harmless texts of the other.
    pub(crate) fn add(&mut self, lists: BTreeMap<String, Vec<String>>) -> anyhow::Result<()> {
        for (name, items) in lists {
            if self.lists.contains_key(&name) {
                bail!("there are two lists `{name}`; rename one of them");
            }
            self.lists.insert(name, items);
        }
        Ok(())
    }

    /// Replaces the lists of these names.
    pub(crate) fn set(&mut self, name: &str, items: Vec<String>) {
        self.lists.insert(name.to_owned(), items);
    }

    pub(crate) fn list(&self, name: &str) -> anyhow::Result<&[String]> {
        self.lists
            .get(name)
            .map(Vec::as_slice)
            .filter(|it| !it.is_empty())
            .with_context(|| format!("there is no list `{name}` in the training templates"))
    }

    /// One text from a list.
    pub(crate) fn draw(&self, list: &str, rng: &mut SplitMix64, bound: &mut Bound) -> anyhow::Result<String> {
        let template = rng.pick(self.list(list)?).context("an empty list")?;
        self.expand(template, rng, bound)
    }

    pub(crate) fn expand(&self, template: &str, rng: &mut SplitMix64, bound: &mut Bound) -> anyhow::Result<String> {
        let mut out = String::new();
        self.expand_into(template, rng, bound, &mut out, 0)?;
        Ok(out)
    }

    fn expand_into(
        &self,
        template: &str,
        rng: &mut SplitMix64,
        bound: &mut Bound,
        out: &mut String,
        depth: usize,
    ) -> anyhow::Result<()> {
        if depth > DEPTH_MAX {
            bail!("a list names itself: `{template}`");
        }
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(inner) = after.strip_prefix('{') {
                let (slot, tail) = inner
                    .split_once('}')
                    .with_context(|| format!("a slot without end: `{template}`"))?;
                let text = self.slot(slot, rng, bound, depth)?;
                out.push_str(&text);
                rest = tail;
            } else if let Some(inner) = after.strip_prefix('(') {
                let (choices, tail) = choices(inner).with_context(|| format!("a choice without end: `{template}`"))?;
                let chosen = rng.pick(&choices).context("an empty choice")?;
                self.expand_into(chosen, rng, bound, out, depth.saturating_add(1))?;
                rest = tail;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
        Ok(())
    }

    fn slot(&self, slot: &str, rng: &mut SplitMix64, bound: &mut Bound, depth: usize) -> anyhow::Result<String> {
        if let Some(text) = number(slot, rng) {
            return Ok(text);
        }
        let (slot, capital) = slot.strip_suffix('^').map_or((slot, false), |it| (it, true));
        let name = slot.split('#').next().unwrap_or(slot);
        let mut text = match bound.get(slot) {
            Some(text) => text.clone(),
            None => {
                let template = rng.pick(self.list(name)?).context("an empty list")?;
                let mut text = String::new();
                self.expand_into(template, rng, bound, &mut text, depth.saturating_add(1))?;
                if slot.contains('#') {
                    bound.insert(slot.to_owned(), text.clone());
                }
                text
            }
        };
        if capital {
            text = capitalised(&text);
        }
        Ok(text)
    }
}

/// `int:LOW:HIGH`, `hex:LENGTH` and `digits:LENGTH`.
fn number(slot: &str, rng: &mut SplitMix64) -> Option<String> {
    let mut parts = slot.split(':');
    let kind = parts.next()?;
    let first: usize = parts.next()?.parse().ok()?;
    match kind {
        "int" => {
            let high: usize = parts.next()?.parse().ok()?;
            let span = high.saturating_sub(first).saturating_add(1);
            Some(first.saturating_add(rng.below(span)).to_string())
        }
        "hex" => Some(
            (0..first)
                .filter_map(|_| char::from_digit(u32::try_from(rng.below(16)).ok()?, 16))
                .collect(),
        ),
        "digits" => Some(
            (0..first)
                .filter_map(|_| char::from_digit(u32::try_from(rng.below(10)).ok()?, 10))
                .collect(),
        ),
        _ => None,
    }
}

/// The alternatives up to the closing bracket, and what follows it.
fn choices(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut depth = 0_usize;
    let mut from = 0;
    let mut found = Vec::new();
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth = depth.saturating_add(1),
            ')' if depth == 0 => {
                found.push(text.get(from..at)?);
                return Some((found, text.get(at.saturating_add(1)..)?));
            }
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                found.push(text.get(from..at)?);
                from = at.saturating_add(1);
            }
            _ => {}
        }
    }
    None
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Grammar};
    use crate::random::SplitMix64;

    fn grammar() -> Grammar {
        let mut grammar = Grammar::default();
        grammar.set("name", vec!["ann".to_owned(), "bob".to_owned()]);
        grammar.set("loop", vec!["${loop}".to_owned()]);
        grammar
    }

    fn expand(template: &str) -> anyhow::Result<String> {
        grammar().expand(template, &mut SplitMix64::new(7), &mut Bound::new())
    }

    #[test]
    fn two_lists_of_one_name_are_not_merged() {
        let mut grammar = grammar();
        let twice = [("name".to_owned(), vec!["carl".to_owned()])];
        assert!(grammar.add(twice.into()).is_err());
        assert_eq!(grammar.list("name").unwrap(), ["ann", "bob"]);
    }

    #[test]
    fn slots_and_choices() {
        let text = expand("${name#1^} ${name#1} $(x|y (z)) $5 ${int:3:3} ${hex:0}").unwrap();
        let mut words = text.split(' ');
        let first = words.next().unwrap();
        assert_eq!(first.to_lowercase(), words.next().unwrap());
        assert!(text.ends_with("$5 3 "), "{text}");
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["${nobody}", "${name", "$(a|b", "${loop}", "${}", "${int:x:1}"] {
            expand(bad).unwrap_err();
        }
    }
}
