//! A route that follows an alias: where its exchanges go at this moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use testudo_types::{Millis, RouteName, UpstreamName};

use super::decide::{Choice, Chosen, Withheld};
use crate::record::Outcome;
use crate::refusal::Refusal;
use crate::settings::{FollowedModel, Serves};
use crate::upstream::UpstreamClient;

/// How soon a refused client may ask again.
const RETRY_S: u64 = 5;

/// One configuration's route with the clients of its upstreams; the choice is replaced whole while it runs.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) route: RouteName,
    pub(crate) model: FollowedModel,
    pub(crate) serves: BTreeMap<UpstreamName, Serves>,
    clients: BTreeMap<UpstreamName, Arc<UpstreamClient>>,
    choice: ArcSwap<Choice>,
}

/// Where one exchange goes.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) client: Arc<UpstreamClient>,
    pub(crate) upstream: UpstreamName,
    /// `ARTIFACT@VERSION`, for the ledger.
    pub(crate) version: String,
}

impl Target {
    pub(crate) fn new(
        route: &RouteName,
        model: &FollowedModel,
        serves: BTreeMap<UpstreamName, Serves>,
        clients: BTreeMap<UpstreamName, Arc<UpstreamClient>>,
    ) -> Self {
        Self {
            route: route.clone(),
            model: model.clone(),
            serves,
            clients,
            choice: ArcSwap::from_pointee(Choice::Refuse(Withheld::Unverified)),
        }
    }

    /// Everything that decides where exchanges go.
    pub(crate) fn lines(&self) -> String {
        let mut lines = self.model.line();
        for (upstream, serves) in &self.serves {
            lines.push_str(upstream.as_str());
            lines.push(' ');
            lines.push_str(&serves.line());
        }
        lines
    }

    /// Where an exchange goes that is forwarded now.
    ///
    /// # Errors
    /// When no upstream is known to serve what the alias means. That a choice ends is seen here too, so that nothing
    /// is forwarded on old knowledge when whoever renews it is stuck.
    pub(crate) fn way(&self, now: Millis) -> Result<Way, Refusal> {
        let choice = self.choice.load();
        let chosen = match &**choice {
            Choice::Refuse(why) => return Err(refusal(*why)),
            Choice::Send(Chosen { until: Some(until), .. }) if now >= *until => return Err(refusal(Withheld::Stale)),
            Choice::Send(chosen) => chosen,
        };
        let client = self.clients.get(&chosen.upstream);
        let client = client.ok_or_else(|| refusal(Withheld::Unserved))?;
        Ok(Way {
            client: Arc::clone(client),
            upstream: chosen.upstream.clone(),
            version: format!("{}@{}", self.model.artifact, chosen.version),
        })
    }

    /// Replaces the choice, and returns the one before.
    pub(crate) fn choose(&self, choice: Choice) -> Arc<Choice> {
        self.choice.swap(Arc::new(choice))
    }
}

fn refusal(why: Withheld) -> Refusal {
    let mut refusal = Refusal::new(Outcome::Refused, 503, "model_unavailable", why.message());
    refusal.because(why.as_str());
    refusal.retry_after(RETRY_S);
    refusal
}
