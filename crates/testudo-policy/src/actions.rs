//! What statements, addresses, paths and commands in the arguments of a call would do.
//!
//! An argument's role says how it is read. Everything here errs on one side: what is not understood is reported as
//! `unparsed` and stands for everything, and sets then hold [`ANYTHING`], so that a policy that lists what is allowed
//! refuses it. Nothing is resolved, opened or run.

mod command;
mod path;
mod quantity;
mod sql;
#[cfg(test)]
mod tests;
mod url;

use std::collections::BTreeSet;

use serde_json::Value;

pub use self::command::CommandFacts;
pub use self::path::PathFacts;
pub use self::quantity::Quantities;
pub use self::sql::{SqlDialect, SqlFacts};
pub use self::url::UrlFacts;
use crate::provenance::{Leaves, Role, ToolSpec, links};

/// Stands in a set for everything that could be in it.
pub const ANYTHING: &str = "*";

/// Names in one set; what has more stands for everything.
const NAMES_MAX: usize = 256;
/// A longer statement, address, path or command is not read.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Facts of all arguments of one call, by role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionFacts {
    /// The arguments are too many or lie too deep to be looked at; every role counts as not understood.
    pub unread: bool,
    /// Paths of all arguments that have a value.
    pub arguments: BTreeSet<String>,
    /// Hosts of links in arguments that carry content.
    pub link_hosts: BTreeSet<String>,
    pub sql: SqlFacts,
    pub url: UrlFacts,
    pub path: PathFacts,
    pub command: CommandFacts,
    pub quantity: Quantities,
}

impl ActionFacts {
    /// Reads the arguments of a call of this tool.
    #[must_use]
    pub fn of(spec: &ToolSpec, arguments: &Value) -> Self {
        let mut facts = Self::default();
        let Some(leaves) = Leaves::of_arguments(arguments) else {
            facts.read_nothing();
            return facts;
        };
        for leaf in &leaves.leaves {
            let path = leaf.path.trim_start_matches('$').trim_start_matches('.');
            let (path, is_key) = match path.strip_suffix('~') {
                Some("") => continue,
                Some(above) => (above, true),
                None => (path, false),
            };
            if leaf.value.trim().is_empty() {
                continue;
            }
            insert(&mut facts.arguments, path);
            facts.read(spec, path, &leaf.value, is_key);
        }
        facts
    }

    fn read(&mut self, spec: &ToolSpec, path: &str, value: &str, is_key: bool) {
        let role = spec.role(path);
        let too_long = value.len() > VALUE_BYTES_MAX;
        match role {
            // The names of members are no statements; what a tool makes of them is its own secret.
            Role::Sql if is_key || too_long => self.sql.add_unparsed(),
            Role::Command if is_key || too_long => self.command.add_unparsed(),
            Role::Url if too_long => self.url.add_unparsed(),
            Role::Path if too_long => self.path.add_unparsed(),
            Role::Sql => self.sql.add(spec.sql, value),
            Role::Url => self.url.add(value),
            Role::Path => self.path.add(value),
            // A list of arguments begins with the program, and any of them may be a command of its own.
            Role::Command if path.ends_with("[*]") && value.starts_with('-') => {}
            Role::Command => self.command.add(value),
            Role::Control | Role::Selector => self.read_addresses(value),
            Role::Time => {}
            Role::Quantity if is_key => {}
            Role::Quantity => self.quantity.add(value),
            Role::Data => {
                for host in links(value).iter().filter_map(|link| url::host_of(without_marks(link))) {
                    insert(&mut self.link_hosts, &host);
                }
            }
        }
    }

    /// An address is one wherever it says whereto, also when nobody gave the argument that role.
    fn read_addresses(&mut self, value: &str) {
        let value = value.trim();
        if value.contains("://") && !value.contains(char::is_whitespace) {
            self.url.add(value);
        } else {
            links(value)
                .into_iter()
                .for_each(|link| self.url.add(without_marks(link)));
        }
    }

    fn read_nothing(&mut self) {
        self.unread = true;
        insert(&mut self.arguments, ANYTHING);
        insert(&mut self.link_hosts, ANYTHING);
        self.sql.add_unparsed();
        self.url.add_unparsed();
        self.path.add_unparsed();
        self.command.add_unparsed();
        self.quantity.add_unparsed();
    }
}

/// A link without the mark that ends the sentence it stands in.
fn without_marks(link: &str) -> &str {
    link.trim_end_matches(['.', ',', ';', ':', '!', '?'])
}

/// Adds a name; a set that is full holds everything.
fn insert(set: &mut BTreeSet<String>, name: &str) {
    if set.len() < NAMES_MAX {
        set.insert(name.to_owned());
    } else if !set.contains(name) {
        set.insert(ANYTHING.to_owned());
    }
}

/// What all of several values have in common: the first sets it, each other takes away.
fn narrow(common: &mut BTreeSet<String>, first: bool, these: BTreeSet<String>) {
    if first {
        *common = these;
    } else {
        common.retain(|name| these.contains(name));
    }
}
