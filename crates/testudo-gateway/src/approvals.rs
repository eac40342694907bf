//! Calls of tools that wait for a person: what is held, kept, decided, and released exactly once.
//!
//! Kept in one SQLite file beside the keys, so that approvals survive a restart and the command line decides while
//! the gateway runs. What is held and what is to be answered is sealed there, and gone once it is settled. Every
//! failure denies.

mod error;
mod record;
mod seal;
mod store;
mod texts;
mod webhook;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::SqliteConnection;
use testudo_types::{Clock, KeyId, RouteName};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use error::{ApprovalsOpenError, DecideError, HoldCallError, ShowError, TakeError, UnsoundCall};
pub use record::{
    ANSWER_BYTES_MAX, ARGUMENT_BYTES_MAX, ApprovalId, ApprovalState, Binding, CALLS_MAX, Decided, Decider,
    EvidenceLine, Held, HeldCall, HumanVerdict, Shown, StoredAnswer, Summary, TOOL_BYTES_MAX, Taken, TakenCall, Texts,
    Vote, sha256,
};

use self::seal::{Part, Sealer, framed};
use self::store::{Event, Fresh, Row, Store};
pub(crate) use self::store::{Event as What, Happened};
use self::webhook::Notice;
use crate::settings::ApprovalSettings;

/// Approvals of one key that wait, or are approved and not used yet.
const PER_KEY_MAX: i64 = 32;
/// Approvals of all keys that wait, or are approved and not used yet.
const OPEN_MAX: i64 = 1024;
/// Between two looks at what is over.
const TIDY_EVERY_MS: u64 = 5_000;
/// Nothing waits longer, whatever is configured.
const LASTING_MS_MAX: u64 = 366 * 24 * 3_600_000;
/// Bytes of all texts and answers.
const SEALED_BYTES_MAX: i64 = 256 << 20;

/// The approvals of one data folder; shared by all exchanges.
#[derive(Debug, Clone)]
pub struct Approvals {
    store: Store,
    sealer: Arc<Sealer>,
    settings: Arc<ArcSwap<ApprovalSettings>>,
    clock: Arc<dyn Clock>,
    notices: mpsc::Sender<Notice>,
    /// Whoever keeps the store up takes it.
    noticed: Arc<Mutex<Option<mpsc::Receiver<Notice>>>>,
}

