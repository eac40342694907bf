//! Logs in memory, built as a recorder would, to be tampered with.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::entry::{
    AdminLogin, Body, Entry, Erasure, Gap, PayloadRef, PrincipalPseudonym, Ranges, Retention, SubjectPseudonym,
};
use crate::key::{KeyKind, KeyName};
use crate::payload::{self, Record};
use crate::tile::{self, bundle};
use crate::verify::{CHECKPOINT, Fault, LogFiles, Options, Report, Unsound, verify_log};
use crate::{Checkpoint, Frontier, Hash, Policy, SignedCheckpoint, SigningKey, TileLevel};

pub(super) const ORIGIN: &str = "testudo/0123456789abcdef";
/// When the first entry was written, in milliseconds since 1970; one each second.
pub(super) const START: u64 = 1_790_000_000_000;

/// The files of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Files(pub(super) BTreeMap<String, Vec<u8>>);

impl LogFiles for Files {
    type Error = String;

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, String> {
        match self.0.get(path) {
            Some(bytes) if bytes == b"unreadable" => Err("the disk is broken".to_owned()),
            Some(bytes) if bytes.len() > bytes_max => Err(format!("longer than {bytes_max} bytes")),
            found => Ok(found.cloned()),
        }
    }
}

impl Files {
    pub(super) fn verify(&self) -> Result<Report, Box<Unsound>> {
        self.verify_with(&policy("quorum none"), &Options::default())
    }

    pub(super) fn verify_with(&self, policy: &Policy, options: &Options<'_>) -> Result<Report, Box<Unsound>> {
        verify_log(self, policy, options)
    }

    /// The faults of a log that has some.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.verify().expect_err("a fault").faults
    }

    pub(super) fn change(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.0.get_mut(path).unwrap_or_else(|| panic!("no {path}")));
    }

    /// Keeps the payload records of a window that `keep` says.
    pub(super) fn keep_payloads(&mut self, window: u64, keep: impl Fn(u64) -> bool) {
        let path = payload::path(window);
        let mut kept = Vec::new();
        let file = &self.0[&path];
        let mut records = payload::Records::new(window, |offset, len| {
            let rest = file.iter().skip(usize::try_from(offset).unwrap());
            Ok::<Vec<u8>, std::convert::Infallible>(rest.take(len).copied().collect())
        });
        while let Some((_, record)) = records.next_record().unwrap() {
            if keep(record.index) {
                payload::append(&mut kept, &record.encode().unwrap()).unwrap();
            }
        }
        if kept.is_empty() {
            self.0.remove(&path);
        } else {
            self.0.insert(path, kept);
        }
    }
}

pub(super) fn key(name: &str, kind: KeyKind, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::parse(name).unwrap(), kind, Zeroizing::new([seed; 32])).unwrap()
}

pub(super) fn log_key() -> SigningKey {
    key(ORIGIN, KeyKind::Ed25519, 1)
}

pub(super) fn witness(seed: u8) -> SigningKey {
    key(&format!("witness-{seed}"), KeyKind::Cosignature, seed)
}

/// A policy with the log's key, witnesses 11, 12 and 13, and further lines.
pub(super) fn policy(lines: &str) -> Policy {
    let mut text = format!("log {}\n", log_key().verifier());
    for seed in [11, 12, 13] {
        text.push_str(&format!("witness w{seed} {}\n", witness(seed).verifier()));
    }
    Policy::parse(format!("{text}{lines}\n").as_bytes()).unwrap()
}

/// An entry to be, and the content of its payload.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) body: Body,
    pub(super) content: Option<(SubjectPseudonym, Vec<u8>)>,
}

pub(super) fn subject(number: u8) -> SubjectPseudonym {
    SubjectPseudonym::from_bytes([number; 16])
}

pub(super) fn plain() -> Planned {
    let body = AdminLogin {
        method: "key".to_owned(),
        principal: None,
        success: true,
    };
    Planned {
        body: body.into(),
        content: None,
    }
}

pub(super) fn with_payload(of: u8) -> Planned {
    Planned {
        content: Some((subject(of), vec![of; 20])),
        ..plain()
    }
}

