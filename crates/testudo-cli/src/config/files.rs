//! The files that a configuration names: read within limits, and refused when others may change or read them.

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use testudo_gateway::upstream::Authorities;
use testudo_policy::PolicySource;
use testudo_types::Secret;

use super::document::{At, shown};
use super::problem::{Problem, Problems};
use super::typed::SecretSource;
use crate::environment::Variables;

/// The largest configuration that is read.
pub(crate) const CONFIGURATION_BYTES_MAX: usize = 4 << 20;
const POLICY_BYTES_MAX: usize = 1 << 20;
const SECRET_BYTES_MAX: usize = 64 << 10;
const POLICY_FILES_MAX: usize = 1000;
/// The public authorities together are a quarter of this.
const AUTHORITIES_BYTES_MAX: usize = 1 << 20;

/// Reads what a configuration points at, and remembers which files those were.
#[derive(Debug)]
pub(crate) struct Files<'v> {
    base: PathBuf,
    variables: &'v dyn Variables,
    read: Vec<PathBuf>,
}

impl<'v> Files<'v> {
    /// Relative paths count from the folder of the configuration.
    pub(crate) fn new(configuration: &Path, variables: &'v dyn Variables) -> Self {
        let base = configuration.parent().unwrap_or(Path::new("")).to_owned();
        Self {
            base,
            variables,
            read: vec![configuration.to_owned()],
        }
    }

    /// A path of the configuration as the program has to open it.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// Notes a file that others read, so that its changes are noticed.
    pub(crate) fn note(&mut self, path: PathBuf) {
        self.read.push(path);
    }

    /// Every file that was read.
    pub(crate) fn into_read(self) -> Vec<PathBuf> {
        self.read
    }

    /// The secret that `name` takes from its source.
    pub(crate) fn secret(&mut self, source: &At<SecretSource>, name: &str, problems: &mut Problems) -> Option<Secret> {
        let line = source.line;
        let text = match &source.value {
            SecretSource::Environment(variable) => match self.variables.variable(variable) {
                Some(text) => text,
                None => {
                    let variable = shown(variable);
                    problems.at(
                        line,
                        format!("{name} comes from the environment variable `{variable}`, which is not set"),
                        format!("set `{variable}` where testudo runs"),
                    );
                    return None;
                }
            },
            SecretSource::File(path) => self.secret_file(path, line, name, problems)?,
        };
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            problems.at(
                line,
                format!("{name} is empty"),
                "put the secret there or remove the setting",
            );
            return None;
        }
        Some(Secret::new(text))
    }

    fn secret_file(&mut self, path: &str, line: usize, name: &str, problems: &mut Problems) -> Option<String> {
        let path = self.resolve(path);
        self.read.push(path.clone());
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.permissions().mode() & 0o027 != 0
        {
            let mode = metadata.permissions().mode() & 0o777;
            let shown = path.display();
            problems.at(
                line,
                format!("{name} is in `{shown}`, which others may read or change (mode {mode:03o})"),
                format!("run `chmod 600 {shown}`"),
            );
            return None;
        }
        match testudo_bounded::read_text(&path, SECRET_BYTES_MAX) {
            Ok(text) => Some(text),
            Err(error) => {
                problems.at(line, format!("{name}: {error}"), "");
                None
            }
        }
    }

    /// The certificate authorities of a PEM file; `name` is whose they are.
    pub(crate) fn authorities(
        &mut self,
        file: &At<String>,
        name: &str,
        problems: &mut Problems,
    ) -> Option<Authorities> {
        let path = self.resolve(&file.value);
        self.read.push(path.clone());
        let shown = path.display();
        if let Some(what) = changeable(&path) {
            problems.at(
                file.line,
                format!("{name} are in `{shown}`: {what}"),
                format!("run `chmod o-w {shown}`"),
            );
            return None;
        }
        let pem = testudo_bounded::read_file(&path, AUTHORITIES_BYTES_MAX)
            .map_err(|error| problems.at(file.line, format!("{name}: {error}"), ""))
            .ok()?;
        Authorities::from_pem(&pem)
            .map_err(|error| {
                problems.at(
                    file.line,
                    format!("{name} cannot be taken from `{shown}`: {error}"),
                    "give a PEM file with the certificate of each authority",
                );
            })
            .ok()
    }

    /// A text that decides something; `name` is the setting that names it.
    pub(crate) fn text(
        &mut self,
        file: &At<String>,
        bytes_max: usize,
        name: &str,
        problems: &mut Problems,
    ) -> Option<String> {
        let path = self.resolve(&file.value);
        self.read.push(path.clone());
        if let Some(what) = changeable(&path) {
            let shown = path.display();
            problems.at(
                file.line,
                format!("`{name}` is in `{shown}`: {what}"),
                format!("run `chmod o-w {shown}`"),
            );
            return None;
        }
        testudo_bounded::read_text(&path, bytes_max)
            .map_err(|error| problems.at(file.line, format!("`{name}`: {error}"), ""))
            .ok()
    }

    /// The policy files that a pattern names; `*` may stand for a part of the last component.
    pub(crate) fn policies(&mut self, pattern: &At<String>, problems: &mut Problems) -> Vec<PolicySource> {
        let paths = self.matching(pattern, problems);
        let mut sources = Vec::new();
        for path in paths {
            let name = path.display().to_string();
            self.read.push(path.clone());
            if let Some(what) = changeable(&path) {
                problems.push(Problem {
                    file: name.clone(),
                    line: None,
                    what,
                    remedy: format!("run `chmod o-w {name}`"),
                });
            }
            match testudo_bounded::read_text(&path, POLICY_BYTES_MAX) {
                Ok(text) => sources.push(PolicySource { name, text }),
                Err(error) => problems.at(pattern.line, error.to_string(), ""),
            }
        }
        sources
    }

    fn matching(&mut self, pattern: &At<String>, problems: &mut Problems) -> Vec<PathBuf> {
        let whole = self.resolve(&pattern.value);
        let Some(last) = whole
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.contains('*'))
        else {
            return vec![whole];
        };
        let folder = whole.parent().unwrap_or(Path::new("")).to_owned();
        let opened = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder.as_path()
        };
        // New files in the folder count as changes.
        self.read.push(folder.clone());
        let mut found = Vec::new();
        for entry in fs::read_dir(opened)
            .into_iter()
            .flatten()
            .flatten()
            .take(POLICY_FILES_MAX)
        {
            if entry.file_name().to_str().is_some_and(|name| matches(last, name)) {
                found.push(folder.join(entry.file_name()));
            }
        }
        found.sort();
        if found.is_empty() {
            problems.at(
                pattern.line,
                format!("no policy file matches `{}`", shown(&pattern.value)),
                "correct the path or remove it: a policy that is not found protects nothing",
            );
        }
        found
    }
}

/// Says why a file must not be trusted, if it must not.
pub(crate) fn changeable(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).as_ref().map(Metadata::permissions).ok()?.mode() & 0o777;
    (mode & 0o002 != 0).then(|| format!("everyone may change this file (mode {mode:03o})"))
}

/// Whether `name` fits a pattern in which `*` stands for any characters but a leading dot.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name
        .strip_prefix(first)
        .filter(|_| !first.is_empty() || !name.starts_with('.'))
    else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at.saturating_add(part.len())..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name) in [
            ("*.cedar", "a.cedar"),
            ("a*c", "abc"),
            ("a*c", "ac"),
            ("*", "x"),
            ("a*b*c", "a-b-c"),
            ("a*b*c", "abbc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.cedar", "a.cedar~"),
            ("*.cedar", ".a.cedar"),
            ("a*c", "abd"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
