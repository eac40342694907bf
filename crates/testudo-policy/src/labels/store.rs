//! Shelves by owner, within one bound.

use std::collections::BTreeMap;

use super::pieces::LabelKey;
use super::shelf::{Copied, Shelf, Speaker};

/// What a store may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelLimits {
    /// For one owner, whatever is remembered.
    pub owner_bytes_max: usize,
    /// Owners; the one that was heard of longest ago is forgotten for a new one.
    pub owners_max: usize,
    /// Of one message; what follows counts as copied.
    pub message_bytes_max: usize,
}

impl Default for LabelLimits {
    /// 8 MiB for the last 600 kB at least and 1.2 MB at most of what was said, and 32 owners: 256 MiB.
    fn default() -> Self {
        Self {
            owner_bytes_max: 8 << 20,
            owners_max: 32,
            message_bytes_max: 1 << 20,
        }
    }
}

/// What was read and said, for each owner: a key, a tenant, whoever shares memories and files. Owners see nothing of
/// each other.
///
/// It keeps hashes and marks and no text, about seven bytes for a letter, and never more than
/// `owner_bytes_max` × `owners_max`.
#[derive(Debug)]
pub struct LabelStore {
    key: LabelKey,
    limits: LabelLimits,
    shelves: BTreeMap<String, (u64, Shelf)>,
    heard: u64,
}

impl LabelStore {
    #[must_use]
    pub fn new(key: LabelKey, limits: LabelLimits) -> Self {
        Self {
            key,
            limits,
            shelves: BTreeMap::new(),
            heard: 0,
        }
    }

    /// Marks what of a message was read before, and remembers the rest as the speaker's own words, so that a tool which
    /// repeats them later does not take them away.
    pub fn hear(&mut self, owner: &str, speaker: Speaker, text: &str) -> Vec<Copied> {
        let copied = self.copied(owner, speaker, text);
        self.say(owner, text);
        copied
    }

    /// Remembers what a user or the application says as their own words, without what of it was read before.
    pub fn say(&mut self, owner: &str, text: &str) {
        self.remember(owner, None, text);
    }

    /// Marks what of a message was read before.
    #[must_use]
    pub fn copied(&self, owner: &str, speaker: Speaker, text: &str) -> Vec<Copied> {
        let shelf = self.shelves.get(owner).map(|(_, shelf)| shelf);
        let text_bytes_max = self.limits.message_bytes_max;
        match shelf {
            Some(shelf) => shelf.copied(&self.key, text, speaker, text_bytes_max),
            None => Shelf::default().copied(&self.key, text, speaker, text_bytes_max),
        }
    }

    /// Remembers what a tool, a document or a server said, by a name that people know.
    pub fn read(&mut self, owner: &str, source: &str, text: &str) {
        self.remember(owner, Some(source), text);
    }

    /// Bytes that the store takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shelves.values().map(|(_, shelf)| shelf.bytes()).sum()
    }

    fn remember(&mut self, owner: &str, source: Option<&str>, text: &str) {
        self.heard = self.heard.saturating_add(1);
        if !self.shelves.contains_key(owner) {
            while self.shelves.len() >= self.limits.owners_max.max(1) {
                let last = self.shelves.iter().min_by_key(|(_, (heard, _))| *heard);
                let Some(name) = last.map(|(name, _)| name.clone()) else {
                    break;
                };
                self.shelves.remove(&name);
            }
        }
        let (heard, shelf) = self.shelves.entry(owner.to_owned()).or_default();
        *heard = self.heard;
        shelf.remember(&self.key, source, text, self.limits.owner_bytes_max);
    }
}
