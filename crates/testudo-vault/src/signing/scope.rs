//! Which files of a model are not signed.

use std::collections::BTreeSet;

use super::name::{NameError, ResourceName};

/// What the specification leaves out, at the top of the model only.
const GIT: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// Who said that a file is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// The specification, or whoever runs this.
    Ours,
    /// The signer alone.
    Signer,
}

/// Paths that are left out, each with everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    ours: BTreeSet<ResourceName>,
    signers: BTreeSet<ResourceName>,
}

impl Scope {
    /// Nothing is left out.
    #[must_use]
    pub fn whole() -> Self {
        Self::default()
    }

    /// `.git`, `.gitattributes`, `.github` and `.gitignore` at the top are left out.
    #[must_use]
    pub fn without_git() -> Self {
        Self {
            ours: GIT.iter().filter_map(|name| ResourceName::parse(name).ok()).collect(),
            signers: BTreeSet::new(),
        }
    }

    /// Leaves out `name` and what is below it.
    pub fn leave_out(&mut self, name: ResourceName) {
        self.ours.insert(name);
    }

    /// Adds what a signed statement leaves out.
    ///
    /// # Errors
    /// When it is no path inside a model.
    pub(crate) fn excuse(&mut self, path: &str) -> Result<(), NameError> {
        // Earlier releases of the reference implementation wrote folders with a slash at the end.
        let name = ResourceName::parse(path.strip_suffix('/').unwrap_or(path))?;
        self.signers.insert(name);
        Ok(())
    }

    pub(crate) fn excuse_for(&self, name: &ResourceName) -> Option<Excuse> {
        let covered = |set: &BTreeSet<ResourceName>| {
            !set.is_empty()
                && name
                    .and_folders()
                    .filter_map(|it| ResourceName::parse(it).ok())
                    .any(|it| set.contains(&it))
        };
        if covered(&self.ours) {
            Some(Excuse::Ours)
        } else if covered(&self.signers) {
            Some(Excuse::Signer)
        } else {
            None
        }
    }

    /// What is written into a statement.
    pub(crate) fn written(&self) -> Vec<String> {
        self.ours.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excuse(scope: &Scope, name: &str) -> Option<Excuse> {
        scope.excuse_for(&ResourceName::parse(name).unwrap())
    }

    #[test]
    fn paths_are_left_out_with_what_is_below_and_nowhere_else() {
        let mut scope = Scope::without_git();
        scope.leave_out(ResourceName::parse("cache/tmp").unwrap());
        scope.excuse("notes/").unwrap();
        for (name, expected) in [
            (".git", Some(Excuse::Ours)),
            (".git/config", Some(Excuse::Ours)),
            ("sub/.git", None),
            (".gitmodules", None),
            ("cache/tmp/x", Some(Excuse::Ours)),
            ("cache", None),
            ("cache/tmpx", None),
            ("sub/cache/tmp", None),
            ("notes/a", Some(Excuse::Signer)),
        ] {
            assert_eq!(excuse(&scope, name), expected, "{name}");
        }
        assert!(scope.excuse("../x").is_err());
        assert!(scope.excuse("/x").is_err());
    }
}