impl Approvals {
    /// Opens the store in a data folder, making folder, pepper and file (0700, 0600, 0600) when absent.
    ///
    /// # Errors
    /// When a file is missing rights or open to others, is no such store, is of a newer format, or belongs to
    /// another pepper.
    pub async fn load(
        dir: &Path,
        settings: ApprovalSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApprovalsOpenError> {
        let pepper = crate::keys::pepper(dir).map_err(crate::keys::StoreOpenError::from)?;
        let sealer = Sealer::new(&pepper).ok_or(ApprovalsOpenError::Cipher)?;
        let store = Store::open(dir, sealer.fingerprint()).await?;
        let (notices, noticed) = mpsc::channel(webhook::QUEUE_MAX);
        Ok(Self {
            notices,
            noticed: Arc::new(Mutex::new(Some(noticed))),
            store,
            sealer: Arc::new(sealer),
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            clock,
        })
    }

    /// Replaces the settings; holds that are open already keep theirs.
    pub fn reconfigure(&self, settings: ApprovalSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// The settings in use.
    #[must_use]
    pub fn settings(&self) -> Arc<ApprovalSettings> {
        self.settings.load_full()
    }

    /// Holds calls until somebody decides. The same hold that still waits, or is approved and was not used yet, is
    /// not held twice: its id comes back, and the answer that was kept first stays.
    ///
    /// # Errors
    /// When it cannot be held; the calls are to be denied then.
    pub async fn open(&self, held: &Held, answer: Option<&StoredAnswer>) -> Result<ApprovalId, HoldCallError> {
        if held.calls.is_empty() || held.calls.len() > CALLS_MAX {
            return Err(HoldCallError::Calls);
        }
        let now = self.now();
        let settings = self.settings.load();
        let id = ApprovalId::random().ok_or(HoldCallError::Random)?;
        let mut row = Row {
            id: id.as_str().to_owned(),
            state: ApprovalState::Waiting.as_str().to_owned(),
            key: held.key.as_str().to_owned(),
            tenant: held.tenant.as_str().to_owned(),
            route: held.route.as_str().to_owned(),
            exchange: held.exchange.as_str().to_owned(),
            request: answer.map(|answer| answer.request.to_vec()),
            policy: held.policy.to_vec(),
            quorum: i64::from(settings.quorum.max(1)),
            approvers: held.approvers.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
            use_within: stored(settings.use_within_ms.min(LASTING_MS_MAX)),
            opened: now,
            expires: now.saturating_add(stored(settings.expires_ms.min(LASTING_MS_MAX))),
            texts: None,
            answer: None,
        };
        let bound = row.bound();
        let texts = texts::write_texts(&texts::texts_of(held));
        row.texts = Some(
            self.sealer
                .seal(id.as_str(), Part::Texts, &bound, &texts)
                .ok_or(HoldCallError::Random)?,
        );
        if let Some(answer) = answer {
            let plain = texts::write_answer(answer).ok_or(HoldCallError::Answer)?;
            let sealed = self.sealer.seal(id.as_str(), Part::Answer, &bound, &plain);
            row.answer = Some(sealed.ok_or(HoldCallError::Random)?);
        }
        let calls: Vec<(&str, [u8; 32])> = held.calls.iter().map(|call| (call.tool(), call.digest())).collect();
        let fresh = Fresh {
            binding: binding_of(held, answer),
            row: &row,
            calls: &calls,
        };
        if let Some(same) = self.insert(&fresh, now).await? {
            return Ok(same);
        }
        self.tell(held, &id);
        Ok(id)
    }

    /// Never waits: whoever is not told finds the list.
    fn tell(&self, held: &Held, id: &ApprovalId) {
        if self.settings.load().webhook.is_none() {
            return;
        }
        let notice = Notice {
            id: id.clone(),
            route: held.route.clone(),
            tools: held.calls.iter().map(|call| call.tool().to_owned()).collect(),
        };
        if self.notices.try_send(notice).is_err() {
            tracing::warn!(%id, "too many messages wait for the webhook; this one is not sent");
        }
    }

    /// Adds a hold unless it is there; gives the id of the one that is.
    async fn insert(&self, fresh: &Fresh<'_>, now: i64) -> Result<Option<ApprovalId>, HoldCallError> {
        let mut transaction = self.store.begin().await?;
        store::sweep(&mut transaction, now).await?;
        if let Some(same) = store::same(&mut transaction, &fresh.binding).await? {
            transaction.commit().await?;
            return ApprovalId::parse(&same).map(Some).ok_or(HoldCallError::Full);
        }
        let load = store::load(&mut transaction, &fresh.row.key).await?;
        if load.of_key >= PER_KEY_MAX {
            return Err(HoldCallError::KeyFull);
        }
        if load.open >= OPEN_MAX || load.bytes.saturating_add(fresh.row.bytes()) > SEALED_BYTES_MAX {
            return Err(HoldCallError::Full);
        }
        store::insert(&mut transaction, fresh).await?;
        store::note(&mut transaction, &fresh.row.id, Event::Opened, None, now).await?;
        transaction.commit().await?;
        Ok(None)
    }

    /// The stored answer to a request, once its calls are approved: released once, whatever happens after.
    ///
    /// # Errors
    /// When the store cannot be used; the request is to be refused then.
    pub async fn take_answer(
        &self,
        key: &KeyId,
        route: &RouteName,
        request: &[u8; 32],
        policy: &[u8; 32],
    ) -> Result<Taken, TakeError> {
        let now = self.now();
        let Some(row) = self.store.by_request(key, route, request, now).await? else {
            return Ok(Taken::Nothing);
        };
        let (Some(id), Some(state)) = (ApprovalId::parse(&row.id), ApprovalState::from_name(&row.state)) else {
            return Ok(Taken::Nothing);
        };
        if row.policy != policy {
            // What was decided under another policy is not decided.
            self.expire(&row.id, now).await?;
            return Ok(Taken::Nothing);
        }
        match state {
            ApprovalState::Waiting => Ok(Taken::Waiting(id)),
            ApprovalState::Denied => Ok(Taken::Denied(id)),
            ApprovalState::Expired | ApprovalState::Used => Ok(Taken::Nothing),
            ApprovalState::Approved => {
                let calls = self.store.calls(&row.id).await?;
                let sound = self.texts(&row, &calls).is_some();
                let Some(answer) = self.answer(&row, *request).filter(|_| sound) else {
                    self.damaged(&row.id, now).await?;
                    return Ok(Taken::Nothing);
                };
                let mut transaction = self.store.begin().await?;
                if !store::use_answer(&mut transaction, &row.id, now).await? {
                    return Ok(Taken::Nothing);
                }
                store::note(&mut transaction, &row.id, Event::Used, None, now).await?;
                // On the disk before it is released: a crash loses an answer and never gives it twice.
                transaction.commit().await?;
                Ok(Taken::Released(answer, calls))
            }
        }
    }

    /// Whether exactly this call may be made now: each approved call once.
    ///
    /// # Errors
    /// When the store cannot be used; the call is to be denied then.
    pub async fn take_call(&self, binding: &Binding<'_>) -> Result<TakenCall, TakeError> {
        let now = self.now();
        let Some(found) = self.store.by_call(binding, now).await? else {
            return Ok(TakenCall::Nothing);
        };
        let row = &found.row;
        let Some(id) = ApprovalId::parse(&row.id) else {
            return Ok(TakenCall::Nothing);
        };
        match ApprovalState::from_name(&row.state) {
            Some(ApprovalState::Waiting) => Ok(TakenCall::Waiting(id)),
            Some(ApprovalState::Denied) => Ok(TakenCall::Denied(id)),
            Some(ApprovalState::Approved) => {
                let calls = self.store.calls(&row.id).await?;
                if self.texts(row, &calls).is_none() {
                    self.damaged(&row.id, now).await?;
                    return Ok(TakenCall::Nothing);
                }
                let mut transaction = self.store.begin().await?;
                if !store::use_call(&mut transaction, &row.id, found.position, now).await? {
                    return Ok(TakenCall::Nothing);
                }
                store::note(&mut transaction, &row.id, Event::Used, None, now).await?;
                transaction.commit().await?;
                Ok(TakenCall::Released)
            }
            Some(ApprovalState::Expired | ApprovalState::Used) | None => Ok(TakenCall::Nothing),
        }
    }

    /// The latest approvals, those that wait first.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn list(&self) -> Result<Vec<Summary>, ShowError> {
        self.tidy().await?;
        Ok(self.store.list().await?)
    }

    /// One approval with its texts, while there are any.
    ///
    /// # Errors
    /// When there is no such approval, it is damaged, or the store cannot be used.
    pub async fn show(&self, id: &ApprovalId) -> Result<Shown, ShowError> {
        self.tidy().await?;
        let row = self.store.row(id.as_str()).await?;
        let row = row.ok_or_else(|| ShowError::NotFound(id.clone()))?;
        let summary = self.store.summary(&row).await?;
        let summary = summary.ok_or_else(|| ShowError::Damaged(id.clone()))?;
        let open = matches!(summary.state, ApprovalState::Waiting | ApprovalState::Approved);
        let texts = open.then(|| {
            self.texts(&row, &summary.calls)
                .ok_or_else(|| ShowError::Damaged(id.clone()))
        });
        Ok(Shown {
            summary,
            texts: texts.transpose()?,
        })
    }

    /// Counts one person's decision: enough approvals approve, one denial denies.
    ///
    /// # Errors
    /// When it does not count, and why.
    pub async fn decide(&self, id: &ApprovalId, by: &Decider, verdict: HumanVerdict) -> Result<Decided, DecideError> {
        let now = self.now();
        let mut transaction = self.store.begin().await?;
        store::sweep(&mut transaction, now).await?;
        let row = store::row(&mut transaction, id.as_str()).await?;
        let row = row.ok_or_else(|| DecideError::NotFound(id.clone()))?;
        let state = ApprovalState::from_name(&row.state).ok_or_else(|| DecideError::Damaged(id.clone()))?;
        if state != ApprovalState::Waiting {
            transaction.commit().await?;
            return Err(DecideError::Settled { id: id.clone(), state });
        }
        let event = match verdict {
            HumanVerdict::Deny => Event::Deny,
            HumanVerdict::Approve => {
                let calls = store::calls(&mut transaction, &row.id).await?;
                let texts = self
                    .texts(&row, &calls)
                    .ok_or_else(|| DecideError::Damaged(id.clone()))?;
                if is_same_person(by, &row, &texts) {
                    return Err(DecideError::OwnCall);
                }
                let groups = row.groups();
                if !groups.is_empty() && !by.groups.iter().any(|group| groups.contains(group)) {
                    return Err(DecideError::NotOfGroup {
                        id: id.clone(),
                        groups: groups.into_iter().collect(),
                    });
                }
                Event::Approve
            }
        };
        let counted = store::vote(&mut transaction, &row.id, by, verdict, now).await?;
        // Who has approved may still think better of it; who has denied cannot be here.
        if !counted && verdict == HumanVerdict::Approve {
            return Err(DecideError::Again {
                id: id.clone(),
                name: by.name.clone(),
            });
        }
        let decided = settle(&mut transaction, id, &row, verdict, now).await?;
        store::note(&mut transaction, &row.id, event, Some(&by.name), now).await?;
        transaction.commit().await?;
        Ok(decided)
    }

    /// Notes that somebody signed in to decide, or that a token was nobody's.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn note_login(&self, name: Option<&str>) -> Result<(), sqlx::Error> {
        let event = if name.is_some() { Event::Login } else { Event::Refused };
        let mut transaction = self.store.begin().await?;
        store::note(&mut transaction, "", event, name, self.now()).await?;
        transaction.commit().await
    }

