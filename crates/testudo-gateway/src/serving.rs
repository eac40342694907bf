//! Routes that follow an alias of the vault: exchanges go to an upstream that serves the version which the alias means.
//!
//! What is stated in the vault and what upstreams say of themselves is looked at beside the exchanges, every few
//! seconds. [`decide`] makes one choice of it for each route; an exchange only loads that choice. Where nothing was
//! verified, or too long ago, and where no upstream serves what the alias means, nothing is forwarded.

mod alarms;
mod answers;
mod ask;
mod decide;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use testudo_ledger::entry::{Artifact, Chain, Digest};
use testudo_types::{Clock, UpstreamName};
use testudo_vault::vault::{Follower, Standing, VaultName};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::alarms::Alarms;
use self::ask::{AskError, Askers};
use self::decide::{Choice, Known, Said, Stated, Trouble, decide};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::settings::FollowSettings;

pub(crate) use self::ask::Asker;
pub(crate) use self::target::Target;

/// A vault that does not answer for so long is not waited for.
const LOOK_MS_MAX: u64 = 10_000;
/// What an upstream said counts for so many looks.
const SAID_KEEP_LOOKS: u64 = 4;
/// And at least as long as this.
const SAID_KEEP_MS_MIN: u64 = 15_000;

/// What one configuration follows.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) targets: Vec<Arc<Target>>,
    pub(crate) askers: Askers,
    pub(crate) settings: FollowSettings,
}

impl Following {
    fn artifacts(&self) -> BTreeSet<VaultName> {
        self.targets
            .iter()
            .map(|target| target.model.artifact.clone())
            .collect()
    }

    /// Whose statements are believed, where: what was verified under other answers to that is not taken over.
    fn trust(&self) -> String {
        format!("{} {:?}", self.settings.vault.url, self.settings.vault.approvers)
    }

    /// Refuses a state in which an alias that is followed was moved by somebody who might not.
    fn judge(&self, artifact: &VaultName, standing: Arc<Standing>) -> Result<Arc<Standing>, String> {
        let Some(rules) = &self.settings.moves else {
            return Ok(standing);
        };
        let approvers = &self.settings.vault.approvers;
        let followed = self.targets.iter().filter(|it| it.model.artifact == *artifact);
        let mut refused = followed.filter_map(|it| rules.refusal(approvers, artifact, &it.model.alias, &standing));
        refused
            .next()
            .map_or_else(|| Ok(standing.clone()), |refused| Err(refused.to_string()))
    }

    fn said_keep_ms(&self) -> u64 {
        let looks = self.settings.upstreams_every_ms.saturating_mul(SAID_KEEP_LOOKS);
        looks.max(SAID_KEEP_MS_MIN)
    }
}

/// What was learnt so far.
#[derive(Debug, Default)]
struct Memory {
    trust: String,
    stated: BTreeMap<VaultName, Stated>,
    /// How many statements the ledger was told of.
    told: BTreeMap<VaultName, u64>,
    said: BTreeMap<UpstreamName, Said>,
    /// Artifacts that were looked at and upstreams that were asked, whatever came of it.
    looked: BTreeSet<VaultName>,
    asked: BTreeSet<UpstreamName>,
    /// What is wrong beside the choices, and why.
    faults: BTreeMap<Trouble, String>,
}

/// Follows the vault for all routes that ask for it.
#[derive(Debug)]
pub(crate) struct Serving {
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    metrics: Arc<Metrics>,
    /// `None` when no route follows an alias.
    following: ArcSwapOption<Following>,
    changed: Notify,
    memory: Mutex<Memory>,
    alarms: Mutex<Alarms>,
}

impl Serving {
    pub(crate) fn new(clock: Arc<dyn Clock>, ledger: Arc<Ledger>, metrics: Arc<Metrics>) -> Self {
        let alarms = Alarms::new(Arc::clone(&ledger), Arc::clone(&metrics));
        Self {
            clock,
            ledger,
            metrics,
            following: ArcSwapOption::empty(),
            changed: Notify::new(),
            memory: Mutex::default(),
            alarms: Mutex::new(alarms),
        }
    }

