//! Enters what became of held calls, also what the command line decided while no gateway ran.

use std::sync::Arc;
use std::time::Duration;

use testudo_ledger::entry::{AdminLogin, Approval, ApprovalDecision, Body, Decision, Digest, Hold};
use testudo_recorder::{AppendError, Draft, Level, Recorder, VaultError};
use testudo_types::{Action, Verdict};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::parts::Served;
use crate::approvals::{Approvals, Happened, What};

/// Between two looks at what has happened.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOGIN_METHOD: &str = "token";

/// Enters what has happened, in order, each at least once.
pub(super) struct Entering {
    pub(super) served: Arc<Served>,
    pub(super) recorder: Recorder,
    pub(super) approvals: Approvals,
}

#[derive(Debug, thiserror::Error)]
enum EnterError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the store of approvals cannot be used")]
    Store(#[from] sqlx::Error),
}

impl Entering {
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            self.look().await;
        }
        // What happened just before the end.
        self.look().await;
    }

    async fn look(&self) {
        if let Err(error) = self.enter_all().await {
            tracing::error!(target: "testudo::ledger", %error, "what became of held calls is not entered yet");
        }
    }

    async fn enter_all(&self) -> Result<(), EnterError> {
        for happened in self.approvals.happened().await? {
            for draft in self.drafts(&happened).await? {
                match self.recorder.append(draft, Level::Durable).await {
                    Ok(_receipt) => {}
                    // Never will be, so that what comes after does not wait for it.
                    Err(error @ (AppendError::Invalid(_) | AppendError::Refused { .. })) => {
                        tracing::error!(target: "testudo::ledger", %error, "what became of a held call is not entered");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            self.approvals.entered(&happened).await?;
        }
        Ok(())
    }

    async fn drafts(&self, happened: &Happened) -> Result<Vec<Draft>, EnterError> {
        let vault = self.served.custody.vault();
        let by = happened.by.as_deref();
        if matches!(happened.what, What::Login | What::Refused) {
            let principal = match by {
                Some(name) => Some(vault.principal(None, name).await?),
                None => None,
            };
            let login = AdminLogin {
                method: LOGIN_METHOD.to_owned(),
                success: principal.is_some(),
                principal,
            };
            return Ok(vec![Draft::new(login)]);
        }
        // Forgotten long ago, or not sound.
        let Some(of) = &happened.of else { return Ok(Vec::new()) };
        let bodies: Vec<Body> = match happened.what {
            What::Opened => of
                .calls
                .iter()
                .map(|(tool, digest)| {
                    let hold = Hold {
                        argument_digest: Digest::from_bytes(*digest),
                        exchange: Some(of.exchange.as_str().to_owned()),
                        expires_at: of.expires.0,
                        id: of.id.as_str().to_owned(),
                        policy_digest: Digest::from_bytes(of.policy),
                        tool: tool.clone(),
                    };
                    hold.into()
                })
                .collect(),
            What::Approve | What::Deny => {
                let approval = Approval {
                    approver: vault.principal(None, by.unwrap_or_default()).await?,
                    decision: if happened.what == What::Approve {
                        ApprovalDecision::Approve
                    } else {
                        ApprovalDecision::Deny
                    },
                    hold: of.id.as_str().to_owned(),
                    quorum: of.quorum,
                };
                vec![approval.into()]
            }
            What::Expired => vec![ended(happened, "approval_expired", Action::Block, Verdict::Deny)],
            What::Used => vec![ended(happened, "approval_used", Action::Pass, Verdict::Allow)],
            What::Login | What::Refused => Vec::new(),
        };
        let drafts = bodies.into_iter().map(|body| {
            let mut draft = Draft::new(body);
            draft.tenant = Some(of.tenant.clone());
            // Who asked; who decided stands in the entry.
            draft.principal = Some(of.key.clone());
            draft
        });
        Ok(drafts.collect())
    }
}

fn ended(happened: &Happened, reason: &str, action: Action, verdict: Verdict) -> Body {
    let of = happened.of.as_ref();
    Decision {
        action,
        exchange: of.map(|of| of.exchange.as_str().to_owned()),
        policies: Vec::new(),
        reasons: vec![reason.to_owned()],
        subject: of.map_or_else(String::new, |of| format!("approval:{}", of.id)),
        verdict,
    }
    .into()
}