    /// Ends what nobody decided or used in time, and forgets what was settled long ago.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn tidy(&self) -> Result<(), sqlx::Error> {
        let now = self.now();
        if !self.store.is_due(now).await? {
            return Ok(());
        }
        let mut transaction = self.store.begin().await?;
        store::sweep(&mut transaction, now).await?;
        store::forget(&mut transaction, now).await?;
        transaction.commit().await
    }

    /// What the ledger is to be told, the oldest first.
    pub(crate) async fn happened(&self) -> Result<Vec<Happened>, sqlx::Error> {
        self.store.happened().await
    }

    /// It was told.
    pub(crate) async fn entered(&self, happened: &Happened) -> Result<(), sqlx::Error> {
        self.store.entered(happened.sequence).await
    }

    /// Ends what is over, and tells people elsewhere of what waits, until told to stop.
    pub async fn upkeep(self, stop: CancellationToken) {
        let noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let telling = async {
            if let Some(noticed) = noticed {
                let settings = || self.settings.load_full();
                webhook::send_all(noticed, settings, Arc::clone(&self.clock), stop.clone()).await;
            }
        };
        tokio::join!(telling, self.tidy_often(&stop));
    }

    async fn tidy_often(&self, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_millis(TIDY_EVERY_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, "approvals that are over were not ended");
            }
        }
    }

    /// Finishes what runs and closes the file.
    pub async fn close(&self) {
        self.store.close().await;
    }

    async fn expire(&self, id: &str, now: i64) -> Result<(), sqlx::Error> {
        let mut transaction = self.store.begin().await?;
        if store::expire(&mut transaction, id, now).await? {
            store::note(&mut transaction, id, Event::Expired, None, now).await?;
        }
        transaction.commit().await
    }

    /// Nobody approved what is not what was kept.
    async fn damaged(&self, id: &str, now: i64) -> Result<(), sqlx::Error> {
        tracing::error!(id, "what is kept of an approval is damaged; it counts as expired");
        self.expire(id, now).await
    }

    /// The texts of a row; `None` when they are gone, or anything they are bound to differs.
    fn texts(&self, row: &Row, calls: &[(String, [u8; 32])]) -> Option<Texts> {
        let sealed = row.texts.as_deref()?;
        let plain = self.sealer.open(&row.id, Part::Texts, &row.bound(), sealed)?;
        let texts = texts::read_texts(&plain)?;
        let told = texts.calls.iter().map(|call| (call.tool(), call.digest()));
        let listed = calls.iter().map(|(tool, digest)| (tool.as_str(), *digest));
        told.eq(listed).then_some(texts)
    }

    fn answer(&self, row: &Row, request: [u8; 32]) -> Option<StoredAnswer> {
        let sealed = row.answer.as_deref()?;
        let plain = self.sealer.open(&row.id, Part::Answer, &row.bound(), sealed)?;
        texts::read_answer(&plain, request)
    }

    fn now(&self) -> i64 {
        stored(self.clock.wall().0)
    }
}