    /// Takes a new configuration; what was learnt stays as far as the same people are believed in the same vault and
    /// the same is asked of the same upstreams, so that its routes need not wait for the next look.
    pub(crate) fn follow(&self, following: Option<Arc<Following>>) {
        {
            let before = self.following.load_full();
            let mut memory = self.memory();
            let trust = following.as_ref().map(|it| it.trust()).unwrap_or_default();
            if memory.trust != trust {
                *memory = Memory {
                    trust,
                    ..Memory::default()
                };
            }
            if let Some(following) = &following {
                let artifacts = following.artifacts();
                // Another question may have another answer.
                let is_same = |upstream: &UpstreamName| {
                    let asker = |it: &Following| it.askers.get(upstream).cloned();
                    let (before, now) = (before.as_deref().and_then(asker), asker(following));
                    matches!((before, now), (Some(before), Some(now)) if before.asks_as(&now))
                };
                memory.stated.retain(|artifact, _| artifacts.contains(artifact));
                memory.looked.retain(|artifact| artifacts.contains(artifact));
                memory.said.retain(|upstream, _| is_same(upstream));
                memory.asked.retain(|upstream| is_same(upstream));
                memory.faults.retain(|trouble, _| match trouble {
                    Trouble::Silent(upstream) => is_same(upstream),
                    Trouble::Unreadable(artifact) | Trouble::Unbelieved(artifact) => artifacts.contains(artifact),
                    // These are found anew with each choice.
                    Trouble::Withheld(_) | Trouble::Contradicts(_) | Trouble::Unclear(_) => false,
                });
            }
        }
        self.following.store(following);
        self.decide_all();
        self.changed.notify_waiters();
    }

    /// Looks at everything once, so that a gateway that has just started need not refuse.
    pub(crate) async fn first_look(&self) {
        if let Some(following) = self.following.load_full() {
            let mut follower = follower(&following);
            tokio::join!(self.look(&following, &mut follower), self.ask(&following));
        }
    }

