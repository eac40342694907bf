//! Whose statements are believed, about which artifact and up to which number.

use std::collections::{BTreeMap, BTreeSet};

use super::names::VaultName;
use super::statement::StatementFault;
use crate::signing::{Bundle, VerifyingKey};

/// The keys of those who may make statements, by their hints.
#[derive(Debug, Clone, Default)]
pub struct Approvers {
    by_hint: BTreeMap<String, Approver>,
    /// The aliases that move only when two of them agree.
    two_people: BTreeSet<VaultName>,
    /// Artifacts about which only some of them make statements.
    of: BTreeMap<VaultName, BTreeSet<String>>,
}

#[derive(Debug, Clone)]
struct Approver {
    key: VerifyingKey,
    /// As the reader calls them, whatever they call themselves.
    name: Option<String>,
    /// Whether they still are one, of the artifacts that have none of their own.
    active: bool,
    /// Where they are none any more: what of theirs still holds.
    until: BTreeMap<VaultName, Until>,
}

/// What of somebody's statements about an artifact still holds when they are no approver of it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Until {
    /// Statements up to this number count as they did.
    pub counts: u64,
    /// Later ones up to this number are in the chain and have no effect, for example since the key was stolen.
    pub void: u64,
}

/// Somebody who is no approver any more, of some artifacts or of all.
#[derive(Debug, Clone)]
pub struct Former {
    pub name: String,
    pub key: VerifyingKey,
    /// Nothing of theirs holds about other artifacts.
    pub until: BTreeMap<VaultName, Until>,
}

/// By whom a statement is, as its reader knows them.
#[derive(Debug)]
pub(crate) struct Signatory {
    /// The hint of the key.
    pub(crate) key: String,
    pub(crate) name: Option<String>,
    /// Whether it has an effect.
    pub(crate) counts: bool,
}

impl Approvers {
    /// From their public keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self {
            by_hint: keys
                .into_iter()
                .map(|key| (key.hint(), Approver::active(key, None)))
                .collect(),
            ..Self::default()
        }
    }

    /// From their public keys, by name.
    #[must_use]
    pub fn named(keys: &BTreeMap<String, VerifyingKey>) -> Self {
        let named =
            |(name, key): (&String, &VerifyingKey)| (key.hint(), Approver::active(key.clone(), Some(name.clone())));
        Self {
            by_hint: keys.iter().map(named).collect(),
            ..Self::default()
        }
    }

    /// These, who move such aliases only when two of them agree.
    #[must_use]
    pub fn agreeing_on(mut self, aliases: BTreeSet<VaultName>) -> Self {
        self.two_people = aliases;
        self
    }

    /// These, of whom only those with one of the names make statements about an artifact.
    #[must_use]
    pub fn only(mut self, artifact: VaultName, names: BTreeSet<String>) -> Self {
        self.of.insert(artifact, names);
        self
    }

    /// These, and what holds of somebody's statements about artifacts of which they are no approver any more.
    #[must_use]
    pub fn after(mut self, former: Former) -> Self {
        let Former { name, key, until } = former;
        let gone = || Approver {
            active: false,
            ..Approver::active(key.clone(), Some(name))
        };
        self.by_hint.entry(key.hint()).or_insert_with(gone).until = until;
        self
    }

    /// The aliases that move only when two agree.
    #[must_use]
    pub fn two_people(&self) -> &BTreeSet<VaultName> {
        &self.two_people
    }

    /// These, and the holder of one more key.
    #[must_use]
    pub fn and(mut self, key: VerifyingKey) -> Self {
        let hint = key.hint();
        self.by_hint.entry(hint).or_insert_with(|| Approver::active(key, None));
        self
    }

    /// What the reader calls them, those with a name who still are approvers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let active = self.by_hint.values().filter(|it| it.active);
        active.filter_map(|it| it.name.as_deref())
    }

    /// The artifacts about which only some of them make statements, and who these are.
    pub fn of_one(&self) -> impl Iterator<Item = (&VaultName, &BTreeSet<String>)> {
        self.of.iter()
    }

    /// Those who are none any more, of some artifacts or of all, and what of theirs still holds.
    pub fn former(&self) -> impl Iterator<Item = (&str, &BTreeMap<VaultName, Until>)> {
        let gone = self.by_hint.values().filter(|it| !it.active || !it.until.is_empty());
        gone.filter_map(|it| Some((it.name.as_deref()?, &it.until)))
    }

    /// All of it as text: equal for equal approvers only.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (
            hint,
            Approver {
                name, active, until, ..
            },
        ) in &self.by_hint
        {
            lines.push_str(&format!("approver {hint} {name:?} {active} {until:?}\n"));
        }
        let Self { two_people, of, .. } = self;
        lines.push_str(&format!("two people {two_people:?}\nof one {of:?}\n"));
        lines
    }

    /// Whether nobody is believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_hint.is_empty()
    }

    /// Whether new statements by this key about an artifact are believed.
    #[must_use]
    pub fn may_state(&self, artifact: &VaultName, key: &VerifyingKey) -> bool {
        let approver = self.by_hint.get(&key.hint());
        approver.is_some_and(|approver| self.is_of(artifact, approver))
    }

    /// What the reader calls the holder of a key, by its hint.
    #[must_use]
    pub fn name(&self, hint: &str) -> Option<&str> {
        self.by_hint.get(hint)?.name.as_deref()
    }

    fn is_of(&self, artifact: &VaultName, approver: &Approver) -> bool {
        let among = |names: &BTreeSet<String>| approver.name.as_ref().is_some_and(|name| names.contains(name));
        approver.active && self.of.get(artifact).is_none_or(among)
    }

    /// By whom a statement about an artifact is.
    pub(crate) fn check(
        &self,
        bundle: &Bundle,
        artifact: &VaultName,
        sequence: u64,
    ) -> Result<Signatory, StatementFault> {
        let hint = bundle.key_hint().unwrap_or_default();
        let approver = self.by_hint.get(hint).ok_or_else(|| StatementFault::Stranger {
            sequence,
            key: hint.chars().take(64).collect(),
        })?;
        if !bundle.is_signed_by(&approver.key) {
            return Err(StatementFault::Signature { sequence });
        }
        let until = approver.until.get(artifact).copied().unwrap_or_default();
        let counts = self.is_of(artifact, approver) || sequence <= until.counts;
        if !counts && sequence > until.void {
            return Err(StatementFault::Former {
                sequence,
                approver: approver.name.clone().unwrap_or_else(|| hint.to_owned()),
                until: until.counts.max(until.void),
            });
        }
        Ok(Signatory {
            key: hint.to_owned(),
            name: approver.name.clone(),
            counts,
        })
    }
}

impl Approver {
    fn active(key: VerifyingKey, name: Option<String>) -> Self {
        Self {
            key,
            name,
            active: true,
            until: BTreeMap::new(),
        }
    }
}