/// A number as SQLite keeps it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Moves a hold on once a vote was counted.
async fn settle(
    connection: &mut SqliteConnection,
    id: &ApprovalId,
    row: &Row,
    verdict: HumanVerdict,
    now: i64,
) -> Result<Decided, DecideError> {
    let missing = record::missing(&row.groups(), &store::votes(connection, &row.id).await?);
    match verdict {
        HumanVerdict::Deny if store::deny(connection, &row.id, now).await? => Ok(Decided::Denied),
        // Another transaction cannot have been faster: this one has the lock.
        HumanVerdict::Deny => Err(DecideError::Settled {
            id: id.clone(),
            state: ApprovalState::Expired,
        }),
        HumanVerdict::Approve if missing.is_empty() && store::approve(connection, &row.id, now).await? => {
            Ok(Decided::Approved)
        }
        HumanVerdict::Approve => Ok(Decided::Counted {
            approved: store::approvals(connection, &row.id).await?,
            quorum: u16::try_from(row.quorum).unwrap_or(u16::MAX),
            missing,
        }),
    }
}

/// Whether whoever decides is whoever asked.
fn is_same_person(by: &Decider, row: &Row, texts: &Texts) -> bool {
    let asked = [
        Some(row.key.as_str()),
        Some(texts.principal.as_str()),
        texts.subject.as_deref(),
    ];
    let decides = std::iter::once(&by.name).chain(&by.principals);
    decides
        .into_iter()
        .any(|name| asked.into_iter().flatten().any(|it| it.eq_ignore_ascii_case(name)))
}

/// What makes two holds the same: the request when its answer is kept, otherwise the calls.
fn binding_of(held: &Held, answer: Option<&StoredAnswer>) -> [u8; 32] {
    let digests: Vec<[u8; 32]> = held.calls.iter().map(HeldCall::digest).collect();
    let mut parts: Vec<&[u8]> = vec![
        held.key.as_str().as_bytes(),
        held.route.as_str().as_bytes(),
        &held.policy,
    ];
    match answer {
        Some(answer) => parts.extend([b"request".as_slice(), &answer.request]),
        None => {
            parts.push(b"calls");
            for (call, digest) in held.calls.iter().zip(&digests) {
                parts.extend([call.tool().as_bytes(), digest.as_slice()]);
            }
        }
    }
    if !held.approvers.is_empty() {
        parts.push(b"approvers");
        parts.extend(held.approvers.iter().map(String::as_bytes));
    }
    sha256(&framed(&parts))
}

#[cfg(test)]
mod tests;