    /// Looks again and again until told to stop.
    pub(crate) async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = async { tokio::join!(self.look_on(), self.ask_on()); } => {}
        }
    }

    async fn look_on(&self) {
        loop {
            let changed = self.changed.notified();
            let Some(following) = self.following.load_full() else {
                changed.await;
                continue;
            };
            let every = Duration::from_millis(following.settings.statements_every_ms);
            let mut follower = follower(&following);
            let on = async {
                loop {
                    self.look(&following, &mut follower).await;
                    tokio::time::sleep(every).await;
                }
            };
            tokio::select! {
                () = changed => {}
                () = on => {}
            }
        }
    }

    async fn ask_on(&self) {
        loop {
            let changed = self.changed.notified();
            let Some(following) = self.following.load_full().filter(|it| !it.askers.is_empty()) else {
                changed.await;
                continue;
            };
            let every = Duration::from_millis(following.settings.upstreams_every_ms);
            let on = async {
                loop {
                    self.ask(&following).await;
                    tokio::time::sleep(every).await;
                }
            };
            tokio::select! {
                () = changed => {}
                () = on => {}
            }
        }
    }

    /// Reads the statements about every artifact.
    async fn look(&self, following: &Following, follower: &mut Result<Follower, String>) {
        for artifact in following.artifacts() {
            let found = match follower {
                Ok(follower) => {
                    let look = follower.look(&artifact);
                    match tokio::time::timeout(Duration::from_millis(LOOK_MS_MAX), look).await {
                        Ok(found) => found
                            .map_err(|error| (error.is_unreadable(), chain(&error)))
                            .and_then(|standing| following.judge(&artifact, standing).map_err(|why| (false, why))),
                        Err(_elapsed) => Err((true, "it does not answer".to_owned())),
                    }
                }
                Err(why) => Err((true, why.clone())),
            };
            let now = self.clock.monotonic();
            let mut memory = self.memory();
            let unreadable = Trouble::Unreadable(artifact.clone());
            let unbelieved = Trouble::Unbelieved(artifact.clone());
            let before = (memory.faults.remove(&unreadable), memory.faults.remove(&unbelieved));
            drop(before);
            memory.looked.insert(artifact.clone());
            match found {
                Ok(standing) => {
                    if let Ok(follower) = follower.as_mut() {
                        self.tell_of(follower, &artifact, &mut memory);
                    }
                    memory.stated.insert(artifact, Stated::of(&standing, now));
                }
                Err((true, why)) => {
                    memory.faults.insert(unreadable, why);
                }
                Err((false, why)) => {
                    memory.faults.insert(unbelieved, why);
                }
            }
        }
        self.decide_all();
    }

    /// Tells the ledger how far the statements have come, so that it knows when the marks of this machine do not.
    fn tell_of(&self, follower: &mut Follower, artifact: &VaultName, memory: &mut Memory) {
        let place = Digest::from_bytes(follower.place());
        let Some(head) = follower.news(artifact) else { return };
        // An entry is in the ledger somewhat later than another reader may begin.
        let told = memory.told.insert(artifact.clone(), head.sequence);
        if told.is_some_and(|told| told >= head.sequence) {
            return;
        }
        let entry = Artifact {
            action: "follow".to_owned(),
            chain: Some(Chain {
                hash: Digest::from_bytes(head.hash),
                place,
                statements: head.sequence,
            }),
            digest: Digest::from_bytes([0; 32]),
            name: Some(artifact.to_string()),
            proof: None,
            version: None,
        };
        self.ledger.note(entry.into());
    }

    /// Asks every upstream that is to say what it serves.
    async fn ask(&self, following: &Following) {
        let asked = following.askers.iter().map(async |(upstream, asker)| {
            let answer = asker.ask().await;
            (upstream.clone(), answer)
        });
        for (upstream, answer) in join_all(asked).await {
            self.hear(upstream, answer);
        }
        self.decide_all();
    }

    fn hear(&self, upstream: UpstreamName, answer: Result<String, AskError>) {
        let at = self.clock.monotonic();
        let mut memory = self.memory();
        let silent = Trouble::Silent(upstream.clone());
        memory.asked.insert(upstream.clone());
        match answer {
            Ok(text) => {
                memory.faults.remove(&silent);
                memory.said.insert(upstream, Said { text, at });
            }
            Err(error) => {
                // It has said something, if not what it was asked.
                if matches!(error, AskError::Unsaid(_) | AskError::Status(_)) {
                    memory.said.remove(&upstream);
                }
                memory.faults.insert(silent, chain(&error));
            }
        }
    }

    /// Makes the choice of every route anew, and tells what has changed.
    fn decide_all(&self) {
        let following = self.following.load_full();
        let memory = self.memory();
        let mut found: BTreeSet<Trouble> = memory.faults.keys().cloned().collect();
        let mut withheld = BTreeMap::new();
        // What nobody has looked at yet is neither wrong nor mended.
        let mut open = BTreeSet::new();
        for target in following.iter().flat_map(|it| &it.targets) {
            let known = Known {
                now: self.clock.monotonic(),
                stated: memory.stated.get(&target.model.artifact),
                said: &memory.said,
                said_keep_ms: following.as_ref().map_or(0, |it| it.said_keep_ms()),
            };
            let (choice, troubles) = decide(&target.model, &target.serves, &known);
            found.extend(troubles);
            if let Choice::Refuse(why) = &choice {
                withheld.insert(Trouble::Withheld(target.route.clone()), why.as_str());
            }
            let askers = following.iter().flat_map(|it| it.askers.keys());
            let mut unasked = askers
                .filter(|it| target.serves.contains_key(*it) && !memory.asked.contains(*it))
                .peekable();
            if unasked.peek().is_some() || !memory.looked.contains(&target.model.artifact) {
                open.insert(Trouble::Withheld(target.route.clone()));
            }
            open.extend(unasked.map(|it| Trouble::Silent(it.clone())));
            self.moved(target, &target.choose(choice.clone()), &choice);
        }
        found.extend(withheld.keys().cloned());
        let why = |trouble: &Trouble| match trouble {
            Trouble::Withheld(_) => withheld.get(trouble).copied().unwrap_or_default().to_owned(),
            Trouble::Contradicts(upstream) | Trouble::Unclear(upstream) => {
                let said = memory.said.get(upstream).map(|it| it.text.as_str());
                format!("it says that it serves `{}`", said.unwrap_or_default().escape_debug())
            }
            other => memory.faults.get(other).cloned().unwrap_or_default(),
        };
        self.alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .now(found, &open, why);
    }

    /// Tells of a route whose exchanges go elsewhere from now on.
    fn moved(&self, target: &Target, before: &Choice, now: &Choice) {
        let Choice::Send(now) = now else { return };
        if matches!(before, Choice::Send(before) if before.upstream == now.upstream && before.version == now.version) {
            return;
        }
        let (artifact, alias) = (&target.model.artifact, &target.model.alias);
        tracing::info!(
            target: "testudo::serving",
            route = target.route.as_str(),
            model = artifact.as_str(),
            alias = alias.as_str(),
            version = now.version.short(),
            upstream = now.upstream.as_str(),
            "the route's model"
        );
        self.metrics
            .toward(Some(&target.route), Some(&now.upstream))
            .model_moved();
        let entry = Artifact {
            action: format!("serve:{alias}"),
            chain: None,
            digest: Digest::from_bytes(*now.version.as_bytes()),
            name: Some(artifact.to_string()),
            proof: None,
            version: Some(now.version.short()),
        };
        self.ledger.note(entry.into());
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader of the vault, or why there is none.
fn follower(following: &Following) -> Result<Follower, String> {
    Follower::new(&following.settings.vault).map_err(|error| chain(&error))
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    // The chain is finite and short; the bound is for an error that names itself as its cause.
    for _ in 0..8 {
        let Some(error) = cause else { break };
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
