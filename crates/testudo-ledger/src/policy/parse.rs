//! Policy files read line by line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, Member, POLICY_BYTES_MAX, Party, Policy};
use crate::key::{KeyError, KeyKind, VerifierKey};
use crate::tile::decimal;

/// What is wrong in a policy file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {problem}")]
pub struct PolicyError {
    /// Counted from 1; one past the last for what is missing.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong in a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the file is longer than {POLICY_BYTES_MAX} bytes")]
    TooLong,
    #[error("control characters other than tab and newline are not allowed")]
    Characters,
    #[error("the last line does not end in a newline; the file may have been cut off")]
    CutOff,
    #[error(
        "a line is `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, `group <name> all|any|<k> <name>...` or `quorum <name>|none`"
    )]
    Shape,
    #[error("the key cannot be used: {0}")]
    Key(#[from] KeyError),
    #[error("a log signs with an Ed25519 key (0x01), a witness with a cosignature key (0x04); this is the other")]
    Kind,
    #[error("this key was given before")]
    DuplicateKey,
    #[error("the name `{0}` was given before or is reserved")]
    DuplicateName(String),
    #[error("the name `{0}` is not defined on a line before")]
    UnknownName(String),
    #[error("`{0}` is a member of a group already")]
    DuplicateMember(String),
    #[error("`{threshold}` is not `all`, `any` or a number from 1 to the {members} members")]
    Threshold { threshold: String, members: usize },
    #[error("a second `quorum`")]
    SecondQuorum,
    #[error("there is no `quorum` line")]
    NoQuorum,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// At the first line that is not as the specification says, or names a key of a kind that is not supported.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let whole = |problem| PolicyError { line: 1, problem };
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(whole(Problem::TooLong));
        }
        let mut reader = Reader::default();
        let mut lines: usize = 1;
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = |problem| PolicyError { line: lines, problem };
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, after) = end
                .and_then(|end| rest.split_at_checked(end))
                .ok_or(at(Problem::CutOff))?;
            reader.line(line).map_err(at)?;
            rest = after.strip_prefix(b"\n").unwrap_or(after);
            lines = lines.saturating_add(1);
        }
        let missing = PolicyError {
            line: lines,
            problem: Problem::NoQuorum,
        };
        Ok(Self {
            logs: reader.logs,
            witnesses: reader.witnesses,
            groups: reader.groups,
            quorum: reader.quorum.ok_or(missing)?,
        })
    }
}

/// What the lines so far have defined. Names are octets, not text.
#[derive(Default)]
struct Reader<'a> {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    groups: Vec<Group>,
    names: BTreeMap<&'a [u8], Member>,
    grouped: BTreeSet<Member>,
    /// The inner nothing is `quorum none`.
    quorum: Option<Option<Member>>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), Problem> {
        if line
            .iter()
            .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f)
        {
            return Err(Problem::Characters);
        }
        let words = line.split(|byte| matches!(byte, b' ' | b'\t'));
        let words: Vec<&[u8]> = words.filter(|it| !it.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key, url @ ..] => add(&mut self.logs, key, KeyKind::Ed25519, url),
            [b"witness", name, key, url @ ..] => {
                add(&mut self.witnesses, key, KeyKind::Cosignature, url)?;
                self.define(name, Member::Witness(self.witnesses.len().saturating_sub(1)))
            }
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.quorum(name),
            _ => Err(Problem::Shape),
        }
    }

    fn define(&mut self, name: &'a [u8], member: Member) -> Result<(), Problem> {
        if name == b"none" || self.names.insert(name, member).is_some() {
            return Err(Problem::DuplicateName(shown(name)));
        }
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Member, Problem> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| Problem::UnknownName(shown(name)))
    }

    fn group(&mut self, name: &'a [u8], threshold: &[u8], names: &[&[u8]]) -> Result<(), Problem> {
        let mut members = Vec::new();
        for name in names {
            let member = self.lookup(name)?;
            // Each witness counts in one way only.
            if !self.grouped.insert(member) {
                return Err(Problem::DuplicateMember(shown(name)));
            }
            members.push(member);
        }
        let needed = match threshold {
            b"all" => Some(members.len()),
            b"any" => Some(1),
            _ => number(threshold),
        };
        let needed = needed.filter(|it| (1..=members.len()).contains(it));
        let needed = needed.ok_or_else(|| Problem::Threshold {
            threshold: shown(threshold),
            members: members.len(),
        })?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { needed, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), Problem> {
        if self.quorum.is_some() {
            return Err(Problem::SecondQuorum);
        }
        self.quorum = Some(match name {
            b"none" => None,
            _ => Some(self.lookup(name)?),
        });
        Ok(())
    }
}

fn add(parties: &mut Vec<Party>, key: &[u8], kind: KeyKind, url: &[&[u8]]) -> Result<(), Problem> {
    let text = std::str::from_utf8(key).map_err(|_| Problem::Key(KeyError::VerifierShape))?;
    let key = VerifierKey::parse(text)?;
    if key.kind() != kind {
        return Err(Problem::Kind);
    }
    // The same key under another name is the same party.
    if parties.iter().any(|it| it.key.public() == key.public()) {
        return Err(Problem::DuplicateKey);
    }
    let url = match url {
        [] => None,
        [url] => Some(shown(url)),
        _ => return Err(Problem::Shape),
    };
    parties.push(Party { key, url });
    Ok(())
}

fn number(word: &[u8]) -> Option<usize> {
    let number = decimal(std::str::from_utf8(word).ok()?)?;
    usize::try_from(number).ok()
}

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}
