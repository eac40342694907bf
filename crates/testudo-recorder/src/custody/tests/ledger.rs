//! A ledger in a folder, with keys and a clock that moves when it is told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use testudo_ledger::entry::{Entry, Incident, SubjectPseudonym};
use testudo_ledger::verify::{self, Fault, KnownCheckpoint, LogFiles, Report, Unsound, verify_log};
use testudo_ledger::{Hash, Policy, SignedCheckpoint, tree};
use testudo_types::TenantId;
use zeroize::Zeroizing;

use super::super::*;
use crate::keys::trial::{SetClock, names};
use crate::keys::{FileKeyring, SubjectKind};
use crate::recorder::{Limits, Options, Pending};
use crate::{Folder, SubjectName};

pub(super) const DAY_MS: u64 = 86_400_000;

pub(super) struct Ledger {
    folder: TempDir,
    clock: Arc<SetClock>,
    rules: Rules,
    pub(super) custody: Custody,
}

pub(super) fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

pub(super) fn incident() -> Incident {
    Incident {
        id: "inc_1".to_owned(),
        state: "open".to_owned(),
        step: "note".to_owned(),
    }
}

impl Ledger {
    pub(super) async fn open() -> Self {
        Self::open_with(Rules::default()).await
    }

    pub(super) async fn open_with(rules: Rules) -> Self {
        let clock = Arc::new(SetClock(AtomicU64::new(20_000 * DAY_MS)));
        Self::start(tempfile::tempdir().unwrap(), clock, rules).await
    }

    async fn start(folder: TempDir, clock: Arc<SetClock>, rules: Rules) -> Self {
        let root = folder.path().join("ledger");
        let held = Folder::prepare(&root).unwrap();
        let origin = held.origin().to_owned();
        let keks = Arc::new(FileKeyring::open(root.join("kek")).unwrap());
        let vault = Vault::open(&root, keks, clock.clone()).await.unwrap();
        let mut options = Options::new(clock.clone(), Box::new(vault.clone()), "1");
        options.limits = Limits {
            segment_bytes: 16 << 10,
            checkpoint_every_ms: 5,
            ..Limits::default()
        };
        let recorder = Recorder::open(held, options).await.unwrap();
        let kept = Keeping {
            recorder,
            vault,
            log: LogFolder::new(&root),
            origin,
            rules: rules.clone(),
            clock: clock.clone(),
            dirty: None,
        };
        let custody = Custody::start(kept).await.unwrap();
        Self {
            folder,
            clock,
            rules,
            custody,
        }
    }