pub(super) fn erasure(of: u8, indexes: impl IntoIterator<Item = u64>) -> Planned {
    let ranges = Ranges::join(indexes).remove(0);
    let body = Erasure {
        approver: PrincipalPseudonym::from_bytes([8; 16]),
        basis: "gdpr_17_1_b".to_owned(),
        payloads: ranges.count(),
        ranges,
        request: "17".to_owned(),
        subject: subject(of),
    };
    Planned {
        body: body.into(),
        content: None,
    }
}

pub(super) fn retention(indexes: impl IntoIterator<Item = u64>) -> Planned {
    let ranges = Ranges::join(indexes).remove(0);
    let body = Retention {
        before_at: START.saturating_add(1_000_000),
        class: "configuration".to_owned(),
        payloads: ranges.count(),
        ranges,
        regimes: vec!["ai_act_19".to_owned()],
    };
    Planned {
        body: body.into(),
        content: None,
    }
}

pub(super) fn gap(count: u64) -> Planned {
    let body = Gap {
        count,
        from_at: START,
        reason: "disk_full".to_owned(),
        to_at: START,
    };
    Planned {
        body: body.into(),
        content: None,
    }
}

/// Plain entries, of which each twentieth has a payload of subject 1 or 2.
pub(super) fn plan(size: u64) -> Vec<Planned> {
    (0..size)
        .map(|index| match (index % 20, index % 40) {
            (7, 7) => with_payload(1),
            (7, _) => with_payload(2),
            _ => plain(),
        })
        .collect()
}

/// The bytes of planned entries, and the payload files.
pub(super) fn write(planned: &[Planned]) -> (Vec<Vec<u8>>, Files) {
    let mut files = Files::default();
    let mut entries = Vec::new();
    for (index, planned) in (0_u64..).zip(planned) {
        let payload = planned.content.as_ref().map(|(subject, content)| {
            let salt = [u8::try_from(index % 251).unwrap(); 32];
            let record = Record {
                index,
                salt: &salt,
                wrapped_key: b"wrapped",
                nonce: &[9; 12],
                sealed: content,
            };
            let file = files.0.entry(payload::path(index / 256)).or_default();
            payload::append(file, &record.encode().unwrap()).unwrap();
            PayloadRef {
                bytes: 4,
                commitment: record.commitment(),
                subject: *subject,
            }
        });
        let entry = Entry {
            at: START.saturating_add(index.saturating_mul(1000)),
            tenant: None,
            principal: None,
            payload,
            body: planned.body.clone(),
        };
        entries.push(entry.encode().unwrap());
    }
    (entries, files)
}

/// Bundles and tiles of entries, and the root.
pub(super) fn grow(entries: &[Vec<u8>], files: &mut Files) -> (u64, Hash) {
    let mut complete: BTreeMap<(u8, u64), Hash> = BTreeMap::new();
    let mut frontier = Frontier::new();
    for entry in entries {
        frontier.push_each(Hash::leaf(entry), |level, index, hash| {
            complete.insert((level, index), hash);
        });
    }
    for tile in tile::for_growth(0, frontier.size()) {
        let TileLevel::Hashes(level) = tile.level() else {
            continue;
        };
        let first = tile.index().saturating_mul(256);
        let hashes = (first..).take(usize::from(tile.width()));
        let bytes = hashes.flat_map(|it| *complete[&(level.saturating_mul(8), it)].as_bytes());
        files.0.insert(tile.path(), bytes.collect());
    }
    let bundles = tile::growth(TileLevel::Entries, 0, frontier.size());
    for (tile, entries) in bundles.zip(entries.chunks(256)) {
        files.0.insert(tile.path(), bundle::encode(entries).unwrap());
    }
    (frontier.size(), frontier.root())
}

pub(super) fn sign((size, root): (u64, Hash)) -> SignedCheckpoint {
    SignedCheckpoint::sign(Checkpoint::new(ORIGIN, size, root).unwrap(), &log_key(), 0).unwrap()
}

/// A whole log of raw entries.
pub(super) fn of_entries(entries: &[Vec<u8>], mut files: Files) -> Files {
    let signed = sign(grow(entries, &mut files));
    files.0.insert(CHECKPOINT.to_owned(), signed.to_string().into_bytes());
    files
}

/// A whole log.
pub(super) fn of(planned: &[Planned]) -> Files {
    let (entries, files) = write(planned);
    of_entries(&entries, files)
}
