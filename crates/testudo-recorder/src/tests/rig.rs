//! A log over faulty files, a sealer without a key store, a clock that does as it is told, and a check of everything.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use testudo_ledger::entry::{Body, Commitment, Entry, Incident, PrincipalPseudonym, SubjectPseudonym, TenantPseudonym};
use testudo_ledger::payload::{self, Record, Records};
use testudo_ledger::verify::{self, verify_log};
use testudo_ledger::{Frontier, Hash, Policy};
use testudo_types::{Clock, KeyId, Millis, TenantId, UnixMillis};
use zeroize::Zeroizing;

use crate::files::Files;
use crate::files::faulty::FaultyFiles;
use crate::recorder::Limits;
use crate::{
    Batch, Draft, Folder, LogFolder, OpenError, Options, Recorder, Refusal, Sealed, SealedPayload, Sealer, Sealing,
};

pub(super) const ROOT: &str = "/log";

/// Pseudonyms are hashes of names, and a seal is the content turned around.
#[derive(Debug, Default)]
pub(super) struct PlainSealer;

impl Sealer for PlainSealer {
    fn seal<'a>(&'a mut self, batch: Batch<'a>) -> Sealing<'a> {
        Box::pin(async move {
            let sealed = (batch.first_index..).zip(batch.drafts);
            Ok(sealed.map(|(index, draft)| seal(index, draft)).collect())
        })
    }
}

fn seal(index: u64, draft: &Draft) -> Result<Sealed, Refusal> {
    if draft.subject.as_ref().is_some_and(|it| it.as_str() == "erased") {
        return Err(Refusal("the subject is erased".to_owned()));
    }
    let payload = draft.content.as_ref().map(|content| {
        let mut sealed: Vec<u8> = content.iter().rev().copied().collect();
        sealed.extend([0; 16]);
        let salt = sha256(&index.to_be_bytes());
        let record = Record {
            index,
            salt: &salt,
            wrapped_key: b"key",
            nonce: &[7; 12],
            sealed: &sealed,
        };
        SealedPayload {
            subject: SubjectPseudonym::from_bytes(pseudonym("subject")),
            bytes: content.len() as u64,
            commitment: record.commitment(),
            record: record.encode().unwrap(),
        }
    });
    Ok(Sealed {
        tenant: draft
            .tenant
            .as_ref()
            .map(|it| TenantPseudonym::from_bytes(pseudonym(it.as_str()))),
        principal: draft
            .principal
            .as_ref()
            .map(|it| PrincipalPseudonym::from_bytes(pseudonym(it.as_str()))),
        payload,
    })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap()
}

fn pseudonym(name: &str) -> [u8; 16] {
    *sha256(name.as_bytes()).first_chunk().unwrap()
}

/// Starts at a fixed time and moves when told.
#[derive(Debug)]
pub(super) struct HandClock(pub(super) AtomicU64);

impl HandClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(1_800_000_000_000)))
    }
}

impl Clock for HandClock {
    fn monotonic(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

pub(super) fn options() -> Options {
    let mut options = Options::new(HandClock::new(), Box::new(PlainSealer), "1.2.3");
    options.limits = Limits {
        segment_bytes: 4096,
        checkpoint_every_ms: 2,
        retry_every_ms: 1,
        witness_wait_ms: 50,
        ..Limits::default()
    };
    options
}

pub(super) fn folder(files: &FaultyFiles) -> Result<Folder, crate::FolderError> {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    Folder::prepare_with(Path::new(ROOT), files, None)
}

pub(super) async fn open(files: &FaultyFiles) -> Result<Recorder, OpenError> {
    open_with(files, options()).await
}

pub(super) async fn open_with(files: &FaultyFiles, options: Options) -> Result<Recorder, OpenError> {
    let folder = folder(files).map_err(|error| OpenError::File {
        path: PathBuf::from(ROOT),
        source: std::io::Error::other(error.to_string()),
    })?;
    Recorder::open(folder, options).await
}

/// A draft that can be told apart from all others; with content when `content_bytes` is not zero.
pub(super) fn draft(id: &str, content_bytes: usize) -> Draft {
    let mut draft = Draft::new(Incident {
        id: id.to_owned(),
        state: "open".to_owned(),
        step: "note".to_owned(),
    });
    draft.tenant = Some(TenantId::parse("acme").unwrap());
    draft.principal = Some(KeyId::parse("k1").unwrap());
    draft.content = (content_bytes > 0).then(|| Zeroizing::new(vec![b'x'; content_bytes]));
    draft
}

/// The log in these files, checked from the outside: what it says at which place.
pub(super) fn check(files: &FaultyFiles) -> BTreeMap<u64, Entry> {
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    let log = LogFolder::with(Path::new(ROOT), shared);
    let folder = folder(files).unwrap();
    let note = log.read("checkpoint", 1 << 20).unwrap().unwrap();
    let checkpoint = folder.verify(&note).unwrap();
    let size = checkpoint.checkpoint().size();
    let mut frontier = Frontier::new();
    let mut entries = BTreeMap::new();
    let mut last_at = 0;
    for number in 0..size.div_ceil(256) {
        let bundle = log.bundle(number).unwrap();
        let file = log.read(&payload::path(number), 1 << 30).unwrap().unwrap_or_default();
        let mut records = Records::new(number, |offset, len| {
            let rest = file.iter().skip(usize::try_from(offset).unwrap());
            Ok::<Vec<u8>, std::convert::Infallible>(rest.take(len).copied().collect())
        });
        let mut commitments: BTreeMap<u64, Commitment> = BTreeMap::new();
        while let Some((place, record)) = records.next_record().unwrap() {
            commitments.insert(place.index, record.commitment());
        }
        for (index, bytes) in (number * 256..).zip(bundle) {
            frontier.push(Hash::leaf(&bytes));
            let entry = Entry::decode(&bytes).unwrap();
            assert!(entry.at >= last_at, "time runs backwards at {index}");
            last_at = entry.at;
            let committed = entry.payload.as_ref().map(|it| it.commitment);
            assert_eq!(committed, commitments.remove(&index), "payload of {index}");
            entries.insert(index, entry);
        }
        assert!(commitments.is_empty(), "payloads without entries: {commitments:?}");
    }
    assert_eq!(frontier.root(), *checkpoint.checkpoint().root());
    let policy = log.read("policy", 1 << 16).unwrap().unwrap();
    let policy = Policy::parse(&policy).unwrap();
    let report = verify_log(&log, &policy, &verify::Options::default()).unwrap();
    assert_eq!(report.size, size);
    entries
}

/// The id that a draft of [`draft`] carries.
pub(super) fn id(entry: &Entry) -> &str {
    match &entry.body {
        Body::Incident(incident) => &incident.id,
        other => other.kind(),
    }
}