    pub(super) async fn reopen(self) -> Self {
        let Self {
            folder,
            clock,
            rules,
            custody,
        } = self;
        custody.kept.recorder.close().await.unwrap();
        drop(custody);
        Self::start(folder, clock, rules).await
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn kept(&self) -> &Keeping {
        &self.custody.kept
    }

    pub(super) fn log(&self) -> &LogFolder {
        &self.custody.kept.log
    }

    pub(super) fn tenant(&self) -> TenantId {
        let [acme] = names(["acme"]);
        acme
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.wall().0
    }

    pub(super) fn pass_days(&self, days: u64) {
        self.clock.0.fetch_add(days.saturating_mul(DAY_MS), Ordering::Relaxed);
    }

    /// Queues an incident with a person's text.
    pub(super) fn queue(&self, name: &str, text: &str) -> Pending {
        let draft = Draft {
            tenant: Some(self.tenant()),
            subject: Some(SubjectName::parse(name).unwrap()),
            content: Some(Zeroizing::new(text.as_bytes().to_vec())),
            ..Draft::new(incident())
        };
        self.kept().recorder.slot().unwrap().append(draft, Level::Durable)
    }

    /// Appends an incident with a person's text and says where it stands.
    pub(super) async fn say(&self, name: &str, text: &str) -> u64 {
        self.queue(name, text).await.unwrap().index().unwrap()
    }

    pub(super) async fn subject(&self, name: &str) -> SubjectPseudonym {
        let tenant = self.tenant();
        let found = self.kept().vault.find_subject(Some(&tenant), SubjectKind::Person, name);
        found.await.unwrap().unwrap()
    }

    pub(super) fn request(&self, subject: SubjectPseudonym) -> ErasureRequest {
        ErasureRequest {
            request: code("request-1"),
            subject,
            basis: code("gdpr_17_1_b"),
            approver: PrincipalPseudonym::from_bytes([1; 16]),
        }
    }

    pub(super) async fn show(&self, index: u64) -> Result<ShownPayload, CustodyError> {
        let reader = PrincipalPseudonym::from_bytes([1; 16]);
        self.custody.show_payload(index, reader, &code("incident")).await
    }

    /// The bytes in a subject's row that must go: wrapped key, sealed name, tag.
    pub(super) async fn row_of(&self, subject: SubjectPseudonym) -> Vec<Vec<u8>> {
        let mut connection = self.kept().vault.0.connection.lock().await;
        let (wrapped, name, tag): (Vec<u8>, Vec<u8>, Vec<u8>) =
            sqlx::query_as("SELECT wrapped, name, tag FROM subjects WHERE pseudonym = ?1")
                .bind(subject.as_bytes().as_slice())
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        vec![wrapped, name, tag]
    }

    /// The payload records of a subject that are in the files, by index.
    pub(super) fn payloads_of(&self, subject: SubjectPseudonym) -> BTreeMap<u64, Vec<u8>> {
        let mut found = BTreeMap::new();
        for index in 0..self.log().size().unwrap() {
            let entry = Entry::decode(&self.log().entry(index).unwrap()).unwrap();
            if entry.payload.is_some_and(|it| it.subject == subject)
                && let Some(record) = self.log().payload(index).unwrap()
            {
                found.insert(index, record);
            }
        }
        found
    }

    pub(super) fn note(&self) -> Vec<u8> {
        self.log().read("checkpoint", 1 << 20).unwrap().unwrap()
    }

    /// Proofs that entries are under the newest checkpoint, with their leaf hashes.
    pub(super) fn proofs(&self, indexes: &[u64]) -> Vec<(u64, Hash, Vec<Hash>)> {
        let size = self.log().size().unwrap();
        let prove = |&index: &u64| {
            let leaf = Hash::leaf(&self.log().entry(index).unwrap());
            (index, leaf, self.log().inclusion(index, size).unwrap())
        };
        indexes.iter().map(prove).collect()
    }

    /// Checks such proofs, and that the same entries still have the same hashes.
    pub(super) fn check_proofs(&self, note: &[u8], proofs: &[(u64, Hash, Vec<Hash>)]) {
        let signed = SignedCheckpoint::parse(note).unwrap();
        let checkpoint = signed.checkpoint();
        for (index, leaf, proof) in proofs {
            assert_eq!(Hash::leaf(&self.log().entry(*index).unwrap()), *leaf);
            tree::check_inclusion(leaf, *index, checkpoint.size(), proof, checkpoint.root()).unwrap();
        }
    }

    /// The log must be sound, as an outsider sees it, and continue the given checkpoints.
    pub(super) fn verify(&self, notes: &[Vec<u8>]) -> Report {
        self.judge(notes).unwrap()
    }

    /// What an outsider finds wrong.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.judge(&[]).expect_err("a fault").faults
    }

    fn judge(&self, notes: &[Vec<u8>]) -> Result<Report, Box<Unsound>> {
        let text = self.log().read("policy", 1 << 20).unwrap().unwrap();
        let policy = Policy::parse(&text).unwrap();
        let known: Vec<_> = notes.iter().map(|note| KnownCheckpoint { name: "old", note }).collect();
        let options = verify::Options {
            known: &known,
            faults_max: 1000,
            ..verify::Options::default()
        };
        verify_log(&Outside(self.log()), &policy, &options)
    }
}

struct Outside<'a>(&'a LogFolder);

impl LogFiles for Outside<'_> {
    type Error = ReadLogError;

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, ReadLogError> {
        self.0.read(path, bytes_max)
    }
}
