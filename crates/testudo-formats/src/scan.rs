//! One scan: its budgets, and what it has found so far.

use std::collections::BTreeMap;

use crate::index::Folder;
use crate::limits::Limits;
use crate::verdict::{Finding, Part, Report, Verdict};

/// What is scanned and by which rules.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub limits: Limits,
    /// Names, as (module, qualified name), that pickles may name beside the built-in list: classes of one's own.
    pub also_allowed: Vec<(String, String)>,
}

/// Where in the file something is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// The last name in lower case, for hints by extension.
    pub(crate) name: String,
    pub(crate) depth: u32,
}

impl Place {
    pub(crate) fn outermost(path: &str) -> Self {
        Self {
            name: path.to_lowercase(),
            path: path.to_owned(),
            depth: 0,
        }
    }

    /// A member of an archive here.
    pub(crate) fn member(&self, name: &str) -> Self {
        Self {
            path: format!("{}!/{}", self.path, crate::verdict::shown(name)),
            name: name.to_lowercase(),
            depth: self.depth.saturating_add(1),
        }
    }

    /// The same bytes, unpacked; keeps its name, without the packer's extension.
    pub(crate) fn unpacked(&self) -> Self {
        let bare = [".gz", ".z", ".bz2", ".xz", ".lzma", ".zst", ".lz4"]
            .iter()
            .find_map(|end| self.name.strip_suffix(end));
        Self {
            path: self.path.clone(),
            name: bare.unwrap_or(&self.name).to_owned(),
            depth: self.depth.saturating_add(1),
        }
    }

    pub(crate) fn ends_with(&self, ends: &[&str]) -> bool {
        ends.iter().any(|end| self.name.ends_with(end))
    }

    /// The last step of the name.
    pub(crate) fn file_name(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name)
    }
}

pub(crate) struct Scan<'o> {
    pub(crate) options: &'o Options,
    /// The files beside the one that is scanned, if they are to be had.
    pub(crate) folder: Option<&'o dyn Folder>,
    findings: Vec<Finding>,
    known: BTreeMap<(String, &'static str, String), usize>,
    parts: Vec<Part>,
    worst: Verdict,
    findings_left_out: u64,
    parts_left_out: u64,
    members: u64,
    unpacked_bytes: u64,
    pub(crate) opcodes: u64,
}

impl<'o> Scan<'o> {
    pub(crate) fn new(options: &'o Options) -> Self {
        Self {
            options,
            folder: None,
            findings: Vec::new(),
            known: BTreeMap::new(),
            parts: Vec::new(),
            worst: Verdict::Allowed,
            findings_left_out: 0,
            parts_left_out: 0,
            members: 0,
            unpacked_bytes: 0,
            opcodes: 0,
        }
    }

    pub(crate) fn limits(&self) -> &'o Limits {
        &self.options.limits
    }

    pub(crate) fn find(
        &mut self,
        place: &Place,
        rule: &'static str,
        verdict: Verdict,
        reason: impl Into<String>,
        offset: Option<u64>,
    ) {
        self.worst = self.worst.max(verdict);
        let key = (place.path.clone(), rule, reason.into());
        if let Some(finding) = self.known.get(&key).and_then(|index| self.findings.get_mut(*index)) {
            finding.count = finding.count.saturating_add(1);
            return;
        }
        if self.findings.len() >= self.options.limits.findings_max {
            self.findings_left_out = self.findings_left_out.saturating_add(1);
            return;
        }
        self.known.insert(key.clone(), self.findings.len());
        self.findings.push(Finding {
            rule,
            verdict,
            reason: key.2,
            path: key.0,
            offset,
            count: 1,
        });
    }

    /// Lists a part that is read.
    pub(crate) fn part(&mut self, place: &Place, format: &'static str, bytes: u64) {
        if self.parts.len() >= self.options.limits.parts_max {
            self.parts_left_out = self.parts_left_out.saturating_add(1);
            return;
        }
        self.parts.push(Part {
            path: place.path.clone(),
            format,
            bytes,
            facts: Vec::new(),
        });
    }

    /// Says something about the part that was listed last at this place.
    pub(crate) fn fact(&mut self, place: &Place, name: &'static str, value: &str) {
        if let Some(part) = self.parts.iter_mut().rev().find(|part| part.path == place.path)
            && part.facts.len() < 32
        {
            part.facts.push((name, crate::verdict::shown(value)));
        }
    }

    /// One member more; `false`, with a finding, when there were enough.
    pub(crate) fn count_member(&mut self, place: &Place) -> bool {
        self.members = self.members.saturating_add(1);
        let fine = self.members <= self.options.limits.members_max;
        if !fine {
            let max = self.options.limits.members_max;
            let reason = format!("more than {max} members; the others were not read");
            self.find(place, "archive.members", Verdict::Unknown, reason, None);
        }
        fine
    }

    /// So many bytes more were unpacked; `false` when that is too much.
    pub(crate) fn count_unpacked(&mut self, bytes: u64) -> bool {
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(bytes);
        self.unpacked_bytes <= self.options.limits.unpacked_bytes_max
    }

    pub(crate) fn into_report(self) -> Report {
        Report {
            verdict: self.worst,
            findings: self.findings,
            parts: self.parts,
            findings_left_out: self.findings_left_out,
            parts_left_out: self.parts_left_out,
        }
    }
}
