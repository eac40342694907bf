//! A ledger in a temporary folder whose key store is a notebook: it remembers what is entered, and waits or fails when told.

use std::path::Path;
use std::sync::{Arc, Mutex};

use testudo_gateway::system_clock::SystemClock;
use testudo_ledger::entry::{AlarmState, Body, Exchange, PrincipalPseudonym, TenantPseudonym};
use testudo_recorder::{Batch, Draft, Folder, Options, Recorder, SealError, Sealed, Sealer, Sealing};
use tokio::sync::watch;

/// What the notebook does with the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Wait,
    Fail,
    /// Only for batches with an entry of this type, so that it can be set before the one that comes earlier.
    WaitAt(&'static str),
    FailAt(&'static str),
}

impl Mode {
    fn waits(self, kinds: &[&str]) -> bool {
        self == Self::Wait || matches!(self, Self::WaitAt(kind) if kinds.contains(&kind))
    }

    fn fails(self, kinds: &[&str]) -> bool {
        self == Self::Fail || matches!(self, Self::FailAt(kind) if kinds.contains(&kind))
    }
}

/// Clones are the same notebook.
#[derive(Clone)]
pub(crate) struct Notebook {
    mode: Arc<watch::Sender<Mode>>,
    asked: Arc<watch::Sender<Vec<&'static str>>>,
    written: Arc<Mutex<Vec<Draft>>>,
    changed: Arc<watch::Sender<()>>,
}

impl Notebook {
    /// A recorder over a new ledger in `folder`, and the notebook that sees what it enters.
    pub(crate) async fn recorder(folder: &Path) -> (Recorder, Self) {
        let notebook = Self {
            mode: Arc::new(watch::Sender::new(Mode::Write)),
            asked: Arc::new(watch::Sender::new(Vec::new())),
            written: Arc::default(),
            changed: Arc::new(watch::Sender::new(())),
        };
        let mut options = Options::new(Arc::new(SystemClock::new()), Box::new(Pen(notebook.clone())), "test");
        options.limits.retry_every_ms = 5;
        options.limits.checkpoint_every_ms = 5;
        let recorder = Recorder::open(Folder::prepare(folder).unwrap(), options).await.unwrap();
        (recorder, notebook)
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Waits until the writer has come with `count` entries of this type, written or not.
    pub(crate) async fn until_asked(&self, kind: &str, count: usize) {
        let mut asked = self.asked.subscribe();
        let enough = |asked: &Vec<&'static str>| asked.iter().filter(|it| **it == kind).count() >= count;
        asked.wait_for(enough).await.unwrap();
    }

    /// Waits until an entry of this type is written.
    pub(crate) async fn until_written(&self, kind: &str) {
        let mut written = self.changed.subscribe();
        let there = |_: &()| self.drafts().iter().any(|draft| draft.body.kind() == kind);
        written.wait_for(there).await.unwrap();
    }

    /// Everything entered so far.
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        self.written.lock().unwrap().clone()
    }

    /// The exchanges among them.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let drafts = self.drafts().into_iter();
        drafts
            .filter_map(|draft| match draft.body {
                Body::Exchange(exchange) => Some(exchange),
                _ => None,
            })
            .collect()
    }

    /// The alarms among them, in their order.
    pub(crate) fn alarms(&self) -> Vec<(String, AlarmState)> {
        let drafts = self.drafts().into_iter();
        drafts
            .filter_map(|draft| match draft.body {
                Body::Alarm(alarm) => Some((alarm.name, alarm.state)),
                _ => None,
            })
            .collect()
    }
}

struct Pen(Notebook);

impl Sealer for Pen {
    fn seal<'a>(&'a mut self, batch: Batch<'a>) -> Sealing<'a> {
        Box::pin(async move {
            let Self(notebook) = self;
            let kinds: Vec<&'static str> = batch.drafts.iter().map(|draft| draft.body.kind()).collect();
            notebook.asked.send_modify(|asked| asked.extend(&kinds));
            let mut mode = notebook.mode.subscribe();
            let mode = *mode.wait_for(|mode| !mode.waits(&kinds)).await.unwrap();
            if mode.fails(&kinds) {
                return Err(SealError("the notebook is told to fail".into()));
            }
            let drafts = batch.drafts.iter().map(|draft| (*draft).clone());
            notebook.written.lock().unwrap().extend(drafts);
            notebook.changed.send_replace(());
            let sealed = |draft: &&Draft| {
                Ok(Sealed {
                    tenant: draft.tenant.as_ref().map(|_| TenantPseudonym::from_bytes([1; 16])),
                    principal: draft
                        .principal
                        .as_ref()
                        .map(|_| PrincipalPseudonym::from_bytes([2; 16])),
                    payload: None,
                })
            };
            Ok(batch.drafts.iter().map(sealed).collect())
        })
    }
}
