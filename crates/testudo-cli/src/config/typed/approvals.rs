//! Approvals as typed.

use super::super::document::{At, Section};
use super::super::problem::Problems;
use super::super::quantity::{NotThis, count, deadline_ms};
use super::{SecretSource, secret};

/// `[approvals]`.
#[derive(Debug, Default)]
pub(crate) struct Approvals {
    pub(crate) expires_ms: Option<At<u64>>,
    pub(crate) use_within_ms: Option<At<u64>>,
    pub(crate) quorum: Option<At<u64>>,
    pub(crate) page: Option<At<String>>,
    pub(crate) approvers: Vec<Approver>,
    pub(crate) webhook: Option<Webhook>,
}

/// One of `[[approvals.approver]]`.
#[derive(Debug)]
pub(crate) struct Approver {
    pub(crate) name: Option<At<String>>,
    pub(crate) token: Option<At<SecretSource>>,
    pub(crate) uid: Option<At<u64>>,
    pub(crate) principals: Vec<At<String>>,
    pub(crate) groups: Vec<At<String>>,
}

/// `[approvals.webhook]`.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) line: usize,
    pub(crate) url: Option<At<String>>,
    pub(crate) secret: Option<At<SecretSource>>,
    pub(crate) allow_private: Option<At<bool>>,
}

pub(super) fn approvals(mut section: Section<'_>, problems: &mut Problems) -> Approvals {
    let approvals = Approvals {
        expires_ms: section.quantity("expires", deadline_ms, problems),
        use_within_ms: section.quantity("use_within", deadline_ms, problems),
        quorum: section.quantity("quorum", count, problems),
        page: section.text("page", problems),
        approvers: section
            .tables("approver", problems)
            .into_iter()
            .map(|table| approver(table, problems))
            .collect(),
        webhook: section
            .section("webhook", problems)
            .map(|section| webhook(section, problems)),
    };
    section.finish(problems);
    approvals
}

fn approver(mut section: Section<'_>, problems: &mut Problems) -> Approver {
    section.require("name", "\"ana\"", problems);
    let approver = Approver {
        name: section.text("name", problems),
        token: secret(&mut section, "token", problems),
        uid: section.quantity("uid", user, problems),
        principals: section.texts("principals", problems),
        groups: section.texts("groups", problems),
    };
    section.finish(problems);
    approver
}

fn user(text: &str) -> Result<u64, NotThis> {
    let number: Result<u32, _> = text.parse();
    number
        .map(u64::from)
        .map_err(|_| NotThis("write the number that `id -u` prints"))
}

fn webhook(mut section: Section<'_>, problems: &mut Problems) -> Webhook {
    section.require("url", "\"https://hooks.example.com/…\"", problems);
    section.require("secret", "{ env = \"NAME\" }", problems);
    let webhook = Webhook {
        line: section.line,
        url: section.text("url", problems),
        secret: secret(&mut section, "secret", problems),
        allow_private: section.flag("allow_private", problems),
    };
    section.finish(problems);
    webhook
}
